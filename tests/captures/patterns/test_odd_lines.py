"""Lines that say a thing twice or elsewhere, and what the session judges beside what it uses."""

import json

import pytest

from imbalance.captures import event_columns
from imbalance.captures.patterns.counters import Counters
from tests.captures.patterns.both_ways import both
from tests.captures.patterns.planted import (
    BLANK,
    CONNECT,
    START,
    books,
    diff,
    level2,
    of,
    record,
)


def parts(k):
    """A difference: what stands before its message, and the message as a member of the line."""
    line = diff(k)
    at = line.index(b'"data":')
    return line[:at], line[at:-1]


def twice(k, last):
    """A line with two messages, of which the last one counts."""
    begin, message = parts(k)
    return begin + message + b"," + parts(last)[1] + b"}"


def inside(k, outer):
    """A line with a message within another object, which does not count."""
    begin, message = parts(k)
    return begin + b'"more":{' + message + b"}," + parts(outer)[1] + b"}"


def other_time(k):
    """A line with a receive time within another object, which does not count."""
    begin, message = parts(k)
    at = begin.index(b'"ts"')
    return begin[:at] + b'"more":{' + begin[at:-1] + b'},"ts": 1700000000.5,' + message + b"}"


@pytest.mark.parametrize("odd", [lambda k: twice(k, 2), lambda k: inside(k, 2), other_time])
def test_the_message_and_the_time_that_count_are_read(tmp_path, odd):
    found = of(tmp_path, CONNECT, diff(1, kind="snapshot"), *(odd(k) for k in range(2, 6)))
    assert found.alone == found.account.lines_read


def changed(k, bids, again):
    """A difference of Crypto.com with two lists of bids, of which the last one counts."""
    text = json.dumps({
        "method": "subscribe", "code": 0, "result": {
            "instrument_name": "BTC_USDT", "subscription": "book.BTC_USDT.50",
            "channel": "book.update", "data": [{
                "update": {"bids": bids, "again": again, "asks": [["5", "1", "1"]]},
                "t": START * 1000 + k, "u": k, "pu": k - 1,
            }],
        },
    }, separators=(",", ":")).replace("again", "bids")  # fmt: skip
    line = {"t": "recv", "conn": "C", "ts": START + k / 1000, "data": text}
    return json.dumps(line, separators=(",", ":")).encode()


def test_of_a_name_that_stands_there_twice_the_last_one_counts(tmp_path):
    level = [["4", "1", "1"]]
    found = of(tmp_path, changed(1, [], None), changed(2, [], None), changed(3, level, None),
               changed(4, [], level), venue="crypto-com")  # fmt: skip
    assert [one[1] for one in books(found)] == [[], [], [], [4.0]]


def old_diff(k):
    """A difference of Bybit's book in a line of the older encoding, which has no address."""
    message = {
        "topic": "orderbook.50.BTCUSDT", "type": "delta" if k > 1 else "snapshot",
        "ts": START * 1000 + k, "cts": START * 1000 + k,
        "data": {"s": "BTCUSDT", "b": [["99", "1"]], "a": [["101", "2"]], "u": k, "seq": k},
    }  # fmt: skip
    return b"%.6f: %s" % (START + k / 1000, json.dumps(message, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "between",
    [
        b"wss://other.bybit.com/v5/public/linear -> 1700000000.003: b'no frame",
        b"https://api.bybit.com/v5/public/spot/x -> 1700000100.0: {}",
    ],
)
def test_lines_of_the_older_encoding_are_of_the_last_address(tmp_path, between):
    connect = b"wss://%s.bybit.com/v5/public/linear <-> 1700000000.0"
    path = tmp_path / "BYBIT.ws.1.0"
    path.write_bytes(b"\n".join((
        connect % b"stream", *map(old_diff, range(1, 5)), between, *map(old_diff, range(5, 9)),
        connect % b"other", connect % b"stream", *map(old_diff, range(9, 12)), b" " * 80, b"",
    )))  # fmt: skip
    found, differences = both(path, "bybit")
    assert differences == []
    assert found.account.decoded["orderbook"] == 11
    assert found.alone == 9


def candles(k, **more):
    """A candle of Bybit, which is not used; the fields around it are judged all the same."""
    return record({"topic": "kline.1.BTCUSDT", "type": "snapshot", "ts": START * 1000,
                   "data": [{"start": k}], **more}, START + k / 1000)  # fmt: skip


def beat(k, **more):
    """A heartbeat of Gemini."""
    return record({"type": "heartbeat", "timestamp": k, **more}, START + k / 1000)


def array(k, channel):
    """A message of Kraken with more parts than any of its own."""
    return record([0, 1, 2, 3, 4, 5, channel, "XBT/USD"], START + k / 1000)


@pytest.mark.parametrize(
    ("venue", "lines"),
    [
        ("bybit", [candles(1, cts=5), candles(2, cts=6), candles(3, cts=-5)]),
        ("bybit", [candles(1, timestamp_e6=5), candles(2, timestamp_e6=6),
                   candles(3, timestamp_e6=10**17)]),
        ("bybit", [candles(1, success=1), candles(2, success=1), candles(3, success=7)]),
        ("gemini", [beat(k, changes=[["buy", str(5 - k), "2"]]) for k in range(1, 7)]),
        ("kraken", [array(1, "ohlc-5"), array(2, "ohlc-5"), array(3, "none-5")]),
    ],
)  # fmt: skip
def test_of_what_is_ignored_all_is_judged_that_the_session_judges(tmp_path, venue, lines):
    found = of(tmp_path, *lines, venue=venue)
    assert found.account.quarantined


def test_a_counter_that_is_not_sent_is_not_kept(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(Counters, "place", lambda *of: kept.append(of[1:]) or 0)
    beats = [
        record({"channel": "heartbeats", "sequence_num": None, "events": [k]}, START + k)
        for k in range(4)
    ]
    found = of(tmp_path, *beats, venue="coinbase")
    assert not kept
    assert found.alone == 1 + BLANK


@pytest.mark.parametrize("number", [b"8" * 400 + b".5", b"7" * 5000, b"[" * 5000 + b"]" * 5000])
def test_a_field_that_is_not_used_may_be_anything(tmp_path, number):
    found = of(tmp_path, CONNECT, *(
        diff(k).replace(b'\\"seq\\":%d' % (7 * k), b'\\"seq\\":' + number) for k in range(1, 5)
    ))  # fmt: skip
    assert found.account.lines_read == 5 + BLANK


def test_there_is_room_for_what_is_read_behind_lines_of_many_events(tmp_path, monkeypatch):
    """A hole in a counter breaks every book of its connection: more events than a line has bytes
    for.
    """
    read, left = event_columns.read_lines, []

    def watched(text, start, stop, *others):
        counts, numbers, _, levels = others[-4:]
        most = (stop - start) // 6  # `[1,2],`
        left.append(min(len(numbers) - counts[0], levels.shape[1] - max(counts[1:3])) - most)
        return read(text, start, stop, *others)

    monkeypatch.setattr(event_columns, "read_lines", watched)
    begin = [level2(0, k).replace(b"BTC-USD", b"%c%c-USD" % (65 + k % 26, 70 + k // 26))
             for k in range(100)]  # fmt: skip
    gaps = [
        record({"channel": "heartbeats", "sequence_num": 1000 + 2 * k, "events": []}, START + 1)
        for k in range(120)
    ]
    found = of(tmp_path, *begin, *gaps, *(level2(0, 2000 + k) for k in range(300)),
               venue="coinbase")  # fmt: skip
    assert len(books(found)) > 100 * 120
    assert min(left) >= 0
