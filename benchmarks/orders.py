"""`make benchmark-orders`: a book from a feed of single orders beside the same book from levels.

One market is told twice, as events that a venue's decoder hands on. To the one feed each event is
what became of an order, by its name; to the other it is the new size of each level that the event
touched. From there on both go the way of a build: events are gathered into rows of the raw tables,
and books are rebuilt from those of the book, which are the same from both. An event of an order has
to cost no more than an update of levels, its look-ups and its row in `raw.orders` included.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import imbalance  # noqa: F401 - before Arrow, as in the commands: it says how memory is kept

# isort: split
import numpy as np
import pyarrow as pa

from benchmarks.measure import Cost, Stopwatch
from imbalance.books.build import by_instrument, messages_of
from imbalance.books.rebuild import BookBuilder, Rules
from imbalance.captures.clocks import Clocks
from imbalance.captures.events import BookUpdate, Event, OrderUpdate
from imbalance.captures.gathering import Gathering
from imbalance.captures.order_levels import (
    ACTIONS,
    BOOK_SIDES,
    Changes,
    OrderBooks,
    Orders,
    names_of,
)
from imbalance.captures.rows import Rows

ROUNDS = 5
BLOCK = 1 << 12
"""Events that are gathered together: lines of about a megabyte, as a capture is decoded."""

LINES = 1 << 8
"""Lines whose events are added together: soon after they were made, as by a decoder."""

BATCH = 1 << 14
"""Rows that a rebuild takes at a time, as the book layer reads them."""

GOAL = 1.0
"""What an update of levels should cost at least, in events of orders."""

GOAL_OF_COLUMNS = 0.7
"""The same where both are columns from the start: what the look-ups may cost besides."""

Told = Iterator[tuple[int, int, list[Event]]]
"""Of each line its number, the time in ns and its events."""

_ACTION_WORDS, _SIDE_WORDS = tuple(ACTIONS), tuple(BOOK_SIDES)


@dataclass(frozen=True)
class Market:
    """Events of orders in blocks, with the texts that name them; times in ns."""

    blocks: list[tuple[Orders, pa.StringArray, Any]]
    events: int


@dataclass(frozen=True)
class Costs:
    """What rows of the raw tables cost that are made of a feed's events, and books of those."""

    rows: Cost
    books: Cost


def market(orders: int, seed: int = 1) -> Market:
    """Orders that are placed, filled in part, and taken away; the first thousand rest before."""
    generator = np.random.default_rng(seed)
    start = np.sort(generator.random(orders))
    start[:1000] = 0.0
    life = generator.exponential(5_000.0 / orders, orders)
    side = generator.integers(0, 2, orders)
    away = generator.geometric(0.05, orders)
    price = np.where(side == 0, 10_000 - away, 10_000 + away) / 100.0
    size = np.rint(generator.lognormal(0.0, 1.0, orders) * 1000.0 + 2.0) / 1000.0
    moment = np.concatenate([start, start + 0.5 * life, start + life])
    order = np.argsort(moment, kind="stable")
    which, what = order % orders, order // orders
    action = np.array([ACTIONS["add"], ACTIONS["reduce"], ACTIONS["delete"]])[what]
    action[:1000] = ACTIONS["snapshot"]
    line = np.maximum(np.arange(len(order)) - 999, 0)
    left = np.where(what == 1, np.rint(size[which] * 500.0) / 1000.0, size[which])
    keys = pa.array(generator.permutation(10**9 + np.arange(orders))).cast(pa.string())
    texts = keys.take(pa.array(which))
    blocks = []
    # the opening book is one message: it ends within a block
    for at in range(0, len(order), BLOCK):
        rows = slice(at, at + BLOCK)
        blocks.append((
            Orders(np.zeros(len(line[rows]), np.int32), line[rows], action[rows],
                   side[which][rows], np.empty((0, 2), np.uint64), price[which][rows], left[rows]),
            texts[rows], 1_700_000_000_000_000_000 + line[rows] * 1_000_000,
        ))  # fmt: skip
    return Market(blocks, len(order))


def as_orders(one: Market) -> Iterator[Told]:
    """The market as a feed of single orders tells it, block by block."""
    for orders, texts, moment in one.blocks:
        columns = (orders.line, moment, orders.action, orders.side, orders.price, orders.size)
        rows = zip(*(column.tolist() for column in columns), texts.to_pylist(), strict=True)
        yield ((line, time_ns, [_order_update(*row) for row in of_line])
               for (line, time_ns), of_line in groupby(rows, itemgetter(0, 1)))  # fmt: skip


def _order_update(
    line: int, time_ns: int, action: int, side: int, price: float, size: float, key: str
) -> OrderUpdate:
    return OrderUpdate(
        symbol="ORDERS", action=_ACTION_WORDS[action], order_key=key, book_side=_SIDE_WORDS[side],
        price=price, size=size, sequence=line, previous_sequence=line - 1 if line else None,
        exchange_time=time_ns,
    )  # fmt: skip


def as_levels(one: Market, mapping: Stopwatch) -> Iterator[Told]:
    """The market as a feed of levels tells it; what it takes to find them is measured."""
    books = OrderBooks()
    for orders, texts, moment in one.blocks:
        with mapping:
            changes = books.take(Orders(
                orders.instrument, orders.line, orders.action, orders.side, names_of(texts),
                orders.price, orders.size,
            ))  # fmt: skip
        yield _level_updates(changes, orders.line[changes.last], moment[changes.last])


def _level_updates(changes: Changes, lines: Any, moments: Any) -> Told:
    bids, asks = (offsets.tolist() for offsets in changes.offsets)
    bid_prices, bid_sizes, ask_prices, ask_sizes = changes.levels
    for k, (line, time_ns) in enumerate(zip(lines.tolist(), moments.tolist(), strict=True)):
        bid, ask = slice(bids[k], bids[k + 1]), slice(asks[k], asks[k + 1])
        yield line, time_ns, [BookUpdate(
            symbol="ORDERS", kind="snapshot" if changes.opening[k] else "diff",
            bids=(bid_prices[bid].tolist(), bid_sizes[bid].tolist()),
            asks=(ask_prices[ask].tolist(), ask_sizes[ask].tolist()),
            last_id=line, previous_id=line - 1 if line else None, exchange_time=time_ns,
        )]  # fmt: skip


def build(
    one: Market, feed: Callable[[Market], Iterator[Told]]
) -> tuple[Costs, dict[str, pa.Table]]:
    """Costs of a feed, and the tables that it ends in."""
    rows, books = Stopwatch(time.thread_time), Stopwatch(time.thread_time)
    gathering = Gathering(Rows("0" * 16, ["simulated:ORDERS"], {}), Clocks(), lambda *_: 0)
    updates: list[pa.Table] = []
    for told in feed(one):
        while lines := list(islice(told, LINES)):
            with rows:
                for line, received, events in lines:
                    gathering.add(line, received, events)
        with rows:
            updates.append(gathering.take()["raw.book_updates"][1])
    stored = pa.concat_tables(updates).unify_dictionaries().combine_chunks()
    made: dict[str, list[pa.Table]] = {}
    with books:
        builder = BookBuilder(
            "simulated:ORDERS", Rules(),
            lambda table, some: made.setdefault(table, []).append(some),
        )  # fmt: skip
        for batch in stored.to_batches(max_chunksize=BATCH):
            for _, mine in by_instrument(batch):
                builder.feed(messages_of(mine))
                builder.take_proofs()
        builder.finish(int(one.blocks[-1][2][-1]))
    tables = {table: pa.concat_tables(some) for table, some in made.items()}
    return Costs(rows.cost, books.cost), tables


def compare(one: Market, rounds: int = ROUNDS) -> tuple[dict[str, float], int]:
    """Least ns of CPU that an event costs, in turn, and the states of the book there are.

    Of each feed (`levels`, `orders`) what its rows cost and what its books; of `mapping` what it
    takes to know levels of orders, a part of the rows of those.
    """
    found: list[dict[str, float]] = []
    for _ in range(rounds + 1):
        mapping = Stopwatch(time.thread_time)
        levels, books = build(one, lambda one, mapping=mapping: as_levels(one, mapping))
        orders, other = build(one, as_orders)
        if books != other:
            raise SystemExit("the two feeds tell of different books")
        costs = {"levels_rows": levels.rows, "levels_books": levels.books,
                 "orders_rows": orders.rows, "orders_books": orders.books,
                 "mapping": mapping.cost}  # fmt: skip
        found.append({name: cost.cpu / one.events * 1e9 for name, cost in costs.items()})
    least = {name: min(costs[name] for costs in found[1:]) for name in found[0]}
    return least, len(books["book.book_states"])


def main() -> None:
    """Print what an event costs and the ratio, or JSON; exit 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--orders", type=int, default=100_000, help="orders of the market")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    arguments = parser.parse_args()
    one = market(arguments.orders)
    cost, states = compare(one)
    levels, orders = (cost[f"{feed}_rows"] + cost[f"{feed}_books"] for feed in ("levels", "orders"))
    ratio = levels / orders
    # what is left of the ratio where events are columns from the start
    columns = cost["levels_books"] / (cost["levels_books"] + cost["mapping"])
    if arguments.json:
        print(json.dumps({
            "events": one.events, "states": states, "nanoseconds": cost,
            "per_second": {"levels": 1e9 / levels, "orders": 1e9 / orders},
            "ratio": ratio, "goal": GOAL, "ratio_of_columns": columns,
            "goal_of_columns": GOAL_OF_COLUMNS,
        }, indent=2))  # fmt: skip
    else:
        print(f"load before: {os.getloadavg()[0]:.1f}; the least CPU of {ROUNDS} rounds in turn\n")
        print(f"{one.events:,} events to {states:,} book states")
        for feed, total in (("levels", levels), ("orders", orders)):
            print(f"  from {feed}  {1e3 / total:5.2f} M events/s: {cost[feed + '_rows']:.0f} ns an"
                  f" event to rows, {cost[feed + '_books']:.0f} ns to books")
        print(f"  orders are {ratio:.2f} times as fast (goal {GOAL:g})"
              f"{'' if ratio >= GOAL else '  MISSED'}")
        print(f"  orders to levels alone: {cost['mapping']:.0f} ns; to them and to books"
              f" {columns:.2f} times as fast as levels to books (goal {GOAL_OF_COLUMNS:g})"
              f"{'' if columns >= GOAL_OF_COLUMNS else '  MISSED'}")
    sys.exit(0 if ratio >= GOAL and columns >= GOAL_OF_COLUMNS else 1)


if __name__ == "__main__":
    main()
