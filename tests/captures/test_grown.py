"""Files that are other than when they were last seen: grown, or replaced, and said so."""

import gzip

import pytest

from imbalance.captures.register import register
from imbalance.tasks import read_current
from tests.captures.building import build_all
from tests.captures.samples import SPOT, recording


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
    """It takes its own place, and is decoded anew: each line is accounted for once."""
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
