"""Joins as known at a moment, on both clocks, against a search through all rows."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from imbalance.store.macros import create_macros

SECOND = 1_000_000_000
INSTRUMENTS = ("binance:BTCUSDT", "binance:ETHUSDT", "bybit:BTCUSDT")


def times(values):
    return pa.array(np.asarray(values, np.int64), pa.timestamp("ns"))


def random_history(rng, count):
    """Bars of a second with late arrival, many at one moment, and corrections of a third."""
    instrument = rng.integers(0, len(INSTRUMENTS), count)
    start = rng.permutation(count) // 2 * SECOND
    _, keep = np.unique(np.stack([instrument, start]), axis=1, return_index=True)
    instrument, start = instrument[keep], start[keep]
    available = start + SECOND + rng.choice([0, 1, 3 * SECOND, 40 * SECOND], len(keep))
    recorded = rng.choice(np.arange(1, 9) * 10**12, len(keep))
    first = np.where(rng.random(len(keep)) < 0.3, recorded + 3 * 10**12, 0)
    rows = {
        "instrument": instrument, "bar_start": start, "available_at": available,
        "recorded_at": recorded, "superseded_at": first, "x": rng.standard_normal(len(keep)),
    }
    again = (first > 0) & (rng.random(len(keep)) < 0.8)  # the others were removed
    corrected = {name: values[again] for name, values in rows.items()}
    corrected["recorded_at"], corrected["superseded_at"] = first[again], 0 * first[again]
    corrected["x"] = rng.standard_normal(again.sum())
    corrected["available_at"] = corrected["available_at"] + rng.choice([0, SECOND], again.sum())
    return {name: np.concatenate([values, corrected[name]]) for name, values in rows.items()}


def as_table(rows):
    ends = times(rows["superseded_at"])
    return pa.table({
        "instrument": [INSTRUMENTS[i] for i in rows["instrument"]],
        "bar_start": times(rows["bar_start"]),
        "bar_end": times(rows["bar_start"] + SECOND),
        "available_at": times(rows["available_at"]),
        "poisoned": [False] * len(ends),
        "x": rows["x"],
        "recorded_at": times(rows["recorded_at"]),
        "superseded_at": pa.array(rows["superseded_at"], pa.timestamp("ns"),
                                  mask=rows["superseded_at"] == 0),
    })


def spine(rng, count, last):
    return {
        "row_id": np.arange(count),
        "instrument": rng.integers(0, len(INSTRUMENTS), count),
        "time": rng.integers(-10 * SECOND, last + 60 * SECOND, count),
        "recorded_until": rng.integers(0, 13 * 10**12, count),
    }


def spine_table(rows):
    return pa.table({
        "row_id": rows["row_id"],
        "instrument": [INSTRUMENTS[i] for i in rows["instrument"]],
        "time": times(rows["time"]),
        "recorded_until": times(rows["recorded_until"]),
    })


def brute_force(history, asked, max_age, recorded_until=None):
    """x of the newest visible bar of each asked moment, by looking at every row."""
    found = np.full(len(asked["time"]), np.nan)
    ends = np.where(history["superseded_at"] == 0, 2**62, history["superseded_at"])
    for row, (instrument, time) in enumerate(zip(asked["instrument"], asked["time"], strict=True)):
        known = (history["instrument"] == instrument) & (history["available_at"] <= time)
        if recorded_until is not None:
            until = recorded_until[row]
            known &= (history["recorded_at"] <= until) & (until < ends)
        known &= time - (history["bar_start"] + SECOND) <= max_age
        places = np.flatnonzero(known)
        if len(places):
            found[row] = history["x"][places[np.argmax(history["bar_start"][places])]]
    return found


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        create_macros(connection)
        yield connection


def joined(connection, call):
    rows = connection.execute(f"select row_id, x from {call} order by row_id").to_arrow_table()
    return rows["row_id"].to_numpy(), rows["x"].to_numpy(zero_copy_only=False)


def test_a_hundred_thousand_rows_with_late_corrections(connection):
    rng = np.random.default_rng(7)
    history = random_history(rng, 100_000)
    assert len(history["x"]) > 100_000
    asked = spine(rng, 400, 50_000 * SECOND)
    connection.register("bars_history", as_table(history))
    connection.register("spine", spine_table(asked))
    ids, x = joined(
        connection, "point_in_time_recorded('spine', 'bars_history', interval 5 seconds)"
    )
    assert np.array_equal(ids, asked["row_id"])
    expected = brute_force(history, asked, 5 * SECOND, asked["recorded_until"])
    assert 40 < np.isnan(expected).sum() < 360
    assert np.array_equal(x, expected, equal_nan=True)


def test_one_clock_on_a_hundred_thousand_rows(connection):
    rng = np.random.default_rng(8)
    history = random_history(rng, 160_000)
    current = history["superseded_at"] == 0
    rows = {name: values[current] for name, values in history.items()}
    assert current.sum() > 100_000
    asked = spine(rng, 400, 80_000 * SECOND)
    connection.register("bars", as_table(rows))
    connection.register("spine", spine_table(asked))
    ids, x = joined(connection, "point_in_time('spine', 'bars', interval 5 seconds)")
    assert np.array_equal(ids, asked["row_id"])
    expected = brute_force(rows, asked, 5 * SECOND)
    assert 10 < np.isnan(expected).sum() < 390
    assert np.array_equal(x, expected, equal_nan=True)


def test_the_state_at_a_moment_is_the_join_with_one_row(connection):
    rng = np.random.default_rng(9)
    history = random_history(rng, 2_000)
    connection.register("bars_history", as_table(history))
    for moment, recorded in ((500, 4), (990, 8), (100, 12)):
        asked = {
            "instrument": np.arange(3), "time": np.full(3, moment * SECOND),
            "recorded_until": np.full(3, recorded * 10**12),
        }
        expected = brute_force(history, asked, 2**62, asked["recorded_until"])
        at = [f"make_timestamp_ns({moment * SECOND})", f"make_timestamp_ns({recorded * 10**12})"]
        connection.execute(
            f"create or replace temp table state as from as_recorded('bars_history', {at[1]})"
        )
        for call in (f"as_of_recorded('bars_history', {at[0]}, {at[1]})",
                     f"as_of('state', {at[0]})"):
            found = dict(connection.execute(f"select instrument, x from {call}").fetchall())
            assert found == {
                INSTRUMENTS[i]: x for i, x in enumerate(expected) if not np.isnan(x)
            }


def test_permuting_the_future_changes_nothing(connection):
    rng = np.random.default_rng(10)
    history = random_history(rng, 4_000)
    asked = spine(rng, 500, 1_000 * SECOND)  # the bars reach to 2,000 s
    connection.register("spine", spine_table(asked))
    call = "point_in_time_recorded('spine', 'bars_history', interval 5 seconds)"
    connection.register("bars_history", as_table(history))
    _, before = joined(connection, call)
    future = np.flatnonzero(history["available_at"] > asked["time"].max())
    history["x"][future] = history["x"][rng.permutation(future)]
    history["x"][future[::2]] = np.nan
    connection.register("bars_history", as_table(history))
    _, after = joined(connection, call)
    assert len(future) > 500
    assert np.array_equal(before, after, equal_nan=True)
    history["x"] = history["x"] + 1  # the test would see a change of the past
    connection.register("bars_history", as_table(history))
    assert not np.array_equal(before, joined(connection, call)[1], equal_nan=True)


TABLES = ("known", "bars", "bounds", "placed", "changes", "states", "size", "joined", "spine")


@pytest.fixture
def few(connection):
    """Ten bars of an instrument, and a spine of one moment with a column of its own."""
    rows = as_table({
        "instrument": np.zeros(10, int), "bar_start": np.arange(10) * SECOND,
        "available_at": np.arange(1, 11) * SECOND, "recorded_at": np.full(10, 1),
        "superseded_at": np.zeros(10, int), "x": np.arange(10.0),
    })
    ones = pa.array([1.0] * 10)
    connection.register("features", rows.append_column("mid_close", ones)
                        .append_column("realised_variance", ones))
    spine_of = {"row_id": np.arange(1), "instrument": np.zeros(1, int),
                "time": np.array([6 * SECOND]), "recorded_until": np.array([5])}
    connection.register("mine", spine_table(spine_of).append_column("note", [["kept"]]))
    return connection


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_caller_may_have_any_name(few, name):
    few.execute(f"create table {name} as from mine")
    second = "interval 1 second"
    for call, column, value in (
        (f"point_in_time('{name}', 'features', {second})", "x", 5.0),
        (f"point_in_time_recorded('{name}', 'features', {second})", "x", 5.0),
        (f"why_missing('{name}', 'features', {second})", "reason", "not_yet_recorded"),
        (f"forward('{name}', 'features', {second})", "forward_return_bps", 0.0),
    ):
        assert few.execute(f"select note, {column} from {call}").fetchall() == [("kept", value)]
    few.execute(f"create or replace table {name} as from features")
    assert few.execute(f"select x from point_in_time('mine', '{name}', {second})").fetchall() == [
        (5.0,)
    ]


@pytest.mark.parametrize(("column", "call"), [
    ("X", "point_in_time('clashing', 'features', interval 1 second)"),
    ("bar_end", "point_in_time('clashing', 'features', interval 1 second)"),
    ("x", "point_in_time_recorded('clashing', 'features', interval 1 second)"),
    ("reason", "why_missing('clashing', 'features', interval 1 second)"),
    ("label_end", "forward('clashing', 'features', interval 1 second)"),
    ("fold", "folds('labelled', 2, interval 1 second)"),
])
def test_a_column_that_would_hide_another_is_refused_by_name(few, column, call):
    """DuckDB would call the second one `x_1`, and `x` would be the caller's."""
    few.execute(f"create table clashing as select *, 1.0 as {column} from mine")
    few.execute("create table labelled as select *, time as label_end from mine")
    few.execute(f"alter table labelled add column if not exists {column} double")
    with pytest.raises(duckdb.Error, match=f"rename the column {column.lower()} of your table"):
        few.execute(f"from {call}").fetchall()
    few.execute("create or replace table clashing as from mine")
    few.execute("create or replace table labelled as select *, time as label_end from mine")
    assert len(few.execute(f"from {call}").fetchall()) == 1
