"""Orders one by one into sizes by price: what a feed of orders says of the book of levels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from imbalance.captures.events import BookUpdate, OrderUpdate


@dataclass
class _Side:
    orders: dict[str, tuple[float, float]] = field(default_factory=dict)
    levels: dict[float, dict[str, float]] = field(default_factory=dict)

    def put(self, key: str, price: float, size: float) -> set[float]:
        """Give an order its size; returns the prices whose level is another one now."""
        held = self.orders.pop(key, None)
        if math.isnan(price):  # what happens to an order may be told without its price
            if held is None:
                return set()
            price = held[0]
        touched = {price}
        if held is not None:
            touched.add(held[0])
            self.levels[held[0]].pop(key, None)
        if size > 0.0:
            self.orders[key] = (price, size)
            self.levels.setdefault(price, {})[key] = size
        return touched

    def size(self, price: float) -> float:
        """Size at a price, summed exactly; a level without orders is forgotten."""
        orders = self.levels.get(price)
        if not orders:
            self.levels.pop(price, None)
            return 0.0
        return math.fsum(orders.values())


class OrderLevels:
    """The orders of one instrument.

    A book starts with orders of the kind `snapshot`, all of one message; without them there is no
    book, since what rested before is not known.
    """

    def __init__(self) -> None:
        self._bid, self._ask = _Side(), _Side()
        self.begun = False

    def take(self, updates: list[OrderUpdate]) -> BookUpdate | None:
        """What the orders of one message change; None where there is no book to change."""
        opening = any(update.action == "snapshot" for update in updates)
        if opening:
            self._bid, self._ask = _Side(), _Side()
            self.begun = True
        touched: dict[str, set[float]] = {"bid": set(), "ask": set()}
        for update in updates:
            side = self._bid if update.book_side == "bid" else self._ask
            touched[update.book_side] |= side.put(
                update.order_key, update.price, self._left(side, update)
            )
        if not self.begun:
            return None
        first = updates[0]
        bids, asks = (
            (sorted(touched[name]), [side.size(p) for p in sorted(touched[name])])
            for name, side in (("bid", self._bid), ("ask", self._ask))
        )
        return BookUpdate(
            symbol=first.symbol, venue=first.venue, kind="snapshot" if opening else "diff",
            bids=bids, asks=asks,
            last_id=updates[-1].sequence, previous_id=None if opening else first.previous_sequence,
            exchange_time=first.exchange_time, transaction_time=first.transaction_time,
        )

    @staticmethod
    def _left(side: _Side, update: OrderUpdate) -> float:
        """Size of an order after an event."""
        if update.action == "delete":
            return 0.0
        if update.action in ("fill", "reduce"):
            held = side.orders.get(update.order_key)
            return 0.0 if held is None else max(0.0, held[1] - update.size)
        return update.size
