"""edgeX's books: the header lists bids then asks, the values take turns, level by level.

Not every file need be so: one may be as its header says. Which it is, is told of each row by that
row alone, so that it does not matter where a file is cut, what stands about, or how far it has
grown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from imbalance.captures.frames import Frame
from imbalance.captures.layouts import making
from imbalance.captures.rows import Tables
from imbalance.captures.tabular import Table

_PRICE = re.compile(r"^(bid|ask)_\d+_price$")


def books(frame: Frame, table: Table) -> Tables:
    """A row is the whole visible book, in the one order of columns in which it is a book.

    Bids fall and asks rise from the best level on. Values of alternating sides rise from the first
    to the second and those of one side fall, so that a row of some levels is in order in one way
    only. One which is in both, or in none, is quarantined: a crossed book of few levels is taken
    for no other.
    """
    prices = [name for name in frame.columns
              if _PRICE.match(name) and _size_of(name) in frame.columns]  # fmt: skip
    sizes = [_size_of(name) for name in prices]
    named = [name.startswith("ask") for name in prices]
    turns = [place % 2 == 1 for place in range(len(prices))]
    price, size = making.levels(frame, prices, sizes)
    by_turns, by_name = _in_order(price, turns), _in_order(price, named)
    # values that are of the same side either way make the same book
    told = np.isnan(price[:, np.not_equal(turns, named)]).all(axis=1) | (by_turns != by_name)
    for row in np.flatnonzero(~told & frame.good).tolist():
        ways = "both" if by_name[row] else "neither"
        frame.bad[row] = (
            "order_of_columns_not_told",
            f"bids fall and asks rise with {ways} of the two orders of its columns",
        )
    ask = np.where(by_turns[:, None], turns, named)
    sides = [np.where(ask == code, values, np.nan) for code in (0, 1) for values in (price, size)]
    return making.image_rows(
        frame, table, table.instruments(frame), sides, receive=frame.time("timestamp", "s"),
        exchange=None,
    )


def _size_of(price: str) -> str:
    return price.removesuffix("price") + "size"


def _in_order(price: Any, ask: Sequence[bool]) -> Any:
    """Whether bids fall and asks rise, (n,), where columns are asks or not."""
    of_asks = np.array(ask)
    found = np.ones(len(price), bool)
    for rising in (-price[:, ~of_asks], price[:, of_asks]):
        before = np.fmax.accumulate(rising, axis=1)[:, :-1]
        found &= ~(rising[:, 1:] <= before).any(axis=1)
    return found
