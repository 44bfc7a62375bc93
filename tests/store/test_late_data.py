"""Late and corrected files: what depends on them is made again, in whatever order they come."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

from imbalance.store import Home, Store, materialise
from tests.store.samples import TABLES, bars, events, next_day, put, study

DAYS = [next_day("2024-08-08", k) for k in range(4)]


def key(day):
    return f"{day}|binance-futures"


def run(store, days=DAYS):
    """A small pipeline: bars of a day from its events and those of the day before, then a study.

    Returns the partitions that were built.
    """
    built = []
    for day in days:
        before = key(next_day(day, -1))
        if store.ledger.current("raw.events", key(day)) is None:
            continue

        def build(context, day=day, before=before):
            seed = sum(len(context.read("raw.events", part)) * (k + 1)
                       for k, part in enumerate((before, key(day))))
            context.writer("features.bars").write(bars(20, seed=seed, day=day))

        done = materialise(
            store, outputs=["features.bars"], partition=key(day), version="1", build=build,
            inputs=[("raw.events", before), ("raw.events", key(day))])
        built += [f"bars {day}"] * (done.status == "built")

    partitions = sorted(store.ledger.partitions("features.bars"))

    def estimate(context):
        flow = [context.read("features.bars", part)["order_flow_imbalance"] for part in partitions]
        seed = int(abs(np.nansum(pa.concat_tables(
            [pa.table({"x": one}) for one in flow])["x"].to_numpy())) * 1e6)
        context.writer("studies.correlation").write(study(seed=seed))

    done = materialise(
        store, outputs=["studies.correlation"], partition="all", version="1", build=estimate,
        inputs=[("features.bars", part) for part in partitions])
    return [*built, *(["study"] if done.status == "built" else [])]


def hashes(store):
    return {(table, partition): entry.rows_hash
            for table, of_table in store.ledger.all_partitions().items()
            for partition, entry in of_table.items()}


def new_store(directory):
    return Store(Home.open(directory, create=True), tables=TABLES)


@pytest.fixture
def whole(tmp_path):
    """All days there from the beginning."""
    store = new_store(tmp_path / "whole")
    for place, day in enumerate(DAYS):
        put(store, "raw.events", events(5 + place), key(day))
    run(store)
    return store


def test_a_late_day_makes_only_what_depends_on_it(whole, tmp_path):
    store = new_store(tmp_path / "late")
    for place in (0, 2, 3):
        put(store, "raw.events", events(5 + place), key(DAYS[place]))
    run(store)
    assert run(store) == []
    put(store, "raw.events", events(6), key(DAYS[1]))
    assert run(store) == [f"bars {DAYS[1]}", f"bars {DAYS[2]}", "study"]
    assert hashes(store) == hashes(whole)


@pytest.mark.parametrize("age", [
    pytest.param(1, marks=pytest.mark.slow), pytest.param(7, marks=pytest.mark.slow), 30])
def test_a_file_as_late_as_a_month_leaves_what_was_known_as_it_was(tmp_path, age):
    days = [next_day(DAYS[0], k) for k in range(32)]
    late = len(days) - 1 - age
    store, on_time = (new_store(tmp_path / name) for name in ("late", "on-time"))
    for place, day in enumerate(days):
        for one in (on_time, *([store] if place != late else [])):
            put(one, "raw.events", events(5 + place), key(day))
    run(on_time, days)
    run(store, days)
    assert run(store, days) == []
    before, sequence = hashes(store), store.ledger.last_sequence()
    query = "from features.bars order by all"
    with store.session() as session:
        known = session.execute(query).fetchall()
    put(store, "raw.events", events(5 + late), key(days[late]))
    assert run(store, days) == [f"bars {days[late]}", f"bars {days[late + 1]}", "study"]
    after = hashes(store)
    assert after == hashes(on_time)
    assert {name for name, value in after.items() if before.get(name) != value} == {
        ("raw.events", key(days[late])), ("features.bars", key(days[late])),
        ("features.bars", key(days[late + 1])), ("studies.correlation", "all")}
    with store.session(sequence) as then, store.session() as now:
        assert then.execute(query).fetchall() == known != now.execute(query).fetchall()


def test_a_correction_supersedes_and_what_was_known_stays_answerable(whole):
    before = hashes(whole)
    sequence = whole.ledger.last_sequence()
    put(whole, "raw.events", events(9), key(DAYS[0]))
    assert run(whole) == [f"bars {DAYS[0]}", f"bars {DAYS[1]}", "study"]
    changed = {name for name, value in hashes(whole).items() if before[name] != value}
    assert changed == {("raw.events", key(DAYS[0])), ("features.bars", key(DAYS[0])),
                       ("features.bars", key(DAYS[1])), ("studies.correlation", "all")}
    query = "select sum(order_flow_imbalance) from features.bars"
    with whole.session(sequence) as then, whole.session() as now:
        old, new = (session.execute(query).fetchone() for session in (then, now))
        assert old != new
        moment = whole.ledger.history("features.bars")[3].recorded_at
        known = now.execute(
            "select sum(order_flow_imbalance) from "
            f"as_recorded('features.bars_history', make_timestamp_ns({moment}))").fetchone()
    assert known == pytest.approx(old)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_any_order_of_arrival_ends_in_the_same_tables(whole, tmp_path, order):
    store = new_store(tmp_path / "other")
    for place in order:
        put(store, "raw.events", events(3), key(DAYS[place]))  # truncated at first
        run(store)
        put(store, "raw.events", events(5 + place), key(DAYS[place]))
        run(store)
    assert run(store) == []
    assert hashes(store) == hashes(whole)
