"""A slow book in plain Python, written from the rules and sharing no code with the kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

BAR = 100_000_000


@dataclass
class Message:
    """A book message: levels are lists of (price, size)."""

    snapshot: bool
    first: int
    last: int
    previous: int
    event: int
    available: int
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


@dataclass
class ReferenceBook:
    """Applies messages by the venue's rules and keeps what the tests compare."""

    futures: bool
    multiplier: float | None = None
    bids: dict[float, float] = field(default_factory=dict)
    asks: dict[float, float] = field(default_factory=dict)
    last: int = -1
    valid: bool = False
    fresh: bool = False
    pending: list[Message] = field(default_factory=list)
    segment: bool = False
    states: list[dict[str, Any]] = field(default_factory=list)
    flows: list[tuple[int, list[float | None], float | None]] = field(default_factory=list)
    gaps: int = 0

    def base(self, price: float, size: float) -> float:
        return size if self.multiplier is None else size * self.multiplier / price

    def top(self, depth: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        bids = sorted(self.bids.items(), reverse=True)[:depth]
        asks = sorted(self.asks.items())[:depth]
        return (
            [(price, self.base(price, size)) for price, size in bids],
            [(price, self.base(price, size)) for price, size in asks],
        )

    def linked(self, message: Message) -> bool:
        if self.futures:
            return message.previous == self.last or (
                self.fresh and message.first <= self.last <= message.last
            )
        return message.first == self.last + 1 or (
            self.fresh and message.first <= self.last + 1 <= message.last
        )

    def stale(self, message: Message) -> bool:
        if self.futures and self.fresh:
            return message.last < self.last
        return message.last <= self.last

    def apply(self, message: Message) -> None:
        for side, levels in ((self.bids, message.bids), (self.asks, message.asks)):
            for price, size in levels:
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)
        self.last = message.last
        self.fresh = False

    def take(self, message: Message) -> None:
        if message.snapshot:
            if self.valid and message.last <= self.last:
                return
            self.bids, self.asks = {}, {}
            self.apply(message)
            self.valid = self.fresh = self.segment = True
            for kept in self.pending:
                if self.stale(kept):
                    continue
                if not self.linked(kept):
                    self.valid = False
                    return
                self.apply(kept)
            self.pending = []
            self.after(message)
            return
        if self.valid and self.stale(message):
            return
        if self.valid and not self.linked(message):
            self.valid = False
            self.gaps += 1
        if not self.valid:
            if self.pending:
                before = self.pending[-1].last
                follows = (
                    message.previous == before if self.futures else message.first == before + 1
                )
                if not follows:
                    self.pending = []
            self.pending.append(message)
            return
        before = self.top(10)
        self.apply(message)
        self.after(message, before)

    def after(self, message: Message, before: Any = None) -> None:
        bids, asks = self.top(10)
        crossed = bool(bids and asks and bids[0][0] > asks[0][0])
        self.states.append(
            {
                "event": message.event,
                "update_id": self.last,
                "bids": bids,
                "asks": asks,
                "start": self.segment,
                "crossed": crossed,
            }
        )
        if before is not None and not self.segment and bids and asks and not crossed:
            old_bids, old_asks = before
            if old_bids and old_asks and old_bids[0][0] <= old_asks[0][0]:
                levels: list[float | None] = []
                for m in range(10):
                    if min(len(bids), len(old_bids), len(asks), len(old_asks)) <= m:
                        levels.append(None)
                    else:
                        levels.append(event_flow(bids[m], old_bids[m], asks[m], old_asks[m]))
                same = bids[0][0] == old_bids[0][0] and asks[0][0] == old_asks[0][0]
                self.flows.append((message.event, levels, levels[0] if same else 0.0))
        self.segment = False


def event_flow(
    bid: tuple[float, float],
    old_bid: tuple[float, float],
    ask: tuple[float, float],
    old_ask: tuple[float, float],
) -> float:
    """e_n of Cont, Kukanov and Stoikov (2014), indicator by indicator."""
    flow = 0.0
    flow += bid[1] if bid[0] >= old_bid[0] else 0.0
    flow -= old_bid[1] if bid[0] <= old_bid[0] else 0.0
    flow -= ask[1] if ask[0] <= old_ask[0] else 0.0
    flow += old_ask[1] if ask[0] >= old_ask[0] else 0.0
    return flow


def within(levels: list[tuple[float, float]], mid: float, bps: float) -> float:
    """Size within a distance of the mid."""
    return math.fsum(
        size for price, size in levels if abs(price - mid) / mid * 1e4 <= bps * (1 + 1e-12)
    )
