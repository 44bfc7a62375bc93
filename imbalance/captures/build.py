"""The raw layer of a venue and day: decode its captures, merge what they share, write partitions.

Within an instrument every event is written once, however many captures hold it. Captures that
follow each other are streamed; where two hold the same stretch, their events are merged on
kind and id by DuckDB, out of memory if need be, keeping the earliest receipt.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from imbalance.captures.batches import Batches, account_row, bad_row
from imbalance.captures.decode import BadLine, Decoder
from imbalance.captures.merge import Spool, Unrepeated
from imbalance.captures.probe import Probe, probe
from imbalance.captures.register import DAY_NS, VERSION, days_of
from imbalance.captures.venues.binance import contract_multiplier
from imbalance.config import Config
from imbalance.errors import UserError
from imbalance.progress import SILENT, Progress
from imbalance.store.ledger import CaptureFile
from imbalance.store.store import Store
from imbalance.store.task import TaskContext, TaskResult, is_current, materialise

RAW_TABLES = ("raw.book_updates", "raw.trades", "raw.quotes", "raw.derivative_ticks")
CAPTURE_TABLES = ("raw.captures", "raw.quarantine")


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
    captures = _by_time(store, captures_of(store, venue, day))
    merge = _overlap([found for _, found in captures])
    spool = Spool(store, f"raw-{day}-{venue}") if merge else None
    write = spool.write if spool else Unrepeated(context).write
    try:
        for capture, found in captures:
            decoded[capture.capture_id] = _decode(
                store, capture, found, day, progress, write, set(decoded)
            )
        if spool:
            spool.merge_into(context)
    finally:
        if spool:
            spool.close()
    return {"captures": [capture.path for capture, _ in captures], "merged": merge}


def _by_time(store: Store, captures: list[CaptureFile]) -> list[tuple[CaptureFile, Probe]]:
    """Captures with what they are, in the order of their first receipt.

    Raises
    ------
    UserError
        If a capture is not what it was when it was registered.
    """
    probed = []
    for capture in captures:
        path = _path_of(store, capture)
        found = probe(path)
        if found.sha256 != capture.sha256:
            raise UserError(
                "a capture has changed since it was registered",
                where=str(path),
                allowed=f"bytes with SHA-256 {capture.sha256}",
                fix=f"restore the file; a new version is registered by `imbalance run {path}`",
            )
        probed.append((capture, found))
    return sorted(probed, key=lambda item: (item[1].first_time or 0, item[0].capture_id))


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


def _overlap(probes: list[Probe]) -> bool:
    """Whether two captures may hold the same events; `probes` in the order of first receipt."""
    until: dict[str, int] = {}
    for found in probes:
        for symbol in found.symbols or ("",):
            if (found.first_time or 0) <= until.get(symbol, -1):
                return True
            until[symbol] = max(until.get(symbol, -1), found.last_time or 0)
    return False


def _decode(
    store: Store,
    capture: CaptureFile,
    found: Probe,
    day: str,
    progress: Progress,
    write: Callable[[str, pa.Table], None],
    known: set[str],
) -> _Decoded:
    """Decode a capture, writing its events of one day; returns what its account is made of."""
    path = _path_of(store, capture)
    only = found.symbols[0] if len(found.symbols) == 1 else None
    decoder = Decoder(path, found.venue, found.unit, list(found.symbols), only)
    multipliers = _Multipliers(store.config)
    batches = Batches(capture.capture_id, decoder.instruments, multipliers)
    low, high = _bounds(day)
    first, last = None, None
    bad: list[BadLine] = []
    progress.advance(note=f"decoding {path.name}")
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
        read = 0 if capture.capture_id in known else chunk.text_bytes
        progress.advance(bytes=read, events=events)
    if not decoder.account.balanced:
        raise AssertionError(f"{path}: lines do not add up: {decoder.account}")
    if capture.capture_id not in known:
        progress.advance(files=1)
    return _Decoded(account_row(capture.path, found, decoder, (first, last)), bad)


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
            found = probe(_path_of(store, capture))
            held = _decode(store, capture, found, "1970-01-01", progress, lambda *_: None, set())
        context.writer("raw.captures").write(
            pa.Table.from_pylist([held.row], store.table("raw.captures").arrow_schema())
        )
        context.writer("raw.quarantine").write(
            pa.Table.from_pylist(
                [bad_row(capture.capture_id, capture.path, bad) for bad in held.bad],
                store.table("raw.quarantine").arrow_schema(),
            )
        )

    return materialise(
        store,
        outputs=CAPTURE_TABLES,
        partition=capture.capture_id,
        inputs=(),
        version=VERSION,
        build=build,
        run=run,
    )
