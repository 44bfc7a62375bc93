"""What an earlier build of a day has already made of its captures: rows that need not be made
again, and where a file that has grown is continued.

Rows are taken over only where decoding would give the same ones: the captures, or their first
parts, are the same bytes, they are read in the same way, their clocks begin alike, and they stand
in the same order. Where anything of that is otherwise there is no past, and all is decoded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from imbalance.captures.checkpoint import Checkpoint, read_checkpoint
from imbalance.captures.reading import Sniffed, read_as
from imbalance.captures.register import VERSION, begins_with
from imbalance.errors import UserError
from imbalance.store.files import check_file, schema_hash
from imbalance.store.ledger import CaptureFile, Entry
from imbalance.store.store import Store
from imbalance.store.texts import same_word

_ROWS = 65_536

Write = Callable[[str, pa.Table], None]


@dataclass(frozen=True)
class Before:
    """A capture as it was at the earlier build; `point` of its checkpoint is where it is continued,
    if it has grown.
    """

    capture_id: str
    checkpoint: Checkpoint
    grown: bool


class Past:
    """The rows of a day as they are, by the captures they are of.

    Parameters
    ----------
    before : what each capture of now was.
    rows : by table, in order of the captures: the file, where the rows of a capture begin and end.
    """

    def __init__(
        self, before: dict[str, Before], rows: dict[str, tuple[Path, dict[str, tuple[int, int]]]]
    ) -> None:
        self.before = before
        self._rows = rows

    def copy(self, capture_id: str, write: Write) -> None:
        """Write a capture's rows, of one that has grown those before the point."""
        was = self.before[capture_id]
        point = was.checkpoint.point if was.grown else None
        for table, (path, spans) in self._rows.items():
            if was.capture_id not in spans:
                continue
            for rows in _read(path, *spans[was.capture_id]):
                if was.grown:
                    rows = _renamed(rows, capture_id)
                if point is not None and pc.max(rows["line"]).as_py() > point.lines:
                    rows = rows.filter(pc.less_equal(rows["line"], point.lines))
                if len(rows):
                    write(table, rows)


def past_of(
    store: Store, tables: Sequence[str], partition: str, parameters: dict[str, Any],
    captures: Sequence[Sniffed], skew_of: Callable[[Sniffed], int | None],
) -> Past | None:  # fmt: skip
    """What has been made of the captures of a day; None where all must be made anew.

    Parameters
    ----------
    tables, partition, parameters : of the build that is to be done.
    captures : of the day, in order.
    skew_of : what the clocks of a capture begin with.
    """
    entries = _entries(store, tables, partition)
    if entries is None:
        return None
    told = store.ledger.inputs(next(iter(entries.values())).inputs_hash)
    if told is None:
        return None
    earlier = json.loads(told)[1]
    if _rest(earlier) != _rest(parameters):
        return None
    before = _before(store, earlier["captures"], parameters["captures"], captures, skew_of)
    day, made = partition.partition("|")[0], entries[tables[0]].sequence
    if before is None or any(was.checkpoint.days.get(day) != made for was in before.values()):
        return None
    known = (before.get(one.capture_id) for one, _, _ in captures)
    order = [was.capture_id for was in known if was is not None]
    rows = {}
    for table, entry in entries.items():
        try:
            path = check_file(store.home.root, str(entry.file), str(entry.sha256))
        except UserError:  # damaged: it is about to be made again
            return None
        spans = _spans(path)
        if spans is None or [one for one in order if one in spans] != list(spans):
            return None
        rows[table] = path, spans
    return Past(before, rows)


def _entries(store: Store, tables: Sequence[str], partition: str) -> dict[str, Entry] | None:
    """What is current of a partition, where one build of this version has made all of it."""
    found: dict[str, Entry] = {}
    for table in tables:
        entry = store.ledger.current(table, partition)
        if (
            entry is None or entry.file is None or entry.definition_version != VERSION
            or entry.schema_hash != schema_hash(store.table(table))
        ):  # fmt: skip
            return None
        found[table] = entry
    return found if len({entry.inputs_hash for entry in found.values()}) == 1 else None


def _rest(parameters: dict[str, Any]) -> dict[str, Any]:
    """What else a day was made from than its captures, each of which is looked at by itself."""
    return {
        name: value for name, value in parameters.items()
        if name not in ("captures", "read_as", "clocks")
    }


def _before(
    store: Store, earlier: Sequence[str], now: Sequence[str], captures: Sequence[Sniffed],
    skew_of: Callable[[Sniffed], int | None],
) -> dict[str, Before] | None:  # fmt: skip
    """What captures of now were at the earlier build; None where one of then is not among them."""
    gone = set(earlier) - set(now)
    found: dict[str, Before] = {}
    for sniffed in captures:
        capture = sniffed[0]
        was = capture.capture_id
        if was not in earlier:
            longer = _first_part(store, capture, sniffed[1], gone)
            if longer is None:
                continue
            was = longer
            gone.remove(was)
        checkpoint = read_checkpoint(store.home.checkpoints_dir, was)
        if checkpoint is None or (checkpoint.read_as, checkpoint.skew) != (
            read_as(store, sniffed[2]), skew_of(sniffed)
        ):  # fmt: skip
            return None
        grown = was != capture.capture_id
        if grown and checkpoint.point is None:
            return None
        found[capture.capture_id] = Before(was, checkpoint, grown)
    return None if gone else found


def _first_part(store: Store, capture: CaptureFile, path: Path, gone: set[str]) -> str | None:
    """Which of the captures that are no more is the first part of a file."""
    for capture_id in sorted(gone):
        checkpoint = read_checkpoint(store.home.checkpoints_dir, capture_id)
        names = {capture.path, *store.ledger.capture_paths(capture.capture_id)}
        if (
            checkpoint is not None and checkpoint.size < capture.size
            and not names.isdisjoint(store.ledger.capture_paths(capture_id))
            and begins_with(path, checkpoint.sha256, checkpoint.size)
        ):  # fmt: skip
            return capture_id
    return None


def _spans(path: Path) -> dict[str, tuple[int, int]] | None:
    """Where the rows of each capture begin and end, in their order; None where they are mixed."""
    with pq.ParquetFile(path, read_dictionary=["capture_id"]) as file:
        column = file.read(columns=["capture_id"])["capture_id"].unify_dictionaries()
    column = column.combine_chunks()
    if not len(column):
        return {}
    codes = column.indices.to_numpy()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]]).tolist()
    names = column.dictionary.to_pylist()
    runs = [(names[codes[start]], (start, end)) for start, end in pairwise(starts)]
    spans = dict(runs)
    return spans if len(spans) == len(runs) else None


def _read(path: Path, start: int, end: int) -> Iterator[pa.Table]:
    """Rows of a file from one to before another."""
    with pq.ParquetFile(path) as file:
        texts = [f.name for f in file.schema_arrow if pa.types.is_string(f.type)]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        at = 0
        wanted = []
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if at < end and at + rows > start:
                wanted.append((group, at))
            at += rows
        if not wanted:
            return
        at = wanted[0][1]
        for batch in file.iter_batches(_ROWS, row_groups=[group for group, _ in wanted]):
            low, high = max(start - at, 0), min(end - at, len(batch))
            at += len(batch)
            if low < high:
                yield pa.Table.from_batches([batch.slice(low, high - low)])


def _renamed(rows: pa.Table, capture_id: str) -> pa.Table:
    place = rows.schema.get_field_index("capture_id")
    return rows.set_column(place, "capture_id", same_word(capture_id, len(rows)))
