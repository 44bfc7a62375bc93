"""`make benchmark-orders`: a book from a feed of single orders beside the same book from levels.

One market is told twice. To the one rebuild each event is what became of an order, by its name; to
the other it is the new size of each level that the event touched. Both end in the same states,
bars and health, and are held to: an event of an order costs what an update of levels costs, and the
look-ups of the order and of its level on top.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

import imbalance  # noqa: F401 - before Arrow, as in the commands: it says how memory is kept

# isort: split
import numpy as np
import pyarrow as pa

from benchmarks.measure import Cost, Stopwatch
from imbalance.books.rebuild import BookBuilder, Rules
from imbalance.books.state import Messages
from imbalance.captures.order_levels import ACTIONS, Changes, OrderLevels, Orders, names_of
from imbalance.captures.rows import BOOK_KINDS

ROUNDS = 5
BLOCK = 1 << 15
"""Events that are handed on together, as blocks of a capture are."""

GOAL = 1.0
"""What an update of levels should cost at least, in events of orders."""


@dataclass(frozen=True)
class Market:
    """Events of orders in blocks, with the texts that name them; times in ns."""

    blocks: list[tuple[Orders, pa.StringArray, Any]]
    events: int


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


def changes_of(book: OrderLevels, block: tuple[Orders, pa.StringArray, Any]) -> Changes:
    """What a block of orders changes, names read from their texts."""
    told, texts, _ = block
    return book.take(Orders(told.instrument, told.line, told.action, told.side, names_of(texts),
                            told.price, told.size))


def messages_of(changes: Changes, line: Any, moment: Any) -> Messages:
    """Changes of levels as a rebuild takes them."""
    last = line[changes.last]
    kind = np.where(changes.opening, BOOK_KINDS.index("snapshot"), BOOK_KINDS.index("diff"))
    bids, asks = changes.offsets
    return Messages(
        kind.astype(np.uint8), np.stack([last, last, last - 1], axis=1),
        moment[changes.first], moment[changes.first], bids.astype(np.int32),
        asks.astype(np.int32), *changes.levels,
    )


class _Rebuild:
    """A rebuild whose rows are counted and let go."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self._builder = BookBuilder("simulated:ORDERS", Rules(), self._take)

    def feed(self, messages: Messages) -> None:
        self._builder.feed(messages)
        self._builder.take_proofs()

    def finish(self, until: int) -> dict[str, int]:
        """Rows by table."""
        self._builder.finish(until)
        return self.rows

    def _take(self, table: str, rows: pa.Table) -> None:
        self.rows[table] = self.rows.get(table, 0) + len(rows)


def compare(one: Market, rounds: int = ROUNDS) -> tuple[Cost, Cost, Cost, dict[str, int]]:
    """Least costs of the rebuild from levels, of that from orders, and of the orders' part in it;
    rows by table, the same from both.
    """
    book = OrderLevels()
    levels = [messages_of(changes_of(book, block), block[0].line, block[2])
              for block in one.blocks]
    until = int(one.blocks[-1][2][-1])
    found = []
    for _ in range(rounds + 1):
        by_level, by_order, mapping = (Stopwatch(time.thread_time) for _ in range(3))
        with by_level:
            rebuild = _Rebuild()
            for messages in levels:
                rebuild.feed(messages)
            rows = rebuild.finish(until)
        with by_order:
            rebuild, book = _Rebuild(), OrderLevels()
            for block in one.blocks:
                with mapping:
                    messages = messages_of(changes_of(book, block), block[0].line, block[2])
                rebuild.feed(messages)
            if rebuild.finish(until) != rows:
                raise SystemExit("the two rebuilds tell of different books")
        found.append((by_level.cost, by_order.cost, mapping.cost))
    least = [min(costs, key=lambda cost: cost.cpu) for costs in zip(*found[1:], strict=True)]
    return least[0], least[1], least[2], rows


def main() -> None:
    """Print events per second of CPU and their ratio, or JSON; exit 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--orders", type=int, default=400_000, help="orders of the market")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    arguments = parser.parse_args()
    one = market(arguments.orders)
    levels, orders, mapping, rows = compare(one)
    rates = {name: one.events / cost.cpu for name, cost in
             (("levels", levels), ("orders", orders), ("orders_to_levels", mapping))}
    ratio = rates["orders"] / rates["levels"]
    if arguments.json:
        print(json.dumps({"events": one.events, "per_second": rates, "ratio": ratio,
                          "goal": GOAL, "rows": rows}, indent=2))
    else:
        print(f"load before: {os.getloadavg()[0]:.1f}; the least CPU of {ROUNDS} rounds in turn\n")
        print(f"{one.events:,} events to {rows['book.book_states']:,} book states")
        print(f"  from levels  {rates['levels'] / 1e6:6.2f} M events/s of CPU")
        print(f"  from orders  {rates['orders'] / 1e6:6.2f} M events/s: {ratio:.2f} times"
              f" (goal {GOAL:g}){'' if ratio >= GOAL else '  MISSED'}")
        print(f"  of it, orders to levels {rates['orders_to_levels'] / 1e6:.2f} M events/s")
    sys.exit(0 if ratio >= GOAL else 1)


if __name__ == "__main__":
    main()
