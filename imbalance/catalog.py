"""All tables of the system in one place, gathered from the registries of the layers."""

from __future__ import annotations

from functools import cache

from imbalance.contracts import Column, Table
from imbalance.errors import UserError, nearest

LAYERS = ("raw", "book", "features", "studies")


@cache
def tables() -> dict[str, Table]:
    """Every declared table by name, in the order of the data's way."""
    from imbalance.books import tables as book
    from imbalance.captures import tables as raw
    from imbalance.features import activity_tables as activity
    from imbalance.features import derivative_tables as derivatives
    from imbalance.features import tables as features
    from imbalance.studies import tables as studies

    return {
        table.name: table
        for module in (raw, book, features, activity, derivatives, studies)
        for table in module.TABLES
    }


VIEW_OF = {"raw.book_levels": "raw.book_updates"}
"""Views of tables which sessions have besides: they are asked like tables and stored nowhere."""


@cache
def views() -> dict[str, Table]:
    """Those views, declared like tables."""
    updates = tables()["raw.book_updates"]
    same = ("instrument", "kind", "last_update_id", "event_time", "available_at")
    origin = ("capture_id", "line")
    levels = Table(
        name="raw.book_levels",
        description="Book messages with a row per price level, in the order sent: a view of "
        "raw.book_updates.",
        grain="price level of a message",
        partitioning=updates.partitioning,
        key=(*updates.key, "side", "position"),
        columns=(
            *map(updates.column, same),
            Column("side", "VARCHAR", "Side of the book.", allowed=("bid", "ask"),
                   owner="captures"),
            Column("position", "BIGINT", "Place among the message's levels of the side, from 1.",
                   minimum=1, owner="captures"),
            Column("price", "DOUBLE", "Price of the level.", unit="quote currency",
                   owner="captures"),
            Column("size", "DOUBLE", "New size at the price; 0 removes.",
                   unit="venue's size unit", minimum=0, owner="captures"),
            *map(updates.column, origin),
        ),
    )
    return {levels.name: levels}


def table(name: str) -> Table:
    """The table of that name.

    Raises
    ------
    UserError
        If there is none; names the nearest.
    """
    found = tables().get(name)
    if found is None:
        close = nearest(name, list(tables()))
        raise UserError(
            f"there is no table {name!r}" + (f"; did you mean {close!r}?" if close else ""),
            allowed=", ".join(tables()),
            fix="imbalance tables",
        )
    return found
