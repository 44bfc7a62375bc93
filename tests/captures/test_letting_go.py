"""Captures that are in use no more: what only they held goes, what others hold stays."""

import os

import pytest

from imbalance.captures.letting_go import let_go
from imbalance.captures.register import register
from imbalance.captures.walk import files_of
from imbalance.errors import UserError
from imbalance.tasks import read_current
from tests.captures.building import build_all, rows
from tests.captures.samples import DAY, FIRST, MINUTE, SPOT, START, recording

TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"


@pytest.fixture
def two(tmp_path):
    """Two captures of a day that follow each other."""
    folder = tmp_path / "captures"
    folder.mkdir()
    for name, begins, first in (("a", START, 1_000), ("b", START + MINUTE, 5_000)):
        text = b"".join(recording(SPOT, 60, receive=begins, first=first))
        (folder / name).write_bytes(text)
    return folder


def days_of_venues(store):
    return {
        partition for entries in store.ledger.all_partitions().values() for partition in entries
        if "|" in partition
    }


def test_a_capture_that_is_gone_is_let_go_of(store, two):
    """By its path or its id; the day is made of the others, and the capture may come again."""
    first, second = register(store, [two])
    build_all(store)
    assert len(rows(store, "raw.trades")) == 40
    kept = (two / "a").read_bytes()
    (two / "a").unlink()
    assert build_all(store)[SPOT].failed == {}  # nothing asks for it
    text = b"".join(recording(SPOT, 30, receive=START + 2 * MINUTE, first=9_000))
    (two / "c").write_bytes(text)
    register(store, [two / "c"])
    messages = build_all(store)[SPOT].failed.values()
    assert all(f"imbalance ingest --forget {first.capture_id}" in one for one in messages)
    assert len(messages) == 2  # it is near midnight: of either day
    assert [one.capture_id for one in let_go(store, [str(two / "a")])] == [first.capture_id]
    assert build_all(store)[SPOT].failed == {}
    assert len(rows(store, "raw.trades")) == 30
    assert set(store.ledger.partitions("raw.captures")) == {
        one.capture_id for one in store.ledger.captures()}  # fmt: skip
    let_go(store, [second.capture_id])
    build_all(store)
    assert len(rows(store, "raw.trades")) == 10
    (two / "a").write_bytes(kept)
    assert [one.status for one in register(store, [two])] == ["new", "new", "known"]
    build_all(store)
    assert len(rows(store, "raw.trades")) == 50


def test_what_is_not_in_use_cannot_be_let_go_of(store, two):
    register(store, [two])
    with pytest.raises(UserError, match="no capture 'c' is in use") as caught:
        let_go(store, [str(two / "a"), "c"])
    assert "raw.captures" in caught.value.fix
    assert len(store.ledger.captures()) == 2


def test_rows_of_a_venue_that_no_capture_is_of_any_more_go(store, tmp_path):
    """A file named for another venue than before: its rows would count twice."""
    path = tmp_path / "bitflyerJPY_2018-08-12.csv"
    path.write_text("date,last\n" + "".join(
        f"2018-08-12 00:{minute:02d}:00,{700_000 + minute}\n" for minute in range(30)))
    register(store, [path], venue="bitflyer")
    build_all(store)
    assert days_of_venues(store) == {f"2018-08-{day}|bitflyer" for day in (11, 12)}
    (named,) = register(store, [path], venue="btcbox")
    assert (named.status, named.reason) == ("new", "taken for tables of bitflyer before")
    assert days_of_venues(store) == set()
    build_all(store)
    assert days_of_venues(store) == {f"2018-08-{day}|btcbox" for day in (11, 12)}
    assert len(rows(store, "raw.derivative_ticks", "btcbox", "2018-08-12")) == 30
    history = store.ledger.history("raw.derivative_ticks")
    assert {entry.partition for entry in history if entry.row_count == 30} == {
        "2018-08-12|bitflyer", "2018-08-12|btcbox"}  # fmt: skip


def test_rows_of_days_that_are_held_stay(store, two):
    register(store, [two])
    build_all(store)
    before = store.ledger.last_sequence()
    register(store, [two])
    assert store.ledger.last_sequence() == before


def test_a_name_that_does_not_fit_leaves_a_capture_as_it_is(store, two):
    (first, _) = register(store, [two])
    build_all(store)
    before = store.ledger.captures()
    (wrong,) = register(store, [two / "a"], venue="bitmex")
    assert (wrong.status, wrong.venue) == ("refused", SPOT)
    assert wrong.reason == (
        "not of bitmex: its content is of binance; it stays what it is, binance-lines of binance")
    assert store.ledger.captures() == before
    (row,) = read_current(store, "raw.captures", first.capture_id).to_pylist()
    assert (row["state"], row["lines_read"]) == ("whole", 60)
    assert [one.status for one in register(store, [two])] == ["known", "known"]
    assert build_all(store)[SPOT].unchanged


def test_a_capture_that_was_refused_for_its_name_is_none_that_is_refused(store, two):
    """Named wrongly at first, then not at all: it is known from there on, and its account is none
    of a refusal."""
    assert register(store, [two / "a"], venue="bitmex")[0].status == "refused"
    (row,) = read_current(
        store, "raw.captures", next(iter(store.ledger.partitions("raw.captures")))).to_pylist()
    assert row["state"] == "refused"
    assert register(store, [two / "a"])[0].status == "new"
    again, = register(store, [two / "a"])
    assert (again.status, again.venue, again.reason) == ("known", SPOT, None)
    assert store.ledger.partitions("raw.captures") == {}
    build_all(store)
    assert len(rows(store, "raw.trades", SPOT, FIRST)) == 20


def test_files_of_a_path(two):
    assert sorted(path.name for path in files_of(two)) == ["a", "b"]


def test_of_captures_that_had_one_name_the_id_says_which(store, tmp_path):
    """The first is there no more, but it held another day: it stays until it is let go of itself,
    and stays when the other one is."""
    path = tmp_path / "a"
    path.write_bytes(b"".join(recording(SPOT, 30, receive=START - 3 * DAY)))
    (old,) = register(store, [path])
    build_all(store)
    path.write_bytes(b"".join(recording(SPOT, 60)))
    (new,) = register(store, [path])
    build_all(store)
    with pytest.raises(UserError, match="2 captures in use have had the name") as caught:
        let_go(store, [str(path)])
    assert old.capture_id in caught.value.allowed
    assert new.capture_id in caught.value.allowed
    let_go(store, [new.capture_id])
    assert [one.capture_id for one in store.ledger.captures()] == [old.capture_id]
    assert days_of_venues(store) == {"2024-08-05|binance"}
    let_go(store, [str(path)])
    assert (store.ledger.captures(), days_of_venues(store)) == ([], set())


def test_a_file_that_is_what_it_was_before_is_used_again(store, tmp_path):
    """Put back with its time of change: as from a copy."""
    path = tmp_path / "a"
    path.write_bytes(b"".join(recording(SPOT, 30)))
    kept, stamp = path.read_bytes(), path.stat()
    (old,) = register(store, [path])
    path.write_bytes(b"".join(recording(SPOT, 60, first=5_000)))
    (new,) = register(store, [path])
    assert [one.capture_id for one in store.ledger.captures()] == [new.capture_id]
    path.write_bytes(kept)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert register(store, [path])[0].capture_id == old.capture_id
    assert [one.capture_id for one in store.ledger.captures()] == [old.capture_id]
    assert register(store, [path])[0].status == "known"
    build_all(store)
    assert len(rows(store, "raw.trades")) == 10
