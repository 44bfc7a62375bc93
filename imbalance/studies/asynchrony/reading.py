"""Prices of instruments from events: the mid of the book and the price of trades, as ticks.

What the studies need beside them comes along: when the last one could be known, and how the clock
of the exchange stands against that of the recorder. No estimation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.asynchrony.sampling import observation_rate
from imbalance.studies.asynchrony.ticks import Ticks, Times, Vector, make_ticks
from imbalance.studies.columns import EVENTS
from imbalance.studies.held import ReadByNeed
from imbalance.studies.rows import Window

if TYPE_CHECKING:
    from imbalance.studies.events import Events
    from imbalance.studies.study_input import StudyInput

MID_PRICE = "mid_price"
TRADE_PRICE = "trade_price"
STATES, TRADES = "book.book_states", "raw.trades"

ROOM = 1 << 29
"""Bytes of ticks that are held: those of 32 instruments with a million changes each."""

_Part = tuple[Times, Vector, NDArray[np.bool_], Times]
"""Times, prices, starts of segments, when known."""


@dataclass(frozen=True)
class Prices:
    """Changes of a price of one instrument in a window."""

    ticks: Ticks
    available_at: int
    """When the last event could be known, ns; 0 without events."""
    rate: float = math.nan
    """Times per second at which the price was seen, changed or not; NaN below two."""


@dataclass(frozen=True)
class AllPrices:
    """A price of all instruments, read when it is asked for, and what is known of all of them."""

    of: Mapping[str, Prices]
    ticks: Mapping[str, int]
    """How many ticks there are of each instrument."""
    window: Window


def read_prices(events: Events, instrument: str, measure: str) -> Prices:
    """Changes of a price over the stretches in which the instrument's book was valid.

    Parameters
    ----------
    events : of the window.
    instrument : whose price.
    measure : `mid_price`, of states of the book with both sides that are not crossed, or
        `trade_price`.
    """
    read = book_mids if measure == MID_PRICE else _trades
    parts: list[_Part] = list(read(events, instrument))
    if not parts:
        return Prices(make_ticks(np.empty(0, np.int64), np.empty(0)), 0)
    times, prices, starts, known = (np.concatenate(column) for column in zip(*parts, strict=True))
    stretch = stretch_of(times, events.stretches(instrument))
    starts |= np.diff(stretch, prepend=stretch[:1]) > 0
    seen = make_ticks(times, prices, starts)
    return Prices(seen.changes(), int(known.max()), observation_rate(seen))


def measured_skew(events: Events, instrument: str) -> int | None:
    """Smallest receive − exchange time of the instrument's trades, ns: delay and clock error.

    As `clock_skew_ns` of a capture, but over this window. None where a feed lacks either time.
    The difference between two instruments of one recorder is what its delays and the exchanges'
    clocks may add to a lag between them.
    """
    import pyarrow.compute as pc

    least: list[int] = []
    for batch in events.batches(TRADES, instrument, ["exchange_time", "receive_time"]):
        delay = pc.min(pc.subtract(_whole(batch, "receive_time"), _whole(batch, "exchange_time")))
        if delay.is_valid:
            least.append(delay.as_py())
    return min(least, default=None)


def read_all(given: StudyInput, measure: str) -> AllPrices:
    """A price of all instruments; their window goes from the first tick to just after the last."""
    events = given.events
    if events is None:
        return AllPrices({}, {}, given.nowhere(EVENTS))
    names = events.instruments(STATES if measure == MID_PRICE else TRADES)
    read = ReadByNeed(names, lambda name: read_prices(events, name, measure), ROOM,
                      lambda one: one.ticks.times.nbytes + one.ticks.log_prices.nbytes)
    ticks: dict[str, int] = {}
    spans: list[tuple[int, int, int]] = []
    for name, prices in read.items():
        times = prices.ticks.times
        ticks[name] = len(times)
        if len(times):
            spans.append((int(times[0]), int(times[-1]) + 1, prices.available_at))
    return AllPrices(read, ticks, given.window_of(spans))


def _trades(events: Events, instrument: str) -> Iterator[_Part]:
    for batch in events.batches(TRADES, instrument, ["price", "available_at"]):
        yield (
            _numbers(batch, "event_time"),
            batch.column("price").to_numpy().astype(np.float64),
            np.zeros(batch.num_rows, np.bool_),
            _numbers(batch, "available_at"),
        )


def book_mids(events: Events, instrument: str) -> Iterator[_Part]:
    """Mids of the rebuilt book: times, prices (NaN: crossed), starts of segments, when known."""
    columns = ["segment_start", "crossed", "bid_prices", "ask_prices", "available_at"]
    for batch in events.batches(STATES, instrument, columns):
        bid, ask = _best(batch, "bid_prices"), _best(batch, "ask_prices")
        crossed = batch.column("crossed").to_numpy().astype(np.bool_)
        yield (
            _numbers(batch, "event_time"),
            np.where(crossed, np.nan, 0.5 * (bid + ask)),
            batch.column("segment_start").to_numpy().astype(np.bool_),
            _numbers(batch, "available_at"),
        )


def _best(batch: Any, name: str) -> Vector:
    """First price of every list; NaN where the side is empty."""
    import pyarrow.compute as pc

    levels = batch.column(name)
    there = np.asarray(pc.greater(pc.list_value_length(levels), 0).to_numpy(), dtype=np.bool_)
    found = np.full(batch.num_rows, np.nan)
    found[there] = pc.list_element(levels.filter(there), 0).to_numpy()
    return found


def _whole(batch: Any, name: str) -> Any:
    import pyarrow as pa

    return batch.column(name).cast(pa.int64())


def _numbers(batch: Any, name: str) -> Times:
    return np.asarray(_whole(batch, name).to_numpy(), dtype=np.int64)


def stretch_of(times: Times, stretches: NDArray[np.int64]) -> NDArray[np.intp]:
    """Number of the stretch of every time, counting those that touch as one."""
    if not len(stretches):
        return np.zeros(len(times), np.intp)
    apart = np.concatenate([[0], np.cumsum(stretches[1:, 0] > stretches[:-1, 1])])
    return apart[np.searchsorted(stretches[:, 0], times, side="right") - 1]
