"""Planted recordings of venues, and what they come to. No fixtures, no tests."""

import json
from datetime import UTC, datetime

from tests.captures.patterns.both_ways import both

START = 1_700_000_000


def record(message, at=START, connection="C.ws.1", kind="recv", **more):
    """A line of a recording; `at` in seconds."""
    line = {"t": kind, "conn": connection, "ts": at, **more}
    if message is not None:
        line["data"] = json.dumps(message, separators=(",", ":"))
    return json.dumps(line, separators=(",", ":")).encode()


CONNECT = record(None, kind="connect", addr="wss://stream.bybit.com/v5/public/linear")


def diff(k, bids=(("99", "1"),), asks=(("101", "2"),), *, at=START, kind="delta", **more):
    """A difference of Bybit's book, or its snapshot."""
    message = {
        "topic": "orderbook.50.BTCUSDT", "type": kind, "ts": at * 1000 + k,
        "data": {"s": "BTCUSDT", "b": list(bids), "a": list(asks), "u": k, "seq": 7 * k},
        "cts": at * 1000 + k - 1, **more,
    }  # fmt: skip
    return record(message, at + k / 1000)


def trades(k, *each, at=START):
    """Trades of Bybit: prices, sizes and sides."""
    found = [
        {"T": at * 1000 + k, "s": "BTCUSDT", "S": side, "v": size, "p": price, "L": "PlusTick",
         "i": f"aa-{k}-{number}", "BT": False}
        for number, (price, size, side) in enumerate(each)
    ]  # fmt: skip
    return record(
        {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": at * 1000 + k, "data": found},
        at + k / 1000,
    )


def level2(k, count, updates=(("bid", "99", "1"),)):
    """A message of Coinbase, which counts the messages of a connection."""
    at = datetime.fromtimestamp(START + k, UTC).strftime("%Y-%m-%dT%H:%M:%S.123456Z")
    each = [
        {"side": side, "event_time": at, "price_level": price, "new_quantity": size}
        for side, price, size in updates
    ]
    return record({
        "channel": "l2_data", "timestamp": at, "sequence_num": count,
        "events": [{"type": "update", "product_id": "BTC-USD", "updates": each}],
    }, START + k + 0.5)  # fmt: skip


BLANK = 1
"""Lines which `of` adds."""


def of(tmp_path, *lines, venue="bybit"):
    """What a recording of some lines comes to, the same with patterns and without; a blank line is
    added, since those at the end are never read by patterns.
    """
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"\n".join((*lines, b" " * 80 + b"\n")))
    found, differences = both(path, venue)
    assert differences == []
    return found


def books(found):
    """Kind, bids, asks and last id of messages about the book."""
    return [
        (row["kind"], row["bid_prices"], row["bid_sizes"], row["ask_prices"], row["last_update_id"])
        for row in found.tables["raw.book_updates"]
    ]
