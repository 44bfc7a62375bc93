"""Volume, event and derivative bars of a real capture: spot and perpetuals of Bybit."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from imbalance.books.build import materialise_book
from imbalance.captures.register import register
from imbalance.config import Config, FeaturesConfig
from imbalance.features.activity_bars import activity_task
from imbalance.features.derivative_bars import derivatives_task
from imbalance.features.tasks import features_task
from imbalance.store.gate import check_partition
from imbalance.store.store import Store
from imbalance.tasks import read_current
from tests.captures.building import build_all

DAY, VENUE = "2026-08-09", "bybit"
KEY = f"{DAY}|{VENUE}"
PERPETUAL, SPOT = "bybit:BTCUSDT", "bybit-spot:BTCUSDT"


@pytest.fixture(scope="module")
def store(shared, tmp_path_factory):
    few = FeaturesConfig(book_events_per_bar=20, trades_per_volume_bar=10)
    store = Store.open(tmp_path_factory.mktemp("bybit") / "home", create=True,
                       config=Config(features=few))
    register(store, [shared / "captures/cryptofeed/v3/BYBIT.jsonl.zst"])
    build_all(store)
    materialise_book(store, VENUE, DAY)
    for task in (features_task(VENUE, DAY), activity_task(store, VENUE, DAY)):
        task.materialise(store)
    task = derivatives_task(store, DAY)
    assert task.materialise(store).metadata == {"derivatives": 4, "with_spot": 2}
    assert task.is_current(store)
    return store


def test_rows_keep_the_rules_of_the_registry(store):
    for name, partition in (
        ("features.volume_bars", KEY), ("features.event_bars", KEY),
        *((f"features.derivative_bars_{size}", DAY) for size in ("1s", "10s", "1m", "5m")),
    ):
        entry = store.ledger.current(name, partition)
        assert entry.row_count > 0
        path = store.home.file(entry.file)
        assert check_partition(store.table(name), partition, entry.row_count, path) == []


def test_each_trade_and_each_state_is_in_one_bar(store):
    """Trades of all instruments stand among each other in the file, as they came."""
    trades = read_current(store, "raw.trades", KEY)
    volume = read_current(store, "features.volume_bars", KEY)
    assert set(volume["instrument"].to_pylist()) == set(trades["instrument"].to_pylist())
    valid = volume.filter(pc.invert(volume["poisoned"]))
    assert len(valid) > 5
    times = trades["event_time"].cast(pa.int64())
    for bar in valid.to_pylist():
        within = pc.and_(pc.greater_equal(times, bar["bar_start"].value),
                         pc.less(times, bar["bar_end"].value))
        mine = trades.filter(
            pc.and_(pc.equal(trades["instrument"], bar["instrument"]), within)
        )
        assert bar["trade_count"] == len(mine)
        assert bar["traded_volume"] == pytest.approx(pc.sum(mine["size_base"]).as_py() or 0.0)
        assert bar["bar_size"] is None or not bar["complete"] or (
            bar["traded_volume"] >= bar["bar_size"])
    events = read_current(store, "features.event_bars", KEY)
    assert len(events.filter(events["valid"])) > 20
    full = events.filter(events["valid"])["book_event_count"].to_pylist()
    assert all(count >= 20 for count in full)


def test_basis_funding_and_open_interest(store):
    rows = read_current(store, "features.derivative_bars_1s", DAY)
    rows = rows.filter(pc.equal(rows["instrument"], PERPETUAL))
    assert rows["spot_instrument"].unique().to_pylist() == [SPOT]
    basis = rows["basis_bps"].drop_null().to_pylist()
    assert len(basis) > 30
    # on a quiet day the perpetual stands within a promille of spot and index
    assert all(abs(one) < 10.0 for one in basis)
    told = rows.filter(pc.is_valid(rows["mark_price"])).to_pylist()
    assert len(told) > 30
    for row in told:
        assert abs(row["mark_premium_bps"]) < 10.0
        assert row["funding_rate"] == pytest.approx(1e-4)
        assert row["open_interest"] > 0.0
        assert row["liquidation_count"] is None
