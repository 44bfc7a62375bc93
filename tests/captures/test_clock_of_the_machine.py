"""The clock and the zone of the machine change no row and no day of a capture (F10, F38)."""

import itertools
import time

import pytest

from imbalance.captures.register import register
from imbalance.store import Store
from tests.captures.building import build_all, write
from tests.captures.samples import LINEAR, MIDNIGHT, MS, START, diff, line, quote, recording, trade

HOUR = 3_600 * 10**9
SPRING, AUTUMN = 1_710_054_000 * 10**9, 1_730_613_600 * 10**9
"""Hours that New York passes over, 10 March 2024 at 7:00, or has twice, 3 November 2024 at 6:00."""


def made(directory, captures):
    """Hashes of the rows of all partitions, and when they were committed in their order."""
    store = Store.open(directory, create=True)
    register(store, captures)
    assert all(not result.failed for result in build_all(store).values())
    entries = [entry for of_table in store.ledger.all_partitions().values()
               for entry in of_table.values()]
    entries.sort(key=lambda entry: entry.sequence)
    with store.session(described=False) as session:
        found = session.sql("select instrument, epoch_ns(event_time), event_time::varchar "
                            "from raw.trades order by all").fetchall()
    hashes = {(entry.table, entry.partition): entry.rows_hash for entry in entries}
    return hashes, [entry.recorded_at for entry in entries], found


def around(moment, identity):
    """Trades, quotes and differences to the last microsecond before a moment and from it on."""
    for k, at in enumerate((moment - HOUR, moment - MS, moment, moment + MS, moment + HOUR)):
        for message in (trade(LINEAR, identity + k, at=at), quote(LINEAR, identity + k, at=at),
                        diff(LINEAR, identity + k, identity + k, at=at)):
            yield line(message, at - 1_000)


@pytest.fixture
def zone(monkeypatch):
    def put(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()
    yield put
    monkeypatch.undo()
    time.tzset()


def test_the_zone_of_the_machine_changes_nothing(tmp_path, zone):
    captures = [
        write(tmp_path / f"{k}.gz", around(moment, 10_000 * k))
        for k, moment in enumerate((MIDNIGHT, SPRING, AUTUMN, SPRING - 7 * HOUR), 1)
    ]
    found = []
    for name in ("UTC", "America/New_York", "Asia/Kolkata"):
        zone(name)
        hashes, _, rows = made(tmp_path / name.replace("/", "-"), captures)
        found.append((hashes, rows))
    assert found[0] == found[1] == found[2]
    hashes, rows = found[0]
    days = {partition.partition("|")[0] for table, partition in hashes if table == "raw.trades"}
    assert days == {"2024-03-09", "2024-03-10", "2024-08-08", "2024-08-09", "2024-11-03"}
    assert len(rows) == 20


def test_a_clock_that_jumps_by_an_hour_dates_nothing_wrong(tmp_path, monkeypatch):
    captures = [
        write(tmp_path / "a.gz", recording(LINEAR, 90, receive=MIDNIGHT - 45 * MS)),
        write(tmp_path / "b.gz", recording(LINEAR, 60, receive=START, first=5_000)),
    ]
    hashes, _, rows = made(tmp_path / "whole", captures)
    true = time.time_ns
    jumps = itertools.cycle((0, HOUR, -HOUR))
    monkeypatch.setattr(time, "time_ns", lambda: true() + next(jumps))
    monkeypatch.setattr(time, "time", lambda: time.time_ns() / 1e9)
    again, recorded, same = made(tmp_path / "jumping", captures)
    assert (again, same) == (hashes, rows)
    assert recorded == sorted(recorded)
    assert len({partition for table, partition in hashes if table == "raw.trades"}) == 2
    assert max(recorded) > true() + HOUR // 2  # it did jump
