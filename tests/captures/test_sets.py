"""The sets of captures at hand: every line accounted for, every oddity of theirs met."""

import numpy as np
import pyarrow.compute as pc
import pytest

from imbalance.captures.probe import probe
from imbalance.captures.register import register
from tests.captures.building import build_all, rows
from tests.captures.whole import counts, decode


@pytest.fixture(scope="module")
def captures(shared):
    return shared / "captures"


def columns(rows, *names):
    return [rows[name].to_pylist() for name in names]


def best(rows, side):
    """Best price of each book message of a table."""
    return np.array([prices[0] for prices in rows[f"{side}_prices"].to_pylist()])


def test_edgex_header_is_not_believed(captures):
    """It lists bid_1..15 then ask_1..15; the values alternate bid and ask level by level."""
    found = decode(captures / "edgex-20250913/depth_BTC.csv.gz")
    assert (found.venue, found.instruments) == ("edgex", ["edgex:BTC"])
    assert (found.decoded, found.ignored) == ({"book_image": 462}, {"header": 1})
    rows = found.tables["raw.book_updates"]
    assert set(rows["kind"].to_pylist()) == {"image"}
    assert (best(rows, "bid") < best(rows, "ask")).all()
    for bids, asks in zip(*columns(rows, "bid_prices", "ask_prices"), strict=True):
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert len(bids) == len(asks) == 15
    first = rows.slice(0, 1).to_pylist()[0]
    assert (first["bid_prices"][0], first["bid_sizes"][0]) == (115798.8, 2.14)
    assert (first["ask_prices"][0], first["ask_sizes"][0]) == (115801.2, 11.265)


def test_edgex_trades_arrive_newest_first(captures):
    found = decode(captures / "edgex-20250913/trades_BTC.csv.gz")
    rows = found.tables["raw.trades"]
    times = rows["event_time"].cast("int64").to_numpy()
    known = rows["available_at"].cast("int64").to_numpy()
    assert (np.diff(times) < 0).any()
    assert (np.diff(known) >= 0).all()
    assert (known >= times).all()
    assert rows["trade_key"][0].as_py() == "cb5b2594-ee16-4d55-b5ae-66db31383243"


def test_standx_stores_every_book_row_twice(captures):
    files = sorted((captures / "standx-20260106").glob("orderbook*.parquet"))
    decoded, ignored, quarantined = counts(files)
    assert decoded["book_image"] == ignored["repeated_row"] == 32_010
    assert quarantined == {}


def test_standx_books_lock_and_never_cross(captures):
    rows = decode(captures / "standx-20260106/orderbook_BTC-USD_2026-01-06_13.parquet").tables[
        "raw.book_updates"
    ]
    bid, ask = best(rows, "bid"), best(rows, "ask")
    assert not (bid > ask).any()
    assert (bid == ask).mean() == pytest.approx(0.466, abs=0.06)


def test_standx_side_never_varies_and_is_not_believed(captures):
    rows = decode(captures / "standx-20260106/trades_BTC-USD_2026-01-06_13.parquet").tables[
        "raw.trades"
    ]
    assert len(rows) == 6_719
    assert rows["side"].null_count == len(rows)


def test_hyperliquid_symbol_and_clocks(captures):
    folder = captures / "hyperliquid-20250904"
    books = decode(folder / "orderbooks_WLFI.csv.gz")
    assert books.instruments == ["hyperliquid:WLFI"]
    rows = books.tables["raw.book_updates"]
    assert set(pc.list_value_length(rows["bid_prices"]).to_pylist()) == {20}
    received, sent = (
        rows[name].cast("int64").to_numpy() for name in ("receive_time", "exchange_time")
    )
    assert ((received - sent) > 0).all()
    # digit by digit: a double of seconds would be off by some hundred ns
    assert received[0] % 100 == 0


def test_hyperliquid_repeats_what_it_sent_before_an_outage(captures, store):
    from imbalance.captures.register import register
    from tests.captures.building import build_all, rows

    register(store, [captures / "hyperliquid-20250904"])
    (result,) = build_all(store).values()
    assert not result.failed
    folder = captures / "hyperliquid-20250904"
    kept = {
        name: rows(store, name, "hyperliquid", "2025-09-04")
        for name in ("raw.book_updates", "raw.trades")
    }
    read = {"raw.book_updates": 0, "raw.trades": 0}
    for path in folder.glob("*.csv.gz"):
        for name, table in decode(path).tables.items():
            if name in read:
                read[name] += len(table)
    # three books of each of the four, and 7 to 17 trades of each
    assert read["raw.book_updates"] - len(kept["raw.book_updates"]) == 12
    assert 4 * 7 <= read["raw.trades"] - len(kept["raw.trades"]) <= 4 * 17
    assert pc.count_distinct(kept["raw.trades"]["trade_key"]).as_py() == len(kept["raw.trades"])


def test_coinbase_full_channel_stands_twice_and_out_of_order(captures):
    found = decode(captures / "coinbase-l3-20180325/sixty-seconds.parquet")
    assert found.lines == 90_352
    assert found.ignored["repeated_row"] == 45_176
    orders = found.tables["raw.orders"]
    keys = list(zip(*columns(orders, "instrument", "sequence"), strict=True))
    assert len(set(keys)) == len(keys)
    assert len(found.instruments) == 12
    # no opening book is there: nothing is said of one
    assert "raw.book_updates" not in found.tables
    trades = found.tables["raw.trades"]
    assert set(trades["side"].to_pylist()) == {"buy", "sell"}


def test_coinbase_book_is_put_together_from_a_folder(captures):
    folder = captures / "coinbase-20180417"
    bids, asks = (decode(folder / f"snapshot_{side}.csv") for side in ("bids", "asks"))
    assert (bids.decoded, asks.decoded) == ({"snapshot": 11_245}, {"snapshot": 16_997})
    (opening,) = bids.tables["raw.book_updates"].to_pylist()
    (further,) = asks.tables["raw.book_updates"].to_pylist()
    assert (opening["kind"], further["kind"]) == ("snapshot", "diff")
    assert opening["instrument"] == "coinbase:BTC-USD"
    assert str(opening["exchange_time"]) == "2018-04-17 00:55:03.354000"
    assert max(opening["bid_prices"]) == 8042.9
    assert min(further["ask_prices"]) == 8042.91
    updates = decode(folder / "l2update.csv")
    assert updates.decoded == {"l2update": 18_093}
    matches = decode(folder / "match.csv").tables["raw.trades"]
    assert len(matches) == 256
    # the match names the maker's side
    assert matches["side"][0].as_py() == "sell"


def test_coinbase_book_of_two_files_has_both_sides(captures, store):
    """Both files are of one moment: the asks, which come second, are no repetition of the bids."""
    register(store, [captures / "coinbase-20180417"])
    build_all(store)
    books = rows(store, "raw.book_updates", "coinbase", "2018-04-17")
    kinds = books["kind"].to_pylist()
    assert kinds[:2] == ["snapshot", "diff"]
    assert [len(books[name][k].as_py()) for k, name in enumerate(("bid_prices", "ask_prices"))] == [
        11_245, 16_997,
    ]  # fmt: skip
    assert min(books["ask_prices"][1].as_py()) == 8042.91
    sizes = [len(books[name][k]) for name in ("bid_prices", "ask_prices")
             for k in range(2, len(books))]  # fmt: skip
    assert sum(sizes) == 18_093


def test_bitstamp_log(captures):
    found = decode(captures / "bitstamp-20150501/2015-05-01.log.xz")
    assert found.decoded == {
        "order_created": 24_894, "order_changed": 602, "order_deleted": 24_918, "trade": 575,
        "order_book": 5_011,
    }  # fmt: skip
    assert len(found.tables["raw.orders"]) == 50_414
    trades = found.tables["raw.trades"]
    assert trades["side"].null_count == len(trades)
    # `datetime` is when the order was made, not when the event happened
    assert set(trades["time_source"].to_pylist()) == {"receive"}


def test_arrays_of_messages_and_a_book_named_by_its_folder(captures):
    folder = captures / "binance-ethbtc/ETHBTC"
    updates = decode(folder / "2020-11-01T09-00-00_update.json")
    assert (updates.lines, updates.decoded) == (3_600, {"depthUpdate": 3_600})
    book = decode(folder / "2020-11-01T09-00-00_snapshot.json").tables["raw.book_updates"]
    assert book["instrument"][0].as_py() == "binance:ETHBTC"
    assert book["last_update_id"][0].as_py() == 1_737_811_567
    rows = updates.tables["raw.book_updates"]
    first, last = (rows[name].to_numpy() for name in ("first_update_id", "last_update_id"))
    assert (first[1:] == last[:-1] + 1).all()


def test_bybit_history_dump(captures):
    found = decode(captures / "bybit/xrpusdt-ob500.data.zip")
    kinds = found.tables["raw.book_updates"]["kind"].to_pylist()
    assert (kinds.count("snapshot"), kinds.count("diff")) == (1, 49)


TARDIS = {
    "binance-futures_book_snapshot_25_BTCUSDT.csv": ("raw.book_updates", 10),
    "binance-futures_book_snapshot_5_BTCUSDT.csv": ("raw.book_updates", 10),
    "binance_spot_BTCUSDT_trades_2024-01-01_first5.csv": ("raw.trades", 5),
    "bitmex_trades_XBTUSD.csv": ("raw.trades", 10),
    "deribit_incremental_book_L2_BTC-PERPETUAL.csv": ("raw.book_updates", 1),
    "huobi-dm-swap_quotes_BTC-USD.csv": ("raw.quotes", 10),
    "quotes.csv.gz": ("raw.quotes", 9_999),
    "tardis_binance_BTCUSDT_incremental_book_L2_2019-12-01_rows_1_2050.csv":
        ("raw.book_updates", 8),
    "tardis_binance_BTCUSDT_trades_2019-12-01_rows_1_100.csv": ("raw.trades", 100),
    "tardis_binance_incremental_l2_schema_sample.csv": ("raw.book_updates", 2),
    "trades.csv.gz": ("raw.trades", 9_999),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TARDIS))
def test_tardis_tables(captures, name):
    found = decode(captures / "tardis" / name)
    table, count = TARDIS[name]
    assert {k: len(v) for k, v in found.tables.items()} == {table: count}
    assert found.quarantined == {}


def test_tardis_ids_and_images(captures):
    trades = decode(captures / "tardis/bitmex_trades_XBTUSD.csv").tables["raw.trades"]
    assert trades["trade_id"].null_count == 10
    assert trades["trade_key"][0].as_py() == "ccc3c1fa-212c-e8b0-1706-9b9c4f3d5ecf"
    assert trades["side"].to_pylist()[:1] == ["sell"]
    name = "tardis/binance-futures_book_snapshot_25_BTCUSDT.csv"
    images = decode(captures / name).tables["raw.book_updates"]
    assert set(images["kind"].to_pylist()) == {"image"}
    assert (images["bid_prices"][0].as_py()[0], images["ask_prices"][0].as_py()[0]) == (
        11657.07, 11657.08
    )  # fmt: skip


CORRUPT = {
    "L2_feed.log.gz": "gzip checksum or structure is wrong",
    "tardis_trades.csv.gz": "gzip checksum or structure is wrong",
    "unbridgeable-binance/btcusdt-instrument.txt": "unknown format",
    "unbridgeable-binance/btcusdt-quotes.parquet": "Parquet of no known layout: columns timestamp",
}


@pytest.mark.parametrize("name", sorted(CORRUPT))
def test_corrupt_files_are_told_for_what_they_are(captures, name):
    found = probe(captures / "corrupt" / name)
    assert found.state == "refused"
    assert CORRUPT[name] in found.reason


def test_a_snapshot_older_than_its_update_is_never_bridged(captures, store):
    from imbalance.books.build import materialise_book
    from imbalance.captures.register import register
    from imbalance.tasks import read_current
    from tests.captures.building import build_all

    register(store, [captures / "corrupt/unbridgeable-binance"])
    build_all(store)
    materialise_book(store, "binance-futures", "2022-11-01")
    health = read_current(store, "book.book_health", "2022-11-01|binance-futures").to_pylist()
    assert [row["cause"] for row in health if row["state"] != "valid"] == ["unbridgeable_snapshot"]
    states = read_current(store, "book.book_states", "2022-11-01|binance-futures")
    assert len(states) <= 1


def test_last_prices_of_two_venues(captures):
    folder = captures / "leadlag-btcjpy"
    found = decode(folder / "bitflyerJPY_2018-08-12_small.csv")
    assert (found.instruments, found.decoded) == (["bitflyer:BTCJPY"], {"last_price": 17_507})
    assert decode(folder / "btcboxJPY_2018-08-12_small.csv").venue == "btcbox"
