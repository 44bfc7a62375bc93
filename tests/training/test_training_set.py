"""Training sets: every row kept, joined as known, labelled from later bars, each null explained."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from imbalance.errors import UserError
from imbalance.store import Home, Store
from imbalance.training import spines
from imbalance.training.build import training_set
from imbalance.training.frames import connect, load
from imbalance.training.request import make_recipe
from imbalance.training.write import read_recipe, write
from tests.training.samples import INSTRUMENTS, SECOND, START, bars, put_bars

FLOW = "bars_1s.order_flow_imbalance"


@pytest.fixture
def store(tmp_path):
    store = Store(Home.open(tmp_path / "home", create=True))
    put_bars(store, bars(skip=range(100, 120)))
    put_bars(store, bars("10s", count=20, seed=1), "10s")
    return store


def at(seconds):
    return START + round(seconds * SECOND)


def rows_of(*moments):
    """A spine from (instrument, seconds after the start) pairs."""
    return pa.table({
        "instrument": [name for name, _ in moments],
        "time": pa.array([at(seconds) for _, seconds in moments], pa.timestamp("ns")),
        "mine": list(range(len(moments))),
    })


def made(session, rows, *features, **recipe):
    spines.of_rows(session, rows, "test")
    return training_set(session, make_recipe(features or (FLOW,), **recipe)).read_all()


def column(table, name):
    return np.array([np.nan if v is None else v for v in table[name].to_pylist()], float)


def test_each_null_has_its_reason(store):
    known = bars(skip=range(100, 120))
    poisoned = np.flatnonzero(known["poisoned"].to_numpy(zero_copy_only=False))[0]
    when = (known["available_at"][poisoned].value - START) / SECOND
    moments = [
        ("bybit:BTCUSDT", 50), (INSTRUMENTS[0], -1), (INSTRUMENTS[0], 0.5), (INSTRUMENTS[0], 118),
        (INSTRUMENTS[0], 1.000001), (INSTRUMENTS[0], when), (INSTRUMENTS[0], 300),
        (INSTRUMENTS[0], 205),
    ]
    with store.session(described=False) as session:
        found = made(session, rows_of(*moments), max_age="10s")
        queue = made(session, rows_of((INSTRUMENTS[0], 50)), "bars_1s.queue_imbalance")
    reasons = found["bars_1s_order_flow_imbalance_reason"].to_pylist()
    assert reasons == ["no_instrument", "outside_coverage", "no_bar", "too_old",
                       "not_yet_available", "poisoned", "outside_coverage", None]
    assert found["mine"].to_pylist() == list(range(8))
    assert queue["bars_1s_queue_imbalance_reason"].to_pylist() == ["undefined"]


def test_what_was_recorded_by_the_time_of_each_row(store):
    first = store.ledger.current("features.bars_1s", "2024-08-08|binance").recorded_at
    put_bars(store, bars(skip=range(100, 120), seed=5))
    second = store.ledger.current("features.bars_1s", "2024-08-08|binance").recorded_at
    rows = rows_of(*[(INSTRUMENTS[0], 50)] * 4)
    until = pa.array([first - 1, first, second - 1, second], pa.timestamp("ns"))
    with store.session(described=False) as session:
        found = made(session, rows.append_column("recorded_until", until))
        now = column(made(session, rows), "bars_1s_order_flow_imbalance")
    values = column(found, "bars_1s_order_flow_imbalance")
    with store.session(store.ledger.sequence_at(first), described=False) as session:
        then = column(made(session, rows), "bars_1s_order_flow_imbalance")
    assert found["bars_1s_order_flow_imbalance_reason"].to_pylist()[0] == "not_yet_recorded"
    assert np.isnan(values[0])
    assert values[1] == values[2] == then[0] != now[0] == values[3]


def test_labels_begin_after_the_moment_and_are_those_of_the_bars(store):
    rng = np.random.default_rng(3)
    moments = [(INSTRUMENTS[int(i)], float(t)) for i, t in
               zip(rng.integers(0, 2, 300), rng.uniform(0, 205, 300), strict=True)]
    with store.session(described=False) as session:
        found = made(session, rows_of(*moments), horizons=["5s", "20s"])
        known = session.execute("select instrument, epoch_ns(bar_end) as e, mid_close, "
                                "realised_variance from features.bars_1s").fetchall()
    mid = {(name, end): (price, variance) for name, end, price, variance in known}
    for horizon in (5, 20):
        expected = {"return": [], "volatility": [], "direction": []}
        for name, seconds in moments:
            begin = -(-at(seconds) // SECOND) * SECOND
            ends = [begin + k * SECOND for k in range(horizon + 1)]
            have = [mid.get((name, end)) for end in ends]
            value = np.nan
            if have[0] and have[-1]:
                value = 1e4 * np.log(have[-1][0] / have[0][0])
            past = [one and one[1] for one in have[1:]]
            expected["return"].append(value)
            expected["direction"].append(np.sign(value))
            expected["volatility"].append(
                np.sqrt(sum(past)) if all(v is not None for v in past) else np.nan)
        for label, unit in (("return", "_bps"), ("volatility", "_bps"), ("direction", "")):
            name = f"forward_{horizon}s_{label}{unit}"
            np.testing.assert_allclose(column(found, name), expected[label], rtol=1e-9, atol=1e-9)
            empty = [v is None for v in found[name].to_pylist()]
            reasons = found[f"{name}_reason"].to_pylist()
            assert [reason is not None for reason in reasons] == empty
            assert {*reasons} <= {None, "no_bar", "outside_coverage", "poisoned"}
    starts = found["label_start"].cast("int64").to_numpy()
    assert (starts >= found["time"].cast("int64").to_numpy()).all()
    assert (found["label_end"].cast("int64").to_numpy() - starts == 20 * SECOND).all()


def test_folds_leave_out_what_overlaps_and_what_follows(store):
    moments = [(name, t) for t in range(180) for name in INSTRUMENTS]
    with store.session(described=False) as session:
        found = made(session, rows_of(*moments), horizons=["10s"], folds=3, embargo="5s")
    time = found["time"].cast("int64").to_numpy()
    end = found["label_end"].cast("int64").to_numpy()
    fold = found["fold"].to_numpy()
    assert [(fold == k).sum() for k in range(3)] == [120] * 3
    for k in range(3):
        test = fold == k
        overlap = ~test & (time <= end[test].max()) & (end >= time[test].min())
        after = ~test & (time > end[test].max()) & (time <= end[test].max() + 5 * SECOND)
        assert [k in ks for ks in found["purged_for"].to_pylist()] == overlap.tolist()
        assert [k in ks for ks in found["embargoed_for"].to_pylist()] == after.tolist()
        assert overlap.sum() >= 10 * 2
    assert sum(map(len, found["embargoed_for"].to_pylist())) == 2 * 5 * 2


def test_permuting_the_future_changes_no_feature(store, tmp_path):
    rows = rows_of(*[(name, t / 2) for t in range(200) for name in INSTRUMENTS])
    features = (FLOW, "bars_10s.order_flow_imbalance")
    with store.session(described=False) as session:
        before = made(session, rows, *features, horizons=["5s"])
    other = Store(Home.open(tmp_path / "other", create=True))
    cut = at(100)
    for size, good in (("1s", bars(skip=range(100, 120))), ("10s", bars("10s", count=20, seed=1))):
        future = good["available_at"].cast("int64").to_numpy() >= cut
        values = good["order_flow_imbalance"].to_numpy().copy()
        values[future] = np.random.default_rng(0).permutation(values[future]) + 1
        place = good.column_names.index("order_flow_imbalance")
        put_bars(other, good.set_column(
            place, good.schema.field(place), pa.array(values, from_pandas=True)), size)
    with other.session(described=False) as session:
        after = made(session, rows, *features, horizons=["5s"])
    assert before.equals(after)
    assert column(before, "bars_10s_order_flow_imbalance").size == 400


def test_a_grid_and_the_rows_of_a_table(store):
    with store.session(described=False) as session:
        spines.grid(session, "features.bars_1s", 10 * SECOND, first=at(3), last=at(33),
                    instruments=INSTRUMENTS[:1])
        found = session.execute("select epoch_ns(time), instrument, row_id from spine").fetchall()
        assert found == [(at(3 + 10 * k), INSTRUMENTS[0], k) for k in range(3)]
        spines.of_table(session, "features.bars_10s", time="bar_end", last=at(30))
        assert session.execute("select count(*) from spine").fetchone() == (4,)
        with pytest.raises(UserError, match=r"did you mean 'binance:BTCUSDT'"):
            spines.check_instruments(session, "features.bars_1s", ["binance:BTCUSD"])


def test_a_file_of_the_user(store, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("time,instrument,weight\n"
                    "2024-08-08T00:00:50,binance:BTCUSDT,1.5\n2024-08-08T00:00:20,x:y,2\n")
    with store.session(described=False) as session:
        found = made(session, spines.read_file(path))
    assert found["weight"].to_pylist() == [1.5, 2.0]
    assert found["bars_1s_order_flow_imbalance_reason"].to_pylist()[1] == "no_instrument"
    pq.write_table(spines.read_file(path), tmp_path / "mine.parquet")
    with store.session(described=False) as session:
        assert made(session, spines.read_file(tmp_path / "mine.parquet")).equals(found)


@pytest.mark.parametrize(("rows", "words"), [
    (pa.table({"instruments": ["a"], "time": [1]}), "no column 'instrument'; is it 'instruments'"),
    (pa.table({"instrument": ["a"], "time": ["yesterday"]}), "'time' of the spine is no time"),
    (pa.table({"instrument": ["a", None], "time": ["2024-08-08"] * 2}), "row 2 of the spine"),
    (pa.table({"instrument": ["a"], "time": ["2024-08-08"],
               "bars_1s_order_flow_imbalance": [1]}), "and so has the data set"),
])
def test_a_spine_that_is_none_is_refused(store, rows, words):
    with store.session(described=False) as session, pytest.raises(UserError, match=words):
        made(session, rows)


@pytest.mark.parametrize(("features", "more", "words"), [
    (["bars_1s.order_flow_imbalanc"], {}, "did you mean 'bars_1s.order_flow_imbalance'"),
    ([], {}, "no feature is named"),
    ([FLOW], {"horizons": ["1500ms"]}, "not a multiple of the 1s bars"),
    ([FLOW], {"horizons": ["ten"]}, "'ten' is no span of time"),
    ([FLOW], {"labels": ["returns"]}, "did you mean 'return'"),
    ([FLOW], {"folds": 3}, "there are none"),
])
def test_a_recipe_that_cannot_be_is_refused(features, more, words):
    with pytest.raises(UserError, match=words):
        make_recipe(features, **more)


def test_the_file_keeps_its_recipe(store, tmp_path):
    recipe = make_recipe([FLOW], horizons=["5s"])
    with store.session(described=False) as session:
        spines.grid(session, "features.bars_1s", SECOND)
        written = write(training_set(session, recipe), tmp_path / "set.parquet",
                        recipe.as_dict())
    rows = pq.read_table(tmp_path / "set.parquet")
    assert written.rows == rows.num_rows == 402
    assert read_recipe(tmp_path / "set.parquet") == json.loads(json.dumps(recipe.as_dict()))
    nulls = rows["bars_1s_order_flow_imbalance"].null_count
    assert sum(written.reasons["bars_1s_order_flow_imbalance"].values()) == nulls > 0


def test_load_gives_each_bar_its_own_values(store):
    frame = load([FLOW, "bars_10s.order_flow_imbalance"], INSTRUMENTS[:1], "2024-08-08",
                 "2024-08-08T00:01", home=store.home.root, frame="pandas")
    with connect(store.home.root) as connection:
        own = connection.execute(
            "select bar_start, available_at, order_flow_imbalance from features.bars_1s "
            "where instrument = ? and bar_start < '2024-08-08 00:01' order by available_at, "
            "bar_start", [INSTRUMENTS[0]]).df()
    assert len(frame) == 60
    assert frame["time"].duplicated().any()  # some bars became known together
    merged = frame.merge(own, on="bar_start")
    assert merged["bars_1s_order_flow_imbalance"].equals(merged["order_flow_imbalance"])
    coarse = frame["bars_10s_available_at"]
    assert (coarse.dropna() <= frame["time"][coarse.notna()]).all()


@pytest.mark.parametrize("frame", ["arrow", "polars", "duckdb"])
def test_load_in_every_frame(store, frame):
    rows = load([FLOW], home=store.home.root, frame=frame)
    assert rows.shape[0] == 360
    with pytest.raises(UserError, match="did you mean 'pandas'"):
        load([FLOW], home=store.home.root, frame="panda")


def test_load_as_it_was_recorded(store):
    recorded = store.ledger.current("features.bars_1s", "2024-08-08|binance").recorded_at
    before = load([FLOW], home=store.home.root)
    put_bars(store, bars(seed=9))
    then = np.datetime64(recorded, "ns").astype("datetime64[us]") + 1
    assert load([FLOW], home=store.home.root, as_of=then.item()).equals(before)
    assert load([FLOW], home=store.home.root).num_rows == 400
