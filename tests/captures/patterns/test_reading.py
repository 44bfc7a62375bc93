"""What lines read by patterns may be, and what ends it: planted recordings of one venue."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance.captures.patterns.held import Held
from imbalance.captures.patterns.learning import NotAlike, tokens_of
from tests.captures.patterns.planted import (
    BLANK,
    CONNECT,
    START,
    books,
    diff,
    level2,
    of,
    record,
    trades,
)


def test_levels_ids_and_times_are_those_of_the_line(tmp_path):
    found = of(
        tmp_path, CONNECT, diff(1, kind="snapshot"), diff(2),
        diff(3, (("98.5", "0.25"), ("98", "0")), ()), diff(4, (), (("101.125", "12345.678"),)),
    )  # fmt: skip
    assert books(found)[2:] == [
        ("diff", [98.5, 98.0], [0.25, 0.0], [], 3), ("diff", [], [], [101.125], 4),
    ]  # fmt: skip
    assert found.alone == 3 + BLANK  # both other differences were read by a pattern
    last = found.tables["raw.book_updates"][-1]
    assert (last["first_update_id"], last["ask_sizes"]) == (4, [12345.678])
    assert last["exchange_time"].value == START * 10**9 + 4_000_000
    assert last["transaction_time"].value == START * 10**9 + 3_000_000
    assert last["receive_time"].value == START * 10**9 + 4_000_000
    assert last["line"] == 5


@pytest.mark.parametrize(
    "odd",
    [
        diff(3, (("98", "-1"),)), diff(3, (("0", "1"),)), diff(3, (("098", "1"),)),
        diff(3, (("98", "1e3"),)), diff(3, (("9" * 20, "1"),)), diff(3, ((98, 1),)),
        diff(3, (("98.", "1"),)), diff(3, (("98", "1", "5"),)), diff(3, (("98",),)),
        diff(3, cts=(START + 4_000) * 1_000), diff(3, more="x"), diff(3, kind="other"), diff(-3),
        diff(3, (("98", "1.0000000000001"),)), diff(3, (("1" * 17 + ".5", "1"),)),
        diff(3).replace(b'"u\\":3', b'"u\\":null'), diff(3).replace(b'"u\\":3', b'"u\\":03'),
        diff(3).replace(b'"u\\":3', b'"u\\":99999999999999999999'), diff(3)[:-1], diff(3) + b"}",
        diff(3).replace(b"BTCUSDT", b"ETHUSDT", 1), diff(3).replace(b"1700000000.003", b"1700"),
        diff(3).replace(b"ts", b"tt", 1), b"", b"\0", diff(3).replace(b"seq", b"\xffeq"),
    ],
)  # fmt: skip
def test_a_line_unlike_the_others_is_understood_by_itself(tmp_path, odd):
    found = of(tmp_path, CONNECT, diff(1, kind="snapshot"), diff(2), odd, diff(4), diff(5))
    assert found.alone == 4 + BLANK
    assert [one[4] for one in books(found)][-2:] == [4, 5]


def test_patterns_are_forgotten_when_a_connection_begins_anew(tmp_path):
    found = of(tmp_path, CONNECT, diff(1, kind="snapshot"), diff(2), diff(3), CONNECT, diff(4),
               diff(5), CONNECT, diff(6))  # fmt: skip
    assert [(one[0], one[4]) for one in books(found)] == [
        ("snapshot", 1), ("diff", 2), ("diff", 3), ("break", None), ("diff", 4), ("diff", 5),
        ("break", None), ("diff", 6),
    ]  # fmt: skip


def test_an_answer_that_waits_comes_before_the_lines_after_its_moment(tmp_path):
    listing = {"retCode": 0, "result": {"category": "linear", "list": []}}
    answer = record(listing, START + 0.0035, kind="http",
                    url="https://api.bybit.com/v5/market/instruments-info?")  # fmt: skip
    found = of(tmp_path, answer, CONNECT, diff(1, kind="snapshot"), diff(2), diff(3), diff(4),
               diff(5), diff(6))  # fmt: skip
    assert [one[4] for one in books(found)] == [1, 2, 3, 4, 5, 6]
    assert found.account.ignored["reference:instruments"] == 1
    assert found.alone == 5 + BLANK  # 4 is understood by itself: the answer came before it


def test_several_trades_of_a_line_are_read_when_several_have_been(tmp_path):
    one, two = ("100", "1", "Buy"), ("100.5", "0.25", "Sell")
    found = of(tmp_path, CONNECT, trades(1, one), trades(2, two), trades(3, one, two),
               trades(4, two, one), trades(5, two))  # fmt: skip
    rows = found.tables["raw.trades"]
    assert [(row["price"], row["side"], row["trade_key"]) for row in rows] == [
        (100.0, "buy", "aa-1-0"), (100.5, "sell", "aa-2-0"), (100.0, "buy", "aa-3-0"),
        (100.5, "sell", "aa-3-1"), (100.5, "sell", "aa-4-0"), (100.0, "buy", "aa-4-1"),
        (100.5, "sell", "aa-5-0"),
    ]  # fmt: skip
    assert found.alone == 3 + BLANK  # the connection, the first of one and the first of two


def test_a_hole_in_a_counter_breaks_the_book_and_a_repeat_is_none(tmp_path):
    connect = record(None, kind="connect", addr="wss://advanced-trade-ws.coinbase.com")
    found = of(
        tmp_path, connect, level2(0, 7), level2(1, 8), level2(2, 9, (("offer", "101", "0"),)),
        level2(3, 11), level2(4, 12), level2(5, 12), level2(6, 13), venue="coinbase",
    )  # fmt: skip
    rows = found.tables["raw.book_updates"]
    assert [row["kind"] for row in rows if row["note"] != "capture_start"] == [
        "diff", "diff", "diff", "break", "diff", "diff", "diff",
    ]  # fmt: skip
    assert found.account.ignored["duplicate"] == 1
    assert rows[-1]["exchange_time"].value == (START + 6) * 10**9 + 123_456_000
    assert [row["ask_prices"] for row in rows if row["ask_prices"]] == [[101.0]]


def test_a_line_that_tells_another_address_makes_patterns_be_forgotten(tmp_path):
    spot = json.loads(diff(4)) | {"addr": "wss://stream.bybit.com/v5/public/spot"}
    found = of(tmp_path, CONNECT, diff(1, kind="snapshot"), diff(2), diff(3),
               json.dumps(spot, separators=(",", ":")).encode(), diff(5))  # fmt: skip
    assert [row["instrument"] for row in found.tables["raw.book_updates"]] == [
        "bybit:BTCUSDT", "bybit:BTCUSDT", "bybit:BTCUSDT", "bybit-spot:BTCUSDT",
        "bybit-spot:BTCUSDT",
    ]  # fmt: skip


def ticker(k, kind="delta", symbol="BTCUSDT", **said):
    """A ticker of Bybit: what has changed of it, or all in a snapshot."""
    data = {"symbol": symbol, **said}
    return record({"topic": f"tickers.{symbol}", "type": kind, "data": data, "cs": k,
                   "ts": START * 1000 + k}, START + k / 1000)  # fmt: skip


ALL = {
    "bid1Price": "99", "bid1Size": "1", "ask1Price": "101", "ask1Size": "2", "lastPrice": "100",
    "markPrice": "100.5", "indexPrice": "100.25", "fundingRate": "-0.0001", "openInterest": "7",
    "nextFundingTime": "1700006400000", "tickDirection": "PlusTick",
}  # fmt: skip


def test_a_ticker_goes_on_from_what_it_has_said(tmp_path):
    found = of(
        tmp_path, CONNECT, ticker(1, bid1Price="98"), ticker(2, "snapshot", **ALL),
        ticker(3, bid1Price="99.5", bid1Size="3"), ticker(4, markPrice="100.75"),
        ticker(5, lastPrice="100.125"), ticker(6, lastPrice="100.5"),
        ticker(7, bid1Price="99.25", bid1Size="4"), ticker(8, markPrice="101"),
        ticker(9, lastPrice="99.875"), ticker(10, fundingRate="0.0002"),
        ticker(11, fundingRate="-0.0003"), ticker(12, "snapshot", bid1Price="97"),
        ticker(13, bid1Price="97.5", bid1Size="1"), ticker(14, bid1Price="97.25", bid1Size="2"),
        ticker(15, symbol="ETHUSDT", bid1Price="9"),
    )  # fmt: skip
    quotes, ticks = (found.tables[name] for name in ("raw.quotes", "raw.derivative_ticks"))
    names = ("bid_price", "bid_size", "ask_price", "ask_size")
    assert [tuple(row[name] for name in names) for row in quotes] == [
        (99, 1, 101, 2), (99.5, 3, 101, 2), (99.25, 4, 101, 2), (97, None, None, None),
        (97.5, 1, None, None), (97.25, 2, None, None),
    ]  # fmt: skip
    told = ("mark_price", "last_price", "funding_rate")
    assert [tuple(row[name] for name in told) for row in ticks] == [
        (100.5, 100, -0.0001), (100.75, 100, -0.0001), (101, 100.5, -0.0001),
        (101, 99.875, 0.0002), (101, 99.875, -0.0003),
    ]  # fmt: skip
    assert {row["next_funding_time"].value for row in ticks} == {1_700_006_400 * 10**9}
    assert {row["index_price"] for row in ticks} == {100.25}
    assert found.account.ignored["before_snapshot"] == 2
    assert found.account.ignored["unused:ticker_fields"] == 3
    assert found.alone == 9 + BLANK  # the second of each kind, and those after it, by a pattern


def test_a_value_that_is_none_is_not_held(tmp_path):
    found = of(
        tmp_path, CONNECT, ticker(2, "snapshot", **ALL), ticker(3, bid1Price="9_9"),
        ticker(4, bid1Size="3"), ticker(5, bid1Size=""), ticker(6, bid1Size="4"),
        ticker(7, nextFundingTime="0", markPrice="1"), ticker(8, markPrice="2"),
        ticker(9, markPrice="3"),
    )  # fmt: skip
    assert [row["bid_price"] for row in found.tables["raw.quotes"]] == [99, 99, 99]
    assert [row["bid_size"] for row in found.tables["raw.quotes"]] == [1, 3, 4]
    assert [one.reason for one in found.bad] == ["wrong_type"]
    first, *later = (row["next_funding_time"] for row in found.tables["raw.derivative_ticks"])
    assert (first.value, later) == (1_700_006_400 * 10**9, [None] * 3)  # 0: there is none any more


def test_a_ticker_that_says_all_of_itself_goes_on_from_nothing(tmp_path):
    best = {"bid1Price": "97", "bid1Size": "1"}
    found = of(
        tmp_path, CONNECT, ticker(1, "snapshot", **ALL), ticker(2, "snapshot", **best),
        ticker(3, markPrice="5", nextFundingTime="1700006400000"), ticker(4, "snapshot", **best),
        ticker(5, indexPrice="6"), ticker(6, "snapshot", **best), ticker(7, indexPrice="7"),
        ticker(8, askPrice="1").replace(b"delta", b"snapshot"), ticker(9, indexPrice="8"),
    )  # fmt: skip
    ticks = found.tables["raw.derivative_ticks"][1:]
    assert [(row["mark_price"], row["index_price"]) for row in ticks] == [
        (5, None), (None, 6), (None, 7), (None, 8),
    ]  # fmt: skip
    assert [row["next_funding_time"] is None for row in ticks] == [False, True, True, True]
    assert found.alone == 6 + BLANK  # whole ones are read by patterns too


def test_nothing_is_gone_on_from_that_was_said_of_another_market(tmp_path):
    spot = record(None, kind="connect", addr="wss://stream.bybit.com/v5/public/spot")
    found = of(
        tmp_path, CONNECT, ticker(1, "snapshot", **ALL), CONNECT, ticker(2, markPrice="5"),
        spot, ticker(3, markPrice="6"), ticker(4, "snapshot", bid1Price="9"),
        ticker(5, bid1Price="8"), ticker(6, bid1Price="7"),
    )  # fmt: skip
    assert found.account.ignored["before_snapshot"] == 1
    assert [row["index_price"] for row in found.tables["raw.derivative_ticks"]] == [100.25] * 2
    assert [(row["bid_price"], row["ask_price"]) for row in found.tables["raw.quotes"]] == [
        (99, 101), (9, None), (8, None), (7, None),
    ]  # fmt: skip


def test_many_tickers_are_held_each_in_its_row():
    held, arrays = Held(), []
    for k in range(1_000):
        row = held.begin(f"C.{k % 3}", f"S{k}")
        held.values[row] = k
        if not arrays or arrays[-1] is not held.values:
            arrays.append(held.values)
    assert len(arrays) < 10  # what is held is not moved each time that there is one more
    other = Held()
    other.restore(held.state())
    other.forget("C.1")
    assert [other.known(f"C.{k % 3}", f"S{k}") for k in (0, 1, 2, 4, 998)] == [0, -1, 2, -1, 998]
    assert other.values[[0, 2, 998], 3].tolist() == [0, 2, 998]
    assert other.begin("C.1", "S1") == 1_000
    assert other.begin("C.2", "S2") == 2
    other.restore(Held().state())
    assert other.begin("C.2", "S2") == 0


def test_a_number_that_is_below_zero_by_its_sign_alone_is_left_to_the_session(tmp_path):
    lines = [perpetual(k) for k in range(1, 4)]
    odd = [perpetual(k, current_funding=-7).replace(b"-7", b"-0") for k in range(4, 6)]
    found = of(tmp_path, *lines, *odd, perpetual(6), venue="deribit")
    rates = [str(row["funding_rate"]) for row in found.tables["raw.derivative_ticks"]]
    assert rates[2:5] == [str(-3 / 1024), "0.0", "0.0"]


def perpetual(k, **said):
    """A ticker of Deribit's perpetual."""
    data = {
        "timestamp": START * 1000 + k, "state": "open", "settlement_price": 99.5 * (k % 2),
        "open_interest": 5.0, "min_price": 1.0, "max_price": 2.0, "mark_price": 100.0 + k,
        "last_price": 100.5, "instrument_name": "BTC-PERPETUAL", "index_price": 100.25,
        "stats": {"volume": 1.5, "price_change": -0.5, "low": 1.0, "high": 2.0},
        "funding_8h": 0.0001, "current_funding": -k / 1024, "best_bid_price": 99.0,
        "best_bid_amount": 10.0, "best_ask_price": 101.0, "best_ask_amount": 20.0, **said,
    }  # fmt: skip
    return record({"jsonrpc": "2.0", "method": "subscription", "params": {
        "channel": "ticker.BTC-PERPETUAL.raw", "data": data}}, START + k / 1000)  # fmt: skip


def test_a_message_of_a_quote_and_a_tick_is_read_as_both(tmp_path):
    connect = record(None, kind="connect", addr="wss://www.deribit.com/ws/api/v2")
    found = of(tmp_path, connect, perpetual(1), perpetual(2), perpetual(3),
               perpetual(4, best_bid_price=None), perpetual(5, mark_price=None), perpetual(6),
               venue="deribit")  # fmt: skip
    assert [row["bid_price"] for row in found.tables["raw.quotes"]] == [99, 99, 99, None, 99, 99]
    ticks = found.tables["raw.derivative_ticks"]
    assert [row["mark_price"] for row in ticks] == [101, 102, 103, 104, None, 106]
    assert [row["settlement_price"] for row in ticks] == [99.5, None, 99.5, None, 99.5, None]
    assert [row["funding_rate"] for row in ticks] == [-k / 1024 for k in range(1, 7)]
    assert [row["line"] for row in ticks] == [2, 3, 4, 5, 6, 7]
    assert found.alone == 4 + BLANK


decimals = st.one_of(
    st.decimals(min_value=0, max_value=10**15, allow_nan=False, places=8).map(
        lambda value: f"{value:f}"
    ),
    st.from_regex(r"[0-9]{1,20}(\.[0-9]{0,14})?", fullmatch=True),
    st.floats(min_value=0, allow_nan=False, allow_infinity=False).map(repr),
    st.text("0123456789.-+eE \\", max_size=8),
)


@given(st.lists(st.tuples(decimals, decimals), max_size=4))
def test_numbers_are_those_that_are_read_exactly(tmp_path_factory, levels):
    found = of(tmp_path_factory.mktemp("numbers"), CONNECT, diff(1, kind="snapshot"), diff(2),
               diff(3, levels), diff(4, levels[:1], levels[1:]))  # fmt: skip
    assert found.account.decoded.total() + len(found.bad) == 4
    for row in found.tables["raw.book_updates"][2:]:
        given = levels if row["last_update_id"] == 3 else levels[:1]
        assert row["bid_prices"] == [float(price) for price, _ in given]
        assert row["bid_sizes"] == [float(size) for _, size in given]


def test_places_of_values():
    found = tokens_of(b'{"a":[1,{"b":"x y"}],"c":{"d":true}, "e": -1.5}')
    assert found.values == {
        "a.0": (6, 7, False), "a.1.b": (14, 17, True), "c.d": (30, 34, False),
        "e": (42, 46, False),
    }  # fmt: skip
    assert found.lists == {"a": (6, 19)}


@pytest.mark.parametrize("text", [b"{", b'{"a":}', b'{"a":"\\n"}', b"[1 2]", b"", b'{"a"1}', b"]"])
def test_what_is_no_plain_json_has_no_places(text):
    with pytest.raises(NotAlike):
        tokens_of(text)
