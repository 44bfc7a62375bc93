"""Homes with captures in them: how they are made and looked into. No fixtures, no tests."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa

from imbalance.captures.build import RAW_TABLES, materialise_raw
from imbalance.store.ledger_rows import days_of
from imbalance.tasks import read_current
from tests.captures.samples import (
    FIRST,
    SPOT,
    kinds_of,
    text_of,
)


def write(path: Path, lines) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(lines), mtime=0))
    return path


def build_all(store, run=None):
    """Results by venue of all that is registered."""
    days: dict[str, set[str]] = {}
    for capture in store.ledger.captures():
        days.setdefault(capture.venue, set()).update(days_of(capture))
    return {
        venue: materialise_raw(store, venue, sorted(of_venue), run=run)
        for venue, of_venue in sorted(days.items())
        if of_venue
    }


def rows(store, table, venue=SPOT, day=FIRST, *, without=()) -> pa.Table:
    found = read_current(store, table, f"{day}|{venue}")
    return found.drop_columns([name for name in without if name in found.column_names])


def account(store, path):
    """The row of `raw.captures` of a file, its JSON read."""
    for row in _told_of(store, "raw.captures", path):
        return {k: json.loads(v) if str(v)[:1] in "{[" else v for k, v in row.items()}
    raise AssertionError(f"no account of {path}")


def quarantine(store, path):
    """Rows of `raw.quarantine` of a file."""
    return _told_of(store, "raw.quarantine", path)


def _told_of(store, table, path):
    """Rows of a file in a table of captures, read from the partition of its bytes alone: tests of
    hundreds of files ask for each of them."""
    held = store.ledger.known_capture(str(path))
    found = [] if held is None else read_current(store, table, held).to_pylist()
    return [row for row in found if row["path"] == str(path)]


def hashes(store, venue, day=FIRST, tables=RAW_TABLES):
    entries = {name: store.ledger.current(name, f"{day}|{venue}") for name in tables}
    return {name: entry.rows_hash for name, entry in entries.items()}


def assert_everything_accounted_for(store, files):
    """The accounts of files against a count of their lines by `json`; returns events by kind."""
    total: Counter = Counter()
    for path in files:
        text = text_of(path)
        found = account(store, path)
        assert found["lines_read"] == text.count(b"\n")
        assert found["text_bytes"] == len(text)
        assert found["size_bytes"] == path.stat().st_size
        assert found["decoded_by_kind"] == kinds_of(text)
        assert found["lines_decoded"] == found["lines_read"]
        assert found["lines_ignored"] == found["lines_quarantined"] == 0
        assert (found["state"], found["reason"]) == ("whole", None)
        assert found["fields_unknown"] == {}
        total += Counter(found["decoded_by_kind"])
    return total
