"""Trades taken out of real captures, and a capture of trades that ends before that of the book:
exactly the bars that it touches do not know their trades.
"""

import gzip
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from imbalance.books.build import materialise_book
from imbalance.books.trade_gaps import trade_gaps_task
from imbalance.captures.register import register
from imbalance.config import Config, FeaturesConfig
from imbalance.features.activity_bars import activity_task
from imbalance.features.tasks import features_task
from imbalance.store.store import Store
from imbalance.tasks import read_current
from tests.captures.building import build_all

DAY = "2024-08-08"
FUTURES = f"{DAY}|binance-futures"
S, BAR = 1_000_000_000, 100_000_000
OF_TRADES = ("buy_volume", "sell_volume", "trade_notional", "buy_count", "sell_count",
             "traded_volume", "trade_count", "trade_imbalance", "messages_per_second",
             "classified_buy_volume")
OTHERS = ("valid", "mid_close", "order_flow_imbalance", "book_update_count", "quote_count",
          "generalised_order_flow_imbalance")


def made(path, captures, venue, day):
    few = FeaturesConfig(book_events_per_bar=20, trades_per_volume_bar=10)
    store = Store.open(path, create=True, config=Config(features=few))
    register(store, captures)
    build_all(store)
    materialise_book(store, venue, day)
    for task in (trade_gaps_task(store, venue, day), features_task(venue, day),
                 activity_task(store, venue, day)):
        task.materialise(store)
    return store


def bars(store, size, partition=FUTURES):
    rows = read_current(store, f"features.bars_{size}", partition)
    return rows["bar_start"].cast(pa.int64()).to_numpy(), rows.to_pydict()


@pytest.fixture(scope="module")
def lines(shared):
    """The first 40,000 lines of a perpetual."""
    with gzip.open(shared / "captures/binance-202408/usdm/btcusdt_20240808.gz") as file:
        return [next(file) for _ in range(40_000)]


def is_trade(line):
    return b'"e":"trade"' in line


def numbers(line):
    """Id and time of a trade, ms."""
    return tuple(int(line.split(f'"{key}":'.encode())[1].split(b",")[0]) for key in "tT")


@pytest.fixture(scope="module")
def whole(lines, tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    (root / "btcusdt.gz").write_bytes(gzip.compress(b"".join(lines), 1, mtime=0))
    return made(root / "home", [root / "btcusdt.gz"], "binance-futures", DAY)


@pytest.fixture(scope="module", params=["a thousand", "here and there"])
def holed(request, lines, tmp_path_factory):
    """A home without some trades, and the trades beside each hole: (id, time) before and after."""
    places = [k for k, line in enumerate(lines) if is_trade(line)]
    if request.param == "a thousand":
        lost = np.arange(2_000, 3_000)
    else:
        lost = np.random.default_rng(7).choice(np.arange(1, len(places) - 1), 40, replace=False)
    kept = np.setdiff1d(np.arange(len(places)), lost)
    beside = [
        (numbers(lines[places[a]]), numbers(lines[places[b]]))
        for a, b in pairwise(kept) if b > a + 1
    ]
    gone = {places[k] for k in lost}
    rest = b"".join(line for k, line in enumerate(lines) if k not in gone)
    root = tmp_path_factory.mktemp("holed")
    (root / "btcusdt.gz").write_bytes(gzip.compress(rest, 1, mtime=0))
    return made(root / "home", [root / "btcusdt.gz"], "binance-futures", DAY), beside


def test_nothing_is_missing_in_the_capture_as_it_is(whole):
    assert read_current(whole, "book.trade_gaps", FUTURES).num_rows == 0


def test_the_holes_are_told_with_what_is_missing(holed):
    store, beside = holed
    rows = read_current(store, "book.trade_gaps", FUTURES).to_pylist()
    assert [(row["expected_trade_id"] - 1, row["missing_from"].value // 10**6,
             row["found_trade_id"], row["missing_to"].value // 10**6) for row in rows] == [
        (*before, *after) for before, after in beside]
    assert sum(row["missing_trades"] for row in rows) in (40, 1_000)
    assert {row["cause"] for row in rows} == {"id_hole"}


@pytest.mark.parametrize(("size", "length"), [("100ms", BAR), ("1s", S), ("10s", 10 * S)])
def test_exactly_the_bars_that_a_hole_touches_do_not_know_their_trades(
    whole, holed, size, length
):
    store, beside = holed
    (start, before), (again, after) = bars(whole, size), bars(store, size)
    assert start.tolist() == again.tolist()
    touched = np.zeros(len(start), bool)
    for (_, first), (_, last) in beside:
        touched |= (start <= last * 10**6) & (start + length > first * 10**6)
    known = np.array([value is not None for value in before["trade_count"]])
    assert (touched & known).sum() >= (2 if size == "10s" else 10)
    for column in OF_TRADES:
        expected = [None if lost else value
                    for lost, value in zip(touched, before[column], strict=True)]
        assert after[column] == expected, column
    for column in OTHERS:
        assert after[column] == before[column], column


def test_bars_in_volume_and_event_time_do_not_count_over_a_hole(holed):
    store, beside = holed
    for name in ("volume", "event"):
        rows = read_current(store, f"features.{name}_bars", FUTURES).to_pylist()
        touching = [
            any(row["bar_start"].value <= last * 10**6 and row["bar_end"].value > first * 10**6
                for (_, first), (_, last) in beside) for row in rows
        ]
        assert 0 < sum(touching) < len(rows)
        for row, touches in zip(rows, touching, strict=True):
            if touches:
                assert row["traded_volume"] is None
                assert row["trade_count"] is None
                assert name == "event" or not row["valid"]
        assert any(row["trade_count"] for row in rows)


def test_after_the_last_capture_with_trades_nothing_is_known_of_them(shared, tmp_path):
    """The book of two hours, trades of the first: they end at 13:59:59.8."""
    day, venue = "2026-01-06", "standx"
    place = shared / "captures/standx-20260106"
    store = made(tmp_path / "home", [
        place / f"{name}.parquet" for name in (
            "orderbook_BTC-USD_2026-01-06_13", "orderbook_BTC-USD_2026-01-06_14",
            "trades_BTC-USD_2026-01-06_13")
    ], venue, day)
    (last,) = read_current(store, "book.trade_gaps", f"{day}|{venue}").to_pylist()
    assert last["cause"] == "not_recorded"
    begin = np.datetime64(f"{day}T14:00", "ns").astype(np.int64)
    assert begin - 60 * S < last["missing_from"].value < begin
    assert begin + 3_590 * S < last["missing_to"].value <= begin + 3_600 * S
    start, rows = bars(store, "1m", f"{day}|{venue}")
    hour = np.flatnonzero(start >= begin)
    assert len(hour) == 60
    for column in OF_TRADES:
        assert {rows[column][k] for k in hour} == {None}, column
    # the book goes on being usable
    assert sum(rows["valid"][k] for k in hour) > 50
    before = [rows["trade_count"][k] for k in np.flatnonzero(start < begin - 60 * S)]
    assert sum(count is not None and count > 0 for count in before) > 50
