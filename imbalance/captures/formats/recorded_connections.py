"""Recorded connections in two encodings, of every venue that has a module; see `records`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from imbalance.captures.decode import FAR_NS
from imbalance.captures.decoding import Context
from imbalance.captures.events import Decoded, Ignored, Rejected
from imbalance.captures.formats.format import TIMED_LINES, Sniff, head_lines, likely
from imbalance.captures.recorded import Lines, RecordedDecoder
from imbalance.captures.records import JsonRecords, LegacyLines, Record
from imbalance.captures.venues.registry import venue, venue_of_host, venue_of_recorder

RECORDS, LINES = "records", "lines"


class RecordedConnections:
    """The format; see `Format`. Its layouts are `records` (JSON lines) and `lines` (text)."""

    name = "recorded-connections"
    example = '`{"t":"recv","conn":…,"ts":<seconds>,"data":…}` or `<seconds>: <message>`'
    needs_last_newline = False

    def sniff(self, head: bytes, compression: str, path: Path) -> Sniff | None:  # noqa: ARG002
        layout = _layout(head)
        if layout is None:
            return None
        lines = head_lines(head)
        records = list(_records(lines, _lines_of(layout)))
        header = _header(lines[0])
        if not records and not header:
            return None
        name = _venue_named(header) or next(
            (found for r in records if r.address and (found := venue_of_host(r.address))), None
        )
        if name is None:
            hosts = sorted({r.address.split("?")[0] for r in records if r.address})[:3]
            return Sniff(compression, reason=f"a recording of no known venue: {', '.join(hosts)}")
        # a list of all instruments may be longer than what is looked at: the header has a time
        first = min((r.receive_time for r in records), default=_recorded(header))
        return Sniff(
            compression, self.name, name, "s", (), None, first, _first_difference(records, name),
            layout,
        )  # fmt: skip

    def times(self, lines: Iterable[bytes], found: Sniff, path: Path) -> list[int]:  # noqa: ARG002
        records = _records(lines, _lines_of(found.layout))
        return likely([r.receive_time for r, _ in zip(records, range(TIMED_LINES), strict=False)])

    def decoder(self, context: Context, found: Sniff) -> RecordedDecoder:
        return RecordedDecoder(context, _lines_of(found.layout))


def _layout(head: bytes) -> str | None:
    start = head.lstrip()[:200]
    if start.startswith(b'{"t":"'):
        return RECORDS
    if start.startswith(b"configuration: ") or LegacyLines.begins(head.split(b"\n", 1)[0]):
        return LINES
    return None


def _lines_of(layout: str) -> Lines:
    return JsonRecords() if layout == RECORDS else LegacyLines()


def _records(lines: Iterable[bytes], of_file: Lines) -> Iterator[Record]:
    for line in lines:
        try:
            found = of_file.parse(line)
        except Rejected:
            continue
        if isinstance(found, Record):
            yield found


def _header(line: bytes) -> dict[str, object]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) and header.get("t") == "header" else {}


def _venue_named(header: Mapping[str, object]) -> str | None:
    name = header.get("exchange")
    return venue_of_recorder(name) if isinstance(name, str) else None


def _recorded(header: Mapping[str, object]) -> int | None:
    time = header.get("recorded")
    return int(time * 1e9) if isinstance(time, int | float) and 0 < time < 2**33 else None


def _first_difference(records: Iterable[Record], name: str) -> tuple[int, int] | None:
    """Receive − exchange time of the first message that carries both, and its receipt."""
    session = venue(name).session()
    for record in sorted(records, key=lambda record: record.receive_time):
        try:
            found = session.take(record)
        except Rejected:
            continue
        if isinstance(found, Ignored):
            continue
        difference = _difference(found, record.receive_time)
        if difference is not None and abs(difference) <= FAR_NS:
            return difference, record.receive_time
    return None


def _difference(found: Decoded, received: int) -> int | None:
    sent = [
        event.transaction_time if event.exchange_time is None else event.exchange_time
        for event in found.events
    ]
    known = [received - time for time in sent if time is not None]
    return min(known, default=None)


FORMAT = RecordedConnections()
