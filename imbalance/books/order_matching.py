"""Trades as the orders that met: fills of a bid and of an ask of the same size, told together.

A feed of single orders that names no aggressor shows it all the same: of the two orders that were
filled, the one that was there first was the maker. The rules are those of obAnalytics (Stubbs
2016). Nothing is read or written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.kernels import jit

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

    Fills of one size are cut into clusters wherever neighbours in time are more than `within`
    apart: what happens later in the day tells nothing of those before. Of a cluster, each bid takes
    the nearest ask in time. Where two would take the same, its bids and asks are aligned in order
    instead: as many pairs as there can be, the latest of those that are equal.
    """
    fills, starts, ends = _clusters(events, within)
    bid, ask = _match(events.time[fills], events.bid[fills], starts, ends, within)
    return fills[bid], fills[ask]


def clusters(events: Events, within: int = WITHIN) -> tuple[Any, Any, Any]:
    """Size (in `1/UNITS`), first and last time of the clusters of fills that may hold a pair. What
    belongs together in one is settled when `within` has passed after its last fill.
    """
    fills, starts, ends = _clusters(events, within)
    time = events.time[fills]
    return events.filled[fills[starts]], time[starts], time[ends - 1]


def _clusters(events: Events, within: int) -> tuple[Any, Any, Any]:
    """Fills by size and time, and where among them each cluster with both sides begins and ends."""
    some = np.flatnonzero(events.filled)
    fills = some[np.lexsort((events.time[some], events.filled[some]))]
    apart = (np.diff(events.filled[fills]) != 0) | (np.diff(events.time[fills]) > within)
    cuts = np.flatnonzero(apart) + 1
    starts = np.concatenate([np.zeros(min(len(fills), 1), np.int64), cuts])
    ends = np.append(starts[1:], len(fills))[: len(starts)]
    asks = np.cumsum(np.append(0, ~events.bid[fills]))
    asks = asks[ends] - asks[starts]
    both = (asks > 0) & (asks < ends - starts)
    return fills, starts[both], ends[both]


@jit
def _match(
    time: Any, is_bid: Any, starts: Any, ends: Any, within: int
) -> tuple[Any, Any]:
    """Places of the bids and asks that belong together, cluster by cluster."""
    # what is found; and of one cluster: its bids, its asks, of each bid the ask it takes or whether
    # it has one, and asks that are taken
    found = np.empty((2, len(time)), np.int64)
    bids, asks = np.empty(len(time), np.int64), np.empty(len(time), np.int64)
    nearest = np.empty(len(time), np.int64)
    taken = np.zeros(len(time), np.bool_)
    count = 0
    for c in range(len(starts)):
        n, m = 0, 0
        for k in range(starts[c], ends[c]):
            if is_bid[k]:
                bids[n] = k
                n += 1
            else:
                asks[m] = k
                taken[m] = False
                m += 1
        if _nearest(time, bids[:n], asks[:m], nearest, taken, within):
            for i in range(n):
                if nearest[i] >= 0:
                    found[0, count], found[1, count] = bids[i], asks[nearest[i]]
                    count += 1
        else:
            count = _align(time, bids[:n], asks[:m], nearest, within, found, count)
    return found[0, :count], found[1, :count]


@jit
def _nearest(
    time: Any, bids: Any, asks: Any, nearest: Any, taken: Any, within: int
) -> bool:
    """The first of the nearest asks of each bid, −1 where none is near; False when two would take
    the same.
    """
    after, before = 0, 0  # the first ask not before the bid; the first of the time before that
    for i in range(len(bids)):
        now = time[bids[i]]
        while after < len(asks) and time[asks[after]] < now:
            if time[asks[after]] != time[asks[before]]:
                before = after
            after += 1
        best = -1
        if after > 0 and now - time[asks[before]] <= within:
            best = before
        if after < len(asks) and time[asks[after]] - now <= within and (
            best < 0 or time[asks[after]] - now < now - time[asks[before]]
        ):
            best = after
        nearest[i] = best
        if best >= 0:
            if taken[best]:
                return False
            taken[best] = True
    return True


@jit
def _align(
    time: Any, bids: Any, asks: Any, adds: Any, within: int, found: Any, count: int
) -> int:
    """Most pairs of near ones with both rising, as Needleman and Wunsch have them without
    penalties, traced back from the end; without their matrix. As the asks near a bid are an
    interval that moves on with it, the most that the bids so far can have is what they have when
    each takes the first that is left.
    """
    j = 0
    for i in range(len(bids)):
        while j < len(asks) and time[asks[j]] < time[bids[i]] - within:
            j += 1
        adds[i] = j < len(asks) and time[asks[j]] - time[bids[i]] <= within
        j += adds[i]
    i, j = len(bids) - 1, len(asks) - 1
    while i >= 0 and j >= 0:
        later = time[asks[j]] - time[bids[i]]
        if abs(later) <= within:
            found[0, count], found[1, count] = bids[i], asks[j]
            count += 1
            i, j = i - 1, j - 1
        elif later < 0 or not adds[i]:
            # the ask is too early for it, or without it there are as many
            i -= 1
        else:
            j -= 1
    return count


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
