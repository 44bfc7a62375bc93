"""`<receive time> <websocket JSON>`, a message a line, of Binance: the scanner's format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from imbalance.captures import scanner
from imbalance.captures.batches import Batches
from imbalance.captures.checkpoint import Point
from imbalance.captures.decode import Account, Decoder
from imbalance.captures.decoding import Batch, Context
from imbalance.captures.events import Rejected
from imbalance.captures.formats.format import (
    TIMED_LINES,
    UNITS,
    Sniff,
    head_lines,
    likely,
)
from imbalance.captures.framing import End
from imbalance.captures.venues import binance
from imbalance.captures.venues.venue import Instrument

_NOT_SENT: Mapping[str, Mapping[str, pa.DataType]] = {
    "raw.book_updates": {"note": pa.dictionary(pa.int32(), pa.string())},
    "raw.trades": {"trade_key": pa.dictionary(pa.int32(), pa.string())},
    "raw.derivative_ticks": {"last_price": pa.float64(), "open_interest": pa.float64()},
}
"""Columns which no message of the scanner's kinds carries."""

_LINE = re.compile(rb"^(\d{10,19}) (\{.*\})\s*$")


@dataclass(frozen=True)
class BinanceLines:
    """The format; see `Format`."""

    name: str = "binance-lines"
    example: str = "`<receive time> <websocket JSON>`"
    needs_last_newline: bool = True

    def sniff(self, head: bytes, compression: str, path: Path) -> Sniff | None:  # noqa: ARG002
        units: dict[str, int] = {}
        markets: dict[int, int] = {}
        symbols: dict[str, None] = {}
        lines = head_lines(head)
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
            return None
        # what speaks for one market decides; nothing does where all are trades or marks of futures
        market = max(markets, key=lambda key: markets[key], default=binance.market_by_name(symbols))
        unit = max(units, key=lambda key: units[key])
        first_time = min(_times(lines, unit), default=None)
        return Sniff(
            compression, self.name, binance.VENUES[market], unit, tuple(symbols), None, first_time,
            _first_difference(lines, unit, market, first_time),
        )  # fmt: skip

    def times(self, lines: Iterable[bytes], found: Sniff, path: Path) -> list[int]:  # noqa: ARG002
        return _times(lines, found.unit)

    def decoder(self, context: Context, found: Sniff) -> ScannedCapture:
        return ScannedCapture(context, found)


class ScannedCapture:
    """The scanner's decoder and its batches, behind the promises of `Decoding`."""

    def __init__(self, context: Context, found: Sniff) -> None:
        only = found.symbols[0] if len(found.symbols) == 1 else None
        self._decoder = Decoder(
            context.path, context.venue, found.unit, list(found.symbols), only, context.span,
            context.clocks,
        )  # fmt: skip
        self._batches = Batches(
            context.capture_id, self._decoder.instruments, context.contracts
        )

    @property
    def account(self) -> Account:
        return self._decoder.account

    @property
    def instruments(self) -> list[str]:
        return self._decoder.instruments

    def __iter__(self) -> Iterator[Batch]:
        for chunk in self._decoder:
            tables = {
                name: (times, _with_nulls(rows, _NOT_SENT.get(name, {})))
                for name, (times, rows) in self._batches.tables(chunk).items()
            }
            yield Batch(tables, chunk.bad_lines, chunk.text_bytes)

    def facts(self) -> list[Instrument]:
        return []

    @property
    def point(self) -> Point | None:
        return self._decoder.point

    def go_on(self, point: Point) -> None:
        self._decoder.go_on(point)

    @property
    def last_available(self) -> int | None:
        return self._decoder.last_available

    @property
    def end(self) -> End:
        return self._decoder.end

    @property
    def shortcoming(self) -> str | None:
        return self._decoder.shortcoming

    @property
    def clock_skew(self) -> int | None:
        return self._decoder.clock_skew

    @property
    def last_receive(self) -> int | None:
        return self._decoder.last_receive


def _with_nulls(rows: pa.Table, missing: Mapping[str, pa.DataType]) -> pa.Table:
    for name, kind in missing.items():
        # nulls that are kept: of as many as are asked for, or somewhat more
        nulls = _nulls(1 << len(rows).bit_length(), kind)
        rows = rows.append_column(name, nulls.slice(0, len(rows)))
    return rows


@lru_cache(maxsize=64)
def _nulls(rows: int, kind: pa.DataType) -> pa.Array:
    return pa.nulls(rows, kind)


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
        except Rejected:
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
        if len(times) == TIMED_LINES:
            break
    return likely(times)


FORMAT = BinanceLines()
