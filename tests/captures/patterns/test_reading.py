"""What lines read by patterns may be, and what ends it: planted recordings of one venue."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance.captures.patterns.learning import NotAlike, tokens_of
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


BLANK = 1
"""Lines which `of` adds."""


def of(tmp_path, *lines, venue="bybit"):
    """What a recording of some lines comes to, and of a blank one, since those at the end are never
    read by patterns.
    """
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"\n".join((*lines, b" " * 80 + b"\n")))
    return both(path, venue)


def books(found):
    """Kind, bids, asks and last id of messages about the book."""
    return [
        (row["kind"], row["bid_prices"], row["bid_sizes"], row["ask_prices"], row["last_update_id"])
        for row in found.tables["raw.book_updates"]
    ]


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
    of(tmp_path_factory.mktemp("numbers"), CONNECT, diff(1, kind="snapshot"), diff(2),
       diff(3, levels), diff(4, levels[:1], levels[1:]))  # fmt: skip


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
