"""Taking note of capture files: every file is known by its bytes, none is copied or changed.

A file that cannot be used is noted too, with the reason, in `raw.captures` and `raw.quarantine`.
Decoding happens later, in `build.py`.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imbalance.captures.accounts import OUTPUTS
from imbalance.captures.compression import ChecksumError
from imbalance.captures.formats.format import DAY_NS, Sniff
from imbalance.captures.formats.registry import formats
from imbalance.captures.letting_go import remove_unheld
from imbalance.captures.mapping import digest_of
from imbalance.captures.probe import IGNORED_NAMES, Probe, probe, sniff
from imbalance.captures.probing import Probing
from imbalance.captures.scanner import FAR_MS
from imbalance.captures.walk import check_there, files_of
from imbalance.errors import UserError
from imbalance.progress import SILENT, Progress
from imbalance.store.ledger import CaptureFile, Choice
from imbalance.store.ledger_rows import days_of
from imbalance.store.store import Store
from imbalance.store.task import TaskContext, materialise, remove
from imbalance.tasks import read_current

_SHOWN = 5

MARGIN_NS = FAR_MS * 1_000_000
"""Clocks differ: a capture is looked into for a day when it comes this near to it, which is as far
as an event may be from its receipt. So the days of a capture hold all of its events.
"""

UNKNOWN = "unknown"
"""Stands for the format of files that are of none."""

Named = tuple[str | None, str | None]
"""Format and venue that the user has named for a file."""

NOT_NAMED: Named = (None, None)

VERSION = "capture-18"

@dataclass(frozen=True)
class Registration:
    """What became of one file: `new` (or taken for something else than before), `grown` (it begins
    with the bytes it had before), `replaced` (other bytes than it had), `known` (as it was),
    `same_bytes` (another name of bytes known already), `refused` (noted, not usable; said at each
    registration), `ignored` (by name) or `skipped` (in a directory: a link to another one or to
    nothing, a pipe, a home).

    `replaces` is the capture that the file was before, where it has grown or is replaced;
    `assumed` is what was taken for granted of a file looked at.
    """

    path: str
    status: str
    capture_id: str | None = None
    venue: str = ""
    reason: str | None = None
    assumed: str | None = None
    replaces: str | None = None


def register(
    store: Store, paths: Sequence[str | os.PathLike[str]], progress: Progress = SILENT, *,
    form: str | None = None, venue: str | None = None,
) -> list[Registration]:
    """Register files and all files in directories; `form` and `venue` take them for one format
    and venue.

    Raises
    ------
    UserError
        If a path does not exist or cannot be read, a directory holds no capture, or the paths
        named hold none that can be used.
    """
    found = []
    at_first = store.ledger.captures()
    in_use = {capture.capture_id: capture for capture in at_first}
    there = [(given, *_files_at(given)) for given in paths]
    new = (file for _, files, _ in there for file in files if _is_new(store, file))
    with Probing(dict.fromkeys(new), form, venue, store.config.formats) as probing:
        for given, files, skipped in there:
            results = [
                _register_file(store, file, progress, (form, venue), in_use, probing)
                for file in files
            ]
            results += [Registration(str(p), "skipped", reason=why) for p, why in skipped.items()]
            if all(r.status in {"ignored", "skipped"} for r in results):
                raise _no_captures(given, skipped)
            found.extend(results)
    used = {capture.capture_id: capture for capture in store.ledger.captures()}
    left = store.ledger.partitions("raw.captures").keys() - used.keys()
    if left or any(used.get(one.capture_id) != one for one in at_first):
        remove_unheld(store)
    return [_with_the_old(one, used) for one in found]


def _files_at(given: str | os.PathLike[str]) -> tuple[list[Path], dict[Path, str]]:
    """The files at a path, and what is there besides and why it is passed over."""
    check_there(given)
    skipped: dict[Path, str] = {}
    return list(files_of(Path(given).absolute(), skipped)), skipped


def _no_captures(given: str | os.PathLike[str], skipped: Mapping[Path, str]) -> UserError:
    some = ", ".join(f"{p.name} is {why}" for p, why in list(skipped.items())[:_SHOWN])
    return UserError(
        f"{str(given)!r} holds no captures" + (f"; {some}" if some else ""),
        where=str(Path(given).absolute()),
        allowed="capture files of a known format, plain or compressed", fix="imbalance formats",
    )


def _with_the_old(one: Registration, used: dict[str, CaptureFile]) -> Registration:
    """What became of a file that took the place of another, and of what that one was."""
    if one.replaces is None:
        return one
    old = used.get(one.replaces)
    if old is None:
        told = "gives way to it, its account is taken back"
    else:
        why = _why_it_stays(one, old, used.get(one.capture_id or ""))
        told = (
            f"stays registered, since it {why}: put it back under another name, or let go of it "
            f"(imbalance ingest --forget {old.capture_id})"
        )
    return replace(one, reason=f"{one.reason}; capture {one.replaces} {told}")


def _why_it_stays(one: Registration, old: CaptureFile, new: CaptureFile | None) -> str:
    if old.venue != one.venue:
        return f"is of another venue, {old.venue}"
    if new is not None and set(days_of(old)) <= set(days_of(new)):
        return "has another name"
    return "holds other days"


def received_span(capture: CaptureFile) -> tuple[int, int]:
    """Receive times of lines whose events fall into the capture's days for certain, ns."""
    days = days_of(capture)
    epoch = datetime.date(1970, 1, 1)
    first, last = (datetime.date.fromisoformat(day) - epoch for day in (days[0], days[-1]))
    return first.days * DAY_NS + MARGIN_NS, (last.days + 1) * DAY_NS - MARGIN_NS


def day_of(time_ns: int) -> str:
    """The UTC day of a time."""
    epoch = datetime.date(1970, 1, 1)
    return (epoch + datetime.timedelta(days=time_ns // DAY_NS)).isoformat()


def _is_new(store: Store, path: Path) -> bool:
    """Whether a file will have to be read, as far as can be told beforehand."""
    if IGNORED_NAMES.match(path.name):
        return False
    try:
        status = path.stat()
        return store.ledger.known_capture(str(path), status.st_size, status.st_mtime_ns) is None
    except (OSError, UnicodeEncodeError):
        return False


def _register_file(
    store: Store, path: Path, progress: Progress, named: Named,
    in_use: dict[str, CaptureFile], probing: Probing,
) -> Registration:
    """Register one file; `in_use` are the captures in use by id, and become those after it."""
    shown = str(path).encode("utf-8", "backslashreplace").decode()
    if shown != str(path):
        raise UserError("a file's name is not UTF-8 text", where=shown, fix="rename it")
    own = store.config.formats
    if IGNORED_NAMES.match(path.name):
        return Registration(str(path), "ignored", reason="not a capture, by its name")
    try:
        status = path.stat()
        known = store.ledger.known_capture(str(path), status.st_size, status.st_mtime_ns)
        anew = known is not None and _looked_at_anew(store, path, known, named, in_use.get(known))
        if known is not None and not anew:
            told = _known(store, path, known, in_use.get(known))
            if told is not None:
                return told
        progress.advance(note=f"reading {path.name}")
        if named == NOT_NAMED and known is not None:
            named = _named(store, in_use.get(known))
        if known is None:
            status, found = probing.of(path)
        else:
            found = probe(path, named[0], own, named[1])
        before = in_use.get(store.ledger.known_capture(str(path)) or "")
        if named == NOT_NAMED:
            named = _named(store, in_use.get(found.capture_id))
            if named == NOT_NAMED and known is None and before is not None:
                named = _named(store, before)
                if named != NOT_NAMED and not begins_with(path, before.sha256, before.size):
                    named = NOT_NAMED
                anew = named != NOT_NAMED
            if named != NOT_NAMED:
                found = probe(path, named[0], own, named[1])
    except OSError as error:
        raise UserError(
            f"the file cannot be read: {error.strerror or error}",
            where=str(path),
            fix="check its permissions and that it is whole",
        ) from None
    progress.advance(bytes=found.size_bytes)
    return _noted(store, path, status, found, before, named, in_use, anew=anew)


def _noted(
    store: Store, path: Path, status: os.stat_result, found: Probe, before: CaptureFile | None,
    named: Named, in_use: dict[str, CaptureFile], *, anew: bool,
) -> Registration:  # fmt: skip
    """Register what a file was found to be; `before` is the capture that it was last time."""
    own, kind = store.config.formats, found.sniff
    first = last = None
    if found.state != "refused" and kind.first_time is not None and found.last_time is not None:
        low, high = sorted((kind.first_time, found.last_time))
        first, last = day_of(low - MARGIN_NS), day_of(high + MARGIN_NS)
    held = in_use.get(found.capture_id)
    if held is not None and _is_misnamed(found, named, held):
        reason = f"{found.reason}; it stays what it is, {held.format} of {held.venue}"
        return Registration(str(path), "refused", held.capture_id, held.venue, reason)
    useless = held is None or held.first_day is None
    anew = anew or useless or kind.format in own
    capture = CaptureFile(
        found.capture_id, found.sha256, str(path), found.size_bytes, status.st_mtime_ns,
        kind.format or UNKNOWN, kind.venue, first, last,
    )  # fmt: skip
    store.ledger.register_capture(
        capture,
        anew=anew,
        choice=Choice(
            named != NOT_NAMED and found.state != "refused", digest_of(own, kind.format)
        ),
    )
    if anew:
        in_use[capture.capture_id] = capture
    if found.state == "refused":
        note_refused(store, path, found)
        return Registration(str(path), "refused", found.capture_id, kind.venue, found.reason)
    if useless:
        remove(store, tables=OUTPUTS, partition=capture.capture_id)  # of when it was refused
    if useless and before is not None and before.capture_id != found.capture_id:
        return _in_place_of(store, path, before, found)
    otherwise = held is not None and not useless and (held.format, held.venue) != (
        kind.format, kind.venue
    )  # fmt: skip
    return Registration(
        str(path), "new" if useless or otherwise else "same_bytes", found.capture_id, kind.venue,
        f"taken for {held.format} of {held.venue} before" if held and otherwise else found.reason,
        kind.assumed,
    )  # fmt: skip


def _is_misnamed(found: Probe, named: Named, held: CaptureFile) -> bool:
    """Whether a capture in use is now named for what it is not."""
    return found.state == "refused" and named != NOT_NAMED and held.first_day is not None


def _in_place_of(
    store: Store, path: Path, before: CaptureFile, found: Probe
) -> Registration:
    """What a file has become that was another capture before: a longer one of it, or another."""
    rows = read_current(store, "raw.captures", before.capture_id, ["lines_read"]).to_pylist()
    count = rows[0]["lines_read"] if rows else None
    lines = "" if count is None else f" ({count:,} lines)"
    if begins_with(path, before.sha256, before.size):
        status = "grown"
        told = (
            f"its first {before.size:,} bytes{lines} are as they were, "
            f"{found.size_bytes - before.size:,} have come after them"
        )
    else:
        status, told = "replaced", f"other bytes than the {before.size:,}{lines} it had"
    told = told if found.reason is None else f"{found.reason}; {told}"
    return Registration(
        str(path), status, found.capture_id, found.sniff.venue, told, found.sniff.assumed,
        before.capture_id,
    )  # fmt: skip


def begins_with(path: Path, sha256: str, size: int) -> bool:
    """Whether the first `size` bytes of a file have this SHA-256."""
    digest = hashlib.sha256()
    left = size
    with path.open("rb") as file:
        while left and (data := file.read(min(left, 1 << 20))):
            digest.update(data)
            left -= len(data)
    return digest.hexdigest() == sha256


def _looked_at_anew(
    store: Store, path: Path, capture_id: str, named: Named, held: CaptureFile | None
) -> bool:
    """Whether a file seen before may now be taken for something else: as it is told to, by the
    formats of the settings, or because more is understood. What the user has named stays.
    """
    own = store.config.formats
    if named != NOT_NAMED or held is None:
        return True
    choice = store.ledger.choice(capture_id)
    if choice.named:
        return held.format in own and digest_of(own, held.format) != choice.mapping
    if held.first_day is not None and held.format in formats() and not own:
        return False
    try:
        found = sniff(path, None, own).format
    except ChecksumError:
        return False
    if (found or UNKNOWN) != held.format:
        return True
    return found in own and digest_of(own, found) != choice.mapping


def _named(store: Store, held: CaptureFile | None) -> Named:
    """What the user has named for a capture, where there still is such a format."""
    if held is None or not store.ledger.choice(held.capture_id).named:
        return NOT_NAMED
    return (held.format, held.venue) if held.format in formats(store.config.formats) else NOT_NAMED


def _known(
    store: Store, path: Path, capture_id: str, held: CaptureFile | None
) -> Registration | None:
    """What is known of a file seen before; None where another version refused it: look again."""
    if held is not None and held.first_day is not None:
        return Registration(str(path), "known", capture_id, held.venue)
    entry = store.ledger.current("raw.captures", capture_id)
    if entry is None:
        return None  # its registration was stopped before it was noted why it is refused
    columns = ["state", "venue", "reason"]
    (row,) = read_current(store, "raw.captures", capture_id, columns).to_pylist()
    if row["state"] != "refused":
        return Registration(str(path), "known", capture_id)
    if entry.definition_version != VERSION:
        return None
    return Registration(str(path), "refused", capture_id, row["venue"], row["reason"])


def refuse(
    store: Store, capture: CaptureFile, path: Path, found: Sniff, reason: str
) -> None:
    """Take a registered capture out of use, since it proved not to be usable when it was decoded:
    its days are none from here on, and `reason` is noted as for any that is refused.
    """
    store.ledger.register_capture(replace(capture, first_day=None, last_day=None), anew=True)
    probed = Probe(found, capture.sha256, capture.size, 0, "refused", reason, None)
    note_refused(store, path, probed)


def note_refused(store: Store, path: Path, found: Probe) -> None:
    """Write the capture's row and the one quarantine row that stands for the whole file."""
    import pyarrow as pa

    def build(context: TaskContext) -> None:
        kind = found.sniff
        captures, quarantine = store.table("raw.captures"), store.table("raw.quarantine")
        row = {
            "capture_id": found.capture_id, "sha256": found.sha256, "path": str(path),
            "size_bytes": found.size_bytes, "text_bytes": found.text_bytes,
            "format": kind.format or UNKNOWN, "compression": kind.compression,
            "venue": kind.venue or "unknown", "receive_time_unit": kind.unit or None,
            "state": "refused", "reason": found.reason, "lines_read": None, "lines_decoded": 0,
            "lines_ignored": 0, "lines_quarantined": 0, "ignored_by_rule": "{}",
            "decoded_by_kind": "{}", "quarantined_by_reason": json.dumps({"whole_file": 1}),
            "instruments": "[]", "fields_unknown": "{}",
            "events_left_out": "{}", "first_event_time": None,
            "last_event_time": None, "last_receive_time": None, "clock_skew_ns": None,
        }  # fmt: skip
        context.writer("raw.captures").write(pa.Table.from_pylist([row], captures.arrow_schema()))
        bad = {
            "capture_id": found.capture_id, "path": str(path), "line": 0, "byte_offset": 0,
            "byte_length": found.size_bytes, "reason": "whole_file",
            "detail": found.reason or "", "text_sha256": found.sha256, "text_start": "",
        }  # fmt: skip
        context.writer("raw.quarantine").write(
            pa.Table.from_pylist([bad], quarantine.arrow_schema())
        )

    materialise(
        store,
        outputs=OUTPUTS,
        partition=found.capture_id,
        inputs=(),
        version=VERSION,
        build=build,
    )
