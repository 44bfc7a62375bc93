"""The raw layer of a venue and day: decode its captures, merge what they share, write partitions.

Within an instrument every event is written once, however many captures hold it. Captures that
follow each other, or hold different tables of an instrument, are streamed; where two turn out to
hold parts of one stretch, the day is begun again and their events are merged on kind and id by
DuckDB, out of memory if need be, keeping the earliest receipt. When a capture's rows are known is
its own matter but for what stands before them in their table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from imbalance.captures.accounts import OUTPUTS
from imbalance.captures.checkpoint import read_checkpoint, remove_checkpoint, write_checkpoint
from imbalance.captures.instruments import told_from_outside
from imbalance.captures.mapping import digest_of
from imbalance.captures.merge import Interleaved, Spool, Unrepeated
from imbalance.captures.past import Past, first_part, past_of
from imbalance.captures.reading import (
    NO_DAY,
    Decoded,
    Otherwise,
    Sniffed,
    Unusable,
    bounds_of,
    decode_capture,
    read_as,
    read_clock,
    sniff_capture,
)
from imbalance.captures.register import VERSION, refuse
from imbalance.captures.seams import Neighbourhood, capture_before, follows, order_of
from imbalance.errors import UserError, in_a_line
from imbalance.progress import SILENT, Progress
from imbalance.store.ledger import CaptureFile
from imbalance.store.ledger_rows import days_of
from imbalance.store.store import Store
from imbalance.store.task import TaskContext, TaskResult, is_current, materialise
from imbalance.tasks import read_current

__all__ = [
    "CAPTURE_TABLES", "RAW_TABLES", "RawResult", "captures_of", "materialise_raw", "partition_key",
    "raw_is_current",
]  # fmt: skip

RAW_TABLES = (
    "raw.book_updates", "raw.trades", "raw.quotes", "raw.derivative_ticks", "raw.liquidations",
    "raw.options", "raw.orders", "raw.depth_bands",
)  # fmt: skip
CAPTURE_TABLES = OUTPUTS


@dataclass
class RawResult:
    """What `materialise_raw` did: results by partition and by capture."""

    partitions: dict[str, TaskResult] = field(default_factory=dict)
    captures: dict[str, TaskResult] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def unchanged(self) -> bool:
        """Whether nothing had to be built."""
        results = (*self.partitions.values(), *self.captures.values())
        return not self.failed and all(result.status == "unchanged" for result in results)


def partition_key(day: str, venue: str) -> str:
    """Key of a day × venue partition."""
    return f"{day}|{venue}"


def captures_of(store: Store, venue: str, day: str) -> list[CaptureFile]:
    """Captures of a venue that may hold events of a day, in an order that does not depend on
    when they were registered.
    """
    return Neighbourhood(store.ledger, venue).of_day(day)


def raw_is_current(store: Store, venue: str, day: str) -> bool:
    """Whether the raw partitions of a venue and day and their captures' accounts are up to date."""
    neighbours = Neighbourhood(store.ledger, venue)
    return is_current(
        store,
        outputs=RAW_TABLES,
        partition=partition_key(day, venue),
        inputs=(),
        version=VERSION,
        parameters=_parameters(store, neighbours, venue, day),
    ) and all(
        is_current(store, **_account_task(store, neighbours, capture))
        for capture in neighbours.of_day(day)
    )


def materialise_raw(
    store: Store,
    venue: str,
    days: Sequence[str],
    progress: Progress = SILENT,
    run: str | None = None,
) -> RawResult:
    """Bring the raw layer of a venue up to date over some days.

    Each capture that may hold events of a day is decoded for it and its own account is written.
    A capture that proves not to be usable is refused, and its days are built of the others. One
    that has changed or vanished since it was registered fails its days (`failed`), not other days.

    Raises
    ------
    OSError
        Trouble of the system that may pass: trying again may help.
    """
    result = RawResult()
    known = _Known(store, venue)
    for day in days:
        try:
            _bring_up_to_date(known, day, progress, run, result)
        except UserError as error:
            result.failed[partition_key(day, venue)] = in_a_line(error)
    for earlier, capture in known.outgrown.items():
        if all(raw_is_current(store, venue, day) for day in days_of(capture)):
            remove_checkpoint(store.home.checkpoints_dir, earlier)
    return result


def _bring_up_to_date(
    known: _Known, day: str, progress: Progress, run: str | None, result: RawResult
) -> None:
    key = partition_key(day, known.venue)
    try:
        result.partitions[key] = materialise(
            known.store,
            outputs=RAW_TABLES,
            partition=key,
            inputs=(),
            version=VERSION,
            parameters=_parameters(known.store, known.captures, known.venue, day),
            build=lambda context: _build_day(context, known, day, progress),
            run=run,
        )
        for capture in known.captures.of_day(day):
            result.captures[capture.capture_id] = _account(known, capture, progress, run)
            _note_checkpoint(known, capture, day)
    except Unusable as error:
        refuse(known.store, error.capture, error.path, error.found, error.reason)
        known.look_again()
        _bring_up_to_date(known, day, progress, run, result)


def _note_checkpoint(known: _Known, capture: CaptureFile, day: str) -> None:
    """Note how the rows of a capture were made that stand in a day's partition now."""
    directory = known.store.home.checkpoints_dir
    entry = known.store.ledger.current(RAW_TABLES[0], partition_key(day, known.venue))
    held = read_checkpoint(directory, capture.capture_id)
    decoded = known.decoded.get(capture.capture_id)
    made = held if decoded is None else decoded.checkpoint
    if entry is not None and made is not None and (
        decoded is not None or capture.capture_id in known.as_before
    ):
        with suppress(OSError):  # without it all is decoded again
            write_checkpoint(directory, made.also(held, day, entry.sequence))


def _parameters(
    store: Store, neighbours: Neighbourhood, venue: str, day: str
) -> dict[str, Any]:
    captures = neighbours.of_day(day)
    return {
        "captures": [capture.capture_id for capture in captures],
        "read_as": {capture.capture_id: capture.format for capture in captures},
        "clocks": neighbours.digest(captures),
        **told_from_outside(store.config, venue),
        **_own_formats(store, captures),
    }


def _account_task(
    store: Store, neighbours: Neighbourhood, capture: CaptureFile
) -> dict[str, Any]:
    """What `materialise` is told of a capture's account."""
    return {
        "outputs": CAPTURE_TABLES,
        "partition": capture.capture_id,
        "inputs": (),
        "version": VERSION,
        "parameters": {
            "read_as": (capture.format, capture.venue),
            "clocks": neighbours.digest([capture]),
            **told_from_outside(store.config, capture.venue),
            **_own_formats(store, [capture]),
        },
    }


def _own_formats(store: Store, captures: Sequence[CaptureFile]) -> dict[str, Any]:
    """What the formats of the settings say, where captures are of any."""
    own = store.config.formats
    names = sorted({capture.format for capture in captures} & own.keys())
    return {"formats": {name: digest_of(own, name) for name in names}} if names else {}


class _Known:
    """What has been found out about a venue's captures so far: none is read twice for it."""

    def __init__(self, store: Store, venue: str) -> None:
        self.store = store
        self.venue = venue
        self.captures = Neighbourhood(store.ledger, venue)
        self.decoded: dict[str, Decoded] = {}
        self.as_before: set[str] = set()
        """Captures whose rows of an earlier build have been taken over."""
        self.outgrown: dict[str, CaptureFile] = {}
        """Captures that were the first parts of captures of now."""
        self._sniffed: dict[str, Sniffed] = {}
        self._sorted: dict[str, list[Sniffed]] = {}
        self._clocks: dict[str, dict[str, Any]] = {}

    def look_again(self) -> None:
        """Ask anew which captures there are: one of them has been refused."""
        self.captures = Neighbourhood(self.store.ledger, self.venue)
        self._sorted.clear()

    def sniffed(self, capture: CaptureFile) -> Sniffed:
        """A capture with what its first lines say."""
        if capture.capture_id not in self._sniffed:
            self._sniffed[capture.capture_id] = sniff_capture(self.store, capture)
        return self._sniffed[capture.capture_id]

    def by_time(self, captures: Sequence[CaptureFile]) -> list[Sniffed]:
        """Captures with what they are, in the order of their first receipt."""
        return sorted(map(self.sniffed, captures), key=order_of)

    def skew_before(self, sniffed: Sniffed, progress: Progress) -> int | None:
        """Smallest receive − exchange time of the capture that another one follows, if any."""
        near = self.captures.of_capture(sniffed[0])
        key = str(sniffed[0].first_day)
        if key not in self._sorted:
            self._sorted[key] = self.by_time(near)
        before = capture_before(sniffed, self._sorted[key])
        if before is None:
            return None
        clock = self._clock(before, progress)
        if not follows(sniffed[2].first_time, clock["last_receive_time"]):
            return None
        skew: int | None = clock["clock_skew_ns"]
        return skew

    def _clock(self, sniffed: Sniffed, progress: Progress) -> dict[str, Any]:
        """Skew and last receipt of a capture by its own lines."""
        capture = sniffed[0]
        if capture.capture_id in self.decoded:
            return self.decoded[capture.capture_id].row
        held = self.account(capture)
        if held is not None:
            return held
        as_now = read_as(self.store, sniffed[2])
        checkpoint = read_checkpoint(self.store.home.checkpoints_dir, capture.capture_id)
        if checkpoint is not None and checkpoint.read_as == as_now:
            return {"clock_skew_ns": checkpoint.clock_skew,
                    "last_receive_time": checkpoint.last_receive}
        if capture.capture_id not in self._clocks:
            part = first_part(self.store, capture, sniffed[1])
            if part is not None and part.read_as != as_now:
                part = None
            self._clocks[capture.capture_id] = read_clock(self.store, sniffed, progress, part)
        return self._clocks[capture.capture_id]

    def account(self, capture: CaptureFile) -> dict[str, Any] | None:
        """Times of a capture by its account, ns; None when it has none that is current."""
        if not is_current(self.store, **_account_task(self.store, self.captures, capture)):
            return None
        times = ["first_event_time", "last_event_time", "last_receive_time", "clock_skew_ns"]
        rows = read_current(self.store, "raw.captures", capture.capture_id, times)
        return {name: rows[name].cast(pa.int64()).to_pylist()[0] for name in times}

    def is_as_before(self, capture: CaptureFile) -> bool:
        """Whether the account of a capture is right, if of other neighbours."""
        entries = (self.store.ledger.current(t, capture.capture_id) for t in CAPTURE_TABLES)
        return capture.capture_id in self.as_before and all(
            entry is not None and entry.definition_version == VERSION for entry in entries
        )


def _build_day(
    context: TaskContext, known: _Known, day: str, progress: Progress
) -> Mapping[str, Any]:
    captures = known.by_time(_reaching(known, day))
    past = _past(known, captures, day, progress)
    merged = False
    try:
        try:
            _write_day(known, captures, day, progress, Unrepeated(context), past)
        except Otherwise:
            context.start_over()
            _write_day(known, captures, day, progress, Unrepeated(context))
    except Interleaved:
        merged = True
        context.start_over()
        spool = Spool(known.store)
        try:
            _write_day(known, captures, day, progress, spool)
            spool.merge_into(context)
        finally:
            spool.close()
    return {"captures": [capture.path for capture, _, _ in captures], "merged": merged}


def _write_day(
    known: _Known,
    captures: Sequence[Sniffed],
    day: str,
    progress: Progress,
    target: Unrepeated | Spool,
    past: Past | None = None,
) -> None:
    for sniffed in captures:
        target.next_capture()
        capture_id = sniffed[0].capture_id
        was = None if past is None else past.before.get(capture_id)
        if past is not None and was is not None:
            past.copy(capture_id, target.write)
            if not was.grown:
                known.as_before.add(capture_id)
                continue
            known.outgrown[was.capture_id] = sniffed[0]
        known.decoded[capture_id] = decode_capture(
            known.store, sniffed, day, progress, target.write,
            seen=capture_id in known.decoded, skew=known.skew_before(sniffed, progress),
            since=None if was is None else was.checkpoint,
        )  # fmt: skip


def _past(
    known: _Known, captures: Sequence[Sniffed], day: str, progress: Progress
) -> Past | None:
    """What an earlier build of a day has made of its captures."""
    return past_of(
        known.store, RAW_TABLES, partition_key(day, known.venue),
        _parameters(known.store, known.captures, known.venue, day), captures,
        lambda sniffed: known.skew_before(sniffed, progress),
    )  # fmt: skip


def _reaching(known: _Known, day: str) -> list[CaptureFile]:
    """Captures of a day, without those which are known to hold no event of it."""
    low, high = bounds_of(day)
    found = []
    for capture in known.captures.of_day(day):
        decoded = known.decoded.get(capture.capture_id)
        row = decoded.row if decoded else known.account(capture)
        first, last = (row["first_event_time"], row["last_event_time"]) if row else (low, low)
        if first is not None and first < high and last >= low:
            found.append(capture)
    return found


def _account(
    known: _Known, capture: CaptureFile, progress: Progress, run: str | None
) -> TaskResult:
    store = known.store

    def build(context: TaskContext) -> None:
        held = known.decoded.get(capture.capture_id)
        if held is None and known.is_as_before(capture):
            for table in CAPTURE_TABLES:
                context.writer(table).write(read_current(store, table, capture.capture_id))
            return
        if held is None:
            sniffed = known.sniffed(capture)
            held = decode_capture(
                store, sniffed, NO_DAY, progress, lambda *_: None, seen=False,
                skew=known.skew_before(sniffed, progress),
            )  # fmt: skip
        context.writer("raw.captures").write(
            pa.Table.from_pylist([held.row], store.table("raw.captures").arrow_schema())
        )
        for rows in held.bad.tables(capture.capture_id, capture.path):
            context.writer("raw.quarantine").write(rows)
        context.writer("raw.clock_skew").write(
            pa.Table.from_pylist([held.latency], store.table("raw.clock_skew").arrow_schema())
        )
        context.writer("raw.instruments").write(
            pa.Table.from_pylist(held.instruments, store.table("raw.instruments").arrow_schema())
        )

    return materialise(
        store, **_account_task(store, known.captures, capture), build=build, run=run
    )
