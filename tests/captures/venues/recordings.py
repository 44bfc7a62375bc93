"""Reading recorded connections, and a plain reference book, for the tests of venues.

The book is a dictionary a side and follows the rule of `events.BookUpdate`. No fixtures, no tests.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cache

import zstandard

from imbalance.captures.events import BookUpdate, Decoded, Ignored, Quote, Rejected, Trade
from imbalance.captures.records import LegacyLines, Record, parse_record

START = 1_700_000_000_000_000_000


@cache
def recorded(path):
    """The records of a file of either encoding; headers left out."""
    content = path.read_bytes()
    if path.suffix == ".zst":
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
        parse = parse_record
    else:
        parse = LegacyLines().parse
    found = [parse(line) for line in content.split(b"\n") if line]
    return [record for record in found if isinstance(record, Record)]


def received(message, *, at=START, connection="c"):
    """A message of a socket; not of text, its JSON."""
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return Record("recv", connection, "", at, payload)


def asked(kind, address, message=b"", *, at=START, connection="c"):
    """A record of another kind: `send`, `connect`, `http`."""
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return Record(kind, connection, address, at, payload)


@dataclass
class Taken:
    """What a session made of records."""

    events: list = field(default_factory=list)
    decoded: Counter = field(default_factory=Counter)
    ignored: Counter = field(default_factory=Counter)
    rejected: Counter = field(default_factory=Counter)
    unknown: set = field(default_factory=set)
    session: object = None

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def take(venue, records):
    """Give all records to a fresh session."""
    taken = Taken(session=venue.session())
    for record in records:
        try:
            found = taken.session.take(record)
        except Rejected as rejected:
            taken.rejected[rejected.reason] += 1
            continue
        if isinstance(found, Ignored):
            taken.ignored[found.rule] += 1
        else:
            assert isinstance(found, Decoded)
            taken.decoded[found.kind] += 1
            taken.events += found.events
            taken.unknown |= set(found.unknown_fields)
    return taken


class Book:
    """One instrument's book; `gaps` counts broken chains, `breaks` the breaks told."""

    def __init__(self):
        self.sides = {"bids": {}, "asks": {}}
        self.valid, self.fresh, self.last = False, False, None
        self.gaps, self.breaks, self.applied = 0, 0, 0

    def take(self, event):
        if event.kind == "break":
            self.valid, self.breaks = False, self.breaks + 1
        elif event.kind in ("snapshot", "image"):
            self.sides = {"bids": {}, "asks": {}}
            self.valid = self.fresh = True
            self.last = event.last_id
            self._put(event)
        elif self.valid and self._continues(event):
            self._put(event)
            self.applied += 1

    def _continues(self, event):
        first, last, previous, held = event.first_id, event.last_id, event.previous_id, self.last
        if (first is None and previous is None) or held is None:
            self.last = last if last is not None else held
            return True
        follows = previous == held or first == held + 1
        bridges = self.fresh and None not in (first, last) and first <= held + 1 <= last
        if not follows and not bridges:
            if last is not None and last <= held:
                return False
            self.gaps += 1
            self.valid = False
            return False
        self.last, self.fresh = last, False
        return True

    def _put(self, event):
        for name in ("bids", "asks"):
            side = self.sides[name]
            for price, size in zip(*getattr(event, name), strict=True):
                if size == 0.0:
                    side.pop(price, None)
                else:
                    side[price] = size

    def best(self):
        bids, asks = self.sides["bids"], self.sides["asks"]
        return max(bids, default=math.nan), min(asks, default=math.nan)


def rebuilt(events):
    """Books by market and symbol after all events."""
    books = {}
    for event in events:
        if isinstance(event, BookUpdate):
            books.setdefault((event.venue, event.symbol), Book()).take(event)
    return books


def crossed(books):
    """Symbols whose rebuilt book is crossed."""
    found = []
    for symbol, book in books.items():
        bid, ask = book.best()
        if book.valid and bid >= ask:
            found.append(symbol)
    return found


def agreement(events, within=1_000_000_000):
    """How many quotes were the best prices of the rebuilt book at about their time.

    Where quotes and books carry the venue's time: at any moment `within` ns of the quote's. Else
    at the quote's place in the stream.
    """
    books, states, same, timed = {}, {}, [], []
    for event in events:
        key = (event.venue, event.symbol)
        if isinstance(event, BookUpdate):
            book = books.setdefault(key, Book())
            book.take(event)
            if book.valid and event.exchange_time is not None:
                states.setdefault(key, []).append((event.exchange_time, book.best()))
        elif isinstance(event, Quote) and key in books and books[key].valid:
            prices = (event.bid_price, event.ask_price)
            if event.exchange_time is None or key not in states:
                same.append(books[key].best() == prices)
            else:
                timed.append((key, event.exchange_time, prices))
    for key, at, prices in timed:
        ends = [time for time, _ in states[key][1:]] + [math.inf]
        near = [
            best for (begin, best), end in zip(states[key], ends, strict=True)
            if begin <= at + within and end >= at - within
        ]
        if near:
            same.append(prices in near)
    return sum(same), len(same)


def summary(taken):
    """Events by their type's name, and books by kind."""
    counts = Counter(type(event).__name__ for event in taken.events)
    counts.update(f"book:{event.kind}" for event in taken.of(BookUpdate))
    counts["sides"] = len({event.side for event in taken.of(Trade)})
    return dict(counts)


def sound(taken):
    """What is wrong with the books of a recording without loss; nothing, if all is well."""
    books = rebuilt(taken.events)
    found = {
        "gaps": [key for key, book in books.items() if book.gaps],
        "breaks": [key for key, book in books.items() if book.breaks],
        "never valid": [key for key, book in books.items() if not book.valid],
        "crossed": crossed(books),
    }
    return {name: keys for name, keys in found.items() if keys}


def unnoticed(venue, records, losses):
    """Which of single lost records leave no trace: neither a gap nor a break."""
    missed = []
    for lost in losses:
        books = rebuilt(take(venue, records[:lost] + records[lost + 1 :]).events).values()
        if not any(book.gaps or book.breaks for book in books):
            missed.append(lost)
    return missed


def positions(records, text, *, every=1, skip=1):
    """Where messages with a text stand; the last of them is left out, as nothing follows it."""
    found = [
        place for place, record in enumerate(records)
        if record.kind == "recv" and text in record.payload
    ]
    return found[skip:-1:every]


def check_recording(venue, records, *, decoded, ignored, events, rejected=None):
    """Everything of a recording is accounted for, nothing is unknown, and its books are sound."""
    taken = take(venue, records)
    assert dict(taken.rejected) == (rejected or {})
    assert taken.unknown == set()
    assert dict(taken.decoded) == decoded
    assert dict(taken.ignored) == ignored
    counts = summary(taken)
    counts.pop("sides")
    assert counts == events
    assert taken.decoded.keys() - {"connect"} <= venue.channels.keys()
    assert sum(decoded.values()) + sum(ignored.values()) == len(records)
    assert sound(taken) == {}
    return taken


def understood(venue, *records):
    """What a fresh session makes of the last of these records."""
    session = venue.session()
    for record in records[:-1]:
        session.take(record)
    return session.take(records[-1])


def same_events(venue, cryptofeed, name, *older):
    """Hold both encodings of a recording against each other, event by event.

    What the older one has is all there is in it of the newer, in the same order; its receive times
    are the same too. Returns how many events were compared.
    """
    olds = [recorded(cryptofeed / "legacy" / one) for one in older]
    told = {(r.receive_time, r.payload) for records in olds for r in records}
    news = [
        record for record in recorded(cryptofeed / "v3" / f"{name}.jsonl.zst")
        if (record.receive_time, record.payload) in told
    ]
    compared = 0
    for new, old in zip(news, [r for records in olds for r in records], strict=True):
        assert new.kind == old.kind
        assert (new.receive_time, new.payload) == (old.receive_time, old.payload)
    first = take(venue, news).events
    second = take(venue, [record for records in olds for record in records]).events
    for one, other in zip(first, second, strict=True):
        assert repr(one) == repr(other)
        compared += 1
    return compared
