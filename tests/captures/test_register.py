"""Files become captures by their bytes: nothing twice, nothing lost, nothing refused in silence."""

import gzip
import hashlib
import io
import os
import random
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from imbalance.captures import register as registration
from imbalance.captures.probe import probe, sniff
from imbalance.captures.register import register
from imbalance.errors import UserError
from imbalance.store.ledger_rows import days_of
from imbalance.tasks import read_current
from tests.captures.samples import (
    DAY,
    INVERSE,
    LINEAR,
    MIDNIGHT,
    MINUTE,
    MS,
    SPOT,
    START,
    SYMBOLS,
    aggregate,
    bare,
    diff,
    line,
    mark,
    quote,
    recording,
    snapshot,
    trade,
)

YEAR_2017, YEAR_2035 = 1_483_228_800 * 10**9, 2_051_222_400 * 10**9


def write(path: Path, lines, compress=gzip.compress) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(compress(b"".join(lines)))
    return path


def statuses(found):
    return [one.status for one in found]


def captured(store, table):
    """Rows of `raw.captures` or `raw.quarantine`."""
    return [
        row
        for partition in store.ledger.partitions(table)
        for row in read_current(store, table, partition).to_pylist()
    ]


def test_a_second_registration_changes_nothing(store, tmp_path):
    path = write(tmp_path / "in/a.gz", recording(SPOT, 30))
    (one,) = register(store, [path])
    assert (one.status, one.venue) == ("new", SPOT)
    assert one.capture_id == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    before = store.ledger.captures(), store.ledger.last_sequence()
    assert statuses(register(store, [path, path.parent])) == ["known", "known"]
    path.touch()
    assert statuses(register(store, [path])) == ["same_bytes"]
    assert (store.ledger.captures(), store.ledger.last_sequence()) == before


def test_the_same_bytes_under_another_name_add_nothing(store, tmp_path):
    path = write(tmp_path / "in/a.gz", recording(SPOT, 30))
    register(store, [path])
    copy = shutil.copy(path, tmp_path / "in/copy.dat")
    assert statuses(register(store, [copy])) == ["same_bytes"]
    (capture,) = store.ledger.captures()
    assert capture.path == str(path)
    assert store.ledger.capture_paths(capture.capture_id) == [str(path), str(copy)]


def test_other_bytes_at_the_same_place_are_another_capture(store, tmp_path):
    path = write(tmp_path / "a.gz", recording(SPOT, 30))
    (old,) = register(store, [path])
    sizes = [path.stat().st_size]
    write(path, recording(SPOT, 30, receive=START + DAY))
    (new,) = register(store, [path])
    assert (new.status, new.replaces) == ("replaced", old.capture_id)
    assert new.capture_id != old.capture_id
    assert new.reason.endswith(
        f" bytes than the {sizes[0]:,} it had; capture {old.capture_id} stays registered, since it "
        "holds other days: put it back under another name, or let go of it "
        f"(imbalance ingest --forget {old.capture_id})"
    )
    # the old one held another day: it is not forgotten, only missing
    assert [c.capture_id for c in store.ledger.captures()] == [old.capture_id, new.capture_id]


def test_a_longer_version_elsewhere_takes_no_place(store, tmp_path):
    lines = recording(SPOT, 60)
    register(store, [write(tmp_path / "a.gz", lines[:20]), write(tmp_path / "b.gz", lines)])
    assert len(store.ledger.captures()) == 2
    # one name of the first now holds the second, another name still holds the first
    shutil.copy(tmp_path / "a.gz", tmp_path / "c.gz")
    register(store, [tmp_path / "c.gz"])
    shutil.copy(tmp_path / "b.gz", tmp_path / "a.gz")
    register(store, [tmp_path / "a.gz"])
    assert len(store.ledger.captures()) == 2


def test_a_whole_file_takes_the_place_of_one_that_was_refused(store, tmp_path):
    path = tmp_path / "a.gz"
    good = gzip.compress(b"".join(recording(SPOT, 30)))
    path.write_bytes(good[:-5] + bytes([good[-5] ^ 1]) + good[-4:])
    assert statuses(register(store, [path])) == ["refused"]
    assert len(captured(store, "raw.quarantine")) == 1
    path.write_bytes(good)
    assert statuses(register(store, [path])) == ["replaced"]
    assert captured(store, "raw.quarantine") == captured(store, "raw.captures") == []
    assert len(store.ledger.captures()) == 1


def archived(mode):
    """A tar archive of a capture."""
    text = b"".join(recording(SPOT, 9))
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode=mode) as file:
        one = tarfile.TarInfo("a.log")
        one.size = len(text)
        file.addfile(one, io.BytesIO(text))
    return found.getvalue()


REFUSED = {
    "empty.gz": (b"", "the file is empty"),
    "empty-member.gz": (gzip.compress(b""), "the file is empty"),
    "words.txt": (b"Nothing of this\nis a capture.\n", "unknown format"),
    "binary": (bytes(range(256)) * 40, "unknown format"),
    "table.csv": (b"time,price\n1723161256000000000,1.5\n", "no known layout: columns time, price"),
    "other.gz": (gzip.compress(b'1723161256000000000 {"type":"l2update"}\n'), "unknown format"),
    "crc.gz": (gzip.compress(b"".join(recording(SPOT, 9)))[:-8] + bytes(8), "checksum"),
    "a.tar": (archived("w"), "a tar archive: unpack it first"),
    "a.tar.gz": (archived("w:gz"), "a tar archive: unpack it first"),
    "zip.gz": (b"PK\x03\x04" + bytes(60), "no archive that can be read"),
}


def test_what_cannot_be_used_is_noted_with_its_reason(store, tmp_path):
    for name, (data, _) in REFUSED.items():
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    found = register(store, [tmp_path / "in"])
    assert {Path(one.path).name: one.status for one in found} == dict.fromkeys(REFUSED, "refused")
    captures = {Path(row["path"]).name: row for row in captured(store, "raw.captures")}
    quarantine = {Path(row["path"]).name: row for row in captured(store, "raw.quarantine")}
    assert captures.keys() == quarantine.keys() == REFUSED.keys()
    for name, (data, reason) in REFUSED.items():
        row, bad = captures[name], quarantine[name]
        assert row["state"] == "refused"
        assert reason in row["reason"]
        assert reason in bad["detail"]
        assert (bad["line"], bad["reason"]) == (0, "whole_file")
        assert bad["text_sha256"] == row["sha256"] == hashlib.sha256(data).hexdigest()
        assert bad["byte_length"] == row["size_bytes"] == len(data)
        assert row["lines_read"] is None
        assert row["lines_decoded"] == row["lines_quarantined"] == 0
        assert row["receive_time_unit"] is None
    assert all(days_of(capture) == [] for capture in store.ledger.captures())
    sequence = store.ledger.last_sequence()
    again = register(store, [tmp_path / "in"])
    assert statuses(again) == ["refused"] * len(REFUSED)
    assert [(one.path, one.capture_id, one.reason) for one in again] == [
        (one.path, one.capture_id, one.reason) for one in found
    ]
    assert store.ledger.last_sequence() == sequence


def test_a_file_that_another_version_refused_is_looked_at_again(store, tmp_path, monkeypatch):
    bad = write(tmp_path / "bad", [b"words\n"], bytes)
    (found,) = register(store, [bad])
    monkeypatch.setattr(registration, "VERSION", "capture-next")
    assert statuses(register(store, [bad])) == ["refused"]
    entry = store.ledger.current("raw.captures", found.capture_id)
    assert entry.definition_version == "capture-next"
    # a later version can read it
    monkeypatch.setattr(registration, "VERSION", "capture-last")
    usable = probe(write(tmp_path / "good", recording(SPOT, 9)))
    monkeypatch.setattr(
        registration, "probe", lambda *_: replace(usable, sha256=entry_sha256(store, found))
    )
    (last,) = register(store, [bad])
    assert (last.status, last.capture_id) == ("new", found.capture_id)
    (held,) = store.ledger.captures()
    assert days_of(held)
    assert held.format == "binance-lines"


def entry_sha256(store, found):
    (row,) = read_current(store, "raw.captures", found.capture_id).to_pylist()
    return row["sha256"]


@pytest.mark.parametrize("name", ["L2_feed.log.gz", "tardis_trades.csv.gz"])
def test_real_broken_files_are_refused_whole(store, shared, name):
    (found,) = register(store, [shared / "captures/corrupt" / name])
    assert found.status == "refused"
    assert found.reason is not None


@pytest.mark.parametrize(
    "make", [lambda path: path.exists(), lambda path: path.mkdir(), lambda path: path.touch()]
)
def test_nothing_to_register_is_said(store, tmp_path, make):
    path = tmp_path / "README.md"
    make(path)
    with pytest.raises(UserError) as told:
        register(store, [path])
    error = told.value
    assert "README.md" in error.what
    assert error.allowed is not None
    assert "capture files" in error.allowed or "<receive time> <websocket JSON>" in error.allowed
    assert error.exit_code == 2


def test_files_that_are_no_captures_by_their_name_are_left_alone(store, tmp_path):
    for name in ("LICENSE", "readme.txt", "Notes.MD", ".hidden.gz", "request_log.csv",
                 "subscriptions.csv", "last_match.csv", "truth.json", "COPYING"):  # fmt: skip
        write(tmp_path / "in" / name, recording(SPOT, 9))
    write(tmp_path / "in/deep/er/license_plates.gz", recording(SPOT, 9))
    write(tmp_path / "in/licensed.gz", recording(SPOT, 12))
    found = register(store, [tmp_path / "in"])
    kept = {Path(one.path).name for one in found if one.status != "ignored"}
    assert kept == {"licensed.gz"}
    assert len(found) == 11


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here fails to be read")
def test_a_file_that_cannot_be_read_is_told_of(store):
    with pytest.raises(UserError, match="cannot be read") as told:
        register(store, ["/proc/self/mem"])
    assert told.value.where == "/proc/self/mem"
    assert told.value.fix is not None


def test_a_pipe_is_not_waited_for(store, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError):
        register(store, [tmp_path / "pipe"])
    with pytest.raises(UserError, match="captures; home is a home, pipe is no regular file"):
        register(store, [tmp_path])


def test_links_that_go_round_in_circles_end(store, tmp_path):
    path = write(tmp_path / "in/a.gz", recording(SPOT, 9))
    (tmp_path / "in/up").symlink_to(tmp_path / "in", target_is_directory=True)
    (tmp_path / "in/linked.gz").symlink_to(path)
    (tmp_path / "in/broken.gz").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "in/pipe")
    (tmp_path / "in/home").mkdir()
    (tmp_path / "in/home/ledger.sqlite").touch()
    found = register(store, [tmp_path / "in"])
    assert statuses(found) == ["new", "same_bytes", *["skipped"] * 4]
    assert {Path(one.path).name: one.reason for one in found[2:]} == {
        "up": "a link to a directory", "broken.gz": "a link to nothing",
        "pipe": "no regular file", "home": "a home",
    }


HOSTILE = ["new\nline.gz", "quote'\".gz", "%s {0} $x.gz", "\u202egz.lanoitpecxe", "[a]*?.gz", "CON",
           "-rf", "\x1b[31mred.gz", "a" * 250]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_files_are_only_names(store, tmp_path, name):
    path = write(tmp_path / "in" / name, recording(SPOT, 9))
    (found,) = register(store, [tmp_path / "in"])
    assert (found.status, found.path) == ("new", str(path))
    assert store.ledger.captures()[0].path == str(path)


def test_a_name_that_is_no_text_is_told_of(store, tmp_path):
    write(tmp_path / os.fsdecode(b"caf\xe9.gz"), recording(SPOT, 9))
    with pytest.raises(UserError, match="name") as told:
        register(store, [tmp_path])
    assert "caf" in (told.value.where or "")
    told.value.where.encode()  # can be printed


def test_compression_and_format_are_told_by_content(store, tmp_path):
    lines = recording(SPOT, 30)
    plain = write(tmp_path / "plain.gz", lines, bytes)
    packed = write(tmp_path / "packed.dat", lines)
    assert [sniff(path).compression for path in (plain, packed)] == ["none", "gzip"]
    assert statuses(register(store, [plain, packed])) == ["new", "new"]


@pytest.mark.parametrize("venue", [SPOT, LINEAR, INVERSE])
def test_the_market_is_told_by_the_messages(tmp_path, venue):
    path = write(tmp_path / "a", recording(venue, 30))
    assert sniff(path).venue == venue
    futures = [line(trade(LINEAR, 1)), line(mark(LINEAR)), *recording(INVERSE, 1)]
    assert sniff(write(tmp_path / "b", futures)).venue == INVERSE


def test_lines_of_one_stream_are_told_apart(tmp_path):
    """Spot and futures name their streams alike, and a stream may be of all symbols."""
    stray = line(diff(SPOT, 5, 9))
    path = write(tmp_path / "a", [stray, *[line(diff(LINEAR, k, k + 1)) for k in range(5)]])
    assert sniff(path).venue == LINEAR
    quotes = [line(quote(SPOT, k, symbol=s)) for k in range(2) for s in ("BTCUSDT", "ETHUSDT")]
    assert sniff(write(tmp_path / "b", quotes)).symbols == ("BTCUSDT", "ETHUSDT")


@pytest.mark.parametrize("venue", [LINEAR, INVERSE])
@pytest.mark.parametrize("message", [trade, aggregate, lambda venue, _: mark(venue)])
def test_trades_and_marks_alone_are_told_by_their_symbols(tmp_path, venue, message):
    path = write(tmp_path / "a", [line(message(venue, k)) for k in range(3)])
    assert sniff(path).venue == venue
    assert sniff(path).symbols == (SYMBOLS[venue],)


def test_symbols_are_found_with_and_without_an_envelope(tmp_path):
    path = write(
        tmp_path / "a",
        [bare(quote(SPOT, 1)), line(quote(SPOT, 2, symbol="ETHUSDT")), bare(snapshot(SPOT, 9))],
    )
    assert sniff(path).symbols == ("BTCUSDT", "ETHUSDT")


@pytest.mark.parametrize(
    ("unit", "scale"), [("ns", 1), ("us", 1_000), ("ms", MS), ("s", 1_000 * MS)]
)
def test_units_and_spans(tmp_path, unit, scale):
    lines = [line(quote(SPOT, k), (START + k * MINUTE) // scale) for k in range(5)]
    found = probe(write(tmp_path / "a", lines))
    assert (found.sniff.unit, found.state) == (unit, "whole")
    assert found.sniff.first_time == START // scale * scale
    assert found.last_time == (START + 4 * MINUTE) // scale * scale


@pytest.mark.parametrize("files", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_file_of_any_year_is_scaled_wrongly(tmp_path, files):
    chance = random.Random(36)
    for _ in range(files):
        unit, scale = chance.choice([("ns", 1), ("us", 1_000), ("ms", MS), ("s", 1_000 * MS)])
        first = chance.randrange(YEAR_2017, YEAR_2035)
        lines = [line(quote(SPOT, k), (first + k * MINUTE) // scale) for k in range(3)]
        found = sniff(write(tmp_path / "a", lines, bytes))
        assert (found.unit, found.first_time) == (unit, first // scale * scale)


def test_the_days_of_a_capture_hold_whatever_is_minutes_from_it(store, tmp_path):
    cases = {
        (MIDNIGHT + 6 * MINUTE, 0): ["2024-08-09"],
        (MIDNIGHT + 4 * MINUTE, 0): ["2024-08-08", "2024-08-09"],
        (MIDNIGHT - 6 * MINUTE, 0): ["2024-08-08"],
        (MIDNIGHT - 6 * MINUTE, 2 * MINUTE): ["2024-08-08", "2024-08-09"],
        (MIDNIGHT + 6 * MINUTE, 3 * DAY): [f"2024-08-{d:02}" for d in (9, 10, 11, 12)],
    }
    for number, ((first, length), days) in enumerate(cases.items()):
        lines = [line(quote(SPOT, number), at) for at in (first, first + length)]
        (one,) = register(store, [write(tmp_path / f"{number}.gz", lines)])
        (capture,) = (c for c in store.ledger.captures() if c.capture_id == one.capture_id)
        assert days_of(capture) == days


def test_a_wild_receive_time_does_not_stretch_the_days(tmp_path):
    lines = recording(SPOT, 200)
    wild = line(quote(SPOT, 1), START - 9_000 * DAY), line(quote(SPOT, 1), START + 9_000 * DAY)
    found = probe(write(tmp_path / "a", [wild[0], *lines, wild[1]]))
    assert found.sniff.first_time == START
    assert found.last_time == START + 199 * MS


def test_garbage_at_the_end_does_not_hide_the_days(tmp_path):
    lines = recording(SPOT, 200)
    found = probe(write(tmp_path / "a", [*lines, *[b"garbage\n"] * 500_000]))
    assert found.last_time == START + 199 * MS


def test_a_file_cut_short_is_marked(tmp_path):
    lines = recording(SPOT, 300)
    data = gzip.compress(b"".join(lines))
    path = tmp_path / "a.gz"
    path.write_bytes(data[:-2_000])
    assert probe(path).state == "truncated"
    assert probe(path).reason == "the last gzip member is cut short"
    path.write_bytes(b"".join(lines)[:-3])
    assert (probe(path).state, probe(path).reason) == ("truncated", "the last line has no end")
