"""One capture read to its end: found, checked against its registration, decoded, written, told of.

Which captures are read for which day, and what their clocks begin with, is in `build`.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from msgspec.structs import replace

from imbalance.captures.accounts import account_row
from imbalance.captures.bad_lines import BadLines
from imbalance.captures.checkpoint import Checkpoint, Point, Told
from imbalance.captures.clocks import Clocks
from imbalance.captures.compression import ChecksumError, compression_of
from imbalance.captures.decoding import Context
from imbalance.captures.formats.format import DAY_NS, Sniff
from imbalance.captures.formats.registry import formats
from imbalance.captures.instruments import Contracts, instrument_rows, told_from_outside
from imbalance.captures.latency import Latency
from imbalance.captures.mapping import digest_of
from imbalance.captures.probe import sniff
from imbalance.captures.register import VERSION, received_span
from imbalance.errors import UserError, may_pass
from imbalance.progress import Progress
from imbalance.store.files import sha256_file
from imbalance.store.ledger import CaptureFile
from imbalance.store.store import Store

NO_DAY = "1970-01-01"
"""Stands for the day of which events are wanted where none are."""

Sniffed = tuple[CaptureFile, Path, Sniff]
"""A capture, where it is, and what its first lines say."""


@dataclass
class Decoded:
    """A capture decoded to its end: what its account is made of, and where a longer version of it
    is continued.
    """

    row: dict[str, Any]
    bad: BadLines
    instruments: list[dict[str, Any]]
    latency: dict[str, Any]
    checkpoint: Checkpoint


class Otherwise(Exception):
    """A capture cannot be continued: its checkpoint is none, or what comes after it says of its
    instruments what was not known before, and rows before it would be others in one go.
    """


class Unusable(Exception):
    """A capture whose bytes are those that were registered, and which cannot be read after all."""

    def __init__(self, capture: CaptureFile, path: Path, found: Sniff, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.capture = capture
        self.path = path
        self.found = found
        self.reason = reason


def sniff_capture(store: Store, capture: CaptureFile) -> Sniffed:
    """A capture, where it is now, and what its first lines say.

    Raises
    ------
    UserError
        If it is not what it was when it was registered.
    Unusable
        If it is, and cannot be read.
    """
    path = _path_of(store, capture)
    own = store.config.formats
    known = formats(own)
    if capture.format not in known:
        raise UserError(
            f"a capture was registered for the format {capture.format!r}, which is no more",
            where=str(path), allowed=", ".join(known),
            fix=f"put [formats.{capture.format}] back into the configuration, or register the "
            f"file anew: imbalance ingest {path}",
        )
    with _told_of(capture, path, None):
        found = sniff(path, capture.format, own, capture.venue)
        if found.venue != capture.venue:
            raise ChecksumError(
                found.reason or f"taken for one of {found.venue} now, of {capture.venue} before"
            )
    return capture, path, found


@contextmanager
def _told_of(capture: CaptureFile, path: Path, found: Sniff | None) -> Iterator[None]:
    """Tells what is the matter with a capture that cannot be read: whether it has changed since it
    was registered, or is bad as it is.

    Trouble that may pass goes on as it is: whoever called may try again.
    """
    try:
        yield
    except ChecksumError as error:
        if sha256_file(path) != capture.sha256:
            raise _changed(capture, path) from error
        known = found or Sniff(compression_of(path), capture.format, capture.venue)
        raise Unusable(capture, path, known, str(error)) from error
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
    now = Path(capture.path)
    if now.is_file():
        raise _changed(capture, now)
    raise UserError(
        "a registered capture is gone",
        where=capture.path,
        allowed=f"a file of {capture.size} bytes with SHA-256 {capture.sha256}",
        fix="restore it, register it at its new place (imbalance run PATH), or let go of it: "
        f"imbalance ingest --forget {capture.capture_id}",
    )


def decode_capture(
    store: Store,
    sniffed: Sniffed,
    day: str,
    progress: Progress,
    write: Callable[[str, pa.Table], object],
    *,
    seen: bool,
    skew: int | None = None,
    since: Checkpoint | None = None,
) -> Decoded:
    """Decode a capture, writing its events of one day; returns what its account is made of.

    `seen` says that its bytes have been counted; `skew` is that of the capture it follows; `since`
    is where it was continued from, with a point: only what comes after it is decoded.

    Raises
    ------
    UserError
        If the capture is not what it was when it was registered; what has been written counts for
        nothing then.
    Unusable
        If it is what it was and cannot be read to its end; so here.
    Otherwise
        If it is not to be continued from there; so here.
    """
    capture, path, found = sniffed
    contracts = Contracts(store.config)
    decoder = formats(store.config.formats)[found.format].decoder(
        Context(
            capture.capture_id, path, found.venue, contracts, received_span(capture),
            Clocks(skew, found.first_difference),
        ),
        found,
    )  # fmt: skip
    told = _Telling(store.home.staging_dir)
    note = f"decoding {path.name}"
    if since is not None and since.point is not None and since.told is not None:
        try:
            decoder.go_on(since.point)
        except ValueError as error:
            raise Otherwise(capture.capture_id) from error
        facts = decoder.facts()
        told = _Telling(store.home.staging_dir, since.told)
        note += f" from line {decoder.account.lines_read + 1:,} on"
    low, high = bounds_of(day)
    progress.advance(note=note)
    with _told_of(capture, path, found):
        for batch in decoder:
            events = 0
            if batch.beyond and told.until is None:
                told.until = told.so_far()
            for table, (times, rows) in batch.tables.items():
                if not len(times):
                    continue
                earliest, latest = told.take(times, rows)
                if latest < low or earliest >= high:
                    continue
                if earliest < low or latest >= high:
                    rows = rows.filter(pa.array((times >= low) & (times < high)))
                write(table, rows)
                events += len(rows)
            told.bad.extend(batch.bad)
            # a capture of several days is decoded for each: its bytes are counted once
            progress.advance(bytes=0 if seen else batch.text_bytes, events=events)
        if decoder.end.sha256 != capture.sha256:
            raise _changed(capture, path)
    if not decoder.account.balanced:
        raise AssertionError(f"{path}: lines do not add up: {decoder.account}")
    if not seen:
        progress.advance(files=1)
    row = account_row(capture, found, decoder, (told.first, told.last))
    contracts.learn(found.venue, decoder.facts())
    last_known = decoder.last_available or 0
    point = decoder.point
    so_far = None if point is None else told.before(point)
    if so_far is None or decoder.account.quarantined["receive_time_out_of_span"]:
        point = so_far = None  # a longer version may be of more days
    if since is not None and decoder.facts() != facts:
        raise Otherwise(capture.capture_id)
    return Decoded(
        row, told.bad,
        instrument_rows(capture.capture_id, decoder.instruments, contracts, last_known),
        told.latency.row(capture.capture_id, found.venue, last_known),
        Checkpoint(
            read_as(store, found), skew, capture.sha256, capture.size, point, so_far,
            decoder.clock_skew, decoder.last_receive,
        ),
    )  # fmt: skip


def read_clock(
    store: Store, sniffed: Sniffed, progress: Progress, since: Checkpoint | None
) -> dict[str, Any]:
    """What a capture's own lines say of its clock, from where its first part ended if that is
    given.
    """
    try:
        return decode_capture(
            store, sniffed, NO_DAY, progress, lambda *_: None, seen=True, since=since
        ).row
    except Otherwise:
        return read_clock(store, sniffed, progress, None)


class _Telling:
    """What the lines of a capture say besides their rows, while it is decoded."""

    def __init__(self, directory: Path, since: Told | None = None) -> None:
        self.first = None if since is None else since.first
        self.last = None if since is None else since.last
        self.bad = BadLines(directory, [] if since is None else since.bad)
        self.latency = Latency()
        if since is not None:
            self.latency.restore(since.latency)
        self.until: Told | None = None
        """What was told up to where a longer version goes on, once there was more."""

    def take(self, times: Any, rows: pa.Table) -> tuple[int, int]:
        """Take rows of a table; returns their first and last event time, ns."""
        self.latency.take(rows)
        earliest, latest = int(times.min()), int(times.max())
        self.first = earliest if self.first is None else min(self.first, earliest)
        self.last = latest if self.last is None else max(self.last, latest)
        return earliest, latest

    def so_far(self) -> Told | None:
        """What has been told; None where that is too much to be kept for a longer version."""
        bad = self.bad.few
        return None if bad is None else Told(self.first, self.last, bad, self.latency.state())

    def before(self, point: Point) -> Told | None:
        """What had been told at a place; None as `so_far`."""
        told = self.until or self.so_far()
        if told is None:
            return None
        return replace(told, bad=[one for one in told.bad if one.line <= point.lines])


def read_as(store: Store, found: Sniff) -> str:
    """A text that stands for all that decides on the rows of a capture but its bytes and what its
    clocks begin with.
    """
    own = store.config.formats
    said: list[Any] = [VERSION, repr(found), told_from_outside(store.config, found.venue)]
    if found.format in own:
        said.append(digest_of(own, found.format))
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def bounds_of(day: str) -> tuple[int, int]:
    """Start and end of a UTC day, ns."""
    start = (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days * DAY_NS
    return start, start + DAY_NS
