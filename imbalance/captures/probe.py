"""What a file is, told by its content: format, venue, units, symbols, span, soundness.

`probe` reads the whole file once (its checksums must be known before anything of it is used) and
decodes nothing but the first lines; `sniff` reads no more than those. What each format looks like
is in `formats`. Nothing is registered or written here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imbalance.captures.compression import (
    ChecksumError,
    compression_of,
    zip_members,
    zip_text,
)
from imbalance.captures.formats.format import DAY_NS, SNIFFED_BYTES, Format, Sniff
from imbalance.captures.formats.registry import NONE, formats, recognise
from imbalance.captures.framing import CaptureReader
from imbalance.captures.tabular import PARQUET_MAGIC, check_parquet
from imbalance.config import NamedSettings
from imbalance.store.files import sha256_file

IGNORED_NAMES = re.compile(
    r"(?i)^(licen[cs]e|notice|copying)([._-].*)?$|^request_log\.csv$|^subscriptions\.csv$"
    r"|^(.*[._-])?readme([._-].*)?$|^last_match\.csv$|^truth\.json$|^\..*|.*\.md$|.*\.checksum$"
)
"""Files in a directory which are no captures: licences, readme files, a recorder's own logs, and
the `.CHECKSUM` that Binance publishes beside each of its dumps."""

MOST_DAYS = 4_000
"""Days beyond the first time of a capture at which another is taken for damage: each day between
them would be looked for.
"""

_TRIED = 20
"""Times that the end of a block is asked for times which can be believed."""

_ARCHIVE = b"an archive of several files"
"""Stands for the text of a file which has none of its own."""


@dataclass(frozen=True)
class Probe:
    """What was found out about a whole file.

    `state` is `refused` where nothing of the file can be used, and `reason` says why. Times are
    receive times in ns.
    """

    sniff: Sniff
    sha256: str
    size_bytes: int
    text_bytes: int
    state: str
    reason: str | None
    last_time: int | None

    @property
    def capture_id(self) -> str:
        """First 16 hex digits of the SHA-256 of the bytes."""
        return self.sha256[:16]


def sniff(
    path: Path, form: str | None = None, own: Mapping[str, NamedSettings] = NONE,
    venue: str | None = None,
) -> Sniff:  # fmt: skip
    """What the first text of a file says; `form` and `venue` take it for one format and venue,
    `own` are the formats of the settings.

    Raises
    ------
    OSError, ChecksumError
        If it cannot be read.
    """
    compression = compression_of(path)
    if _is_archive(path, compression):
        return _of_archive(path, compression, form, own, venue)
    head = b""
    for block in CaptureReader(path, threaded=False):
        head += block.data
        if len(head) >= SNIFFED_BYTES:
            break
    return recognise(head, compression, path, form, own, venue)


def _is_archive(path: Path, compression: str) -> bool:
    """Whether a file holds several files, which a format may make one capture of."""
    return compression == "zip" and len(zip_members(path)) > 1


def _of_archive(
    path: Path, compression: str, form: str | None, own: Mapping[str, NamedSettings],
    venue: str | None,
) -> Sniff:  # fmt: skip
    """What an archive of several files is."""
    names = zip_members(path)
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    unknown = (
        f"an archive of {len(names)} files, which are no capture together ({shown}): unpack it; "
        "one file may be zipped, and a LOBSTER archive holds two"
    )
    return recognise(_ARCHIVE, compression, path, form, own, venue, unknown)


def _within_archive(
    path: Path, found: Sniff, own: Mapping[str, NamedSettings]
) -> tuple[int, list[int]]:
    """Bytes of text of an archive's files, whose checksums are tested, and its last times."""
    size = sum(
        len(text) for member in zip_members(path) for text, _ in zip_text(path, member)
    )
    return size, formats(own)[found.format].times((), found, path) if found.format else []


def probe(
    path: Path, form: str | None = None, own: Mapping[str, NamedSettings] = NONE,
    venue: str | None = None, stopped: threading.Event | None = None,
) -> Probe:  # fmt: skip
    """Find out what a file is; `form` and `venue` take it for one format and venue only, `own` are
    the formats of the settings. It is given up when `stopped` is set, unless it is an archive.

    Raises
    ------
    OSError
        If it cannot be read; InterruptedError if it is given up.
    """
    reader = CaptureReader(path, threaded=False)  # there is next to nothing to do beside
    compression = compression_of(path)
    text_bytes = 0
    head = b""
    found: Sniff | None = None
    times: list[int] = []
    ended = True
    state, reason = "whole", None
    known_formats = formats(own)
    try:
        archive = _is_archive(path, compression)
        if archive:
            found = _of_archive(path, compression, form, own, venue)
            text_bytes, times = _within_archive(path, found, own)
        for block in () if archive else reader:
            if stopped is not None and stopped.is_set():
                raise InterruptedError
            if found is None:
                head += block.data
                if len(head) >= SNIFFED_BYTES:
                    found = recognise(head, compression, path, form, own, venue)
            text_bytes += block.text_bytes
            ended = block.ended
            known = found or recognise(head, compression, path, form, own, venue)
            if known.format:
                lines = _lines_backwards(block.pieces)
                times = _last_times(known_formats[known.format], lines, known, path) or times
        if archive:
            sha256, size = sha256_file(path), path.stat().st_size
        else:
            sha256, size = reader.end.sha256, reader.size
        if compression == "none" and head.startswith(PARQUET_MAGIC):
            check_parquet(path)
        if not archive and reader.end.truncated:
            state, reason = "truncated", reader.end.reason
    except ChecksumError as error:
        sha256, size = sha256_file(path), path.stat().st_size
        kind = "Parquet" if head.startswith(PARQUET_MAGIC) else compression
        state, reason = "refused", f"{kind} checksum or structure is wrong: {error}"
    found = found or recognise(head, compression, path, form, own, venue)
    if state != "refused" and not found.format:
        state, reason = "refused", found.reason
    if state == "whole" and not ended and known_formats[found.format].needs_last_newline:
        state, reason = "truncated", "the last line has no end"
    last_time = max(_near(times, found.first_time) or times, default=found.first_time)
    unbelieved = _unbelieved(found, times, head)
    if state != "refused" and unbelieved is not None:
        state, reason = "refused", unbelieved
    return Probe(found, sha256, size, text_bytes, state, reason, last_time)


def _unbelieved(found: Sniff, times: Sequence[int], head: bytes) -> str | None:
    """Why it cannot be said of which days a file is, None where it can."""
    first_time = found.first_time
    if first_time is None:
        # none of its days would ever be asked for
        return "none of its first rows has a time that can be read"
    if len(_near(times, first_time)) < len(times) and head.startswith(PARQUET_MAGIC):
        # lines are each judged by themselves; of a damaged table nobody knows which rows are right
        days = abs(max(times) - first_time) // DAY_NS
        return f"its first and last times are {days} days apart: they are not believed"
    return None


def _near(times: Sequence[int], first_time: int | None) -> list[int]:
    """Times that may be of a capture which begins at a time."""
    return [t for t in times if first_time is None or abs(t - first_time) <= MOST_DAYS * DAY_NS]


def _last_times(
    form: Format, lines: Iterator[bytes], found: Sniff, path: Path
) -> list[int]:
    """Times of the last lines; of those before them where these are not to be believed."""
    times: list[int] = []
    for _ in range(_TRIED):
        times = form.times(lines, found, path) or times
        if not times or _near(times, found.first_time):
            break
    return times


def _lines_backwards(pieces: Sequence[bytes | memoryview]) -> Iterator[bytes]:
    """Lines of some text in pieces, the last one first."""
    rest = b""
    for piece in reversed(pieces):
        data = bytes(piece) + rest
        end = len(data)
        while start := data.rfind(b"\n", 0, max(end - 1, 0)) + 1:
            yield data[start:end]
            end = start
        rest = data[:end]
    if rest:
        yield rest
