"""However many lines of a capture are bad, each has its row, and few of them are held."""

import pytest

from imbalance.captures import bad_lines
from imbalance.captures.accounts import OUTPUTS
from imbalance.captures.bad_lines import BadLines
from imbalance.captures.build import RAW_TABLES
from imbalance.captures.checkpoint import read_checkpoint
from imbalance.captures.chunks import BadLine
from imbalance.captures.register import register
from imbalance.store.store import Store
from tests.captures.building import build_all, quarantine
from tests.captures.samples import SPOT, recording


def bad(line):
    return BadLine(line, 10 * line, 9, "not_json", f"é {line}", f"{line:064x}", "text\x1f")


@pytest.mark.parametrize("count", [0, 3, 4, 50])
def test_lines_come_back_in_their_order(tmp_path, monkeypatch, count):
    monkeypatch.setattr(bad_lines, "MOST_HELD", 3)
    lines = [bad(k) for k in range(count)]
    held = BadLines(tmp_path / "staging", lines[:1])
    for first in range(1, count, 7):
        held.extend(lines[first : first + 7])
    assert held.few == (lines if count <= 3 else None)
    tables = list(held.tables("c", "p"))
    assert max(map(len, tables)) <= 3
    rows = [row for table in tables for row in table.to_pylist()]
    assert rows == [{"capture_id": "c", "path": "p", **vars(line)} for line in lines]
    assert not list(tmp_path.rglob("*.*"))  # what is aside has no name


def hashes(store):
    return {(table, name): (entry.rows_hash, entry.row_count)
            for table in (*RAW_TABLES, *OUTPUTS)
            for name, entry in store.ledger.partitions(table).items()}


def test_a_capture_with_many_is_decoded_anew_when_it_has_grown(store, tmp_path, monkeypatch):
    lines = recording(SPOT, 60)
    garbage = [b"no line %d\n" % k for k in range(40)]
    path = tmp_path / "capture"
    path.write_bytes(b"".join([*lines[:30], *garbage[:30]]))
    found = {}
    for most in (10, 10**6):
        monkeypatch.setattr(bad_lines, "MOST_HELD", most)
        path.write_bytes(b"".join([*lines[:30], *garbage[:30]]))
        store = Store.open(tmp_path / f"home-{most}", create=True)
        (first,) = register(store, [path])
        build_all(store)
        kept = read_checkpoint(store.home.checkpoints_dir, first.capture_id)
        assert (kept.point is None) == (most == 10)
        assert len(quarantine(store, path)) == 30
        with path.open("ab") as file:
            file.write(b"".join([*lines[30:], *garbage[30:]]))
        register(store, [path])
        build_all(store)
        assert [row["line"] for row in quarantine(store, path)] == [*range(31, 61), *range(91, 101)]
        found[most] = hashes(store)
    whole = Store.open(tmp_path / "whole", create=True)
    register(whole, [path])
    build_all(whole)
    assert found[10] == found[10**6] == hashes(whole)
