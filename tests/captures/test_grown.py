"""Files that are other than when they were last seen: grown, or replaced, and said so."""

import gzip
import re
import shutil

import pytest

from imbalance.captures.accounts import OUTPUTS
from imbalance.captures.build import RAW_TABLES, materialise_raw
from imbalance.captures.framing import CaptureReader
from imbalance.captures.register import register
from imbalance.store.ledger_rows import days_of
from imbalance.store.store import Store
from imbalance.store.sweep import sweep
from imbalance.tasks import read_current
from tests.captures.building import build_all, rows
from tests.captures.samples import (
    FIRST,
    INVERSE,
    MIDNIGHT,
    MINUTE,
    MS,
    SECOND,
    SPOT,
    START,
    recording,
)


def write(path, lines, compress=gzip.compress):
    path.write_bytes(compress(b"".join(lines)))
    return path


def captured(store, table):
    """Rows of a table with a partition for each capture."""
    return [
        row
        for partition in store.ledger.partitions(table)
        for row in read_current(store, table, partition).to_pylist()
    ]


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_file_that_grows_is_told_from_one_that_is_new(store, tmp_path, compress, built):
    """It takes its own place: each line is accounted for once."""
    lines = recording(SPOT, 60)
    path = write(tmp_path / "a", lines[:20], compress)
    (old,) = register(store, [path])
    if built:
        build_all(store)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(compress(b"".join(lines[20:])))
    (new,) = register(store, [path])
    assert (old.status, old.replaces) == ("new", None)
    assert (new.status, new.replaces) == ("grown", old.capture_id)
    assert new.reason == (
        f"its first {size:,} bytes{' (20 lines)' if built else ''} are as they were, "
        f"{path.stat().st_size - size:,} have come after them; capture {old.capture_id} gives way "
        "to it, its account is taken back"
    )
    assert [c.capture_id for c in store.ledger.captures()] == [new.capture_id]
    build_all(store)
    (row,) = captured(store, "raw.captures")
    assert (row["capture_id"], row["lines_read"]) == (new.capture_id, 60)
    assert [one.status for one in register(store, [path])] == ["known"]


def test_a_file_that_is_replaced_is_said_so(store, tmp_path):
    lines = recording(SPOT, 60)
    path = write(tmp_path / "a.gz", lines[:20])
    (old,) = register(store, [path])
    build_all(store)
    size = path.stat().st_size
    write(path, lines[25:])
    (new,) = register(store, [path])
    assert (new.status, new.replaces) == ("replaced", old.capture_id)
    assert new.reason == (
        f"other bytes than the {size:,} (20 lines) it had; capture {old.capture_id} gives way to "
        "it, its account is taken back"
    )
    assert captured(store, "raw.captures") == []
    build_all(store)
    assert [row["lines_read"] for row in captured(store, "raw.captures")] == [35]
    # the earlier account is history, not lost
    (was, gone, now) = store.ledger.history("raw.captures")
    assert (was.partition, was.row_count) == (gone.partition, 1) == (old.capture_id, 1)
    assert (gone.file, now.partition) == (None, new.capture_id)


class Heard:
    """A listener that keeps what it is told: bytes decoded, and what was being done."""

    def __init__(self):
        self.bytes, self.notes = 0, []

    def advance(self, *, bytes=0, events=0, files=0, partitions=0, note=None):
        self.bytes += bytes
        self.notes += [note] if note and note not in self.notes[-1:] else []


def build(store):
    """Build all days of all venues; what was heard of it."""
    heard = Heard()
    days = {}
    for capture in store.ledger.captures():
        days.setdefault(capture.venue, set()).update(days_of(capture))
    for venue, of_venue in sorted(days.items()):
        assert not materialise_raw(store, venue, sorted(of_venue), heard).failed
    return heard


def tables(store):
    """Hashes of the rows of all raw tables and accounts."""
    return {
        (table, partition): entry.rows_hash
        for table in (*RAW_TABLES, *OUTPUTS)
        for partition, entry in store.ledger.partitions(table).items()
        if entry.file is not None
    }


def anew(tmp_path, paths):
    """The same of a home that sees the files for the first time, and what was heard there."""
    home = tmp_path / f"anew-{len(list(tmp_path.iterdir()))}"
    store = Store.open(home, create=True)
    register(store, paths)
    heard = build(store)
    return tables(store), heard


def checkpoints(store):
    return sorted(path.name for path in store.home.checkpoints_dir.iterdir())


@pytest.mark.parametrize("venue", [SPOT, INVERSE])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_file_that_grows_is_continued_from_where_it_ended(store, tmp_path, compress, venue):
    """Cut in the midst of lines too: what is there of one is quarantined until the rest of it has
    come."""
    lines = recording(venue, 300)
    text = b"".join(lines)
    path = tmp_path / "a"
    decoded = done = 0
    for cut in (4_000, 4_010, 9_000, 30_000, len(text)):
        with path.open("ab") as file:
            file.write(compress(text[done:cut]))
        done = cut
        (told,) = register(store, [path])
        assert told.status == ("grown" if decoded else "new")
        heard = build(store)
        whole = text[:cut].rfind(b"\n") + 1
        assert heard.bytes == cut - decoded
        wanted, from_the_start = anew(tmp_path, [path])
        assert from_the_start.bytes == cut
        assert tables(store) == wanted
        if decoded:
            number = text[:decoded].count(b"\n") + 1
            assert f"decoding a from line {number} on" in heard.notes
        decoded = whole
        assert checkpoints(store) == [told.capture_id]
    assert sum(len(rows(store, f"raw.{name}", venue)) for name in (
        "book_updates", "trades", "quotes")) == len(lines)  # fmt: skip


@pytest.mark.parametrize("name", ["KRAKEN", "BITFINEX", "INDEPENDENT_RESERVE", "HUOBI"])
def test_a_recorded_connection_that_grows_is_continued(store, tmp_path, shared, name):
    """Its books are held against checksums of texts, its channels by numbers, its orders by name,
    which what comes first has told."""
    found = shared / "captures" / "cryptofeed" / "v3" / f"{name}.jsonl.zst"
    text = b"".join(block.data for block in CaptureReader(found))
    path = tmp_path / f"{name}.jsonl"
    continued = 0
    for cut in range(len(text) // 2, len(text), len(text) // 8 + 11):
        path.write_bytes(text[:cut])
        register(store, [path])
        continued += build(store).bytes < cut // 2
        assert tables(store) == anew(tmp_path, [path])[0]
    assert continued >= 1


@pytest.mark.parametrize(("found", "count"), [
    ("tardis/tardis_binance_BTCUSDT_incremental_book_L2_2019-12-01_rows_1_2050.csv", 1_900),
    ("cryptofeed/v3/BYBIT.jsonl.zst", 2_000),
])
def test_lines_that_may_go_on_are_made_again(store, tmp_path, shared, found, count):
    """The last line without its newline is read where it is whole, and so are the rows of a message
    that may have more: when more has come, they are there once."""
    text = b"".join(block.data for block in CaptureReader(shared / "captures" / found))
    lines = text.split(b"\n")
    path = tmp_path / found.rpartition("/")[2].removesuffix(".zst")
    for more in (0, 1, 2, 40):
        path.write_bytes(b"\n".join(lines[: count + more]))
        register(store, [path])
        heard = build(store)
        assert (heard.bytes < len(text) // 10) == (more > 0)
        assert tables(store) == anew(tmp_path, [path])[0]


def test_captures_that_are_as_they_were_are_not_decoded_again(store, tmp_path):
    """Neither when another of their day grows, nor when one comes to them."""
    folder = tmp_path / "captures"
    folder.mkdir()
    one, two, three = (folder / name for name in ("one", "two", "three"))
    first, second = (recording(SPOT, 90, symbol=symbol) for symbol in ("BTCUSDT", "ETHUSDT"))
    one.write_bytes(b"".join(first[:40]))
    two.write_bytes(b"".join(second))
    register(store, [folder])
    build(store)
    with one.open("ab") as file:
        file.write(b"".join(first[40:]))
    register(store, [folder])
    heard = build(store)
    assert [note for note in heard.notes if "decoding" in note] == ["decoding one from line 41 on"]
    assert tables(store) == anew(tmp_path, [folder])[0]
    three.write_bytes(b"".join(recording(SPOT, 30, receive=START + MINUTE, first=5_000)))
    register(store, [folder])
    heard = build(store)
    assert [note for note in heard.notes if "decoding" in note] == ["decoding three"]
    assert tables(store) == anew(tmp_path, [folder])[0]
    assert len(checkpoints(store)) == 3


def test_two_files_of_a_symbol_that_grow_are_both_continued(store, tmp_path):
    """The clock of the one that begins first is asked for before it has been continued."""
    folder = tmp_path / "captures"
    folder.mkdir()
    lines = recording(SPOT, 200)
    feeds = {"books": [one for one in lines if b"depthUpdate" in one],
             "others": [one for one in lines if b"depthUpdate" not in one]}  # fmt: skip
    for share in (0.4, 0.7, 1.0):
        for name, feed in feeds.items():
            (folder / name).write_bytes(b"".join(feed[: int(share * len(feed))]))
        register(store, [folder])
        heard = build(store)
        assert tables(store) == anew(tmp_path, [folder])[0]
        notes = [note for note in heard.notes if note.startswith("decoding")]
        assert all("from line" in note for note in notes) == (share > 0.4)


def test_what_late_rows_held_up_is_held_up_no_more_when_they_go(store, tmp_path):
    """Trades without ids: what a third capture, which comes last and was received in time, has of
    them counts instead of the late ones."""
    def csv(first, last, late):
        head = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
        return head + "".join(
            f"ftx,BTC-USDT,{1646136022_000_000 + k * 1_000_000},"
            f"{1646136022_000_000 + k * 1_000_000 + late},,buy,{100 + k % 7},2\n"
            for k in range(first, last + 1))

    folder = tmp_path / "trades"
    folder.mkdir()
    (folder / "A.csv").write_text(csv(0, 100, 5_000_000))
    (folder / "B.csv").write_text(csv(101, 200, 10_000))
    register(store, [folder])
    build(store)
    (folder / "C.csv").write_text(csv(-1, 100, 10_000))
    register(store, [folder])
    build(store)
    assert tables(store) == anew(tmp_path, [folder])[0]


def test_without_a_place_for_checkpoints_all_is_decoded_again(store, tmp_path):
    path = tmp_path / "a"
    lines = recording(SPOT, 60)
    store.home.checkpoints_dir.write_text("in its place")
    for count in (30, 60):
        path.write_bytes(b"".join(lines[:count]))
        register(store, [path])
        heard = build(store)
        assert heard.notes == ["decoding a"]
        assert tables(store) == anew(tmp_path, [path])[0]


def test_a_file_that_grows_into_the_next_day(store, tmp_path):
    lines = recording(SPOT, 200, receive=MIDNIGHT - 100 * MS)
    path = tmp_path / "a"
    for count in (50, 80, 120, 200):
        path.write_bytes(b"".join(lines[:count]))
        (told,) = register(store, [path])
        build(store)
        assert tables(store) == anew(tmp_path, [path])[0]
        assert checkpoints(store) == [told.capture_id]
    assert len(rows(store, "raw.trades", day=SECOND)) > 20


def overlapping(path, lines, store):
    """The same events as of the next lines, seen by another recorder."""
    (path.parent / "other").write_bytes(b"".join(lines[50:70]))


def damaged_checkpoint(path, lines, store):
    (checkpoint,) = store.home.checkpoints_dir.iterdir()
    data = bytearray(checkpoint.read_bytes())
    data[len(data) // 2] ^= 1
    checkpoint.write_bytes(data)


def lost_checkpoints(path, lines, store):
    shutil.rmtree(store.home.checkpoints_dir)


def damaged_rows(path, lines, store):
    entry = store.ledger.current("raw.trades", f"{FIRST}|{SPOT}")
    file = store.home.file(entry.file)
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-9] + b"\0" * 9)


def other_beginning(path, lines, store):
    lines[0] = lines[0].replace(b"100.4", b"100.3")


def an_earlier_one(path, lines, store):
    """A file that comes before it, whose clock it takes over."""
    (path.parent / "before").write_bytes(
        b"".join(recording(SPOT, 30, receive=START - MINUTE, first=100))
    )


@pytest.mark.parametrize("change", [
    damaged_checkpoint, lost_checkpoints, damaged_rows, other_beginning, an_earlier_one,
    overlapping,
])
def test_what_is_not_as_it_was_is_decoded_from_its_first_line(store, tmp_path, change):
    folder = tmp_path / "captures"
    folder.mkdir()
    path = folder / "a"
    lines = recording(SPOT, 90)
    path.write_bytes(b"".join(lines[:60]))
    register(store, [folder])
    build(store)
    change(path, lines, store)
    path.write_bytes(b"".join(lines))
    register(store, [folder])
    heard = build(store)
    assert "decoding a" in heard.notes
    wanted, _ = anew(tmp_path, [folder])
    found = tables(store)
    assert {key: found[key] for key in wanted} == wanted


def test_a_size_that_is_told_later_is_that_of_earlier_rows_too(store, tmp_path, shared):
    """A venue's list of instruments comes in the part that has been added: in one go it would have
    been known to the lines before it, which stand in one block with it."""
    found = shared / "captures" / "cryptofeed" / "v3" / "KRAKEN_FUTURES.jsonl.zst"
    text = b"".join(block.data for block in CaptureReader(found))
    records = text.split(b"\n")
    told = next(k for k, line in enumerate(records) if b"contractSize" in line)
    later = records.pop(told)
    path = tmp_path / "KRAKEN_FUTURES.jsonl"
    path.write_bytes(b"\n".join(records[:2_000]) + b"\n")
    register(store, [path])
    build(store)
    path.write_bytes(b"\n".join([*records[:2_000], later, *records[2_000:]]))
    register(store, [path])
    heard = build(store)
    assert any("from line" in note for note in heard.notes)
    assert "decoding KRAKEN_FUTURES.jsonl" in heard.notes
    assert tables(store) == anew(tmp_path, [path])[0]


def test_checkpoints_of_captures_that_are_no_more_are_leftovers(store, tmp_path):
    path = tmp_path / "a"
    lines = recording(SPOT, 60)
    path.write_bytes(b"".join(lines[:30]))
    (old,) = register(store, [path])
    build(store)
    path.write_bytes(b"".join(lines[31:]))
    (new,) = register(store, [path])
    build(store)
    assert checkpoints(store) == sorted([old.capture_id, new.capture_id])
    assert sweep(store.home, store.ledger) == []
    (swept,) = sweep(store.home, store.ledger, older_than=0)
    assert swept.path == f"checkpoints/{old.capture_id}"
    assert checkpoints(store) == [new.capture_id]


def test_rows_of_a_day_are_taken_over_where_that_day_was_read_so(store, tmp_path):
    """A capture is read otherwise when one comes that it follows: of its two days one may have been
    made again before the other is looked at."""
    lines = recording(SPOT, 200, receive=MIDNIGHT - 100 * MS)
    early = recording(SPOT, 30, receive=MIDNIGHT - MINUTE, first=100)
    skewed = [re.sub(rb'"E":(\d+)', lambda m: b'"E":%d' % (int(m[1]) + 1_500), one)
              for one in early]  # fmt: skip
    folder = tmp_path / "captures"
    folder.mkdir()
    (folder / "a").write_bytes(b"".join(lines))
    register(store, [folder])
    build(store)
    (folder / "before").write_bytes(b"".join(skewed))
    register(store, [folder])
    heard = build(store)
    assert "decoding a" in heard.notes
    assert tables(store) == anew(tmp_path, [folder])[0]
