"""Reading the events of an instrument's book, and choosing the stretches of time to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.events import Events as Reader
from imbalance.studies.events import told_once
from imbalance.studies.hawkes.book_events import BookEvents, States, Trades, book_events
from imbalance.studies.hawkes.process import Events

Integers = NDArray[np.int64]
Vector = NDArray[np.float64]

STATES, TRADES = "book.book_states", "raw.trades"
PIECE = 1_800_000_000_000
"""Half an hour: long windows are thinned by such pieces."""
LONGEST_GAP = 86_400_000_000_000
"""A day: the clock of a process does not go over longer ones."""


@dataclass(frozen=True)
class Recorded:
    """Events of one instrument, and where its book was valid."""

    events: BookEvents
    stretches: Integers
    available_at: int

    @property
    def nbytes(self) -> int:
        """Room that the events take."""
        events = self.events
        return (events.stamps.nbytes + events.earliest.nbytes + events.latest.nbytes
                + events.kinds.nbytes)


def read_book(reader: Reader, instrument: str, feed_nanoseconds: int) -> Recorded | None:
    """The events of an instrument; None when there are no states of its book.

    Where a venue sends single trades and aggregates of the same, only the single ones are taken.
    """
    parts: dict[str, list[Any]] = {}
    available = 0
    columns = ["segment_start", "crossed", "bid_prices", "bid_sizes", "ask_prices", "ask_sizes",
               "available_at"]
    for batch in reader.batches(STATES, instrument, columns):
        bid, ask = _best(batch, "bid_prices"), _best(batch, "ask_prices")
        crossed = batch.column("crossed").to_numpy().astype(np.bool_)
        for name, values in {
            "times": _nanoseconds(batch, "event_time"), "bid_price": bid, "ask_price": ask,
            "bid_size": _best(batch, "bid_sizes"), "ask_size": _best(batch, "ask_sizes"),
            "usable": np.isfinite(bid) & np.isfinite(ask) & ~crossed,
            "fresh": batch.column("segment_start").to_numpy().astype(np.bool_),
        }.items():
            parts.setdefault(name, []).append(values)
        available = max(available, int(_nanoseconds(batch, "available_at").max()))
    if not parts:
        return None
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    stretches = reader.stretches(instrument)
    stretch = np.searchsorted(stretches[:, 0], joined["times"], side="right")
    joined["fresh"] |= np.diff(stretch, prepend=stretch[:1]) > 0
    states = States(**joined)
    trades, known = _read_trades(reader, instrument)
    return Recorded(book_events(states, trades, feed_nanoseconds), stretches,
                    max(available, known))


def _read_trades(reader: Reader, instrument: str) -> tuple[Trades, int]:
    """Trades of an instrument, and when the last could be known, ns."""
    read = reader.read(TRADES, instrument, ["kind", "size_base", "side", "available_at"])
    used = np.flatnonzero(told_once(read["kind"]))
    used = used[np.argsort(read["event_time"][used], kind="stable")]
    times, side = read["event_time"][used].astype(np.int64), read["side"][used]
    buys, sells = (np.asarray(side == one, dtype=np.bool_) for one in ("buy", "sell"))
    signed = buys | sells
    sizes = np.nan_to_num(read["size_base"][used].astype(np.float64))
    known = int(read["available_at"].astype(np.int64).max()) if len(used) else 0
    return Trades(times[signed], sizes[signed], buys[signed], times[~signed]), known


def common_stretches(one: Integers, other: Integers) -> Integers:
    """Where both are: intersections of two lists of [from, to), in order."""
    found = [
        (max(a, c), min(b, d)) for a, b in one.tolist() for c, d in other.tolist()
        if max(a, c) < min(b, d)
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def thinned(stretches: Integers, stamps: Integers, most: int) -> Integers:
    """Stretches with at most about `most` of the events: half-hours spread evenly over all, or
    shorter pieces where there are too few half-hours to take one of so many.
    """
    inside = within(stamps, stretches)
    every = -(-int(inside.sum()) // most)
    if every <= 1:
        return stretches
    length = PIECE
    while len(pieces := _pieces(stretches, length)) < every and length > 1:
        length //= 2
    return np.array(pieces[every // 2 :: every], dtype=np.int64).reshape(-1, 2)


def _pieces(stretches: Integers, length: int) -> list[tuple[int, int]]:
    """Stretches cut at multiples of a length."""
    return [
        (max(begin, piece * length), min(end, (piece + 1) * length))
        for begin, end in stretches.tolist()
        for piece in range(begin // length, -(-end // length))
    ]


def within(times: Integers, stretches: Integers) -> NDArray[np.bool_]:
    """Which times lie in some of the [from, to), which are in order and apart."""
    if not len(stretches):
        return np.zeros(len(times), dtype=np.bool_)
    place = np.searchsorted(stretches[:, 0], times, side="right") - 1
    return np.asarray((place >= 0) & (times < stretches[np.maximum(place, 0), 1]))


def as_process(
    events: BookEvents, kinds: Integers, size: int, stretches: Integers, seed: int | None,
    spacing: int
) -> Events:
    """Events in seconds from the first stretch: as recorded, or at random within their units.

    Parameters
    ----------
    kinds : of the events, for the process.
    seed : of the random times; None takes the stamps.
    spacing : ns between knots of a baseline that moves. A gap of more than a day counts as two of
        them: no knot is of both sides, and few are of none.
    """
    origin = int(stretches[0, 0])
    since = events.stamps - origin
    if seed is not None:
        # Rounded down within [earliest, latest): in whole nanoseconds.
        share = np.random.default_rng(seed).random(len(since))
        width = events.latest - events.earliest
        since = events.earliest - origin + (share * width).astype(np.int64)
    placed = stretches - origin
    inside = within(since, placed)
    since, kinds = since[inside], kinds[inside]
    gaps = placed[1:, 0] - placed[:-1, 1]
    left_out = np.cumsum(np.append(0, np.where(gaps > LONGEST_GAP, gaps - 2 * spacing, 0)))
    since = since - left_out[np.searchsorted(placed[:, 0], since, side="right") - 1]
    return Events.within(since / 1e9, kinds, size, ((placed - left_out[:, None]) / 1e9).tolist())


def _nanoseconds(batch: Any, name: str) -> Integers:
    return batch.column(name).to_numpy().astype("datetime64[ns]").astype(np.int64)


def _best(batch: Any, name: str) -> Vector:
    """First value of every list; NaN where the side is empty."""
    import pyarrow.compute as pc

    levels = batch.column(name)
    there = np.asarray(pc.greater(pc.list_value_length(levels), 0).to_numpy(), dtype=np.bool_)
    found = np.full(batch.num_rows, np.nan)
    found[there] = pc.list_element(levels.filter(there), 0).to_numpy()
    return found
