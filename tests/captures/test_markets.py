"""Which market a file is of, where content may not tell: what is told, assumed, or named."""

import json

import pytest

from imbalance.captures.probe import probe, sniff
from imbalance.captures.register import register
from imbalance.tasks import read_current
from tests.captures.building import build_all, rows
from tests.captures.samples import INVERSE, LINEAR, SPOT, aggregate, diff, trade
from tests.captures.whole import decode

DAY = "2025-05-17"
AT = 1_747_440_000_831


def book(depth=200, symbol="BTCUSDT", kind="snapshot", update=7):
    data = {"s": symbol, "b": [["100.5", "3"]], "a": [["100.6", "0.25"]], "u": update, "seq": 9}
    return {"topic": f"orderbook.{depth}.{symbol}", "type": kind, "ts": AT, "data": data,
            "cts": AT - 2}  # fmt: skip


def traded(**more):
    data = [{"T": AT, "s": "BTCUSDT", "S": "Buy", "v": "2", "p": "10", "i": "x", **more}]
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": AT, "data": data}


def ticker(**more):
    data = {"symbol": "BTCUSDT", "lastPrice": "10", **more}
    return {"topic": "tickers.BTCUSDT", "ts": AT, "type": "snapshot", "data": data}


def saved(path, *messages):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(message, separators=(",", ":")) for message in messages]
    path.write_text("\r\n".join([*lines, ""]))
    return path


@pytest.mark.parametrize(("folder", "messages", "venue"), [
    ("x", [book(500)], "bybit"),
    ("x", [book(symbol="BTCPERP")], "bybit"),
    ("x", [book(symbol="BTC-29DEC25")], "bybit"),
    ("x", [book(), traded(L="PlusTick", BT=False)], "bybit"),
    ("x", [book(), traded(BT=False, RPI=False)], "bybit-spot"),
    ("x", [ticker(fundingRate="0.0001")], "bybit"),
    ("x", [ticker(usdIndexPrice="10.1")], "bybit-spot"),
    ("orderbook/spot/BTCUSDT", [book()], "bybit-spot"),
    ("orderbook/linear/BTCUSDT", [book()], "bybit"),
    ("orderbook/inverse/BTCUSD", [book(symbol="BTCUSD")], "bybit"),
    ("spot/orderbook/linear", [book()], "bybit"),  # the nearest word counts
])  # fmt: skip
def test_markets_of_bybit_that_content_or_path_tell(tmp_path, folder, messages, venue):
    path = saved(tmp_path / folder / "2025-05-17_BTCUSDT_ob200.data", *messages)
    found = sniff(path)
    assert (found.format, found.venue, found.assumed) == ("venue-messages", venue, None)


def test_a_market_of_bybit_that_nothing_tells_is_assumed_and_said_so(store, tmp_path):
    path = saved(tmp_path / "2025-05-17_BTCUSDT_ob200.data", book(), book(kind="delta", update=8))
    (one,) = register(store, [path])
    assert (one.status, one.venue) == ("new", "bybit")
    assert one.assumed == (
        "taken for bybit: neither content nor path tell it from bybit-spot "
        "(imbalance ingest --venue says which)"
    )
    build_all(store)
    assert len(rows(store, "raw.book_updates", "bybit", DAY)) == 2


def test_the_user_names_the_market_and_that_stays(store, tmp_path):
    path = saved(tmp_path / "2025-05-17_BTCUSDT_ob200.data", book(), book(kind="delta", update=8))
    register(store, [path])
    build_all(store)
    (one,) = register(store, [path], venue="bybit-spot")
    assert (one.venue, one.assumed) == ("bybit-spot", None)
    build_all(store)
    held = rows(store, "raw.book_updates", "bybit-spot", DAY)
    assert held["instrument"].to_pylist() == ["bybit-spot:BTCUSDT"] * 2
    assert held["bid_prices"].to_pylist() == [[100.5], [100.5]]
    path.touch()
    for _ in range(2):
        register(store, [path])
        (capture,) = store.ledger.captures()
        assert (capture.venue, capture.format) == ("bybit-spot", "venue-messages")
    (partition,) = store.ledger.partitions("raw.instruments")
    (facts,) = read_current(store, "raw.instruments", partition).to_pylist()
    assert (facts["kind"], facts["multiplier"]) == ("spot", None)


def stretch(path, first, last):
    """Messages of a book by their ids."""
    kinds = {0: "snapshot"}
    return saved(path, *(book(kind=kinds.get(u, "delta"), update=u) for u in range(first, last)))


def test_the_market_that_is_named_stays_while_the_file_grows(store, tmp_path):
    path = tmp_path / "2025-05-17_BTCUSDT_ob200.data"
    register(store, [stretch(path, 0, 4)], venue="bybit-spot")
    build_all(store)
    for last in (7, 9):
        (before,) = store.ledger.captures()
        (one,) = register(store, [stretch(path, 0, last)])
        assert (one.status, one.venue, one.assumed) == ("grown", "bybit-spot", None)
        assert one.replaces == before.capture_id
        assert one.reason.endswith("gives way to it, its account is taken back")
        (capture,) = store.ledger.captures()
        assert (capture.capture_id, capture.venue) == (one.capture_id, "bybit-spot")
        build_all(store)
        held = rows(store, "raw.book_updates", "bybit-spot", DAY)
        assert held["last_update_id"].to_pylist() == list(range(last))
    (one,) = register(store, [stretch(path, 1, 9)])  # other bytes: nothing is named for them
    assert (one.status, one.venue) == ("replaced", "bybit")
    assert one.assumed.startswith("taken for bybit")


def test_what_is_named_for_bytes_counts_before_what_is_for_those_they_begin_with(store, tmp_path):
    path, other = tmp_path / "a.data", stretch(tmp_path / "b.data", 0, 6)
    register(store, [stretch(path, 0, 4)], venue="bybit-spot")
    register(store, [other], venue="bybit")
    register(store, [stretch(path, 0, 6)])
    in_use = {c.capture_id: c.venue for c in store.ledger.captures()}
    assert in_use[store.ledger.known_capture(str(path))] == "bybit"


def test_a_file_that_has_grown_and_is_named_anew_does_not_take_back_the_other_venue(
    store, tmp_path
):
    path = tmp_path / "a.data"
    (old,) = register(store, [stretch(path, 0, 4)], venue="bybit-spot")
    (one,) = register(store, [stretch(path, 0, 6)], venue="bybit")
    assert (one.status, one.venue) == ("grown", "bybit")
    assert one.reason.endswith(
        f"capture {old.capture_id} stays registered, since it is of another venue, bybit-spot: put "
        f"it back under another name, or let go of it (imbalance ingest --forget {old.capture_id})"
    )
    assert [c.venue for c in store.ledger.captures()] == ["bybit-spot", "bybit"]


def test_a_venue_that_the_content_is_not_of_is_refused(store, tmp_path):
    path = saved(tmp_path / "a.data", book())
    (one,) = register(store, [path], venue="binance")
    assert one.status == "refused"
    assert one.reason == "not of binance: its content is of bybit or bybit-spot"
    (one,) = register(store, [path])  # what was refused is not held to
    assert (one.status, one.venue) == ("new", "bybit")


ARRAYS = {
    "spot differences": ([diff(SPOT, 1, 2, bids=[["1", "2"]])], "binance"),
    "linear differences": ([diff(LINEAR, 1, 2, bids=[["1", "2"]])], LINEAR),
    "inverse differences": ([diff(INVERSE, 1, 2, bids=[["1", "2"]])], INVERSE),
    "spot trades": ([trade(SPOT, 1)], "binance"),
    "linear trades": ([trade(LINEAR, 1)], LINEAR),
    "inverse trades": ([trade(INVERSE, 1)], INVERSE),
    "spot aggregates": ([aggregate(SPOT, 1)], "binance"),
    "linear aggregates": ([aggregate(LINEAR, 1)], LINEAR),
    "a bad first one": ([{"e": "trade", "E": 5}, trade(LINEAR, 1)], LINEAR),
}


@pytest.mark.parametrize("name", sorted(ARRAYS))
def test_arrays_of_binance_are_of_the_market_their_fields_tell(tmp_path, name):
    messages, venue = ARRAYS[name]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(messages))
    found = decode(path)
    assert (found.venue, found.layout) == (venue, "array")
    assert found.instruments == [f"{venue}:{messages[-1]['s']}"]
    assert sniff(path).assumed is None


def test_what_an_array_does_not_tell_is_assumed_or_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"e": "trade", "E": 1747440000831}]')
    assert "taken for binance: neither content" in sniff(path).assumed
    assert sniff(path, venue=INVERSE).venue == INVERSE
    path.write_text(json.dumps([trade(SPOT, 1)]))
    assert sniff(path, venue="binance-us").venue == "binance-us"
    assert probe(path, venue=LINEAR).reason == (
        "not of binance-futures: its content is of binance or binance-us"
    )


BOOKS = {
    "BTCUSDT": ({"lastUpdateId": 7}, "binance"),
    "ETHUSDT": ({"lastUpdateId": 7, "E": AT, "T": AT - 3}, LINEAR),
    "BTCUSD_PERP": ({"lastUpdateId": 7, "symbol": "BTCUSD_PERP", "pair": "BTCUSD", "E": AT,
                     "T": AT - 3}, INVERSE),
}  # fmt: skip


@pytest.mark.parametrize("symbol", sorted(BOOKS))
def test_books_of_binance_are_of_the_market_their_fields_tell(tmp_path, symbol):
    said, venue = BOOKS[symbol]
    path = tmp_path / symbol / "2025-05-17T00-00-00_snapshot.json"
    path.parent.mkdir()
    path.write_text(json.dumps(said | {"bids": [["9638.0", "431"]], "asks": [["9638.2", "12"]]}))
    found = decode(path)
    assert found.instruments == [f"{venue}:{symbol}"]
    (one,) = found.tables["raw.book_updates"].to_pylist()
    assert (one["kind"], one["bid_prices"], one["ask_sizes"]) == ("snapshot", [9638.0], [12.0])


TABLE = """timestamp,price,size,side,trade_id,exchange_timestamp
1747440000.673878,100.5,2,buy,7,1747440000123
"""


def test_a_table_that_names_no_venue_is_read_when_the_user_does(store, tmp_path):
    path = tmp_path / "mine" / "trades_BTC.csv"
    path.parent.mkdir()
    path.write_text(TABLE)
    (one,) = register(store, [path])
    assert (one.status, one.venue) == ("refused", "")
    assert "neither rows nor folder name the venue (imbalance ingest --venue" in one.reason
    (one,) = register(store, [path], venue="lab")
    assert (one.status, one.venue, one.reason) == ("new", "lab", None)
    build_all(store)
    (row,) = rows(store, "raw.trades", "lab", DAY).to_pylist()
    assert (row["instrument"], row["price"], row["trade_key"]) == ("lab:BTC", 100.5, "7")
    assert (row["side"], row["size"]) == ("buy", 2.0)


def test_a_folder_that_names_a_venue_is_believed_until_the_user_names_another(tmp_path):
    path = tmp_path / "hyperliquid" / "trades_BTC.csv"
    path.parent.mkdir()
    path.write_text(TABLE)
    assert decode(path).instruments == ["hyperliquid:BTC"]
    assert sniff(path, venue="lab").venue == "lab"
