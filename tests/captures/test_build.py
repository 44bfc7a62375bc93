"""The raw layer of a day: every line accounted for, every event once, whatever holds it."""

import shutil
from collections import Counter

import pyarrow.compute as pc
import pytest

from imbalance.captures import build
from imbalance.captures.build import RAW_TABLES, captures_of, materialise_raw
from imbalance.captures.register import register
from imbalance.config import Config
from imbalance.store import Store
from imbalance.store.ledger_rows import days_of
from imbalance.tasks import read_current
from tests.captures.building import account, assert_everything_accounted_for, build_all, rows, write
from tests.captures.samples import (
    DAY,
    FIRST,
    INVERSE,
    LINEAR,
    MIDNIGHT,
    MS,
    SECOND,
    SPOT,
    START,
    diff,
    line,
    quote,
    recording,
    text_of,
    trade,
)
from tests.captures.scanning import message_of


def test_every_line_of_the_august_captures_becomes_one_event(store, shared):
    directory = shared / "captures/binance-202408"
    files = sorted(directory.rglob("*.gz"))
    register(store, [directory])
    results = build_all(store)
    assert all(not result.failed for result in results.values())
    total = assert_everything_accounted_for(store, files)
    assert total.total() == 524_627  # lines by `zcat | wc -l`
    held = Counter()
    for table in RAW_TABLES:
        for entry in store.ledger.partitions(table).values():
            held[table] += entry.row_count
    assert held["raw.quotes"] == total["book_ticker"]
    assert held["raw.trades"] == total["trade"]
    assert held["raw.book_updates"] == total["depth_diff"] + total["depth_snapshot"]
    assert held["raw.derivative_ticks"] == 0
    assert not any(r.metadata["merged"] for v in results.values() for r in v.partitions.values())
    # the receive clock runs 1.27 s behind the exchange's: receipts are moved forward by it
    skews = [
        row for partition in store.ledger.partitions("raw.clock_skew")
        for row in read_current(store, "raw.clock_skew", partition).to_pylist()
    ]
    assert len(skews) == len(files)
    for row in skews:
        assert row["p50_ns"] == pytest.approx(-1.269e9, abs=0.06e9)
        assert row["correction_ns"] == -row["smallest_ns"] > 1.2e9
    # by event time the futures reach into the next day, as their last messages say themselves
    text = text_of(directory / "usdm/btcusdt_20240808.gz").splitlines()
    beyond = sum(message_of(one).get("T", 0) * MS >= MIDNIGHT for one in text if b'"e"' in one)
    assert beyond > 0
    assert beyond == sum(
        pc.sum(pc.equal(rows(store, t, LINEAR, SECOND)["instrument"], "binance-futures:BTCUSDT"))
        .as_py() or 0
        for t in RAW_TABLES
    )  # fmt: skip
    # a second run does nothing
    sequence = store.ledger.last_sequence()
    assert all(result.unchanged for result in build_all(store).values())
    assert store.ledger.last_sequence() == sequence


def test_midnight_is_cut_by_the_time_of_the_event(store, tmp_path):
    ends = [MIDNIGHT - 2 * MS, MIDNIGHT - MS, MIDNIGHT, MIDNIGHT + MS]
    lines = [
        # received half a second early: the recorder's clock is behind
        line(diff(SPOT, k, k, at=at), at - 500 * MS)
        for k, at in enumerate(ends, 1)
    ]
    lines.append(line(quote(SPOT, 9), MIDNIGHT - 501 * MS))  # no time of its own: corrected
    lines.append(line(quote(SPOT, 10), MIDNIGHT - 500 * MS))
    register(store, [write(tmp_path / "a.gz", lines)])
    build_all(store)
    cut = [
        [rows(store, table, day=day)[name].to_pylist() for day in (FIRST, SECOND)]
        for table, name in (("raw.book_updates", "last_update_id"), ("raw.quotes", "update_id"))
    ]
    assert cut == [[[1, 2], [3, 4]], [[9], [10]]]


def test_no_event_falls_between_the_days(store, tmp_path):
    """Whatever the times in a file, each line is an event of some day or is quarantined."""
    lines = recording(LINEAR, 60)
    for k, seconds in enumerate((-9e8, -90_000, -400, -290, 290, 400, 90_000, 9e8)):
        at = START + int(seconds * 1_000) * MS
        lines.insert(30, line(trade(LINEAR, 5_000 + k, at=at), START))
        lines.insert(31, line(quote(LINEAR, 6_000 + k, at=at), at))
    path = write(tmp_path / "a.gz", lines)
    register(store, [path])
    build_all(store)
    found = account(store, path)
    assert found["lines_read"] == 76
    held = sum(e.row_count for t in RAW_TABLES for e in store.ledger.partitions(t).values())
    assert held == found["lines_decoded"]
    assert found["lines_quarantined"] == 76 - held
    reasons = {"far_from_receipt", "receive_time_out_of_span", "receive_time_unit"}
    assert found["quarantined_by_reason"].keys() == reasons
    (bad,) = [
        read_current(store, "raw.quarantine", partition)
        for partition in store.ledger.partitions("raw.quarantine")
    ]
    assert bad.num_rows == found["lines_quarantined"]
    text = text_of(path)
    for row in bad.to_pylist():
        stood = text[row["byte_offset"] : row["byte_offset"] + row["byte_length"]]
        assert stood == lines[row["line"] - 1].rstrip()


def test_inverse_contracts_are_converted_to_base_units(tmp_path):
    lines = [
        line(trade(INVERSE, k, symbol=symbol, price="50000.0", size="3"))
        for k, symbol in enumerate(("BTCUSD_PERP", "ETHUSD_PERP", "BTCUSD_240927", "XUSD_PERP"))
    ]
    path = write(tmp_path / "a.gz", lines)
    usual = Store.open(tmp_path / "usual", create=True)
    configured = Store.open(
        tmp_path / "told", create=True, config=Config(multipliers={f"{INVERSE}:XUSD_PERP": 1000.0})
    )
    for store, other in ((usual, 10.0), (configured, 1000.0)):
        register(store, [path])
        build_all(store)
        table = rows(store, "raw.trades", INVERSE)
        assert table["size"].to_pylist() == [3.0] * 4
        assert table["size_base"].to_pylist() == [
            3 * multiplier / 50_000 for multiplier in (100.0, 10.0, 100.0, other)
        ]


def test_a_capture_that_has_gone_fails_its_day_and_no_other(store, tmp_path):
    first = write(tmp_path / "a.gz", recording(SPOT, 30))
    second = write(tmp_path / "b.gz", recording(SPOT, 30, receive=START + DAY))
    register(store, [first, second])
    first.unlink()
    result = materialise_raw(store, SPOT, [FIRST, SECOND])
    assert list(result.failed) == [f"{FIRST}|{SPOT}"]
    assert "gone" in result.failed[f"{FIRST}|{SPOT}"]
    assert str(first) in result.failed[f"{FIRST}|{SPOT}"]
    assert len(rows(store, "raw.trades", day=SECOND)) == 10
    assert [f.partition for f in store.ledger.failures()] == [f"{FIRST}|{SPOT}"] * len(RAW_TABLES)
    write(first, recording(SPOT, 30))
    assert not materialise_raw(store, SPOT, [FIRST, SECOND]).failed
    assert store.ledger.failures() == []


@pytest.mark.parametrize("at", [15, -30, -6])
def test_a_capture_that_has_changed_fails_its_day(store, tmp_path, at):
    path = write(tmp_path / "a.gz", recording(SPOT, 30))
    register(store, [path])
    changed = bytearray(path.read_bytes())
    changed[at] ^= 64
    path.write_bytes(bytes(changed))
    result = materialise_raw(store, SPOT, [FIRST])
    (told,) = result.failed.values()
    assert "changed since it was registered" in told
    assert str(path) in told
    assert store.ledger.partitions("raw.trades") == {}


def test_a_capture_that_has_grown_has_changed_and_is_not_gone(store, tmp_path):
    path = write(tmp_path / "a.gz", recording(SPOT, 30))
    register(store, [path])
    path.write_bytes(path.read_bytes() + b"more")
    (told,) = materialise_raw(store, SPOT, [FIRST]).failed.values()
    assert told == (
        f"a capture has changed since it was registered: {path}; to do: restore the file; a new "
        f"version is registered by `imbalance run {path}`"
    )
    assert {failure.message for failure in store.ledger.failures()} == {told}


def test_a_capture_changed_without_a_trace_in_its_text_is_told_of_too(store, tmp_path):
    path = write(tmp_path / "a.gz", recording(SPOT, 30))
    register(store, [path])
    changed = bytearray(path.read_bytes())
    changed[4] ^= 1  # the time in the gzip header
    path.write_bytes(bytes(changed))
    assert "changed" in str(materialise_raw(store, SPOT, [FIRST]).failed)


def test_a_capture_is_found_under_any_of_its_names(store, tmp_path):
    path = write(tmp_path / "a.gz", recording(SPOT, 30))
    register(store, [path])
    register(store, [shutil.move(path, tmp_path / "b.gz")])
    assert not materialise_raw(store, SPOT, [FIRST]).failed
    assert len(rows(store, "raw.trades")) == 10


def test_a_capture_cut_short_yields_its_lines_and_gives_way_to_the_whole(store, tmp_path):
    lines = recording(SPOT, 600)
    path = write(tmp_path / "a.gz", lines)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    register(store, [path])
    build_all(store)
    found = account(store, path)
    assert found["state"] == "truncated"
    assert found["reason"] == "the last gzip member is cut short"
    assert found["quarantined_by_reason"] == {"incomplete_line": 1}
    assert 100 < found["lines_decoded"] < 500
    held = sum(len(rows(store, table)) for table in RAW_TABLES)
    assert held == found["lines_decoded"] == found["lines_read"] - 1
    path.write_bytes(whole)
    register(store, [path])
    (result,) = build_all(store).values()
    assert not result.failed
    assert sum(len(rows(store, table)) for table in RAW_TABLES) == 600
    assert len(store.ledger.partitions("raw.captures")) == 1
    assert account(store, path)["state"] == "whole"


def test_a_second_build_is_unchanged_and_a_new_capture_touches_only_its_day(store, tmp_path):
    register(store, [write(tmp_path / "a.gz", recording(SPOT, 30))])
    register(store, [write(tmp_path / "b.gz", recording(SPOT, 30, receive=START + DAY))])
    build_all(store)
    sequence = store.ledger.last_sequence()
    (result,) = build_all(store).values()
    assert result.unchanged
    assert store.ledger.last_sequence() == sequence
    more = recording(SPOT, 30, receive=START + DAY + 30 * 1_000 * MS, first=9_000)
    register(store, [write(tmp_path / "c.gz", more)])
    (result,) = build_all(store).values()
    built = {key for key, one in result.partitions.items() if one.status == "built"}
    assert built == {f"{SECOND}|{SPOT}"}
    assert len(rows(store, "raw.trades", day=SECOND)) == 20


class Counting:
    """A listener that adds up what it is told."""

    def __init__(self):
        self.bytes = self.events = self.files = 0
        self.notes = []

    def advance(self, *, bytes=0, events=0, files=0, note=None):
        self.bytes += bytes
        self.events += events
        self.files += files
        self.notes += [note] if note else []


def test_a_capture_is_read_only_for_the_days_it_reaches(store, tmp_path):
    """It is looked into for a day that it comes near to, and from then on its span is known."""
    lines = recording(SPOT, 30, receive=MIDNIGHT + 60 * 1_000 * MS)
    path = write(tmp_path / "a.gz", lines)
    register(store, [path])
    assert [len(captures_of(store, SPOT, day)) for day in (FIRST, SECOND)] == [1, 1]
    progress = Counting()
    materialise_raw(store, SPOT, [SECOND, FIRST], progress)
    assert progress.notes == ["decoding a.gz"]
    assert (progress.files, progress.events, progress.bytes) == (1, 30, len(text_of(path)))
    assert len(rows(store, "raw.trades")) == 0


def test_hostile_symbols_go_through_as_they_are(store, tmp_path):
    names = ["CON", "../../x", "A'; drop table raw.trades; --", 'A"B', "\u0412TCUSDT", "A:B", "%s"]
    lines = [line(quote(SPOT, k, symbol=name)) for k, name in enumerate(names)]
    register(store, [write(tmp_path / "a.gz", lines), write(tmp_path / "b.gz", [*lines, lines[0]])])
    build_all(store)
    assert sorted(rows(store, "raw.quotes")["instrument"].to_pylist()) == sorted(
        f"binance:{name}" for name in names
    )
    with store.session(described=False) as connection:
        found = connection.execute(
            "select count(*) from raw.quotes where instrument = $name",
            {"name": "binance:A'; drop table raw.trades; --"},
        ).fetchone()
    assert found == (1,)
    assert {p.name for p in tmp_path.iterdir()} == {"a.gz", "b.gz", "home"}


def test_a_day_whose_accounts_are_not_written_yet_is_not_current(store, tmp_path, monkeypatch):
    """Stopped between a day's rows and the accounts of its captures."""
    register(store, [write(tmp_path / "capture", recording(SPOT, 9))])
    (capture,) = store.ledger.captures()
    (day,) = days_of(capture)

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(build, "_account", stopped)
        with pytest.raises(KeyboardInterrupt):
            build.materialise_raw(store, capture.venue, [day])
    assert not build.raw_is_current(store, capture.venue, day)
    result = build.materialise_raw(store, capture.venue, [day])
    assert {one.status for one in result.partitions.values()} == {"unchanged"}
    assert {one.status for one in result.captures.values()} == {"built"}
    assert build.raw_is_current(store, capture.venue, day)
