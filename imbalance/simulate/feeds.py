"""The feed of one instrument: what is sent about its book and trades, and when it is received.

Belongs here: update ids, quotes, trades, mark prices, snapshots, latency, and what the recording
loses. Not here: the text of a message (messages), the file (market).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imbalance.simulate.dynamics import Path
from imbalance.simulate.messages import Messages
from imbalance.simulate.orderbook import Book, Integers
from imbalance.simulate.scenario import SUBDIVISIONS, Scenario, SimulatedInstrument

LATENCY_NS, LATENCY_SPREAD_NS = (
    3_000_000,
    2_000_000,
)  # from sent to received: at least, and mean rest
FUNDING_MS = 8 * 3600 * 1000
# A quote is received so long before the difference with the same update id, and one in between.
QUOTE_AHEAD_NS, INTERMEDIATE_AHEAD_NS = 200_000, 400_000
# Of the book's events, how many come with a quote, and with one of a state inside the event.
QUOTE_SHARE, INTERMEDIATE_SHARE = 0.5, 0.2


@dataclass
class Feed:
    """Lines without their receive times, and those times (ns, UTC)."""

    received: list[Integers]
    texts: list[str]

    def add(self, received: Integers, texts: list[str]) -> None:
        self.received.append(received)
        self.texts.extend(texts)

    def ordered(self) -> tuple[list[int], list[str]]:
        """Receive times and texts in the order of receipt."""
        times = np.concatenate(self.received)
        order = np.argsort(times, kind="stable")
        return times[order].tolist(), [self.texts[i] for i in order]


@dataclass(frozen=True)
class _Sent:
    """Update ids and times (ms since the epoch) of the book's events."""

    first: Integers
    last: Integers
    previous: Integers
    made: Integers
    sent: Integers
    received: Integers


def build_feed(
    scenario: Scenario,
    instrument: SimulatedInstrument,
    path: Path,
    book: Book,
    rng: np.random.Generator,
    losses: np.random.Generator,
) -> Feed:
    """All messages of one instrument as a recorder has received them."""
    epoch_ms = round(scenario.start.timestamp()) * 1000
    messages = Messages(instrument)
    feed = Feed([], [])
    made = epoch_ms + book.schedule.milliseconds
    # Spot differences carry the round time only; futures are sent some ms after they are made.
    delay = 0 if instrument.venue == "binance" else rng.integers(1, 12, made.size)
    sent = np.maximum.accumulate(made + delay)
    ids = _Sent(*_update_ids(instrument, book, rng), made, sent, _receive(scenario, sent, rng))
    _add_book(scenario, instrument, messages, feed, book, ids, losses)
    opening = int(rng.integers(3, 7))  # events before the first snapshot: to be dropped by a reader
    snapshots = [_add_snapshot(messages, feed, book, ids, opening, bool(rng.integers(2)))]
    for gap in scenario.gaps:
        if gap.instrument == instrument.name and gap.resynchronise_seconds is not None:
            at = (gap.at_seconds + gap.resynchronise_seconds) * 1000
            event = int(np.searchsorted(book.schedule.milliseconds, at))
            if event < made.size - 3:
                inside = bool(rng.integers(2))
                snapshots.append(_add_snapshot(messages, feed, book, ids, event, inside))
    _add_quotes(messages, feed, book, ids, snapshots, rng)
    _add_trades(scenario, instrument, messages, feed, path, book, rng)
    if instrument.venue != "binance":
        _add_mark_prices(scenario, instrument, messages, feed, path, rng)
    return feed


def _receive(scenario: Scenario, sent_ms: Integers, rng: np.random.Generator) -> Integers:
    """Receive times (ns) of messages of one stream, which cannot overtake one another."""
    latency = LATENCY_NS + rng.exponential(LATENCY_SPREAD_NS, sent_ms.size).astype(np.int64)
    skew = round(scenario.clock_skew_seconds * 1e9)
    received: Integers = np.maximum.accumulate(sent_ms * 1_000_000 + latency) + skew
    return received


def _update_ids(
    instrument: SimulatedInstrument, book: Book, rng: np.random.Generator
) -> tuple[Integers, Integers, Integers]:
    """First, last and previous update id of each event.

    Spot counts the updates of the symbol without a hole (U = previous u + 1); ids of futures
    are shared by all symbols, so that only `pu` tells what came before.
    """
    events = len(book.changes)
    width = np.array([len(bids) + len(asks) for bids, asks in book.changes])
    if instrument.venue == "binance":
        start, skipped, spans = 50_000_000_000, np.ones(events, np.int64), width + 1
    else:
        start = 5_000_000_000_000
        skipped, spans = rng.geometric(1 / 60, events), width + rng.geometric(1 / 300, events)
    last = start + np.cumsum(skipped + spans)
    return last - spans, last, np.concatenate([[start], last[:-1]])


def _add_book(
    scenario: Scenario,
    instrument: SimulatedInstrument,
    messages: Messages,
    feed: Feed,
    book: Book,
    ids: _Sent,
    losses: np.random.Generator,
) -> None:
    kept = losses.uniform(size=ids.made.size) >= scenario.drop_fraction
    for gap in scenario.gaps:
        if gap.instrument == instrument.name:
            first = int(np.searchsorted(book.schedule.milliseconds, gap.at_seconds * 1000))
            kept[first : first + gap.messages] = False
    rows = zip(
        ids.sent.tolist(),
        ids.made.tolist(),
        ids.first.tolist(),
        ids.last.tolist(),
        ids.previous.tolist(),
        book.changes,
        kept.tolist(),
        strict=True,
    )
    texts = [
        messages.diff(sent, made, first, last, previous, bids, asks)
        for sent, made, first, last, previous, (bids, asks), keep in rows
        if keep
    ]
    feed.add(ids.received[kept], texts)


def _add_snapshot(
    messages: Messages, feed: Feed, book: Book, ids: _Sent, events: int, inside: bool
) -> int:
    """A snapshot of the state after so many events, received two differences late; its id.

    With `inside` its id lies within the next difference, else it is the last one's: the two ways in
    which a snapshot and its first difference meet.
    """
    last = int(ids.first[events]) if inside else int(ids.last[events - 1])
    text = messages.snapshot(
        int(ids.sent[events - 1]),
        int(ids.made[events - 1]),
        last,
        *book.levels_after(events),
    )
    feed.add(ids.received[events + 1 : events + 2] + 1, [text])
    return last


def _add_quotes(
    messages: Messages, feed: Feed, book: Book, ids: _Sent, snapshots: list[int],
    rng: np.random.Generator,
) -> None:
    chance = rng.uniform(size=ids.made.size)
    for exact, ahead in ((False, INTERMEDIATE_AHEAD_NS), (True, QUOTE_AHEAD_NS)):
        if exact:
            picked = np.flatnonzero(chance < QUOTE_SHARE)
            update, more = ids.last[picked], 0
        else:  # inside the event, when the bid was one lot larger than at its end
            # none of the id of a snapshot, which would differ from it
            inside = (chance > 1 - INTERMEDIATE_SHARE) & ~np.isin(ids.first, snapshots)
            picked = np.flatnonzero(inside)
            update, more = ids.first[picked], 1
        state = picked + 1  # the book's arrays begin with the opening state
        texts = list(
            map(
                messages.quote,
                ids.sent[picked].tolist(),
                ids.made[picked].tolist(),
                update.tolist(),
                book.bid[state].tolist(),
                (book.bid_size[state] + more).tolist(),
                book.ask[state].tolist(),
                book.ask_size[state].tolist(),
            )
        )
        feed.add(ids.received[picked] - ahead, texts)


def _add_trades(
    scenario: Scenario,
    instrument: SimulatedInstrument,
    messages: Messages,
    feed: Feed,
    path: Path,
    book: Book,
    rng: np.random.Generator,
) -> None:
    """Trades at the best prices; the more flow there is in 100 ms, the more of them are buys."""
    span_ms = scenario.duration_seconds * 1000
    number = rng.poisson(instrument.trades_per_second * scenario.duration_seconds)
    made = np.sort(rng.integers(0, span_ms, number))
    state = np.searchsorted(book.schedule.milliseconds, made, side="right")
    step_deviation = instrument.flow_deviation / np.sqrt(SUBDIVISIONS)
    pressure = path.flows.ravel()[made // (1000 // SUBDIVISIONS)] / step_deviation
    sell = rng.uniform(size=number) >= 1 / (1 + np.exp(-1.5 * pressure))
    price = np.where(sell, book.bid[state], book.ask[state])
    sizes = np.maximum(rng.lognormal(-1.5, 1.0, number) * np.median(book.bid_size), 1).astype(int)
    epoch_ms = round(scenario.start.timestamp()) * 1000
    sent = np.maximum.accumulate(epoch_ms + made + rng.integers(0, 3, number))
    texts = list(
        map(
            messages.trade,
            sent.tolist(),
            (epoch_ms + made).tolist(),
            range(900_000_000, 900_000_000 + number),
            price.tolist(),
            sizes.tolist(),
            sell.tolist(),
        )
    )
    feed.add(_receive(scenario, sent, rng), texts)


def _add_mark_prices(
    scenario: Scenario,
    instrument: SimulatedInstrument,
    messages: Messages,
    feed: Feed,
    path: Path,
    rng: np.random.Generator,
) -> None:
    """Mark and index price every second: the mid, and one basis point below it."""
    epoch_ms = round(scenario.start.timestamp()) * 1000
    sent = epoch_ms + 1000 * np.arange(1, scenario.duration_seconds)
    mids = instrument.price * np.exp(np.cumsum(path.returns.sum(axis=1))[:-1] / 1e4)
    texts = [
        messages.mark_price(time, mid, mid / 1.0001, 1e-4, (time // FUNDING_MS + 1) * FUNDING_MS)
        for time, mid in zip(sent.tolist(), mids.tolist(), strict=True)
    ]
    feed.add(_receive(scenario, sent, rng), texts)
