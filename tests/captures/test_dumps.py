"""Binance's public dumps, as they are published: by name, by columns, and without a header."""

import hashlib
import io
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imbalance.captures.probe import sniff
from imbalance.captures.register import register
from imbalance.errors import UserError
from tests.captures.building import account, build_all, rows
from tests.captures.whole import decode

SPOT, LINEAR, INVERSE = "binance", "binance-futures", "binance-delivery"

BANDS = """timestamp,percentage,depth,notional
2025-05-19 11:07:31,-5,7885.27500000,647368074.36920000
2025-05-19 11:07:31,-1,2294.32400000,191369991.21780000
2025-05-19 11:07:31,1,2097.41000000,176607765.20950000
2025-05-19 11:07:31,5,6491.51500000,555012399.28440000
2025-05-19 11:08:01,-0.20,612.50000000,51000000.00000000
2025-05-19 11:08:01,0.20,0.00000000,0.00000000
"""


def dump(path, text):
    """A dump as it is published: a zip of one CSV of the same name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.csv", text)
    path.write_bytes(packed.getvalue())
    return path


def stamps(table, name="event_time"):
    """Times of rows in ns."""
    return table[name].cast("int64").to_pylist()


def test_depth_in_bands_is_kept_as_it_is(tmp_path):
    found = decode(dump(tmp_path / "BTCUSDT-bookDepth-2025-05-19.zip", BANDS))
    assert (found.layout, found.venue) == ("binance-depth-bands", LINEAR)
    assert found.instruments == [f"{LINEAR}:BTCUSDT"]
    assert (found.decoded, found.ignored) == ({"depth_band": 6}, {"header": 1})
    bands = found.tables.pop("raw.depth_bands")
    assert not found.tables  # no book, no trades are made of it
    assert bands["percentage"].to_pylist() == [-5, -1, 1, 5, -0.2, 0.2]
    assert bands["depth"].to_pylist() == [7885.275, 2294.324, 2097.41, 6491.515, 612.5, 0]
    assert bands["notional"].to_pylist() == [
        647_368_074.3692, 191_369_991.2178, 176_607_765.2095, 555_012_399.2844, 51e6, 0
    ]  # fmt: skip
    first = 1_747_652_851 * 10**9
    assert stamps(bands) == [first] * 4 + [first + 30 * 10**9] * 2
    assert stamps(bands, "available_at") == stamps(bands)
    assert set(bands["time_source"].to_pylist()) == {"exchange"}
    assert bands["receive_time"].null_count == 6


def test_bands_on_neither_side_and_without_size_are_quarantined(tmp_path):
    wrong = ("2025-05-19 11:08:31,0,1.5,9.0", "2025-05-19 11:08:31,,1.5,9.0",
             "2025-05-19 11:08:31,1,,9.0", "2025-05-19 11:08:31,1,-2,9.0",
             "2025-05-19,1,2,9.0")  # fmt: skip
    found = decode(dump(tmp_path / "BTCUSDT-bookDepth-2025-05-19.zip", BANDS + "\n".join(wrong)))
    assert found.decoded == {"depth_band": 6}
    assert found.quarantined == {
        "number_out_of_range": 3, "missing_field": 1, "wrong_type": 1
    }  # fmt: skip


def test_bands_are_a_table_of_the_raw_layer_each_told_once(store, tmp_path):
    path = dump(tmp_path / "a/BTCUSDT-bookDepth-2025-05-19.zip", BANDS)
    longer = BANDS + "2025-05-19 11:08:31,1,2000.0,168000000.0\n"
    again = dump(tmp_path / "b/BTCUSDT-bookDepth-2025-05-19.zip", longer)
    register(store, [path, again])
    build_all(store)
    held = rows(store, "raw.depth_bands", LINEAR, "2025-05-19")
    assert held["percentage"].to_pylist() == [-5, -1, 1, 5, -0.2, 0.2, 1]
    assert account(store, path)["decoded_by_kind"] == {"depth_band": 6}
    assert len(rows(store, "raw.book_updates", LINEAR, "2025-05-19")) == 0


def test_of_dumps_that_tell_the_same_bands_the_one_that_holds_more_is_named(store, tmp_path):
    lines = BANDS.splitlines(keepends=True)
    texts = ["".join(lines)] + [
        # each lacks what the whole one has in the middle, so that they must be merged
        "".join([*lines[:4], f"2025-05-19 11:09:01,{k},9.0,9.0\n"]) for k in range(1, 5)
    ]
    paths = []
    for k, text in enumerate(texts):
        paths.append(tmp_path / f"{k}/BTCUSDT-bookDepth-2025-05-19.csv")
        paths[-1].parent.mkdir()
        paths[-1].write_text(text)
    whole, *parts = (one.capture_id for one in register(store, paths))
    assert min(parts) < whole, "by the ids alone another would be named"
    (result,) = build_all(store).values()
    assert result.partitions[f"2025-05-19|{LINEAR}"].metadata["merged"]
    held = rows(store, "raw.depth_bands", LINEAR, "2025-05-19")
    assert held["percentage"].to_pylist()[:6] == [-5, -1, 1, 5, -0.2, 0.2]
    assert held["capture_id"].to_pylist()[:6] == [whole] * 6
    assert sorted(held["percentage"].to_pylist()[6:]) == [1, 2, 3, 4]
    assert sorted(held["capture_id"].to_pylist()[6:]) == sorted(parts)


def test_the_checksum_that_is_published_beside_a_dump_is_no_capture(store, tmp_path):
    path = dump(tmp_path / "in/BTCUSDT-bookDepth-2025-05-19.zip", BANDS)
    beside = path.with_name(f"{path.name}.CHECKSUM")
    beside.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    found = {one.path: (one.status, one.reason) for one in register(store, [path.parent])}
    assert found == {
        str(path): ("new", None), str(beside): ("ignored", "not a capture, by its name")
    }
    build_all(store)
    assert list(store.ledger.partitions("raw.captures")) == [account(store, path)["capture_id"]]
    with pytest.raises(UserError, match="holds no captures"):
        register(store, [beside])


HEADERS = {
    "trades": "id,price,qty,quote_qty,time,is_buyer_maker",
    "coins": "id,price,qty,base_qty,time,is_buyer_maker",
    "aggregates": "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,"
    "is_buyer_maker",
    "quotes": "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,"
    "transaction_time,event_time",
}
ROWS = {
    "trades": ("2041561437,38702.60,0.003,116.10,1651363200021,true",
               "2041561438,38702.70,1.250,48378.37,1651363200054,false"),
    "coins": ("317152374,38719.0,83,0.21436504,1651363200133,true",
              "317152375,38719.1,1,0.00258270,1651363200140,false"),
    "aggregates": ("1205633331,38702.6,0.003,2041561437,2041561439,1651363200021,true",
                   "1205633332,38702.7,1.25,2041561440,2041561440,1651363200054,false"),
    "quotes": ("1466112000001,38702.5,10.25,38702.6,0.5,1651363200021,1651363200025",
               "1466112000002,38702.5,10.25,38702.7,1.5,1651363200030,1651363200033"),
}  # fmt: skip


@pytest.fixture(params=["with", "without"])
def text_of(request):
    """Text of a dump with its header and without."""
    def made(kind, rows=None):
        header = [HEADERS[kind]] if request.param == "with" else []
        return "\n".join([*header, *(rows or ROWS[kind]), ""])

    return made


def test_trades_of_linear_futures(tmp_path, text_of):
    found = decode(dump(tmp_path / "BTCUSDT-trades-2022-05-01.zip", text_of("trades")))
    assert found.instruments == [f"{LINEAR}:BTCUSDT"]
    assert found.decoded == {"trade": 2}
    table = found.tables["raw.trades"]
    assert table["trade_id"].to_pylist() == [2_041_561_437, 2_041_561_438]
    assert table["price"].to_pylist() == [38702.6, 38702.7]
    assert table["size_base"].to_pylist() == table["size"].to_pylist() == [0.003, 1.25]
    assert table["side"].to_pylist() == ["sell", "buy"]
    assert set(table["kind"].to_pylist()) == {"trade"}
    assert stamps(table) == [1_651_363_200_021 * 10**6, 1_651_363_200_054 * 10**6]


@pytest.mark.parametrize("name", ["BTCUSD_PERP", "BTCUSD_220624", "BTCUSDT"])
def test_trades_of_inverse_futures_are_told_by_their_sums(tmp_path, text_of, name):
    """Whatever the file is called: the sums are in coins, the sizes in contracts."""
    found = decode(dump(tmp_path / f"{name}-trades-2022-05-01.zip", text_of("coins")))
    assert found.instruments == [f"{INVERSE}:{name}"]
    table = found.tables["raw.trades"]
    assert table["size"].to_pylist() == [83.0, 1.0]
    each = 100.0 if "BTCUSD" in name else 10.0
    assert table["size_base"].to_pylist() == [83.0 * each / 38719.0, each / 38719.1]
    assert table["side"].to_pylist() == ["sell", "buy"]


def test_contracts_of_ten_dollars(tmp_path, text_of):
    rows = ["5,2819.77,10,0.03546388,1651363200133,true"]
    found = decode(dump(tmp_path / "ETHUSD_PERP-trades-2022-05-01.zip", text_of("coins", rows)))
    assert found.venue == INVERSE
    assert found.tables["raw.trades"]["size_base"].to_pylist() == [10 * 10.0 / 2819.77]


@pytest.mark.parametrize(("name", "venue"), [
    ("BTCUSDT", LINEAR), ("BTCUSDT_220624", LINEAR), ("1000SHIBUSDT", LINEAR),
    ("BTCUSD_PERP", INVERSE), ("BTCUSD_220624", INVERSE),
])  # fmt: skip
def test_aggregates_and_quotes_of_futures_are_told_by_the_symbol(tmp_path, text_of, name, venue):
    found = decode(dump(tmp_path / f"{name}-aggTrades-2022-05-01.zip", text_of("aggregates")))
    assert (found.instruments, found.layout) == ([f"{venue}:{name}"], "binance-aggregate-trades")
    table = found.tables["raw.trades"]
    assert table["trade_id"].to_pylist() == [1_205_633_331, 1_205_633_332]
    assert set(table["kind"].to_pylist()) == {"aggregate_trade"}
    assert table["size"].to_pylist() == [0.003, 1.25]
    assert table["side"].to_pylist() == ["sell", "buy"]
    path = dump(tmp_path / f"{name}-bookTicker-2022-05-01.zip", text_of("quotes"))
    found = decode(path)
    assert (found.instruments, found.decoded) == ([f"{venue}:{name}"], {"book_ticker": 2})
    table = found.tables["raw.quotes"]
    assert table["update_id"].to_pylist() == [1_466_112_000_001, 1_466_112_000_002]
    assert table["ask_price"].to_pylist() == [38702.6, 38702.7]
    assert table["bid_size"].to_pylist() == [10.25, 10.25]
    assert stamps(table)[0] == 1_651_363_200_021 * 10**6
    assert sniff(path).assumed is None


SPOT_TRADES = (
    "28457,4986.00000000,5.00000000,24930.00000000,1735689600000,True,True",
    "28458,4986.00000000,0.50000000,2493.00000000,1735689600000123,False,True",
)
SPOT_AGGREGATES = (
    "20210,4986.00000000,5.00000000,28457,28458,1735689600000,True,True",
    "20211,4986.00000000,0.50000000,28459,28459,1735689600000123,False,True",
)


@pytest.mark.parametrize(("kind", "rows"), [
    ("trades", SPOT_TRADES), ("aggTrades", SPOT_AGGREGATES)
])  # fmt: skip
def test_spot_has_one_more_column_and_both_units_of_time(tmp_path, kind, rows):
    found = decode(dump(tmp_path / f"BTCUSDT-{kind}-2025-01-01.zip", "\n".join(rows)))
    assert found.instruments == [f"{SPOT}:BTCUSDT"]
    table = found.tables["raw.trades"]
    assert stamps(table) == [1_735_689_600_000 * 10**6, 1_735_689_600_000_123 * 1_000]
    assert table["size"].to_pylist() == [5.0, 0.5]


def test_what_neither_symbol_nor_path_tell_is_assumed_or_named(store, tmp_path):
    text = "\n".join(ROWS["aggregates"])
    path = dump(tmp_path / "plain/ETHBTC-aggTrades-2022-05-01.zip", text)
    (one,) = register(store, [path])
    assert one.venue == LINEAR
    assert one.assumed == (
        "taken for binance-futures: neither content nor path tell it from binance, "
        "binance-delivery (imbalance ingest --venue says which)"
    )
    (one,) = register(store, [path], venue=INVERSE)
    assert (one.venue, one.assumed) == (INVERSE, None)
    there = dump(tmp_path / "futures/cm/daily/aggTrades/X/COIN-aggTrades-2022-05-01.zip", text)
    assert (sniff(there).venue, sniff(there).assumed) == (INVERSE, None)
    # sums are content: they are not overruled
    sums = dump(tmp_path / "BTCUSDT-trades-2022-05-01.zip", "\n".join(ROWS["trades"]))
    (one,) = register(store, [sums], venue=INVERSE)
    assert one.reason == "not of binance-delivery: its content is of binance-futures or binance"


@pytest.mark.parametrize(("path", "venue", "assumed"), [
    ("spot/BTCUSDT", SPOT, False), ("um/BTCUSDT", LINEAR, False), ("cm/BTCUSDT", LINEAR, False),
    ("x/BTCUSDT", LINEAR, False), ("x/BTCUSD_PERP", LINEAR, True), ("x/ETHBTC", LINEAR, True),
])  # fmt: skip
def test_sums_in_dollars_fit_more_than_one_market(tmp_path, text_of, path, venue, assumed):
    """Path and symbol say which, and the user otherwise; that they are no coins stays."""
    there = dump(tmp_path / f"{path}-trades-2022-05-01.zip", text_of("trades"))
    found = sniff(there)
    assert (found.venue, found.assumed is not None) == (venue, assumed)
    assert decode(there).instruments == [f"{venue}:{path.partition('/')[2]}"]
    for other in (SPOT, LINEAR):
        named = sniff(there, venue=other)
        assert (named.venue, named.assumed) == (other, None)
    assert not sniff(there, venue=INVERSE).format


@pytest.mark.parametrize(("kind", "rows"), [
    ("trades", SPOT_TRADES), ("aggTrades", SPOT_AGGREGATES)
])  # fmt: skip
def test_dumps_of_spot_may_be_named_of_binance_us(tmp_path, kind, rows):
    path = dump(tmp_path / f"BTCUSDT-{kind}-2025-01-01.zip", "\n".join(rows))
    assert (sniff(path).venue, sniff(path).assumed) == (SPOT, None)
    assert sniff(path, venue="binance-us").venue == "binance-us"
    assert sniff(path, venue=LINEAR).reason == (
        "not of binance-futures: its content is of binance or binance-us"
    )


def test_a_price_at_which_sums_tell_nothing_leaves_it_to_the_symbol(tmp_path):
    """At a price of √10 a contract of 10 USD is as many coins as it costs."""
    text = "5,3.16228,10,31.6228,1651363200133,true\n"
    for name, venue in (("EOSUSD_PERP", INVERSE), ("EOSUSDT", LINEAR)):
        found = decode(dump(tmp_path / f"{name}-trades-2022-05-01.zip", text))
        assert found.venue == venue


def test_parquet_of_a_dump_is_of_the_market_its_columns_tell(tmp_path):
    for more, venue in (({"is_best_match": [True]}, SPOT), ({}, LINEAR),
                        ({"base_qty": [0.1]}, INVERSE)):
        path = tmp_path / "BTCUSDT-trades.parquet"
        columns = {"id": [5], "price": [10.0], "qty": [2.0], "time": [1_651_363_200_133],
                   "is_buyer_maker": [True], **more}  # fmt: skip
        pq.write_table(pa.table(columns), path)
        assert decode(path).instruments == [f"{venue}:BTCUSDT"]
