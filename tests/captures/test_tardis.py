"""Tables of Tardis, with the columns its documentation lists."""

import gzip
import shutil

import pytest

from imbalance.captures.probe import probe
from imbalance.captures.register import register
from tests.captures.building import build_all, rows
from tests.captures.whole import decode

HEAD = "exchange,symbol,timestamp,local_timestamp,"
OPTIONS = HEAD + (
    "type,strike_price,expiration,open_interest,last_price,bid_price,bid_amount,bid_iv,ask_price,"
    "ask_amount,ask_iv,mark_price,mark_iv,underlying_index,underlying_price,delta,gamma,vega,"
    "theta,rho"
)
TICKER = HEAD + (
    "funding_timestamp,funding_rate,predicted_funding_rate,open_interest,last_price,index_price,"
    "mark_price"
)


def table(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode(), mtime=0))
    return path


def stamp(row, name="event_time"):
    return row[name].value


DERIBIT = (
    "deribit,BTC-9JUN20-9875-P,1591574399413000,1591574400196008,put,9875,1591689600000000,0.1,"
    "0.0295,0.0205,15.0,55.91,0.0235,15.0,68.94,0.02210436,62.89,SYN.BTC-9JUN20,9756.36,-0.61752,"
    "0.00103,2.24964,-53.05655,-0.22796"
)


def test_an_options_chain_of_deribit(tmp_path):
    one_sided = ("deribit,BTC-9JUN20-9875-C,1591574399513000,1591574400296008,call,9875,"
                 "1591689600000000,,,,,,0.0235,15.0,68.94,0.0221,62.89,SYN.BTC-9JUN20,9756.36,"
                 "0.38,0.001,2.2,-53.0,0.2")  # fmt: skip
    found = decode(table(tmp_path / "options_chain/OPTIONS.csv.gz", OPTIONS, DERIBIT, one_sided))
    assert (found.layout, found.venue) == ("tardis-options_chain", "deribit")
    assert found.decoded == {"options_chain": 2}
    row, other = found.tables["raw.options"].to_pylist()
    assert row["instrument"] == "deribit:BTC-9JUN20-9875-P"
    assert (row["underlying"], row["underlying_price"]) == ("SYN.BTC-9JUN20", 9756.36)
    assert (row["bid_price"], row["bid_size"], row["ask_price"], row["ask_size"]) == (
        0.0205, 15.0, 0.0235, 15.0
    )  # fmt: skip
    assert (row["mark_price"], row["last_price"], row["open_interest"]) == (0.02210436, 0.0295, 0.1)
    volatilities = ("mark_volatility", "bid_volatility", "ask_volatility")
    assert [row[name] for name in volatilities] == [62.89 / 100, 55.91 / 100, 68.94 / 100]
    assert [row[name] for name in ("delta", "gamma", "vega", "theta", "rho")] == [
        -0.61752, 0.00103, 2.24964, -53.05655, -0.22796
    ]  # fmt: skip
    assert stamp(row) == stamp(row, "exchange_time") == 1_591_574_399_413_000_000
    assert stamp(row, "receive_time") == 1_591_574_400_196_008_000
    assert other["bid_price"] is other["bid_volatility"] is other["last_price"] is None
    assert other["mark_volatility"] == 0.6289


@pytest.mark.parametrize(("exchange", "sent", "volatility"), [
    ("deribit", "55.42", 0.5542), ("okex-options", "0.5542", 0.5542),
    ("bybit-options", "0.5542", 0.5542), ("binance-european-options", "0.5542", 0.5542),
    ("nobody-knows", "55.42", None),
])  # fmt: skip
def test_volatilities_are_fractions_of_every_exchange(tmp_path, exchange, sent, volatility):
    row = DERIBIT.replace("deribit", exchange).replace("62.89", sent)
    found = decode(table(tmp_path / "a.csv.gz", OPTIONS, row))
    (row,) = found.tables["raw.options"].to_pylist()
    assert row["mark_volatility"] == volatility
    assert row["mark_price"] == 0.02210436


@pytest.mark.parametrize(("exchange", "volatility"), [("deribit", None), ("okex-options", 0.0)])
def test_a_volatility_of_zero_is_none_where_deribit_sends_it(tmp_path, exchange, volatility):
    """As in its own messages, where it stands for a side without a quote."""
    row = DERIBIT.replace("deribit", exchange).replace("55.91", "0.0")
    found = decode(table(tmp_path / "a.csv.gz", OPTIONS, row))
    (row,) = found.tables["raw.options"].to_pylist()
    assert (row["bid_volatility"], row["bid_price"]) == (volatility, 0.0205)


@pytest.mark.parametrize(("exchange", "symbol", "size"), [
    ("huobi-dm-swap", "BTC-USD", 10.0), ("huobi", "btcusdt", 20.0),
])
def test_amounts_of_trades_count_what_the_venue_counts(tmp_path, exchange, symbol, size):
    """Huobi's of swaps are of both sides, and Tardis hands them on."""
    head = HEAD + "id,side,price,amount"
    row = f"{exchange},{symbol},1591574399413000,1591574400196008,7,sell,9756.5,20"
    other = "huobi" if exchange == "huobi-dm-swap" else "huobi-dm-swap"
    strange = row.replace(exchange, other)  # is refused, wherever it stands
    path = table(tmp_path / f"{exchange}_trades_{symbol}.csv.gz", head, *[row] * 2, strange)
    assert decode(path).quarantined == {"wrong_type": 1}
    found = decode(table(tmp_path / f"{exchange}_trades_{symbol}.csv.gz", head, row))
    (trade,) = found.tables["raw.trades"].to_pylist()
    assert (trade["size"], trade["price"]) == (size, 9756.5)


def test_marks_and_funding_of_a_perpetual(tmp_path):
    found = decode(table(
        tmp_path / "derivative_ticker/BTC-PERPETUAL.csv.gz", TICKER,
        "deribit,BTC-PERPETUAL,1583020799868000,1583020800103498,,0.00000000,,67442780,8535.5,"
        "8534.62,8535.07",
        "bitmex,BTC-PERPETUAL,1583020799968000,1583020800203498,,0.0001,,1,1,1,1",
        "deribit,BTC-PERPETUAL,1583020800868000,1583020801103498,1583049600000000,-0.000123,"
        "0.0002,67442790,,8534.7,8535.2",
    ))  # fmt: skip
    assert (found.layout, found.venue) == ("tardis-derivative_ticker", "deribit")
    assert (found.decoded, found.quarantined) == ({"derivative_ticker": 2}, {"wrong_type": 1})
    first, second = found.tables["raw.derivative_ticks"].to_pylist()
    assert (first["mark_price"], first["index_price"], first["last_price"]) == (
        8535.07, 8534.62, 8535.5
    )  # fmt: skip
    assert (first["open_interest"], first["funding_rate"]) == (67_442_780.0, 0.0)
    assert first["next_funding_time"] is first["settlement_price"] is None
    assert stamp(first) == 1_583_020_799_868_000_000
    assert (second["funding_rate"], second["last_price"]) == (-0.000123, None)
    assert stamp(second, "next_funding_time") == 1_583_049_600_000_000_000


FORCED = HEAD + "id,side,price,amount"
ROWS = (
    "bitmex,XBTUSD,1583020800500000,1583020800700123,9f1b8c5a-0001,buy,8531.5,2152",
    "bitmex,XBTUSD,1583020801500000,1583020801700123,,sell,8530,100",
)
ASSUMED = (
    "taken for trades: neither columns nor path tell them from liquidations "
    "(imbalance ingest --format says which: tardis-trades, tardis-liquidations)"
)


@pytest.mark.parametrize(("name", "kind"), [
    ("liquidations/XBTUSD.csv.gz", "liquidations"),
    ("bitmex/liquidations/2020/03/01/XBTUSD.csv.gz", "liquidations"),
    ("bitmex_liquidations_2020-03-01_XBTUSD.csv.gz", "liquidations"),
    ("trades/bitmex_liquidations_2020-03-01_XBTUSD.csv.gz", "liquidations"),
    ("liquidations/bitmex_trades_2020-03-01_XBTUSD.csv.gz", "trades"),
    ("trades/XBTUSD.csv.gz", "trades"),
])  # fmt: skip
def test_trades_and_liquidations_are_told_by_the_nearest_word(tmp_path, name, kind):
    path = table(tmp_path / name, FORCED, *ROWS)
    found = decode(path)
    assert (found.format, found.layout) == (f"tardis-{kind}", f"tardis-{kind}")
    assert (found.decoded, list(found.tables)) == ({kind: 2}, [f"raw.{kind}"])
    assert probe(path).sniff.assumed is None


def test_liquidations_have_the_side_of_the_forced_order(tmp_path):
    """`buy`: a short position was liquidated."""
    found = decode(table(tmp_path / "liquidations/XBTUSD.csv.gz", FORCED, *ROWS))
    first, second = found.tables["raw.liquidations"].to_pylist()
    assert (first["instrument"], first["liquidation_key"]) == ("bitmex:XBTUSD", "9f1b8c5a-0001")
    assert (first["side"], first["price"], first["size"]) == ("buy", 8531.5, 2152.0)
    assert stamp(first, "exchange_time") == 1_583_020_800_500_000_000
    assert stamp(first, "receive_time") == 1_583_020_800_700_123_000
    assert (second["side"], second["liquidation_key"]) == ("sell", None)


def test_what_nothing_tells_is_taken_for_trades_and_said_so_until_named(store, tmp_path):
    path = table(tmp_path / "XBTUSD.csv.gz", FORCED, *ROWS)
    (one,) = register(store, [path])
    assert (one.status, one.assumed) == ("new", ASSUMED)
    build_all(store)
    assert len(rows(store, "raw.trades", "bitmex", "2020-03-01")) == 2
    (one,) = register(store, [path], form="tardis-liquidations")
    assert one.assumed is None
    build_all(store)
    assert len(rows(store, "raw.trades", "bitmex", "2020-03-01")) == 0
    held = rows(store, "raw.liquidations", "bitmex", "2020-03-01")
    assert held["side"].to_pylist() == ["buy", "sell"]
    path.touch()
    register(store, [path])
    (capture,) = store.ledger.captures()
    assert capture.format == "tardis-liquidations"


def test_what_a_file_was_taken_for_stays_where_it_is_moved(store, tmp_path):
    path = table(tmp_path / "liquidations/XBTUSD.csv.gz", FORCED, *ROWS)
    register(store, [path])
    moved = tmp_path / "trades/XBTUSD.csv.gz"
    moved.parent.mkdir()
    shutil.move(path, moved)
    register(store, [moved])
    build_all(store)
    assert len(rows(store, "raw.liquidations", "bitmex", "2020-03-01")) == 2
    assert len(rows(store, "raw.trades", "bitmex", "2020-03-01")) == 0


def test_other_tables_are_neither(tmp_path):
    path = table(tmp_path / "a.csv.gz", OPTIONS, DERIBIT)
    for name in ("tardis-trades", "tardis-liquidations"):
        assert f"not of the format {name}" in probe(path, name).reason
