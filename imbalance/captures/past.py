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
from imbalance.captures.reading import Otherwise, Sniffed, read_as
from imbalance.captures.register import VERSION, begins_with
from imbalance.errors import UserError
from imbalance.store.files import check_file, schema_hash
from imbalance.store.ledger import CaptureFile, Entry
from imbalance.store.store import Store
from imbalance.store.texts import same_word

_ROWS = 65_536

Write = Callable[[str, pa.Table], int]
"""Writes rows of a table, and says how many of them are new."""

Spans = dict[str, tuple[int, int]]
"""Where the rows of each capture begin and end in a file."""


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
    files : by table, the file and where in it the rows of the captures are, in their order.
    """

    def __init__(
        self, before: dict[str, Before], files: dict[str, tuple[Path, Spans]]
    ) -> None:
        self.before = before
        self._rows = {table: _Rows(*file) for table, file in files.items()}

    def copy(self, capture_id: str, write: Write) -> None:
        """Write a capture's rows, of one that has grown those before the point; captures in order.

        Raises
        ------
        Otherwise
            If any of them are not new any more: what came after them has been held up by rows that
            are there no more.
        """
        was = self.before[capture_id]
        point = was.checkpoint.point if was.grown else None
        for table, file in self._rows.items():
            for rows in file.take(was.capture_id):
                if was.grown:
                    rows = _renamed(rows, capture_id)
                if point is not None and pc.max(rows["line"]).as_py() > point.lines:
                    rows = rows.filter(pc.less_equal(rows["line"], point.lines))
                if len(rows) and write(table, rows) < len(rows):
                    raise Otherwise(capture_id)


class _Rows:
    """The rows of a file, read once from its beginning on.

    Parameters
    ----------
    path : the file.
    spans : where the rows of each capture are, in their order.
    """

    def __init__(self, path: Path, spans: Spans) -> None:
        self._spans = spans
        self._batches = _batches(path) if spans else iter(())
        self._held: pa.Table | None = None
        self._at = 0

    def take(self, capture_id: str) -> Iterator[pa.Table]:
        """Rows of a capture, which stands behind those that were taken before."""
        start, end = self._spans.get(capture_id, (self._at, self._at))
        while self._at < end:
            if self._held is None or not len(self._held):
                self._held = next(self._batches)
            skipped = min(max(start - self._at, 0), len(self._held))
            taken = min(end - self._at, len(self._held)) - skipped
            if taken > 0:
                yield self._held.slice(skipped, taken)
            self._held = self._held.slice(skipped + max(taken, 0))
            self._at += skipped + max(taken, 0)


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
            part = first_part(store, capture, sniffed[1])
            if part is None or part.capture_id not in gone:
                continue
            was = part.capture_id
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


def first_part(store: Store, capture: CaptureFile, path: Path) -> Checkpoint | None:
    """The checkpoint of the longest known first part of a file."""
    found: list[Checkpoint] = []
    for capture_id in store.ledger.captures_at(capture.path):
        checkpoint = read_checkpoint(store.home.checkpoints_dir, capture_id)
        if checkpoint is not None and checkpoint.size < capture.size:
            found.append(checkpoint)
    longest = sorted(found, key=lambda one: -one.size)
    return next((one for one in longest if begins_with(path, one.sha256, one.size)), None)


def _spans(path: Path) -> Spans | None:
    """Where the rows of each capture begin and end, in their order; None where they are mixed."""
    spans: Spans = {}
    last, at = "", 0
    with pq.ParquetFile(path, read_dictionary=["capture_id"]) as file:
        for batch in file.iter_batches(_ROWS, columns=["capture_id"]):
            column = batch.column(0)
            codes, names = column.indices.to_numpy(), column.dictionary.to_pylist()
            cuts = np.flatnonzero(np.diff(codes)) + 1
            for first, end in pairwise([0, *cuts.tolist(), len(codes)]):
                name = names[codes[first]]
                if name != last and name in spans:
                    return None
                spans[name] = (spans[name][0] if name == last else at + first, at + end)
                last = name
            at += len(codes)
    return spans


def _batches(path: Path) -> Iterator[pa.Table]:
    """All rows of a file in order, texts as dictionaries."""
    with pq.ParquetFile(path) as file:
        texts = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        for batch in file.iter_batches(_ROWS):
            yield pa.Table.from_batches([batch])


def _renamed(rows: pa.Table, capture_id: str) -> pa.Table:
    place = rows.schema.get_field_index("capture_id")
    return rows.set_column(place, "capture_id", same_word(capture_id, len(rows)))
