"""Lines that cannot be understood: each kept apart with its place and a reason, none lost."""

import gzip
import hashlib
import json

import pytest

from imbalance.captures.decode import Decoder
from tests.captures.decoding import decode, reasons
from tests.captures.samples import (
    INVERSE,
    LINEAR,
    MS,
    SPOT,
    START,
    VENUES,
    aggregate,
    bare,
    diff,
    line,
    mark,
    quote,
    snapshot,
    trade,
)


def test_next_funding_beyond_all_time_is_refused(tmp_path):
    decoder, _, _ = decode(tmp_path, [line(mark(LINEAR, T=2**62))], LINEAR)
    assert reasons(decoder) == {"number_out_of_range": 1}


HOSTILE = {
    "deep": (b'{"stream":"x","data":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "not_json"),
    "deeper objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "not_json"),
    "1e400": (b'{"lastUpdateId":1e400,"bids":[],"asks":[]}', None),
    "NaN": (b'{"lastUpdateId":NaN,"bids":[],"asks":[]}', "not_json"),
    "Infinity": (b'{"lastUpdateId":Infinity,"bids":[],"asks":[]}', "not_json"),
    "huge integer": (b'{"lastUpdateId":' + b"9" * 5_000 + b',"bids":[],"asks":[]}', None),
    "negative": (b'{"lastUpdateId":-1,"bids":[],"asks":[]}', "number_out_of_range"),
    "real": (b'{"lastUpdateId":1.0,"bids":[],"asks":[]}', "wrong_type"),
    "bool": (b'{"lastUpdateId":true,"bids":[],"asks":[]}', "wrong_type"),
    "bad UTF-8": (b'{"lastUpdateId":1,"bids":[],"asks":[],"x":"\xff"}', "not_json"),
    "lone surrogate": (b'{"lastUpdateId":1,"bids":[],"asks":[],"x":"\\ud800"}', "not_json"),
    "twice": (b'{"lastUpdateId":1,"lastUpdateId":2,"bids":[],"asks":[]}', "duplicate_key"),
    "twice deep": (b'{"lastUpdateId":1,"bids":[],"asks":[],"x":{"y":1,"y":2}}', "duplicate_key"),
    "twice, escaped": (b'{"lastUpdateId":1,"bids":[],"bid\\u0073":[],"asks":[]}', "duplicate_key"),
    "array": (b"[]", "not_an_object"),
    "number": (b"5", "not_an_object"),
    "data no object": (b'{"stream":"x","data":[]}', "not_an_object"),
    "kind a list": (b'{"stream":"x","data":{"e":[]}}', "wrong_type"),
    "kind an object": (b'{"e":{"e":"trade"}}', "wrong_type"),
    "kind a number": (b'{"e":1}', "wrong_type"),
    "unknown kind": (b'{"e":"depthupdate"}', "unknown_message"),
    "empty": (b"", "not_json"),
    "half": (b'{"e":"trade"', "not_json"),
    "price with sign": (b'{"lastUpdateId":1,"bids":[["-1","1"]],"asks":[]}', "wrong_type"),
    "price zero": (b'{"lastUpdateId":1,"bids":[["0","1"]],"asks":[]}', "number_out_of_range"),
    "price a number": (b'{"lastUpdateId":1,"bids":[[1,"1"]],"asks":[]}', "wrong_type"),
    "price 1e400": (b'{"lastUpdateId":1,"bids":[["1e400","1"]],"asks":[]}', "wrong_type"),
    "other digits": ('{"lastUpdateId":1,"bids":[["\u0661","1"]],"asks":[]}'.encode(), "wrong_type"),
    "level too short": (b'{"lastUpdateId":1,"bids":[["1"]],"asks":[]}', "wrong_type"),
    "no bids": (b'{"lastUpdateId":1,"asks":[]}', "missing_field"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_json_is_quarantined_with_a_reason(tmp_path, case):
    payload, reason = HOSTILE[case]
    text = f"{START} ".encode() + payload
    decoder, _, bad = decode(tmp_path, [line(quote(SPOT, 1)), text + b"\n", line(quote(SPOT, 2))])
    assert decoder.account.decoded == {"book_ticker": 2}
    (found,) = bad
    assert (found.line, found.byte_length) == (2, len(text))
    assert found.byte_offset == len(line(quote(SPOT, 1)))
    assert found.text_sha256 == hashlib.sha256(text).hexdigest()
    assert found.text_start[:20] == text[:20].decode()
    assert found.text_start.isprintable()
    assert reason in (None, found.reason)


NUMBERS = {
    "0.000000000001": True,
    "0.0000000000001": False,  # the thirteenth decimal
    "1.00000000000000000000": True,  # zeros alone are no decimals
    ".0": False,  # a price of zero
    "9007199254740992": True,
    "9007199254740993": False,
    "123456789.00000000": True,
    "1234567890.12345678": False,
    "9" * 40: False,
}


@pytest.mark.parametrize("text", NUMBERS)
@pytest.mark.parametrize("venue", [SPOT, LINEAR])
def test_prices_and_sizes_beyond_any_grid_are_quarantined(tmp_path, venue, text):
    lines = [
        line(diff(venue, 1, 2, bids=[(text, "1")])),
        bare(snapshot(venue, 2, bids=[(text, "1")])),
        line(trade(venue, 1, price=text)),
        line(quote(venue, 2, prices=("1", text))),
    ]
    if text != ".0":
        lines.append(line(diff(venue, 3, 4, bids=[("1", text)])))
    decoder, rows, _ = decode(tmp_path, lines, venue)
    if NUMBERS[text]:
        assert decoder.account.decoded.total() == len(lines)
        assert rows["raw.trades"][0]["price"] == float(text)
    else:
        assert reasons(decoder) == {"number_out_of_range": len(lines)}


def test_minus_zero_is_zero(tmp_path):
    text = json.dumps(mark(LINEAR, r="-0.0")).replace('"U"', '"U"').encode()
    decoder, rows, _ = decode(tmp_path, [f"{START} ".encode() + text + b"\n"], LINEAR)
    assert rows["raw.derivative_ticks"][0]["funding_rate"] == 0.0
    size = line(diff(SPOT, 1, 2, bids=[("1.0", "-0")]))
    decoder, _, _ = decode(tmp_path, [size])
    assert reasons(decoder) == {"wrong_type": 1}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"p": 100.5}, "wrong_type"),
        ({"p": None}, "wrong_type"),
        ({"p": "abc"}, "wrong_type"),
        ({"p": "0"}, "number_out_of_range"),
        ({"q": "0"}, "number_out_of_range"),
        ({"t": "7"}, "wrong_type"),
        ({"t": 7.5}, "wrong_type"),
        ({"t": True}, "wrong_type"),
        ({"t": -1}, "number_out_of_range"),
        ({"t": 2**63}, "number_out_of_range"),
        ({"m": "true"}, "wrong_type"),
        ({"m": 1}, "wrong_type"),
        ({"s": 5}, "wrong_type"),
        ({"s": ""}, "bad_symbol"),
        ({"s": "A" * 101}, "bad_symbol"),
        ({"s": "\u00d6" * 51}, "bad_symbol"),
        ({"s": "A\nB"}, "bad_symbol"),
        ({"s": "A\u202eB"}, "bad_symbol"),
        ({"T": "1723161256000"}, "wrong_type"),
        ({"T": START}, "far_from_receipt"),
        ({"E": 0}, "far_from_receipt"),
        ({"E": 2**62}, "far_from_receipt"),
    ],
)
@pytest.mark.parametrize("venue", VENUES)
def test_a_changed_type_or_range_is_quarantined(tmp_path, venue, changed, reason):
    decoder, _, _ = decode(tmp_path, [line(trade(venue, 7) | changed)], venue)
    assert reasons(decoder) == {reason: 1}


@pytest.mark.parametrize("venue", VENUES)
def test_a_message_of_another_market_is_quarantined(tmp_path, venue):
    for other in VENUES:
        messages = [diff(other, 1, 2), quote(other, 3)]
        if SPOT in (venue, other) and venue != SPOT:
            messages += [trade(other, 4), aggregate(other, 5)]
        if other != SPOT:
            messages.append(snapshot(other, 6, bids=[("1", "1")]))
        decoder, _, _ = decode(tmp_path, [line(message) for message in messages], venue)
        if other != venue:
            assert reasons(decoder) == {"wrong_market": len(messages)}
        else:
            assert reasons(decoder) == {}


def test_a_snapshot_that_names_nothing_among_several_instruments_is_quarantined(tmp_path):
    nameless = bare(snapshot(SPOT, 9, bids=[("1", "1")], asks=[("2", "1")]))
    lines = [line(quote(SPOT, 1)), line(quote(SPOT, 2, symbol="ETHUSDT")), nameless]
    for only in (None, "BTCUSDT"):
        decoder, _, _ = decode(tmp_path, lines, only=only)
        assert reasons(decoder) == {"snapshot_without_symbol": 1}
    decoder, rows, _ = decode(tmp_path, [lines[0], nameless])
    assert rows["raw.book_updates"][0]["instrument"] == "binance:BTCUSDT"
    named = bare(snapshot(INVERSE, 9, symbol="ETHUSD_PERP"))
    lines = [line(quote(INVERSE, 1)), named]
    decoder, rows, _ = decode(tmp_path, lines, INVERSE)
    assert rows["raw.book_updates"][0]["instrument"] == "binance-delivery:ETHUSD_PERP"


def test_lines_of_windows_and_a_byte_order_mark(tmp_path):
    lines = [
        b"\xef\xbb\xbf" + line(quote(SPOT, 1)),
        line(quote(SPOT, 2)).replace(b"\n", b"\r\n"),
        line(quote(SPOT, 3)).replace(b"BTC", b"B\0C"),
        line(quote(SPOT, 4)),
        line(quote(SPOT, 5))[:-1],
    ]
    decoder, rows, bad = decode(tmp_path, lines)
    assert [row["update_id"] for row in rows["raw.quotes"]] == [1, 2, 4]
    assert [(b.line, b.reason) for b in bad] == [(3, "not_json"), (5, "incomplete_line")]
    assert [b.byte_offset for b in bad] == [sum(map(len, lines[:k])) for k in (2, 4)]
    assert decoder.shortcoming == "the last line has no end"


@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
def test_receive_times_beyond_all_time_are_refused(tmp_path, unit):
    digits = {"ns": 19, "us": 16, "ms": 13}[unit]
    decoder, _, _ = decode(tmp_path, [line(quote(SPOT, 1), 10**digits - 1)], unit=unit)
    assert reasons(decoder) == {"receive_time_out_of_span": 1}


def test_receive_times_outside_the_span_are_refused(tmp_path):
    lines = [line(quote(SPOT, k), START + k * MS) for k in range(5)]
    lines += [one.replace(b'"u"', b' "u"') for one in lines]
    decoder, rows, _ = decode(tmp_path, lines, span=(START + MS, START + 3 * MS))
    assert [row["update_id"] for row in rows["raw.quotes"]] == [1, 2, 3, 1, 2, 3]
    assert reasons(decoder) == {"receive_time_out_of_span": 4}


@pytest.mark.parametrize("venue", VENUES)
def test_the_future_is_not_believed(tmp_path, venue):
    """Five minutes from its receipt is the furthest an event may be, before or after."""
    seconds = [-301, -300, -1, 0, 1, 300, 301]
    for spaced in (False, True):
        lines = [
            line(diff(venue, k, k, previous=0, at=START + s * 1_000 * MS + 2 * MS))
            for k, s in enumerate(seconds)
        ]
        lines[-2] = line(diff(venue, 5, 5, previous=0, at=START + 300_000 * MS))
        if spaced:
            lines = [one.replace(b'"u"', b' "u"') for one in lines]
        _, rows, bad = decode(tmp_path, lines, venue)
        assert [row["last_update_id"] for row in rows["raw.book_updates"]] == [1, 2, 3, 4, 5]
        assert [(b.line, b.reason) for b in bad] == [
            (1, "far_from_receipt"), (7, "far_from_receipt")
        ]  # fmt: skip
        assert bad[1].detail == "E is +301 s from the receive time"


@pytest.mark.parametrize("size", [17 << 20, pytest.param(100_000_000, marks=pytest.mark.slow)])
def test_a_line_too_long_is_told_whole_though_only_its_start_is_kept(tmp_path, size):
    long = b"x" * size
    lines = [line(quote(SPOT, 1)), long + b"\n", line(quote(SPOT, 2))]
    decoder, rows, (bad,) = decode(tmp_path, lines)
    assert [row["line"] for row in rows["raw.quotes"]] == [1, 3]
    assert (bad.line, bad.reason, bad.byte_length) == (2, "line_too_long", len(long))
    assert bad.byte_offset == len(lines[0])
    assert bad.text_sha256 == hashlib.sha256(long).hexdigest()
    assert decoder.account.text_bytes == sum(map(len, lines))
    assert decoder.shortcoming is None


HOSTILE_SYMBOLS = [
    "CON", "../../etc/passwd", "A'; drop table raw.trades; --", 'A"B', "A:B", "A B", "btcusdt",
    "\u0412TCUSDT", "A" * 100, "%s{}", "*", "[x]", "\u200bA", "1000SHIB\u00a0USDT", "\U0001f600",
]  # fmt: skip


def test_hostile_symbols_are_kept_verbatim_or_refused(tmp_path):
    lines = [line(quote(SPOT, k, symbol=name)) for k, name in enumerate(HOSTILE_SYMBOLS)]
    decoder, rows, bad = decode(tmp_path, lines, only=None)
    good = [name for name in HOSTILE_SYMBOLS if name.isprintable()]
    assert [row["instrument"] for row in rows["raw.quotes"]] == [f"binance:{n}" for n in good]
    assert {one.reason for one in bad} == {"bad_symbol"}
    assert len(good) + len(bad) == len(HOSTILE_SYMBOLS)
    assert sorted(decoder.instruments) == sorted(f"binance:{name}" for name in good)


def test_a_capture_cut_anywhere_yields_its_complete_lines(tmp_path):
    lines = [line(quote(SPOT, k, symbol=f"S{k}")) for k in range(400)]
    data = gzip.compress(b"".join(lines), 6)
    path = tmp_path / "cut.gz"
    from tests.captures.samples import inflated_prefix

    for cut in range(20, len(data), 37):
        path.write_bytes(data[:cut])
        text = inflated_prefix(data[:cut])
        decoder = Decoder(path, SPOT, "ns", [], None)
        assert sum(len(chunk.quotes[0]) for chunk in decoder) == text.count(b"\n")
        incomplete = int(bool(text) and not text.endswith(b"\n"))
        assert decoder.account.quarantined.total() == incomplete
        assert decoder.account.lines_read == text.count(b"\n") + incomplete
        assert decoder.shortcoming == "the last gzip member is cut short"
