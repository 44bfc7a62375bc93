"""Lines to events: every kind of every market, what is ignored and what is only noticed."""

import numpy as np
import pytest

from imbalance.captures import scanner
from imbalance.captures.decode import Decoder
from tests.captures.decoding import decode, ns, reasons
from tests.captures.samples import (
    INVERSE,
    LINEAR,
    MS,
    SPOT,
    START,
    SYMBOLS,
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


@pytest.mark.parametrize("venue", VENUES)
def test_trades_and_aggregate_trades(tmp_path, venue):
    lines = [line(trade(venue, 7)), line(aggregate(venue, 8))]
    decoder, rows, _ = decode(tmp_path, lines, venue)
    assert decoder.account.decoded == {"trade": 1, "aggregate_trade": 1}
    single, fills = rows["raw.trades"]
    assert (single["kind"], single["trade_id"], single["side"]) == ("trade", 7, "buy")
    assert (fills["kind"], fills["trade_id"], fills["side"]) == ("aggregate_trade", 8, "sell")
    for row in (single, fills):
        assert row["instrument"] == f"{venue}:{SYMBOLS[venue]}"
        assert (row["price"], row["size"]) == (100.5, 2.0)
        assert row["size_base"] == (2 * 100 / 100.5 if venue == INVERSE else 2.0)
        assert ns(row["exchange_time"]) == START
        assert ns(row["transaction_time"]) == ns(row["event_time"]) == START - MS
        assert ns(row["receive_time"]) == START
        assert row["time_source"] == "transaction"
    assert [row["line"] for row in (single, fills)] == [1, 2]


@pytest.mark.parametrize("venue", [LINEAR, INVERSE])
def test_mark_prices_carry_mark_index_and_funding(tmp_path, venue):
    decoder, rows, _ = decode(tmp_path, [line(mark(venue))], venue)
    assert decoder.account.decoded == {"mark_price": 1}
    (row,) = rows["raw.derivative_ticks"]
    assert row["instrument"] == f"{venue}:{SYMBOLS[venue]}"
    assert row["mark_price"] == 100.51
    assert row["index_price"] == (100.49 if venue == LINEAR else None)
    assert row["settlement_price"] == 100.40
    assert row["funding_rate"] == -0.00012
    assert ns(row["next_funding_time"]) == 1_723_190_400_000 * MS
    assert ns(row["event_time"]) == ns(row["exchange_time"]) == START
    assert row["time_source"] == "exchange"


def test_a_dated_future_has_no_funding_and_missing_is_null(tmp_path):
    lines = [
        line(mark(INVERSE, symbol="BTCUSD_240927", r="", T=0, P="0.00000000")),
        line(mark(LINEAR, T=1_723_161_256_789)),
    ]
    _, rows, _ = decode(tmp_path, lines[:1], INVERSE)
    (row,) = rows["raw.derivative_ticks"]
    assert row["funding_rate"] is row["next_funding_time"] is row["settlement_price"] is None
    _, rows, _ = decode(tmp_path, lines[1:], LINEAR)
    assert ns(rows["raw.derivative_ticks"][0]["next_funding_time"]) == 1_723_161_256_789 * MS


@pytest.mark.parametrize("venue", VENUES)
def test_books_and_quotes_in_the_order_of_their_lines(tmp_path, venue):
    lines = [
        line(diff(venue, 5, 9, bids=[("1.5", "2"), ("1.4", "0")], asks=[])),
        bare(snapshot(venue, 9, bids=[("1.5", "2")], asks=[("1.6", "3"), ("1.7", "4")])),
        line(quote(venue, 10)),
        line(diff(venue, 10, 12, asks=[("1.6", "1")])).replace(b'"u"', b' "u"'),  # the parser's
        line(diff(venue, 13, 14, bids=[("1.3", "1")])),
    ]
    _, rows, _ = decode(tmp_path, lines, venue)
    books = [
        (r["line"], r["kind"], r["first_update_id"], r["last_update_id"], r["previous_update_id"],
         r["bid_prices"], r["bid_sizes"], r["ask_prices"], r["ask_sizes"])
        for r in rows["raw.book_updates"]
    ]  # fmt: skip
    before = [None, None, None] if venue == SPOT else [4, 9, 12]
    assert books == [
        (1, "diff", 5, 9, before[0], [1.5, 1.4], [2.0, 0.0], [], []),
        (2, "snapshot", None, 9, None, [1.5], [2.0], [1.6, 1.7], [3.0, 4.0]),
        (4, "diff", 10, 12, before[1], [], [], [1.6], [1.0]),
        (5, "diff", 13, 14, before[2], [1.3], [1.0], [], []),
    ]
    (one,) = rows["raw.quotes"]
    names = ("update_id", "bid_price", "bid_size", "ask_price", "ask_size")
    assert tuple(one[name] for name in names) == (10, 100.5, 3.25, 100.6, 0.75)
    assert one["time_source"] == ("receive" if venue == SPOT else "transaction")


def test_scanner_and_parser_mixed_at_random_give_what_each_gives_alone(tmp_path):
    rng = np.random.default_rng(7)
    lines, spaced = [], []
    for k in range(500):
        bids = [(f"{p}.5", f"{k}.25") for p in range(1, 1 + rng.integers(0, 4))]
        asks = [(f"{p}.75", "0") for p in range(9, 9 + rng.integers(0, 4))]
        message = (
            diff(LINEAR, k, k, previous=k, bids=bids, asks=asks),
            quote(LINEAR, k),
            trade(LINEAR, k),
            aggregate(LINEAR, k),
        )[rng.integers(0, 4)]
        fast = line(message, START + k)
        slow = fast.replace(b'"s":', b'"s": ')
        lines.append(fast)
        spaced.append(slow if rng.random() < 0.4 else fast)
    _, alone, _ = decode(tmp_path, lines, LINEAR)
    _, mixed, _ = decode(tmp_path, spaced, LINEAR)
    assert mixed == alone
    assert len(alone["raw.book_updates"]) > 90


@pytest.mark.parametrize("venue", VENUES)
def test_a_new_field_is_taken_and_counted(tmp_path, venue):
    lines = [
        line(trade(venue, 1) | {"news": 1}),
        line(trade(venue, 2) | {"news": {"x": [1]}, "more": None}),
        line(diff(venue, 1, 2) | {"zz": "1"}),
        line(trade(venue, 3)).replace(b'"data":', b'"extra":1,"data":'),
    ]
    decoder, rows, _ = decode(tmp_path, lines, venue)
    assert decoder.account.decoded == {"trade": 3, "depth_diff": 1}
    assert decoder.account.unknown_fields == {"news": 2, "more": 1, "zz": 1, "extra": 1}
    assert [row["trade_id"] for row in rows["raw.trades"]] == [1, 2, 3]


def test_a_missing_optional_field_is_null(tmp_path):
    message = trade(LINEAR, 1)
    del message["E"]
    _, rows, _ = decode(tmp_path, [line(message)], LINEAR)
    assert rows["raw.trades"][0]["exchange_time"] is None
    message = diff(LINEAR, 1, 2)
    del message["T"], message["pu"]
    decoder, _, _ = decode(tmp_path, [line(message)], LINEAR)
    assert reasons(decoder) == {"wrong_market": 1}  # without `pu` it is a message of spot


def test_what_is_known_and_not_used_is_ignored_by_a_rule(tmp_path):
    lines = [
        line({"e": "kline", "E": 1, "s": "BTCUSDT"}),
        line({"e": "forceOrder"}),
        bare({"result": None, "id": 1}),
        b"\n",
        b"\r\n",
        line(quote(SPOT, 1)),
    ]
    decoder, _, _ = decode(tmp_path, lines)
    assert decoder.account.lines_read == 6
    assert decoder.account.ignored == {
        "unused:kline": 1, "unused:forceOrder": 1, "control_message": 1, "blank_line": 2,
    }  # fmt: skip


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("channel", ["btcusdt@depth5", "btcusdt@depth20@100ms", "x@depth10@500ms"])
def test_streams_of_the_best_levels_alone_are_no_differences(tmp_path, venue, channel):
    messages = [diff(venue, 5, 9, bids=[("1", "1")]), snapshot(venue, 9, bids=[("1", "1")])]
    lines = [line(message, channel=channel) for message in messages]
    whole = line(messages[0], channel="btcusdt@depth@100ms")
    lines += [lines[0].replace(b'"u"', b' "u"'), whole, line(messages[0], channel="x@depth")]
    decoder, _, _ = decode(tmp_path, lines, venue)
    assert decoder.account.ignored == {"unused:partial_depth": 3}
    assert decoder.account.decoded == {"depth_diff": 2}


@pytest.mark.parametrize(
    ("unit", "scale"), [("ns", 1), ("us", 1_000), ("ms", MS), ("s", 1_000 * MS)]
)
def test_units_of_the_receive_time(tmp_path, unit, scale):
    message = quote(SPOT, 1)
    lines = [line(message, START // scale), line(message, START // scale * 10)]
    decoder, rows, _ = decode(tmp_path, lines, unit=unit)
    assert [ns(row["receive_time"]) for row in rows["raw.quotes"]] == [START]
    assert reasons(decoder) == {"receive_time_unit": 1}


def test_hundreds_of_symbols_in_one_capture(tmp_path):
    lines = [line(quote(SPOT, k, symbol=f"S{k % 300}USDT")) for k in range(900)]
    decoder, rows, _ = decode(tmp_path, lines, only=None)
    assert [row["instrument"] for row in rows["raw.quotes"]] == [
        f"binance:S{k % 300}USDT" for k in range(900)
    ]
    assert len(decoder.instruments) == 300


@pytest.mark.parametrize("times", [0, 2])
def test_a_line_that_is_skipped_or_read_twice_unbalances_the_account(tmp_path, monkeypatch, times):
    """Lines are counted apart from their scan: were they not, no check of it could ever fail."""
    exact = scanner.scan

    def inexact(text, start, stop, *others):
        status, place = exact(text, start, stop, *others)
        others[-1].used[0] -= 1  # the last line is forgotten
        for _ in range(times):
            status, place = exact(text, stop - 4, stop, *others)
        return status, place

    path = tmp_path / "capture"
    path.write_bytes(line(quote(SPOT, 1)) + line(quote(SPOT, 2)) + b"{}\r\n")
    for scan, balanced in ((exact, True), (inexact, False)):
        monkeypatch.setattr(scanner, "scan", scan)
        decoder = Decoder(path, SPOT, "ns", ["BTCUSDT"], "BTCUSDT")
        assert sum(len(chunk.quotes[0]) for chunk in decoder) == 2
        assert decoder.account.lines_read == 3
        assert decoder.account.balanced is balanced
