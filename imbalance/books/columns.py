"""Kinds of column of the book layer, with what null means for each. Their use is in `tables.py`."""

from __future__ import annotations

from imbalance.captures.event_tables import NO_CONTRACT_SIZE
from imbalance.contracts import Column

_OF_SIZES = ("base units", "fraction")
"""Units of what is made of sizes in base units."""


def state_column(
    name: str,
    what: str,
    unit: str,
    *,
    null_meaning: str = "no valid book with both sides at the bar's end",
    **more: object,
) -> Column:
    """A value at the end of the bar, or an extreme within it."""
    return Column(
        name,
        "DOUBLE",
        what,
        unit=unit,
        nullable=True,
        null_meaning=of_sizes(null_meaning, unit),
        owner="books",
        **more,  # type: ignore[arg-type]
    )


def mean_column(name: str, what: str, unit: str, **more: object) -> Column:
    """A time-weighted mean over the bar."""
    return Column(
        name,
        "DOUBLE",
        what + ", time-weighted over the part of the bar with a valid, uncrossed book",
        unit=unit,
        nullable=True,
        null_meaning=of_sizes("no such part", unit),
        owner="books",
        **more,  # type: ignore[arg-type]
    )


def flow_column(
    name: str, what: str, unit: str, *, null_meaning: str = "the bar is poisoned", **more: object
) -> Column:
    """A sum over the events of the bar, null where the bar is poisoned."""
    return Column(
        name,
        "DOUBLE",
        what,
        unit=unit,
        nullable=True,
        null_meaning=of_sizes(null_meaning, unit),
        owner="books",
        **more,  # type: ignore[arg-type]
    )


def count_column(name: str, what: str) -> Column:
    """A number of things within the bar or interval."""
    return Column(name, "BIGINT", what, unit="count", minimum=0, owner="books")



def of_sizes(null_meaning: str, unit: str) -> str:
    """What null means, with what it means of sizes where the column is made of them."""
    return or_unsized(null_meaning) if unit in _OF_SIZES else null_meaning


def or_unsized(null_meaning: str) -> str:
    """What null means of what is made of sizes."""
    return f"{null_meaning}, or {NO_CONTRACT_SIZE}"
