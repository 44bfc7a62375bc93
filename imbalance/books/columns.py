"""Kinds of column of the book layer, with what null means for each. Their use is in `tables.py`."""

from __future__ import annotations

from imbalance.contracts import Column


def state_column(name: str, what: str, unit: str, **more: object) -> Column:
    """A value at the end of the bar."""
    return Column(
        name,
        "DOUBLE",
        what,
        unit=unit,
        nullable=True,
        null_meaning="no valid book with both sides at the bar's end",
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
        null_meaning="no such part",
        owner="books",
        **more,  # type: ignore[arg-type]
    )


def flow_column(name: str, what: str, unit: str, **more: object) -> Column:
    """A sum over the events of the bar, null where the bar is poisoned."""
    return Column(
        name,
        "DOUBLE",
        what,
        unit=unit,
        nullable=True,
        null_meaning="the bar is poisoned",
        owner="books",
        **more,  # type: ignore[arg-type]
    )


def count_column(name: str, what: str) -> Column:
    """A number of things within the bar or interval."""
    return Column(name, "BIGINT", what, unit="count", minimum=0, owner="books")
