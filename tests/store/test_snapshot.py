"""A snapshot says what the ledger said when it was taken, whatever is written meanwhile."""

import pytest

from imbalance.store.ledger import CaptureFile, Ledger, NewEntry
from imbalance.store.snapshot import Snapshot

BARS, TRADES = "features.bars_1s", "raw.trades"
FIRST, SECOND, THIRD = (f"2024-08-{day:02}" for day in (8, 9, 10))


def entry(table, partition, file="f"):
    return NewEntry(table, partition, file, file, file, 1, "inputs", "1")


def capture(number, first, last):
    return CaptureFile(f"c{number}", f"{number}", f"/{number}", 1, 1, "binance-lines", "binance",
                       first, last)


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger.sqlite")
    made.commit([entry(BARS, f"{day}|{venue}") for day in (SECOND, FIRST, THIRD)
                 for venue in ("b", "a")], "run")
    made.commit([entry(BARS, f"{SECOND}|a", None), entry(TRADES, f"{FIRST}|a"),
                 entry(BARS, f"{FIRST}|a", "newer"), entry(BARS, "all"),
                 entry(BARS, f"trailing-{SECOND}")], "run")
    made.record_failure(TRADES, f"{THIRD}|a", "run", "why")
    for number, span in enumerate([(FIRST, SECOND), (SECOND, SECOND), (None, None)]):
        made.register_capture(capture(number, *span))
    return made


def said(ledger):
    """All that a plan asks."""
    keys = [(table, partition) for table in (BARS, TRADES, "none") for partition in (
        "all", *(f"{day}|{venue}" for day in (FIRST, SECOND, THIRD) for venue in ("a", "b")))]
    days = [(first, last) for first in (FIRST, SECOND, THIRD) for last in (FIRST, SECOND, THIRD)]
    return (
        ledger.all_partitions(), [ledger.partitions(table) for table in (BARS, TRADES, "none")],
        [ledger.current(*key) for key in keys], [ledger.newest(*key) for key in keys],
        [ledger.partitions_between(table, *span) for table in (BARS, TRADES) for span in days],
        ledger.captures(), [ledger.captures_on(day) for day in (FIRST, SECOND, THIRD)],
        ledger.failures(), ledger.last_sequence(),
    )


def test_it_says_what_the_ledger_says_and_stays_at_it(ledger):
    snapshot, then = Snapshot(ledger), said(ledger)
    assert said(snapshot) == then
    ledger.commit([entry(BARS, f"{FIRST}|b", "later"), entry(BARS, f"{THIRD}|b", None),
                   entry(TRADES, f"{SECOND}|a")], "run")
    ledger.record_recovery(TRADES, f"{THIRD}|a", "run")
    ledger.register_capture(capture(3, FIRST, THIRD))
    assert said(snapshot) == then
    assert [a == b for a, b in zip(said(Snapshot(ledger)), then, strict=True)] == [False] * 9


def test_partitions_of_days_are_those_from_the_first_to_the_last_that_have_a_file(ledger):
    for one in (ledger, Snapshot(ledger)):
        assert one.partitions_between(BARS, FIRST, SECOND) == [
            f"{FIRST}|a", f"{FIRST}|b", f"{SECOND}|b"]
        assert one.partitions_between(BARS, SECOND, THIRD) == [
            f"{SECOND}|b", f"{THIRD}|a", f"{THIRD}|b"]
        assert one.partitions_between(BARS, THIRD, FIRST) == []
        assert [c.capture_id for c in one.captures_on(SECOND)] == ["c0", "c1"]


def test_a_removed_partition_has_a_newest_entry_and_no_current_one(ledger):
    for one in (ledger, Snapshot(ledger)):
        assert one.current(BARS, f"{SECOND}|a") is None
        assert one.newest(BARS, f"{SECOND}|a").file is None
        assert one.newest(TRADES, f"{SECOND}|a") is None


def test_the_past_is_asked_of_the_file(ledger):
    snapshot = Snapshot(ledger)
    assert snapshot.partitions(BARS, at=2) == ledger.partitions(BARS, at=2)
    assert list(snapshot.partitions(BARS, at=2)) == [f"{SECOND}|a", f"{SECOND}|b"]
    assert snapshot.current(BARS, f"{FIRST}|a", at=4).file == "f"


def test_nothing_is_written_by_it(ledger):
    snapshot = Snapshot(ledger)
    for write in (lambda: snapshot.commit([entry(BARS, "p")], "run"),
                  lambda: snapshot.record_failure(BARS, "p", "run", "why"),
                  lambda: snapshot.register_capture(capture(4, FIRST, FIRST))):
        with pytest.raises(TypeError, match="read only"):
            write()
    assert ledger.current(BARS, "p") is None
