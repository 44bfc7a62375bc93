"""A book that realises a given path of price and order flow.

Belongs here: when the book changes, how far the best prices move, and the sizes at the best that
make the events' order flow (Cont, Kukanov, Stoikov 2014) add up to the planted value.
Not here: how a change is written as a message.

The book is a ladder of levels at fixed prices (multiples of `gap` ticks) behind a best bid and a
best ask at any tick. Within a step of 100 ms the first event moves the best prices, the others
change sizes only; the last two events of a second have the second's final price, so that the very
last one can settle whatever flow the price moves have left open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.simulate.dynamics import Path
from imbalance.simulate.processes import Array
from imbalance.simulate.scenario import SUBDIVISIONS, SimulatedInstrument

Integers = NDArray[np.int64]
Levels = list[tuple[int, int]]  # (price in ticks, size in lots; 0 removes)

SNAPSHOT_LEVELS = 1000
STEP_MS = 1000 // SUBDIVISIONS
SPOT_OFFSET_MS = 8  # spot differences come every 100 ms, 8 ms after the round time
# Usual size at the best, in deviations of a second's flow. Small beside what 100 ms bring (0.3): a
# price move takes two queues of flow of its own sign, and later events must give back what that is
# too much.
QUEUE_SHARE = 0.05
SPREADS, SPREAD_SHARES = (1, 2, 3), (0.8, 0.15, 0.05)
DEPTH_MEMORY, DEPTH_DEVIATION = 0.99, 0.06  # log depth per second: moves by 40 % over minutes


@dataclass(frozen=True)
class Schedule:
    """When the book changes and where it shall go. All arrays have one entry per event."""

    milliseconds: Integers  # since the start of the simulation
    mid_ticks: Array
    cumulative_flow: Array  # base units since the start, to be reached with the event
    moves: NDArray[np.bool_]  # whether the best prices may change


@dataclass(frozen=True)
class Book:
    """The events of a book. The first entry of the best prices and sizes is the opening state."""

    schedule: Schedule
    bid: Integers  # ticks, shape (events + 1,)
    ask: Integers
    bid_size: Integers  # lots
    ask_size: Integers
    changes: list[tuple[Levels, Levels]]  # per event: bids, asks
    opening: tuple[dict[int, int], dict[int, int]]

    def levels_after(self, events: int) -> tuple[Levels, Levels]:
        """Bids and asks after so many events, best first, as a REST snapshot lists them."""
        bids, asks = dict(self.opening[0]), dict(self.opening[1])
        for change in self.changes[:events]:
            for side, levels in zip((bids, asks), change, strict=True):
                for price, size in levels:
                    if size:
                        side[price] = size
                    else:
                        side.pop(price, None)
        return (
            sorted(bids.items(), reverse=True)[:SNAPSHOT_LEVELS],
            sorted(asks.items())[:SNAPSHOT_LEVELS],
        )


def schedule_events(
    instrument: SimulatedInstrument, path: Path, rng: np.random.Generator
) -> Schedule:
    """Events of a path: at least one in 100 ms, at least two in the second's last 100 ms.

    Spot is the exception: exactly one every 100 ms, as Binance sends it.
    """
    seconds = path.returns.shape[0]
    steps = seconds * SUBDIVISIONS
    if instrument.venue == "binance":
        counts = np.ones(steps, dtype=np.int64)
    else:
        intensity = np.repeat(_slow_factor(seconds, 0.04, rng), SUBDIVISIONS)
        counts = 1 + rng.poisson((instrument.diffs_per_second / SUBDIVISIONS - 1) * intensity)
        counts[SUBDIVISIONS - 1 :: SUBDIVISIONS] += 1
    step = np.repeat(np.arange(steps), counts)
    position = np.arange(step.size) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (position + 1) / counts[step]
    if instrument.venue == "binance":
        within = np.full(step.size, SPOT_OFFSET_MS)
    else:
        within = (STEP_MS * (position + rng.uniform(0, 1, step.size)) / counts[step]).astype(int)
    # The last two events of a second belong to its close.
    second_end = np.cumsum(counts.reshape(seconds, SUBDIVISIONS).sum(axis=1)) - 1
    target = step.copy()
    target[second_end - 1] = step[second_end]
    close = instrument.price * np.exp(np.cumsum(path.returns.ravel()) / 1e4) / instrument.tick
    reached = np.concatenate([[0.0], np.cumsum(path.flows.ravel())])
    return Schedule(
        milliseconds=step * STEP_MS + within,
        mid_ticks=close[target],
        cumulative_flow=reached[step] + share * (reached[step + 1] - reached[step]),
        moves=np.diff(target, prepend=-1) > 0,
    )


def _slow_factor(seconds: int, deviation: float, rng: np.random.Generator) -> Array:
    """A positive factor about 1 that wanders over minutes, per second."""
    log = np.empty(seconds)
    state = 0.0
    for t, shock in enumerate(deviation * rng.standard_normal(seconds)):
        state = DEPTH_MEMORY * state + shock
        log[t] = state
    return np.exp(log)


def drive_book(
    instrument: SimulatedInstrument, schedule: Schedule, rng: np.random.Generator
) -> Book:
    """Move the book along the schedule.

    Notes
    -----
    An event's flow is e = 1{b'≥b} q'_b − 1{b'≤b} q_b − 1{a'≤a} q'_a + 1{a'≥a} q_a. The old sizes
    are given, so the event can yield what its new sizes allow: any value where the prices stand
    still, values of the move's sign where both move. What is left open goes to the next event.
    """
    events = schedule.milliseconds.size
    typical = QUEUE_SHARE * instrument.flow_deviation / lot_value(instrument, instrument.price)
    typical = max(typical, 4.0)
    depth = _slow_factor(int(schedule.milliseconds[-1]) // 1000 + 1, DEPTH_DEVIATION, rng)[
        schedule.milliseconds // 1000
    ]
    preferred = (typical * depth[:, None] * rng.gamma(4.0, 0.25, (events, 2))).tolist()
    least = max(round(typical / 10), 1)
    spreads = rng.choice(SPREADS, size=events, p=SPREAD_SHARES)
    gap = ladder_gap(instrument)
    # Best bid for a spread of s ticks about the mid: half a tick of rounding at most.
    bids = np.rint(schedule.mid_ticks - spreads / 2).astype(np.int64)
    ladder = _Ladder(gap, 2 * typical, rng)
    bid = round(instrument.price / instrument.tick)
    ask = bid + 1
    bid_size = ask_size = max(round(typical), 1)
    opening = ladder.opening(bid, ask, bid_size, ask_size)
    history = [(bid, ask, bid_size, ask_size)]
    changes: list[tuple[Levels, Levels]] = []
    realised = 0.0
    for moves, new_bid, spread, target, wish in zip(
        schedule.moves.tolist(),
        bids.tolist(),
        spreads.tolist(),
        schedule.cumulative_flow.tolist(),
        preferred,
        strict=True,
    ):
        b, a = (new_bid, new_bid + spread) if moves else (bid, ask)
        bid_value, ask_value = (
            lot_value(instrument, b * instrument.tick),
            lot_value(instrument, a * instrument.tick),
        )
        given = 0.0
        if b <= bid:
            given -= bid_size * lot_value(instrument, bid * instrument.tick)
        if a >= ask:
            given += ask_size * lot_value(instrument, ask * instrument.tick)
        wanted = target - realised - given
        qb, qa = wish
        if b >= bid and a <= ask:
            if not moves:  # sizes go on from where they are, with some pull to the usual ones
                qb, qa = 0.6 * bid_size + 0.4 * qb, 0.6 * ask_size + 0.4 * qa
            qb, qa = _split(wanted, qb, qa, bid_value, ask_value, least)
        elif b >= bid:
            qb, qa = max(round(wanted / bid_value), least), max(round(qa), least)
        elif a <= ask:
            qb, qa = max(round(qb), least), max(round(-wanted / ask_value), least)
        else:
            qb, qa = max(round(qb), least), max(round(qa), least)
        realised += given
        realised += qb * bid_value if b >= bid else 0.0
        realised -= qa * ask_value if a <= ask else 0.0
        changes.append(
            (
                ladder.bids(bid, b, qb if (b, qb) != (bid, bid_size) else None),
                ladder.asks(ask, a, qa if (a, qa) != (ask, ask_size) else None),
            )
        )
        bid, ask, bid_size, ask_size = b, a, qb, qa
        history.append((bid, ask, bid_size, ask_size))
    states = np.array(history, dtype=np.int64).T
    return Book(schedule, states[0], states[1], states[2], states[3], changes, opening)


def lot_value(instrument: SimulatedInstrument, price: float) -> float:
    """Base units in one lot at a price."""
    if instrument.multiplier is None:
        return instrument.lot
    return instrument.lot * instrument.multiplier / price


def ladder_gap(instrument: SimulatedInstrument) -> int:
    """Ticks between levels: a third of a basis point, about what the price moves in 100 ms."""
    return max(round(instrument.price / instrument.tick / 30_000), 1)


def _split(
    difference: float, qb: float, qa: float, bid_value: float, ask_value: float, least: int
) -> tuple[int, int]:
    """Sizes in lots near (qb, qa), at least `least`, whose bid less ask value is `difference`."""
    excess = (difference - (qb * bid_value - qa * ask_value)) / 2
    bid = max(round(qb + excess / bid_value), least)
    ask = round((bid * bid_value - difference) / ask_value)
    if ask < least:
        ask = least
        bid = max(round((difference + ask * ask_value) / bid_value), least)
    return bid, ask


class _Ladder:
    """Levels behind the best: what enters and leaves as the best moves, and what is re-sized."""

    POOL = 1 << 14  # sizes and places drawn at once, used round and round
    DEEPEST = 300

    def __init__(self, gap: int, typical: float, rng: np.random.Generator) -> None:
        self.gap = gap
        self.sizes: Sequence[int] = (
            np.maximum(np.rint(typical * rng.gamma(3.0, 1 / 3, self.POOL)), 1).astype(int).tolist()
        )
        # Two in five messages re-size a level of a side, mostly one near the best.
        place = np.minimum(rng.geometric(0.15, self.POOL), self.DEEPEST)
        self.places: Sequence[int] = np.where(rng.uniform(size=self.POOL) < 0.4, place, 0).tolist()
        self.turn = 0

    def size(self) -> int:
        self.turn += 1
        return self.sizes[self.turn % self.POOL]

    def opening(
        self, bid: int, ask: int, bid_size: int, ask_size: int
    ) -> tuple[dict[int, int], dict[int, int]]:
        below, above = (bid - 1) // self.gap, -(-(ask + 1) // self.gap)
        bids, asks = {bid: bid_size}, {ask: ask_size}
        for level in range(SNAPSHOT_LEVELS - 1):
            bids[(below - level) * self.gap] = self.size()
            asks[(above + level) * self.gap] = self.size()
        return {price: size for price, size in bids.items() if price > 0}, asks

    def bids(self, old: int, new: int, new_size: int | None) -> Levels:
        """Changes of the bid side as its best goes from `old` to `new`."""
        # Of a cheap instrument the ladder ends at 0.
        return [(price, size) for price, size in self._side(old, new, new_size, 1) if price > 0]

    def asks(self, old: int, new: int, new_size: int | None) -> Levels:
        """Changes of the ask side: the bid side seen in a mirror."""
        mirrored = self._side(-old, -new, new_size, -1)
        return [(-price, size) for price, size in mirrored]

    def _side(self, old: int, new: int, new_size: int | None, salt: int) -> Levels:
        gap = self.gap
        changes: Levels = []
        if new > old:
            changes.append((old, 0 if old % gap else self.size()))
            first = old // gap + 1
            changes.extend((k * gap, self.size()) for k in range(first, (new - 1) // gap + 1))
        elif new < old:
            changes.append((old, 0))
            first = new // gap + 1
            changes.extend((k * gap, 0) for k in range(first, (old - 1) // gap + 1))
        if new_size is not None:
            changes.append((new, new_size))
        place = self.places[(self.turn * 2 + salt) % self.POOL]
        self.turn += 1
        if place:
            changes.append((((min(old, new) - 1) // gap - place + 1) * gap, self.size()))
        return changes
