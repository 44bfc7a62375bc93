"""What a file is, told by its content: format, venue, units, symbols, span, soundness.

`probe` reads the whole file once (its checksums must be known before anything of it is used) and
decodes nothing but the first lines; `sniff` reads no more than those. Nothing is registered or
written here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imbalance.captures import scanner
from imbalance.captures.decode import UNITS
from imbalance.captures.framing import Block, CaptureReader, ChecksumError, compression_of
from imbalance.captures.venues import binance

FORMAT = "binance-lines"
"""`<receive time> <websocket JSON>`, a message a line."""

IGNORED_NAMES = re.compile(
    r"(?i)^(licen[cs]e|readme|notice|copying)([._-].*)?$|^request_log\.csv$|^subscriptions\.csv$"
    r"|^last_match\.csv$|^truth\.json$|^\..*|.*\.md$"
)
"""Files in a directory which are no captures: licences, readme files, a recorder's own logs."""

_SNIFFED_BYTES = 1 << 20
_SNIFFED_LINES = 2_000
_TIMED_LINES = 50
_DAY_NS = 86_400_000_000_000
_LINE = re.compile(rb"^(\d{10,19}) (\{.*\})\s*$")


@dataclass(frozen=True)
class Sniff:
    """What the first lines of a file say.

    `format` and `venue` are empty where they are not known; then `reason` says why. `symbols` are
    those of the first lines; others may follow. `first_time` is a receive time in ns;
    `first_difference` is receive − exchange time and receive time of the first of these lines that
    carries both, ns.
    """

    compression: str
    format: str = ""
    venue: str = ""
    unit: str = ""
    symbols: tuple[str, ...] = ()
    reason: str | None = None
    first_time: int | None = None
    first_difference: tuple[int, int] | None = None


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


def sniff(path: Path) -> Sniff:
    """What the first lines of a file say.

    Raises
    ------
    OSError, ChecksumError
        If they cannot be read.
    """
    head = b""
    for block in CaptureReader(path, threaded=False):
        head += block.data
        if len(head) >= _SNIFFED_BYTES:
            break
    return _sniff(head, compression_of(path))


def probe(path: Path) -> Probe:
    """Find out what a file is.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    reader = CaptureReader(path)
    compression = compression_of(path)
    text_bytes = 0
    head = b""
    tail: list[bytes] = []
    ended = True
    state, reason = "whole", None
    try:
        for block in reader:
            if len(head) < _SNIFFED_BYTES:
                head += block.data
            text_bytes += block.text_bytes
            ended = block.ended
            tail = _last_lines(block) or tail
        sha256 = reader.end.sha256
        if reader.end.truncated:
            state, reason = "truncated", reader.end.reason
        elif not ended:
            state, reason = "truncated", "the last line has no end"
    except ChecksumError as error:
        sha256 = _sha256(path)
        state, reason = "refused", f"gzip checksum or structure is wrong: {error}"
    found = _sniff(head, compression)
    if state != "refused" and not found.format:
        state, reason = "refused", found.reason
    times = _times(tail, found.unit)
    last_time = max(times, default=found.first_time)
    return Probe(found, sha256, path.stat().st_size, text_bytes, state, reason, last_time)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _last_lines(block: Block) -> list[bytes]:
    """The last lines of a block which have a receive time."""
    found: list[bytes] = []
    end = len(block.data)
    while end > 0 and len(found) < _TIMED_LINES:
        start = block.data.rfind(b"\n", 0, end - 1) + 1
        if _LINE.match(block.data[start:end]):
            found.append(block.data[start:end])
        end = start
    return found


def _sniff(head: bytes, compression: str) -> Sniff:
    """Format, venue, unit and symbols by the first lines, or why they are not known."""
    if not head:
        return Sniff(compression, reason="the file is empty")
    units: dict[str, int] = {}
    markets: dict[int, int] = {}
    symbols: dict[str, None] = {}
    # the same lines, however much of the file is at hand
    lines = head[:_SNIFFED_BYTES].split(b"\n", _SNIFFED_LINES)[:_SNIFFED_LINES]
    for line in lines:
        match = _LINE.match(line)
        unit = _unit(match[1]) if match else None
        if match is None or unit is None:
            continue
        market, symbol = binance.sniff(match[2])
        if market is not None:
            markets[market] = markets.get(market, 0) + 1
        if symbol is not None:
            symbols[symbol] = None
        if market is not None or symbol is not None:
            units[unit] = units.get(unit, 0) + 1
    if not units:
        return Sniff(
            compression,
            reason="unknown format: none of the first lines is `<receive time> <websocket JSON>` "
            "of a known venue",
        )
    # what speaks for one market decides; nothing does where all are trades or marks of futures
    market = max(markets, key=lambda key: markets[key], default=binance.market_by_name(symbols))
    unit = max(units, key=lambda key: units[key])
    first_time = min(_times(lines, unit), default=None)
    return Sniff(
        compression, FORMAT, binance.VENUES[market], unit, tuple(symbols), None, first_time,
        _first_difference(lines, unit, market, first_time),
    )  # fmt: skip


def _first_difference(
    lines: Iterable[bytes], unit: str, market: int, first_time: int | None
) -> tuple[int, int] | None:
    """Receive − exchange time of the first line that carries both, and when it was received."""
    far = scanner.FAR_MS * 1_000_000
    for line in lines:
        match = _LINE.match(line)
        if match is None or first_time is None or len(match[1]) != UNITS[unit][0]:
            continue
        received = int(match[1]) * UNITS[unit][1]
        if abs(received - first_time) > far:
            continue
        try:
            found = binance.parse(match[2], market)
        except binance.Rejected:
            continue
        if isinstance(found, binance.Decoded):
            sent = found.transaction if found.exchange is None else found.exchange
            if sent is not None and abs(received - sent * 1_000_000) <= far:
                return received - sent * 1_000_000, received
    return None


def _unit(digits: bytes) -> str | None:
    return next((name for name, (wanted, _) in UNITS.items() if wanted == len(digits)), None)


def _times(lines: Iterable[bytes], unit: str) -> list[int]:
    """Receive times of the first of some lines, without those that are days off most others."""
    times: list[int] = []
    for line in lines:
        match = _LINE.match(line)
        if match and unit and len(match[1]) == UNITS[unit][0]:
            times.append(int(match[1]) * UNITS[unit][1])
        if len(times) == _TIMED_LINES:
            break
    middle = sorted(times)[len(times) // 2] if times else 0
    near = [time for time in times if abs(time - middle) < _DAY_NS]
    return near if 2 * len(near) > len(times) else times
