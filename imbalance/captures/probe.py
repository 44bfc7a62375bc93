"""What a file is, told by its content: format, venue, units, symbols, span, soundness.

Reads the whole file once (its checksums must be known before anything of it is used) and decodes
nothing but a few lines. Nothing is registered or written here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from imbalance.captures.decode import UNITS
from imbalance.captures.framing import CaptureReader, ChecksumError, compression_of
from imbalance.captures.venues import binance

FORMAT = "binance-lines"
"""`<receive time> <websocket JSON>`, a message a line."""

IGNORED_NAMES = re.compile(
    r"(?i)^(licen[cs]e|readme|notice|copying)([._-].*)?$|^request_log\.csv$|^subscriptions\.csv$"
    r"|^last_match\.csv$|^truth\.json$|^\..*|.*\.md$"
)
"""Files in a directory which are no captures: licences, readme files, a recorder's own logs."""

_SNIFFED_LINES = 2_000
_LINE = re.compile(rb"^(\d{10,19}) (\{.*\})\s*$")
_STREAM = re.compile(rb'^\{"stream": ?"([^"@\\]+)@')
_SYMBOL = re.compile(rb'"(?:s|symbol)": ?"([^"\\]{1,100})"')


@dataclass(frozen=True)
class Probe:
    """What was found out about a file.

    `format` and `venue` are empty where they are not known; then `reason` says why and nothing of
    the file can be used (`state` is `refused`). Times are receive times in ns.
    """

    sha256: str
    size_bytes: int
    text_bytes: int
    compression: str
    format: str
    venue: str
    unit: str
    symbols: tuple[str, ...]
    state: str
    reason: str | None
    first_time: int | None
    last_time: int | None

    @property
    def capture_id(self) -> str:
        """First 16 hex digits of the SHA-256 of the bytes."""
        return self.sha256[:16]


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
    first_block, last_block = b"", b""
    state, reason = "whole", None
    try:
        for block in reader:
            first_block = first_block or block.data
            last_block = block.data
            text_bytes += len(block.data) + block.dropped
        sha256 = reader.end.sha256
        if reader.end.truncated:
            state, reason = "truncated", reader.end.reason
        elif not last_block.endswith(b"\n") and text_bytes:
            state, reason = "truncated", "the last line has no end"
    except ChecksumError as error:
        sha256 = _sha256(path)
        state, reason = "refused", f"gzip checksum or structure is wrong: {error}"
    size = path.stat().st_size
    format_, venue, unit, symbols, why = _sniff(first_block)
    if state != "refused" and not format_:
        state, reason = "refused", why
    return Probe(
        sha256, size, text_bytes, compression, format_, venue, unit, symbols, state, reason,
        _time(first_block.split(b"\n")[:50], unit), _time(last_block.split(b"\n")[:-51:-1], unit),
    )  # fmt: skip


def _sha256(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sniff(block: bytes) -> tuple[str, str, str, tuple[str, ...], str]:
    """Format, venue, unit and symbols by the first lines, or why they are not known."""
    units: dict[str, int] = {}
    markets: dict[int, int] = {}
    symbols: dict[str, None] = {}
    for line in block.split(b"\n", _SNIFFED_LINES)[:_SNIFFED_LINES]:
        match = _LINE.match(line)
        if match is None:
            continue
        digits = len(match[1])
        unit = next((name for name, (wanted, _) in UNITS.items() if wanted == digits), None)
        if unit is None:
            continue
        market = binance.payload_market(match[2])
        symbol = _SYMBOL.search(match[2])
        if market is not None:
            units[unit] = units.get(unit, 0) + 1
            markets[market] = markets.get(market, 0) + 1
        if symbol and _STREAM.match(match[2]):
            text = symbol[1].decode("utf-8", "replace")
            if text.isprintable() and len(text.encode()) <= 100:
                symbols[text] = None
    if not block:
        return "", "", "", (), "the file is empty"
    if not markets:
        return (
            "",
            "",
            "",
            (),
            (
                "unknown format: none of the first lines is `<receive time> <websocket JSON>` of a "
                "known venue"
            ),
        )
    # a mark price or a trade fits several markets; what speaks for one decides
    market = max(markets, key=lambda key: markets[key])
    unit = max(units, key=lambda key: units[key])
    return FORMAT, binance.VENUES[market], unit, tuple(symbols), ""


def _time(lines: list[bytes], unit: str) -> int | None:
    for line in lines:
        match = _LINE.match(line)
        if match and unit and len(match[1]) == UNITS[unit][0]:
            return int(match[1]) * UNITS[unit][1]
    return None
