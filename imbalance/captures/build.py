"""The raw layer of a venue and day: decode its captures, merge what they share, write partitions.

Within an instrument every event is written once, however many captures hold it. Captures that
follow each other are streamed; where two turn out to hold the same stretch, the day is begun again
and their events are merged on kind and id by DuckDB, out of memory if need be, keeping the
earliest receipt.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from imbalance.captures.batches import Batches, account_row, bad_row
from imbalance.captures.chunks import BadLine
from imbalance.captures.decode import Decoder
from imbalance.captures.framing import ChecksumError
from imbalance.captures.merge import Interleaved, Spool, Unrepeated
from imbalance.captures.probe import Sniff, sniff
from imbalance.captures.register import DAY_NS, VERSION, days_of, received_span
from imbalance.captures.venues.binance import contract_multiplier
from imbalance.config import Config
from imbalance.errors import UserError, may_pass
from imbalance.progress import SILENT, Progress
from imbalance.store.ledger import CaptureFile
from imbalance.store.store import Store
from imbalance.store.task import TaskContext, TaskResult, is_current, materialise
from imbalance.tasks import read_current

RAW_TABLES = ("raw.book_updates", "raw.trades", "raw.quotes", "raw.derivative_ticks")
CAPTURE_TABLES = ("raw.captures", "raw.quarantine")

_Sniffed = tuple[CaptureFile, Path, Sniff]
"""A capture, where it is, and what its first lines say."""


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


def multiplier_of(config: Config, instrument: str) -> float | None:
    """Quote units per contract of an instrument: the configuration's word, else the venue's."""
    configured = config.multipliers.get(instrument)
    return contract_multiplier(instrument) if configured is None else configured


def partition_key(day: str, venue: str) -> str:
    """Key of a day × venue partition."""
    return f"{day}|{venue}"


def captures_of(store: Store, venue: str, day: str) -> list[CaptureFile]:
    """Captures of a venue that may hold events of a day, in an order that does not depend on
    when they were registered.
    """
    mine = [c for c in store.ledger.captures() if c.venue == venue and day in days_of(c)]
    return sorted(mine, key=lambda capture: capture.capture_id)


def raw_is_current(store: Store, venue: str, day: str) -> bool:
    """Whether the raw partitions of a venue and day are up to date."""
    return is_current(
        store,
        outputs=RAW_TABLES,
        partition=partition_key(day, venue),
        inputs=(),
        version=VERSION,
        parameters=_parameters(store, venue, day),
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
    A capture that has changed or vanished since it was registered fails its days (`failed`), not
    the others.

    Raises
    ------
    OSError
        Trouble of the system that may pass: trying again may help.
    """
    result = RawResult()
    decoded: dict[str, _Decoded] = {}
    for day in days:
        key = partition_key(day, venue)
        try:
            result.partitions[key] = materialise(
                store,
                outputs=RAW_TABLES,
                partition=key,
                inputs=(),
                version=VERSION,
                parameters=_parameters(store, venue, day),
                build=lambda context, day=day: _build_day(  # type: ignore[misc]
                    context, store, venue, day, decoded, progress
                ),
                run=run,
            )
            for capture in captures_of(store, venue, day):
                result.captures[capture.capture_id] = _account(
                    store, capture, decoded.get(capture.capture_id), progress, run
                )
        except UserError as error:
            result.failed[key] = str(error)
    return result


def _parameters(store: Store, venue: str, day: str) -> dict[str, Any]:
    captures = [capture.capture_id for capture in captures_of(store, venue, day)]
    mine = {k: v for k, v in sorted(store.config.multipliers.items()) if k.startswith(venue + ":")}
    return {"captures": captures, "multipliers": mine}


@dataclass
class _Decoded:
    """A capture decoded to its end: what its account is made of."""

    row: dict[str, Any]
    bad: list[BadLine]


def _build_day(
    context: TaskContext,
    store: Store,
    venue: str,
    day: str,
    decoded: dict[str, _Decoded],
    progress: Progress,
) -> Mapping[str, Any]:
    captures = _by_time(store, _reaching(store, captures_of(store, venue, day), day, decoded))
    merged = False
    try:
        _write_day(store, captures, day, decoded, progress, Unrepeated(context))
    except Interleaved:
        merged = True
        context.start_over()
        spool = Spool(store, f"raw-{day}-{venue}")
        try:
            _write_day(store, captures, day, decoded, progress, spool)
            spool.merge_into(context)
        finally:
            spool.close()
    return {"captures": [capture.path for capture, _, _ in captures], "merged": merged}


def _write_day(
    store: Store,
    captures: Sequence[_Sniffed],
    day: str,
    decoded: dict[str, _Decoded],
    progress: Progress,
    target: Unrepeated | Spool,
) -> None:
    for sniffed in captures:
        target.next_capture()
        capture_id = sniffed[0].capture_id
        seen = capture_id in decoded
        decoded[capture_id] = _decode(store, sniffed, day, progress, target.write, seen=seen)


def _reaching(
    store: Store, captures: list[CaptureFile], day: str, decoded: Mapping[str, _Decoded]
) -> list[CaptureFile]:
    """Captures without those which have been decoded before and hold no event of the day."""
    low, high = _bounds(day)
    found = []
    for capture in captures:
        known = decoded.get(capture.capture_id)
        row = known.row if known else _account_held(store, capture)
        first, last = (row["first_event_time"], row["last_event_time"]) if row else (low, low)
        if first is not None and first < high and last >= low:
            found.append(capture)
    return found


def _by_time(store: Store, captures: list[CaptureFile]) -> list[_Sniffed]:
    """Captures with what they are, in the order of their first receipt."""
    found = [_sniffed(store, capture) for capture in captures]
    return sorted(found, key=lambda item: (item[2].first_time or 0, item[0].capture_id))


def _sniffed(store: Store, capture: CaptureFile) -> _Sniffed:
    path = _path_of(store, capture)
    with _unchanged(capture, path):
        found = sniff(path)
        if found.venue != capture.venue:
            raise _changed(capture, path)
    return capture, path, found


@contextmanager
def _unchanged(capture: CaptureFile, path: Path) -> Iterator[None]:
    """Tells the user of a capture that can no longer be read as it was registered.

    Trouble that may pass goes on as it is: whoever called may try again.
    """
    try:
        yield
    except ChecksumError as error:
        raise _changed(capture, path) from error
    except OSError as error:
        if may_pass(error):
            error.filename = error.filename or str(path)
            raise
        raise UserError(
            f"a capture cannot be read: {error.strerror or error}",
            where=str(path),
            fix="check its permissions and its disk, then run again",
        ) from error


def _changed(capture: CaptureFile, path: Path) -> UserError:
    return UserError(
        "a capture has changed since it was registered",
        where=str(path),
        allowed=f"bytes with SHA-256 {capture.sha256}",
        fix=f"restore the file; a new version is registered by `imbalance run {path}`",
    )


def _path_of(store: Store, capture: CaptureFile) -> Path:
    """A path under which the capture's bytes are still to be found.

    Raises
    ------
    UserError
        If there is none.
    """
    paths = [capture.path, *store.ledger.capture_paths(capture.capture_id)]
    for path in map(Path, paths):
        if path.is_file() and path.stat().st_size == capture.size:
            return path
    raise UserError(
        "a registered capture is gone",
        where=capture.path,
        allowed=f"a file of {capture.size} bytes with SHA-256 {capture.sha256}",
        fix="restore it, or register it at its new place: imbalance run PATH",
    )


def _decode(
    store: Store,
    sniffed: _Sniffed,
    day: str,
    progress: Progress,
    write: Callable[[str, pa.Table], None],
    *,
    seen: bool,
) -> _Decoded:
    """Decode a capture, writing its events of one day; returns what its account is made of.

    `seen` says that its bytes have been counted.

    Raises
    ------
    UserError
        If the capture is not what it was when it was registered; what has been written counts for
        nothing then.
    """
    capture, path, found = sniffed
    only = found.symbols[0] if len(found.symbols) == 1 else None
    decoder = Decoder(
        path, found.venue, found.unit, list(found.symbols), only, received_span(capture)
    )
    batches = Batches(capture.capture_id, decoder.instruments, _Multipliers(store.config))
    low, high = _bounds(day)
    first, last = None, None
    bad: list[BadLine] = []
    progress.advance(note=f"decoding {path.name}")
    with _unchanged(capture, path):
        for chunk in decoder:
            events = 0
            for table, (times, rows) in batches.tables(chunk).items():
                if not len(times):
                    continue
                earliest, latest = int(times.min()), int(times.max())
                first = earliest if first is None else min(first, earliest)
                last = latest if last is None else max(last, latest)
                if latest < low or earliest >= high:
                    continue
                if earliest < low or latest >= high:
                    rows = rows.filter(pa.array((times >= low) & (times < high)))
                write(table, rows)
                events += len(rows)
            bad.extend(chunk.bad_lines)
            # a capture of several days is decoded for each: its bytes are counted once
            progress.advance(bytes=0 if seen else chunk.text_bytes, events=events)
        if decoder.end.sha256 != capture.sha256:
            raise _changed(capture, path)
    if not decoder.account.balanced:
        raise AssertionError(f"{path}: lines do not add up: {decoder.account}")
    if not seen:
        progress.advance(files=1)
    return _Decoded(account_row(capture, found, decoder, (first, last)), bad)


class _Multipliers(dict[str, "float | None"]):
    """Multipliers of instruments as they appear."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._config = config

    def get(self, instrument: str, default: Any = None) -> float | None:  # noqa: ARG002
        if instrument not in self:
            self[instrument] = multiplier_of(self._config, instrument)
        return self[instrument]


def _bounds(day: str) -> tuple[int, int]:
    start = (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days * DAY_NS
    return start, start + DAY_NS


def _account(
    store: Store,
    capture: CaptureFile,
    decoded: _Decoded | None,
    progress: Progress,
    run: str | None,
) -> TaskResult:
    def build(context: TaskContext) -> None:
        held = decoded
        if held is None:
            sniffed = _sniffed(store, capture)
            held = _decode(store, sniffed, "1970-01-01", progress, lambda *_: None, seen=False)
        context.writer("raw.captures").write(
            pa.Table.from_pylist([held.row], store.table("raw.captures").arrow_schema())
        )
        context.writer("raw.quarantine").write(
            pa.Table.from_pylist(
                [bad_row(capture.capture_id, capture.path, bad) for bad in held.bad],
                store.table("raw.quarantine").arrow_schema(),
            )
        )

    return materialise(store, **_account_task(capture), build=build, run=run)


def _account_task(capture: CaptureFile) -> dict[str, Any]:
    return {
        "outputs": CAPTURE_TABLES,
        "partition": capture.capture_id,
        "inputs": (),
        "version": VERSION,
    }


def _account_held(store: Store, capture: CaptureFile) -> dict[str, Any] | None:
    """The span of a capture's events by its account, None when it has none that is current."""
    if not is_current(store, **_account_task(capture)):
        return None
    names = ["first_event_time", "last_event_time"]
    rows = read_current(store, "raw.captures", capture.capture_id, names)
    return {name: rows[name].cast(pa.int64()).to_pylist()[0] for name in names}
