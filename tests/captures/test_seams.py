"""Captures that follow each other: one clock, and nothing known before what was known already."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

from imbalance.captures.build import RAW_TABLES, materialise_raw
from imbalance.captures.register import register
from imbalance.store import Store
from tests.captures.building import account, build_all, hashes, rows, write
from tests.captures.samples import (
    DAY,
    FIRST,
    LINEAR,
    MIDNIGHT,
    MINUTE,
    MS,
    SECOND,
    SPOT,
    START,
    diff,
    line,
    quote,
)


def times(store, table, name, day=FIRST, venue=SPOT):
    return rows(store, table, venue, day)[name].cast(pa.int64()).to_pylist()


def behind(first, at, skew_ms, count=3):
    """Quotes and differences of a recorder that is behind, the quotes first; `at` is the time sent
    of the first one.
    """
    found = [line(quote(SPOT, first), at - skew_ms * MS)]
    for k in range(1, count):
        sent = at + k * 10 * MS
        found.append(line(diff(SPOT, first + k, first + k, at=sent), sent - skew_ms * MS))
    return found


def test_available_never_falls_within_an_instrument_of_the_real_captures(store, shared):
    register(store, [shared / "captures/binance-202408", shared / "captures/binance-nexo"])
    assert all(not result.failed for result in build_all(store).values())
    instruments = set()
    for table in RAW_TABLES:
        last: dict[str, int] = {}
        for partition in sorted(store.ledger.partitions(table)):
            day, venue = partition.split("|")
            found = rows(store, table, venue, day)
            for name in set(found["instrument"].to_pylist()):
                mine = found.filter(pa.compute.equal(found["instrument"], name))
                available = mine["available_at"].cast(pa.int64()).to_numpy()
                event = mine["event_time"].cast(pa.int64()).to_numpy()
                assert (np.diff(available) >= 0).all(), (table, name, day)
                assert (available >= event).all()
                assert available[0] >= last.get(name, 0), (table, name, day)
                last[name] = int(available[-1])
                if venue == SPOT and table == "raw.quotes" and day > "2024-08":
                    # received by a clock that was never less than 1.2 s behind
                    received = mine["receive_time"].cast(pa.int64()).to_numpy()
                    assert (event - received > 1_200 * MS).all()
                    assert (np.diff(event) >= 0).all()
                instruments.add(name)
    assert len(instruments) == 7


def test_a_capture_begins_with_the_skew_of_the_one_it_follows(tmp_path):
    paths = [
        write(tmp_path / "a.gz", behind(1, START, 1_000)),
        write(tmp_path / "b.gz", behind(10, START + MINUTE, 900)),
        write(tmp_path / "c.gz", behind(20, START + 2 * MINUTE, 800)),
    ]
    found = []
    for number, order in enumerate(itertools.permutations(paths)):
        store = Store.open(tmp_path / f"home{number}", create=True)
        for path in order:  # built after each: what comes late makes stale what follows it
            register(store, [path])
            build_all(store)
        found.append(hashes(store, SPOT))
        assert times(store, "raw.quotes", "event_time") == [
            START, START + MINUTE + 100 * MS, START + 2 * MINUTE + 100 * MS,
        ]  # fmt: skip
        # each tells of its own clock
        assert [account(store, path)["clock_skew_ns"] // MS for path in paths] == [
            -1_000, -900, -800,
        ]  # fmt: skip
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("apart", [-5 * MS, 61 * MINUTE])
def test_no_skew_is_taken_from_what_is_not_just_past(store, tmp_path, apart):
    first = behind(1, START - 90 * MINUTE, 2_000)
    last = START - 90 * MINUTE + 20 * MS - 2_000 * MS
    second = behind(10, last + apart + 1_000 * MS, 1_000)
    register(store, [write(tmp_path / "a.gz", first), write(tmp_path / "b.gz", second)])
    build_all(store)
    assert times(store, "raw.quotes", "event_time")[-1] == last + apart + 1_000 * MS


def test_another_instrument_lends_no_skew(store, tmp_path):
    other = [
        line(diff(SPOT, 1, 1, at=START, symbol="ETHUSDT"), START - 2_000 * MS),
    ]
    register(store, [write(tmp_path / "a.gz", other)])
    register(store, [write(tmp_path / "b.gz", behind(10, START + MINUTE, 1_000))])
    build_all(store)
    assert times(store, "raw.quotes", "event_time") == [START + MINUTE]


def test_what_came_before_any_skew_was_known_is_known_with_it(store, tmp_path):
    lines = behind(1, START, 1_000)
    register(store, [write(tmp_path / "a.gz", lines)])
    build_all(store)
    assert times(store, "raw.quotes", "receive_time") == [START - 1_000 * MS]
    assert times(store, "raw.quotes", "event_time") == [START]
    assert times(store, "raw.quotes", "available_at") == [START + 10 * MS]
    assert times(store, "raw.book_updates", "available_at") == [START + 10 * MS, START + 20 * MS]


def test_a_clock_that_was_ahead_does_not_turn_back_what_is_known(store, tmp_path):
    """The second recorder's ids follow, its clock is ten seconds behind that of the first."""
    first = [line(diff(LINEAR, k, k, at=START + k), START + 9_000 * MS) for k in (1, 2)]
    second = [line(diff(LINEAR, k, k, at=START + k), START + k * MS) for k in (3, 4)]
    register(store, [write(tmp_path / "a.gz", first), write(tmp_path / "b.gz", second)])
    build_all(store)
    available = times(store, "raw.book_updates", "available_at", venue=LINEAR)
    assert available == sorted(available)
    assert max(available) == START + 9_000 * MS


def test_a_day_built_alone_is_the_day_built_after_the_one_before(tmp_path):
    paths = [
        write(tmp_path / "a.gz", behind(1, MIDNIGHT - 3_000 * MS, 1_100)),
        write(tmp_path / "b.gz", behind(10, MIDNIGHT + 1_050 * MS, 1_000)),
        write(tmp_path / "c.gz", behind(20, MIDNIGHT + DAY // 2, 900)),
    ]
    found = []
    for number, days in enumerate(([FIRST, SECOND], [SECOND], [SECOND, FIRST])):
        store = Store.open(tmp_path / f"home{number}", create=True)
        register(store, paths)
        for day in days:
            assert not materialise_raw(store, SPOT, [day]).failed
        found.append(hashes(store, SPOT, SECOND))
        assert times(store, "raw.quotes", "event_time", SECOND) == [
            MIDNIGHT + 1_150 * MS, MIDNIGHT + DAY // 2,
        ]  # fmt: skip
    assert found[0] == found[1] == found[2]
