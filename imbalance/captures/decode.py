"""From a capture to typed events, chunk by chunk, with every line accounted for.

Framing gives blocks of whole lines, the scanner their columns; lines it does not expect go to the
venue's own parser. What comes out are NumPy columns per kind of event, in the order of the lines.
Nothing is written here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from imbalance.beside import ahead
from imbalance.captures import scanner
from imbalance.captures.checkpoint import Point
from imbalance.captures.chunks import (
    BadLine,
    Chunk,
    Times,
    bad_line,
    books_of,
    marks_of,
    quotes_of,
    trades_of,
)
from imbalance.captures.clocks import NO_TIME, Clocks
from imbalance.captures.columns import Columns, allocate
from imbalance.captures.events import Ignored, Rejected
from imbalance.captures.formats.format import UNITS
from imbalance.captures.framing import LONGEST_LINE, Block, CaptureReader, End
from imbalance.captures.kept import Keeps
from imbalance.captures.text import count_newlines
from imbalance.captures.venues import binance
from imbalance.captures.venues.binance import KIND_MARK, KIND_SNAPSHOT, Decoded

KIND_NAMES = {
    scanner.KIND_DIFF: "depth_diff",
    KIND_SNAPSHOT: "depth_snapshot",
    scanner.KIND_QUOTE: "book_ticker",
    scanner.KIND_TRADE: "trade",
    scanner.KIND_AGGREGATE: "aggregate_trade",
    KIND_MARK: "mark_price",
}

FAR_NS = scanner.FAR_MS * 1_000_000
LAST_TIME = 2**63 - 1 - 2 * FAR_NS
"""Sums of a time and a clock's error stay within 64 bits below it."""


@dataclass
class Account:
    """Where every line of a capture went: read = decoded + ignored + quarantined.

    `lines_read` is counted by the newlines of the text, the other three by what was made of it: so
    a line that the scanner skips, or reads twice, does not go unnoticed.
    """

    lines_read: int = 0
    text_bytes: int = 0
    decoded: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    unknown_fields: Counter[str] = field(default_factory=Counter)
    events_left_out: Counter[str] = field(default_factory=Counter)

    @property
    def balanced(self) -> bool:
        """Whether every line read is in exactly one place."""
        return self.lines_read == (
            self.decoded.total() + self.ignored.total() + self.quarantined.total()
        )


class Decoder(Keeps):
    """Decodes one capture of one Binance market.

    Parameters
    ----------
    path : the capture.
    venue : `binance`, `binance-futures` or `binance-delivery`.
    unit : unit of the receive times, a key of `UNITS`.
    symbols : symbols known beforehand; others are added as they come.
    only_symbol : the symbol of messages that carry none (snapshots of spot and USD-M).
    span : earliest and latest receive time that is believed, ns.
    clocks : what the capture's clocks begin with.
    """

    account: Account
    instruments: list[str]
    _clocks: Clocks
    _last_receive: int

    def __init__(
        self,
        path: Path,
        venue: str,
        unit: str,
        symbols: list[str],
        only_symbol: str | None,
        span: tuple[int, int] = (0, LAST_TIME),
        clocks: Clocks | None = None,
    ) -> None:
        self._reader = CaptureReader(path)
        self._market = binance.MARKETS[venue]
        self._venue = venue
        self._digits, self._scale = UNITS[unit]
        self._earliest, self._latest = -(-span[0] // self._scale), span[1] // self._scale
        self._only_symbol = only_symbol
        self._table = np.zeros((max(16, len(symbols)), scanner.SYMBOL_BYTES), np.uint8)
        self._lengths = np.zeros(len(self._table), np.int64)
        self._clocks = clocks or Clocks()
        self._last_receive = NO_TIME
        self._buffers: Columns | None = None
        self._room = 0
        self._complete = True
        self.account = Account()
        self.instruments = []
        self.point: Point | None = None
        for symbol in symbols:
            self._index(symbol)

    @property
    def end(self) -> End:
        """How the file ended, once all chunks have been taken."""
        return self._reader.end

    @property
    def shortcoming(self) -> str | None:
        """Why the file counts as truncated, None when it is whole; once all has been taken."""
        if self.end.truncated:
            return self.end.reason
        return None if self._complete else "the last line has no end"

    @property
    def clock_skew(self) -> int | None:
        """Smallest receive − exchange time seen, ns."""
        return self._clocks.smallest_difference

    @property
    def last_receive(self) -> int | None:
        """Latest receive time of a message decoded, ns."""
        return None if self._last_receive == NO_TIME else self._last_receive

    @property
    def last_available(self) -> int | None:
        """The last `available_at`, ns."""
        return self._clocks.last_available

    def __iter__(self) -> Iterator[Chunk]:
        return ahead(self._chunks(), "decode", 2)

    def _chunks(self) -> Iterator[Chunk]:
        offset = self._reader.start
        for block in self._reader:
            yield self._chunk(block)
            offset = block.first_offset + block.text_bytes
        if self.point is None:
            self.point = Point(offset, self.account.lines_read, self.state())

    def go_on(self, point: Point) -> None:
        """Begin where a decoder of the first part of the capture has ended; before the first
        chunk is taken.
        """
        held = self.instruments
        self.restore(point.state)
        known, self.instruments = self.instruments, held  # the list that others have been given
        for name in known:
            self._index(name.partition(":")[2])
        self._reader.start = point.offset

    def _index(self, symbol: str) -> int:
        instrument = f"{self._venue}:{symbol}"
        if instrument in self.instruments:
            return self.instruments.index(instrument)
        position = len(self.instruments)
        if position == len(self._table):
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
            self._lengths = np.concatenate([self._lengths, np.zeros_like(self._lengths)])
        text = symbol.encode()
        self._table[position, : len(text)] = np.frombuffer(text, np.uint8)
        self._lengths[position] = len(text)
        self.instruments.append(instrument)
        return position

    def _chunk(self, block: Block) -> Chunk:
        data = block.data if block.long_line is None else b""
        size = len(data)
        if self._buffers is None or size > self._room:
            self._room = max(size, 3 << 20)
            self._buffers = allocate(self._room)
        out = self._buffers
        out.used[:] = 0
        # an incomplete last line is no line: it is quarantined, never scanned
        whole = size if data.endswith(b"\n") else data.rfind(b"\n") + 1
        # the scanner may look at the byte past the last newline: bytes end with a zero
        text = np.frombuffer(data, np.uint8)
        place = 0
        while place < whole:
            status, place = scanner.scan(
                text, place, whole, self._market, self._digits, self._scale, self._earliest,
                self._latest, self._table, self._lengths, len(self.instruments), out,
            )  # fmt: skip
            if status == scanner.FULL:
                raise RuntimeError("scanner buffers are too small for a block")
            if status == scanner.NEW_SYMBOL:
                line = data[place : data.index(b"\n", place)]
                found = binance.parse(line.partition(b" ")[2], self._market)
                if not isinstance(found, Decoded) or found.symbol is None:
                    raise RuntimeError("the scanner and the parser disagree on a line")
                self._index(found.symbol)
        return self._assemble(block, data, whole, out)

    def _assemble(self, block: Block, data: bytes, whole: int, out: Columns) -> Chunk:
        count = int(out.used[0])
        account = self.account
        first_line = account.lines_read + 1
        bad: list[BadLine] = []
        extra: list[tuple[int, Decoded]] = []
        kind = out.kind[:count].copy()
        symbol, receive = out.symbol[:count], out.receive[:count]
        exchange, transaction = out.exchange[:count], out.transaction[:count]
        for k in np.flatnonzero(kind == scanner.KIND_OTHER):
            start, length = int(out.offset[k]), int(out.length[k])
            line = data[start : start + length].rstrip(b"\r\n")
            try:
                received, found = self._slow(line)
            except Rejected as error:
                bad.append(
                    bad_line(
                        first_line + int(k),
                        block.first_offset + start,
                        line,
                        error.reason,
                        error.detail,
                    )
                )
                continue
            if isinstance(found, Ignored):
                account.ignored[found.rule] += 1
                continue
            account.unknown_fields.update(found.unknown_fields)
            kind[k] = found.kind
            symbol[k] = self._index(found.symbol or self._only_symbol or "")
            receive[k] = received
            exchange[k] = NO_TIME if found.exchange is None else found.exchange * 1_000_000
            transaction[k] = NO_TIME if found.transaction is None else found.transaction * 1_000_000
            extra.append((int(k), found))
        for code, name in KIND_NAMES.items():
            if found_of_kind := int(np.count_nonzero(kind == code)):
                account.decoded[name] += found_of_kind
        if blank := int(np.count_nonzero(kind == scanner.KIND_BLANK)):
            account.ignored["blank_line"] += blank
        account.lines_read += int(count_newlines(np.frombuffer(data, np.uint8), whole))
        used = (kind != scanner.KIND_OTHER) & (kind != scanner.KIND_BLANK)
        rows = np.flatnonzero(used) if len(extra) < count and not used.all() else slice(None)
        kind = kind[rows]
        columns = [c[rows] for c in (symbol, receive, exchange, transaction)]
        event, source, available = self._clocks.read(columns[1], columns[2], columns[3], columns[0])
        self._last_receive = max(self._last_receive, int(columns[1].max(initial=NO_TIME)))
        lines = np.arange(first_line, first_line + count, dtype=np.int64)[rows]
        times = Times(
            columns[0], lines, columns[2], columns[3], columns[1], event, source, available
        )
        position = np.arange(count)[rows]
        account.quarantined.update(item.reason for item in bad)
        rest = block.text_bytes
        if block.long_line is not None or whole < len(data):
            account.text_bytes += whole
            rest -= whole
            if not block.ended:  # a longer version of the file may go on in the midst of this line
                self.point = Point(block.first_offset + whole, account.lines_read, self.state())
            account.lines_read += 1
            bad.append(self._unscanned(block, whole))
            account.quarantined[bad[-1].reason] += 1
        account.text_bytes += rest
        self._complete = block.ended
        return Chunk(
            books=books_of(kind, times, position, out, extra),
            quotes=quotes_of(kind, times, position, out, extra),
            trades=trades_of(kind, times, position, out, extra),
            marks=marks_of(kind, times, extra, position),
            bad_lines=bad,
            compressed_bytes=block.compressed_bytes,
            text_bytes=block.text_bytes,
        )

    def _slow(self, line: bytes) -> tuple[int, Decoded | Ignored]:
        head, _, payload = line.partition(b" ")
        if not head.isdigit():
            raise Rejected("no_receive_time", f"the line begins with {head[:40]!r}")
        if len(head) != self._digits:
            raise Rejected(
                "receive_time_unit", f"{len(head)} digits where the file has {self._digits}"
            )
        if not self._earliest <= int(head) <= self._latest:
            raise Rejected("receive_time_out_of_span", f"{head.decode()} is not of the days about")
        received = int(head) * self._scale
        found = binance.parse(payload, self._market)
        if isinstance(found, Decoded):
            for name, time in (("E", found.exchange), ("T", found.transaction)):
                if time is not None and abs(time - received // 1_000_000) > scanner.FAR_MS:
                    seconds = time / 1_000 - received / 1e9
                    raise Rejected(
                        "far_from_receipt", f"{name} is {seconds:+.0f} s from the receive time"
                    )
        alone = self._only_symbol is not None and len(self.instruments) <= 1
        if isinstance(found, Decoded) and found.symbol is None and not alone:
            raise Rejected(
                "snapshot_without_symbol",
                "the capture holds several instruments and the snapshot names none",
            )
        return received, found

    def _unscanned(self, block: Block, whole: int) -> BadLine:
        """What stands at a block's end and is no line: cut short, or too long."""
        line, long = self.account.lines_read, block.long_line
        if long is None:
            rest = block.data[whole:]
            detail = f"{len(rest)} bytes without a newline"
            return bad_line(line, block.first_offset + whole, rest, "incomplete_line", detail)
        found = bad_line(
            line, block.first_offset, block.data, "line_too_long",
            f"{long.size} bytes, more than {LONGEST_LINE}",
        )  # fmt: skip
        return replace(found, byte_length=long.size, text_sha256=long.sha256)
