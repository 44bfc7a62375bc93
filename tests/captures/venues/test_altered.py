"""Book messages with one digit of a price or a size changed (F22): what is hashed is noticed.

Only venues whose recordings carry checksums are here. A change below the levels that are hashed is
no venue's to notice before it moves up: those are counted, and docs/venues.md says so.
"""

import copy
import json
import random

import msgspec
import pytest

from imbalance.captures.events import BookUpdate, Rejected
from imbalance.captures.venues.registry import venue
from tests.captures.venues.recordings import Book, recorded

CHECKED = {
    "v3/OKX.jsonl.zst": ("okex", b'"checksum"', 25),
    "legacy/OKX.ws.1.0": ("okex", b'"checksum"', 25),
    "legacy/OKEX.ws.56.0": ("okex", b'"checksum"', 25),
    "v3/BITGET.jsonl.zst": ("bitget", b'"checksum"', 25),
    "v3/KRAKEN.jsonl.zst": ("kraken", b'"c":"', 10),
}
SHARE = 0.2
"""Of the messages that are altered, each by itself."""

SIDES = ("asks", "bids", "a", "b")


def levels(value):
    """All levels in a message: lists of texts below one of `SIDES`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from inner if name in SIDES else levels(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from levels(inner)


def altered(chance, record):
    """The message with one digit of a price or a size another one; as it is without a level."""
    message = json.loads(record.payload)
    level = chance.choice([*levels(message)] or [["0", "0"]])
    which = chance.randrange(2)
    text = level[which]
    place = chance.choice([k for k, sign in enumerate(text) if sign.isdigit()])
    digit = chance.choice([d for d in "0123456789" if d != text[place]])
    level[which] = text[:place] + digit + text[place + 1 :]
    text = json.dumps(message, separators=(",", ":"))
    return msgspec.structs.replace(record, payload=text.encode())


def updates(session, record):
    """What a message says of books."""
    found = session.take(record)
    return [event for event in getattr(found, "events", ()) if isinstance(event, BookUpdate)]


def trial(session, record):
    """The same of a session that is not touched; None where it refuses the message."""
    try:
        return updates(copy.deepcopy(session), record)
    except Rejected:
        return None


def hashed(book, events, depth):
    """The best levels of a book after some events, which are not applied to it."""
    after = copy.deepcopy(book)
    for event in events:
        if event.kind == "diff":
            after.take(event)
    bids, asks = after.sides["bids"], after.sides["asks"]
    return ([(p, bids[p]) for p in sorted(bids, reverse=True)[:depth]],
            [(p, asks[p]) for p in sorted(asks)[:depth]])


@pytest.mark.parametrize("most", [40, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CHECKED)
def test_what_is_hashed_cannot_be_altered_unseen(cryptofeed, name, most):
    which, text, depth = CHECKED[name]
    session, chance = venue(which).session(), random.Random(22)
    books, flagged, below = {}, 0, 0
    for record in recorded(cryptofeed / name):
        if flagged + below == most:
            break
        tried = text in record.payload and chance.random() < SHARE
        made = trial(session, altered(chance, record)) if tried else ()
        events = updates(session, record)
        if tried and [event.kind for event in events] == ["diff"]:
            book = books[events[0].symbol]
            if made is None or any(event.kind == "break" for event in made):
                flagged += 1
            else:
                assert hashed(book, made, depth) == hashed(book, events, depth), record.payload
                below += 1
        for event in events:
            books.setdefault(event.symbol, Book()).take(event)
    assert flagged > 0.3 * (flagged + below) > 10
