"""Trades as the orders that met: fills of a bid and of an ask of the same size, told together.

A feed of single orders that names no aggressor shows it all the same: of the two orders that were
filled, the one that was there first was the maker. The rules are those of obAnalytics (Stubbs
2016). Nothing is read or written here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

WITHIN = 5_000_000_000
"""Nanoseconds within which the two sides of a trade are told."""

UNITS = 1e8
"""Sizes are compared in hundred millionths."""

_ACTIONS = {"snapshot": 0, "add": 0, "change": 1, "delete": 2}


@dataclass(frozen=True)
class Events:
    """Events of orders, (n,) each, sorted by order and within it by falling size.

    Parameters
    ----------
    order : number of the order: its id where that is a number, else its rank of appearance.
    time : when it was known, ns; within an order never falling.
    price : of the order.
    size : what is left of it, in `1/UNITS`.
    action : 0 add, 1 change, 2 delete.
    bid : whether it is a bid.
    filled : what was taken off it since its event before, 0 where its price was changed.
    """

    order: Any
    time: Any
    price: Any
    size: Any
    action: Any
    bid: Any
    filled: Any

    def __len__(self) -> int:
        return len(self.order)


@dataclass(frozen=True)
class Met:
    """Pairs of orders that traded, (n,) each, in the order of time.

    `side` is 0 where the aggressor bought, 1 where it sold; `known` is when both were told, ns.
    """

    time: Any
    known: Any
    price: Any
    size: Any
    side: Any
    maker: Any
    taker: Any


def events_of(orders: pa.Table) -> Events:
    """Events of one instrument from rows of raw.orders, each told once; fills of orders that no
    size is left of tell none, and are left out.
    """
    known = [action in _ACTIONS for action in orders.column("action").to_pylist()]
    orders = orders.filter(pa.array(known, pa.bool_()))
    action = np.array([_ACTIONS[a] for a in orders.column("action").to_pylist()], np.int64)
    order = _numbers(orders.column("order_key").to_pylist())
    size = np.rint(orders.column("size").to_numpy() * UNITS).astype(np.int64)
    price = orders.column("price").to_numpy(zero_copy_only=False)
    time = orders.column("available_at").cast(pa.int64()).to_numpy()
    _, first = np.unique(
        np.column_stack([order, np.rint(np.nan_to_num(price) * UNITS), size, action]), axis=0,
        return_index=True,
    )
    kept = np.sort(first)
    kept = kept[np.lexsort((action[kept], -size[kept], order[kept]))]
    order, size, price = order[kept], size[kept], price[kept]
    bid = np.array(orders.column("book_side").to_pylist())[kept] == "bid"
    time = time[kept][np.lexsort((time[kept], order))]
    same = np.concatenate([[False], order[1:] == order[:-1]])
    filled = np.abs(np.diff(size, prepend=size[:1]))
    moved = np.concatenate([[False], price[1:] != price[:-1]])
    filled[~same | moved] = 0
    return Events(order, time, price, size, action[kept], bid, filled)


def _numbers(keys: list[str]) -> Any:
    if all(key.isdecimal() and len(key) < 16 for key in keys):
        return np.array([int(key) for key in keys], np.int64)
    rank: dict[str, int] = {}
    return np.array([rank.setdefault(key, len(rank)) for key in keys], np.int64)


def pairs(events: Events, within: int = WITHIN) -> tuple[Any, Any]:
    """Fills of bids and of asks that belong together: indices of events, (n,) each.

    Of one size, each bid takes the nearest ask in time. Where two would take the same, the sizes'
    bids and asks are aligned in order instead: as many pairs as there can be, the latest of those
    that are equal.
    """
    groups: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    some = np.flatnonzero(events.filled)
    for index in some[np.argsort(events.time[some], kind="stable")].tolist():
        groups[int(events.filled[index])][0 if events.bid[index] else 1].append(index)
    found: list[tuple[int, int]] = []
    for bids, asks in groups.values():
        if bids and asks:
            found += _paired(events.time, bids, asks, within)
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    bid, ask = np.array(found, np.int64).T
    return bid, ask


def _paired(time: Any, bids: list[int], asks: list[int], within: int) -> list[tuple[int, int]]:
    apart = np.abs(time[bids][:, None] - time[asks][None, :])
    nearest = apart.argmin(axis=1)
    near = np.flatnonzero(apart.min(axis=1) <= within)
    if len(set(nearest[near].tolist())) == len(near):
        return [(bids[k], asks[nearest[k]]) for k in near.tolist()]
    return [(bids[i], asks[j]) for i, j in _aligned(apart <= within)]


def _aligned(near: Any) -> list[tuple[int, int]]:
    """Most pairs (i, j) of near ones with both rising (Needleman and Wunsch without penalties)."""
    n, m = near.shape
    best = np.zeros((n + 1, m + 1), np.int64)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            met = best[i - 1, j - 1] + 1 if near[i - 1, j - 1] else 0
            best[i, j] = max(best[i - 1, j], best[i, j - 1], met)
    found = []
    i, j = n, m
    while i and j:
        if near[i - 1, j - 1] and best[i, j] == best[i - 1, j - 1] + 1:
            found.append((i - 1, j - 1))
            i, j = i - 1, j - 1
        elif best[i, j] == best[i - 1, j]:
            i -= 1
        else:
            j -= 1
    return found


def trades_of(events: Events, bid: Any, ask: Any) -> Met:
    """The trades of pairs: at the maker's price, when the first of the two was told."""
    bid_first = events.order[bid] < events.order[ask]
    maker, taker = np.where(bid_first, bid, ask), np.where(bid_first, ask, bid)
    time = np.minimum(events.time[bid], events.time[ask])
    order = np.argsort(time, kind="stable")
    maker, taker = maker[order], taker[order]
    return Met(
        time[order], np.maximum(events.time[maker], events.time[taker]), events.price[maker],
        events.filled[maker], np.where(bid_first, 1, 0)[order], events.order[maker],
        events.order[taker],
    )  # fmt: skip
