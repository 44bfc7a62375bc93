"""All tables of the system in one place, gathered from the registries of the layers."""

from __future__ import annotations

from functools import cache

from imbalance.contracts import Table
from imbalance.errors import UserError, nearest

LAYERS = ("raw", "book", "features", "studies")


@cache
def tables() -> dict[str, Table]:
    """Every declared table by name, in the order of the data's way."""
    from imbalance.books import tables as book
    from imbalance.captures import tables as raw
    from imbalance.features import tables as features
    from imbalance.studies import tables as studies

    return {
        table.name: table
        for module in (raw, book, features, studies)
        for table in module.TABLES
    }


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
