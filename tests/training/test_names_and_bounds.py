"""Names the user's rows may have, and what is refused before or while a set is made."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from imbalance import catalog
from imbalance.errors import UserError
from imbalance.store import Home, Store
from imbalance.store.generations import find_generation, open_generation
from imbalance.store.macros import MACROS, create_macros
from imbalance.store.publishing import publish
from imbalance.training import spines
from imbalance.training.build import training_set
from imbalance.training.frames import load
from imbalance.training.request import make_recipe, parse_moment, parse_span
from imbalance.training.write import write
from tests.training.samples import DAY, INSTRUMENTS, SECOND, START, VENUE, bars, put_bars

FLOW = "bars_1s.order_flow_imbalance"
TAKEN = ("order_flow_imbalance", "log_return", "available_at", "bar", "variance", "absent",
         "lacks_bars", "forward_return_bps", "bar_start", "poisoned", "label_end_", "from_ns")


@pytest.fixture
def store(tmp_path):
    names = ("features.bars_1s", "features.bars_10s")
    store = Store(Home.open(tmp_path / "home", create=True),
                  tables={name: catalog.table(name) for name in names})
    put_bars(store, bars(count=60))
    put_bars(store, bars("10s", count=6, seed=1), "10s")
    return store


def rows(count=50, **more):
    return pa.table({
        "instrument": [INSTRUMENTS[0]] * count,
        "time": pa.array([START + k * SECOND for k in range(count)], pa.timestamp("ns")),
        **{name: values * count for name, values in more.items()},
    })


def made(session, given):
    spines.of_rows(session, given, "test")
    recipe = make_recipe([FLOW], horizons=["5s"], folds=2)
    return training_set(session, recipe).read_all()


def test_a_column_of_the_user_replaces_none(store):
    with store.session(described=False) as session:
        plain = made(session, rows())
        found = made(session, rows(**{name: [-7.5] for name in TAKEN}))
    assert plain["bars_1s_order_flow_imbalance"].null_count < 20
    assert found.select(plain.column_names).equals(plain)
    for name in TAKEN:
        assert found[name].to_pylist() == [-7.5] * 50


def test_the_coarser_bar_has_its_own_start(store):
    found = load([FLOW, "bars_10s.order_flow_imbalance"], home=store.home.root)
    coarse = found["bars_10s_bar_start"]
    known = found["bars_10s_available_at"].is_valid().to_numpy(zero_copy_only=False)
    starts = coarse.cast("int64").to_pylist()
    assert [start is not None for start in starts] == known.tolist()
    assert all(start % (10 * SECOND) == 0 for start in starts if start is not None)
    assert 0 < known.sum() < len(starts)
    reasons = np.array(found["bars_10s_order_flow_imbalance_reason"].to_pylist())[~known]
    assert {*reasons} <= {"no_bar", "not_yet_available", "outside_coverage"}


@pytest.mark.parametrize(("start", "end"), [
    ("2024-08-07", "2024-08-08"), ("2024-08-09", None), (None, "2024-01-01"),
    ("2024-08-08T00:00:00.5", "2024-08-08T00:00:00.75"),
])
@pytest.mark.parametrize("frame", ["arrow", "pandas"])
def test_limits_without_rows_give_the_same_columns(store, start, end, frame):
    whole = load([FLOW], home=store.home.root, frame=frame)
    found = load([FLOW], [INSTRUMENTS[1]], start, end, home=store.home.root, frame=frame)
    assert len(whole) == 120
    assert len(found) == 0
    if frame == "arrow":
        assert found.schema == whole.schema
    else:
        assert dict(found.dtypes) == dict(whole.dtypes)


def test_what_is_unknown_or_upside_down_is_refused_where_there_are_no_rows_too(store):
    for given, said in (
        (([FLOW], ["binance:BTCUSD"], "2025-01-01"), "did you mean 'binance:BTCUSDT'"),
        ((["bars_1s.order_flow"], [], "2025-01-01"), "there is no feature"),
        (([FLOW], [], "2025-01-02", "2025-01-01"), "is not before"),
    ):
        with pytest.raises(UserError, match=said):
            load(*given, home=store.home.root)


def test_a_missing_file_refuses_only_who_needs_it(store):
    store.home.file(store.ledger.partitions("features.bars_10s")[f"{DAY}|{VENUE}"].file).unlink()
    assert len(load([FLOW], home=store.home.root)) == 120
    with pytest.raises(UserError, match=r"features\.bars_10s: a partition file is missing"):
        load([FLOW, "bars_10s.order_flow_imbalance"], home=store.home.root)


def test_a_price_without_a_logarithm_has_no_return():
    with duckdb.connect() as connection:
        create_macros(connection)
        connection.execute(
            "create table b as select 'a:b' as instrument, make_timestamp_ns(k * 1000000000) as "
            "bar_start, make_timestamp_ns((k + 1) * 1000000000) as bar_end, bar_end as "
            "available_at, false as poisoned, 1.0 as realised_variance, k - 2.0 as mid_close "
            "from range(6) t(k)")
        connection.execute("create table s as select instrument, bar_end as time from b")
        found = connection.execute(
            "select forward_return_bps, forward_return_reason from forward('s', 'b', "
            "to_seconds(1)) order by time").fetchall()
    assert [reason for _, reason in found] == ["undefined"] * 3 + [None] * 2 + ["outside_coverage"]
    assert found[3][0] == pytest.approx(1e4 * np.log(2))


def test_a_generation_without_macros_is_opened_with_them(store):
    publish(store)
    path = find_generation(store.home).database
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        for name in MACROS:
            connection.execute(f"drop macro table {name}")
    with open_generation(store.home) as connection:
        assert connection.execute(
            "select count(*) from as_of('features.bars_1s', timestamp '2024-08-09')"
        ).fetchone() == (2,)
        with pytest.raises(UserError, match=r"raw\.trades is not published"):
            spines.check_tables(connection, ["features.bars_1s", "raw.trades"])


@pytest.mark.parametrize(("more", "words"), [
    ("--folds 3 -H 5s -o a.csv", "lists of folds"),
    ("--spine features.bars_1s --time-column mid_close -o a.parquet", "is no time"),
    ("--spine mine.parquet --as-of moment -o a.parquet", "of its own"),
    ("--spine mine.parquet -g current -o a.parquet", "of its own"),
    ("--spine trades -g current -o a.parquet", "not published"),
    ("--to 9999-01-01 -o a.parquet", "64 bits"),
    ("--from 2025-01-01 -o a.parquet", "nothing from 2025-01-01 00:00:00 to the end"),
    ("--to 2024-08-08 -o a.parquet", "nothing from the beginning to 2024-08-08 00:00:00"),
    ("--from 2024-08-09 --to 2024-08-08 -o a.parquet", "is not before"),
    ("--spine features.bars_10s --from 2025-01-01 -o a.parquet", "bars_10s has nothing from"),
    ("--spine features.bars_10s --from 2024-08-08T00:00:01 --to 2024-08-08T00:00:02 -o a.parquet",
     "bars_10s has nothing from"),
    ("--as-of 2024-08-09 -o a.parquet", "nothing had been recorded here by 2024-08-09"),
    ("--spine short.csv -o a.parquet", "such as 'BTCUSDT'; did you mean 'binance:BTCUSDT'"),
    ("--spine none.csv -o a.parquet", "no such file"),
    ("--spine mine.json -o a.parquet", "'mine.json' is no spine"),
    ("-o none/a.parquet", "there is no directory 'none'"),
    ("--every 0s -o a.parquet", "a grid of 0 ns is too fine"),
    ("--every 500ns -o a.parquet", "a grid of 500 ns is too fine"),
    ("--every 2d -o a.parquet", "no moment of a grid of 2d is within features.bars_1s"),
    ("--spine empty.csv -o a.parquet", "the spine has no rows"),
    ("--spine empty.parquet -o a.parquet", "the spine has no rows"),
])
def test_options_that_cannot_be_together(store, tmp_path, monkeypatch, more, words):
    import pyarrow.parquet as pq

    from imbalance.cli.main import cli

    if "-g" in more:
        publish(store)
    monkeypatch.chdir(tmp_path)
    until = rows()["time"]
    pq.write_table(rows().append_column("recorded_until", until), "mine.parquet")
    (tmp_path / "short.csv").write_text("instrument,time\nBTCUSDT,2024-08-08T00:00:20\n")
    (tmp_path / "mine.json").write_text("{}")
    (tmp_path / "empty.csv").write_text("instrument,time\n")
    pq.write_table(rows(0), "empty.parquet")
    with pytest.raises(UserError, match=words):
        cli.main(["--home", str(store.home.root), "training-set", "-F", FLOW, *more.split()],
                 standalone_mode=False)
    assert not list(tmp_path.glob("a.*"))


def test_limits_of_what_is_loaded(store):
    last = load([FLOW], home=store.home.root, start="2024-08-08T00:00:59")
    assert last.num_rows == len(INSTRUMENTS)
    for wrong in ({"features": FLOW}, {"features": [FLOW], "instruments": INSTRUMENTS[0]}):
        with pytest.raises(UserError, match="is a text and no list"):
            load(**wrong, home=store.home.root)
    for wrong, where in (((None,), "features"), (([FLOW, 1],), "features"),
                         (([FLOW], None), "instruments"), (([FLOW], 7), "instruments")):
        with pytest.raises(UserError, match="is no text") as caught:
            load(*wrong, home=store.home.root)
        assert (caught.value.where, caught.value.allowed) == (where, "a list of texts")
    few = load(np.array([FLOW]), {INSTRUMENTS[0]}, home=store.home.root)
    assert few.num_rows == 60


def test_lists_are_not_for_csv(store, tmp_path):
    with store.session(described=False) as session:
        spines.of_rows(session, rows(), "test")
        reader = training_set(session, make_recipe([FLOW], horizons=["5s"], folds=2))
        with pytest.raises(UserError, match="cannot hold these columns"):
            write(reader, tmp_path / "a.csv", {})
    assert list(tmp_path.iterdir()) == [store.home.root]


@pytest.mark.parametrize(("given", "words"), [
    (pa.table([["a"], ["2024-08-08"], [1], [2]], ["instrument", "time", "x", "X"]), "two columns"),
    (pa.table({"instrument": ["a"], "time": [20240808]}), "integers"),
])
def test_rows_that_say_too_little(store, given, words):
    with store.session(described=False) as session, pytest.raises(UserError, match=words):
        made(session, given)


def test_times_of_64_bits():
    assert parse_moment("2262-04-11", "x") < 2**63
    for text in ("2262-04-12", "1677-09-21", "0001-01-01", "9999-12-31"):
        with pytest.raises(UserError, match="64 bits"):
            parse_moment(text, "x")
    assert parse_span("36500d", "x") == 36_500 * 86_400 * SECOND
    for text in ("36501d", "9" * 400 + "s"):
        with pytest.raises(UserError, match="too long"):
            parse_span(text, "x")


def test_the_spine_of_a_table_has_one_order(store):
    with store.session(described=False) as session:
        spines.of_table(session, "features.bars_1s", keep=("bar_start",))
        found = session.execute(
            "select time, instrument, bar_start from spine order by row_id").fetchall()
    assert found == sorted(found)
    assert len({row[:2] for row in found}) < len(found)


def test_the_beginning_of_a_name_is_answered_with_that_name(store):
    with pytest.raises(UserError, match=r"did you mean 'bars_1s\.order_flow_imbalance'"):
        make_recipe(["bars_1s.order_flow"], horizons=["5s"])
