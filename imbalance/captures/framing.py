"""How the bytes of a capture become blocks of whole lines: decompression, checks, limits.

Compression is told by content. Gzip members are checked by their CRC; what follows the last
member, a member cut short and a wrong checksum are told apart. No message is understood here.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isal import isal_zlib

from imbalance.captures.ahead import ahead

BLOCK_BYTES = 2 << 20
"""Text handed on at a time."""

READ_BYTES = 128 << 10
"""Compressed bytes taken from the file at a time."""

LONGEST_LINE = 16 << 20
"""A longer line is cut out and quarantined: memory stays bounded whatever a file holds."""

KEPT_OF_LONG_LINE = 1024
"""Bytes of such a line which are shown."""

GZIP_MAGIC = b"\x1f\x8b"


class ChecksumError(Exception):
    """A gzip member's checksum or structure is wrong; carries the reason."""


@dataclass(frozen=True)
class End:
    """How a file ended. `sha256` is over the file's bytes as stored."""

    sha256: str
    truncated: bool
    reason: str | None


@dataclass(frozen=True)
class LongLine:
    """A line of which only the start was kept: its size and SHA-256 without the newline."""

    size: int
    sha256: str
    ended: bool


@dataclass(frozen=True)
class Block:
    """Whole lines (all ending in a newline, but for the last block of a file)."""

    data: bytes
    first_offset: int
    """Offset of the first byte in the uncompressed text."""
    compressed_bytes: int
    """Bytes of the file read since the block before."""
    long_line: LongLine | None = None
    """Set where the block is the start of one line longer than `LONGEST_LINE`."""

    @property
    def text_bytes(self) -> int:
        """Bytes of text that the block stands for, its newlines included."""
        if self.long_line is None:
            return len(self.data)
        return self.long_line.size + self.long_line.ended

    @property
    def ended(self) -> bool:
        """Whether a newline ends the block's last line."""
        return self.data.endswith(b"\n") if self.long_line is None else self.long_line.ended


def compression_of(path: Path) -> str:
    """`gzip` or `none`, by the file's first bytes."""
    with path.open("rb") as file:
        return "gzip" if file.read(2) == GZIP_MAGIC else "none"


class CaptureReader:
    """Reads a capture as blocks of whole lines, inflating in a thread of its own.

    Iterate over it once; afterwards `end` tells how the file ended. A wrong checksum raises
    `ChecksumError` when it is met, after blocks of the same member were handed out: callers that
    must not use any of them check first (`verify`).
    """

    def __init__(self, path: Path, *, threaded: bool = True) -> None:
        self._path = path
        self._threaded = threaded
        self._end: End | None = None
        self._compressed = 0

    @property
    def end(self) -> End:
        """How the file ended; RuntimeError before it has been read."""
        if self._end is None:
            raise RuntimeError("the capture has not been read to its end")
        return self._end

    def __iter__(self) -> Iterator[Block]:
        blocks = _lines(_gathered(self._pieces()))
        return ahead(blocks, "inflate", 8) if self._threaded else blocks

    def _pieces(self) -> Iterator[tuple[bytes, int]]:
        digest = hashlib.sha256()
        truncated, reason = False, None
        with self._path.open("rb", buffering=0) as file:
            head = file.read(READ_BYTES)
            digest.update(head)
            if head[:2] == GZIP_MAGIC:
                state = _Inflate()
                data = head
                while data:
                    read = len(data)
                    for text in state.feed(data):
                        yield text, read
                        read = 0
                    data = file.read(READ_BYTES)
                    digest.update(data)
                truncated, reason = state.finish()
                if state.cut_at is not None:
                    yield from _held_back(file, *state.cut_at)
            else:
                while head:
                    yield head, len(head)
                    head = file.read(BLOCK_BYTES)
                    digest.update(head)
        self._end = End(digest.hexdigest(), truncated, reason)


def _held_back(file: Any, start: int, done: int) -> Iterator[tuple[bytes, int]]:
    """Text of a member cut short, from `done` bytes on: isal keeps back a last symbol which it
    cannot look beyond, zlib does not, and that symbol may be a newline.
    """
    file.seek(start)
    member = zlib.decompressobj(wbits=31)
    seen = 0
    try:
        while data := member.unconsumed_tail or file.read(READ_BYTES):
            text = member.decompress(data, BLOCK_BYTES)
            yield text[max(done - seen, 0) :], 0
            seen += len(text)
        yield member.flush()[max(done - seen, 0) :], 0
    except zlib.error as error:
        raise ChecksumError(str(error)) from None


class _Inflate:
    """Gzip members one after another, every checksum tested."""

    def __init__(self) -> None:
        self._member = isal_zlib.decompressobj(wbits=31)
        self._fresh = True
        self._members = 0
        self._garbage = False
        self._fed = 0
        self._start = self._done = 0

    @property
    def cut_at(self) -> tuple[int, int] | None:
        """Of a last member cut short: where it starts in the file, and the bytes of text had."""
        return None if self._fresh or self._garbage else (self._start, self._done)

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._fed += len(data)
        while data and not self._garbage:
            if self._fresh and self._members:
                data = data.lstrip(b"\0")
                if not data:
                    return
                if not GZIP_MAGIC.startswith(data[:2]):
                    self._garbage = True
                    return
            if self._fresh:
                self._start, self._done = self._fed - len(data), 0
            self._fresh = False
            try:
                while True:
                    text = self._member.decompress(data, BLOCK_BYTES)
                    self._done += len(text)
                    yield text
                    data = self._member.unconsumed_tail
                    if self._member.eof or not data:
                        break
            except isal_zlib.error as error:
                raise ChecksumError(str(error)) from None
            if not self._member.eof:
                return
            data = self._member.unused_data
            self._member = isal_zlib.decompressobj(wbits=31)
            self._fresh = True
            self._members += 1

    def finish(self) -> tuple[bool, str | None]:
        if self._garbage:
            return True, "bytes after the last gzip member are no gzip data"
        if not self._fresh or not self._members:
            return True, "the last gzip member is cut short"
        return False, None


def _gathered(pieces: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """The same text in fewer, larger pieces."""
    gathered: list[bytes] = []
    size = compressed = 0
    try:
        for text, read in pieces:
            gathered.append(text)
            size += len(text)
            compressed += read
            if size >= BLOCK_BYTES // 2:
                yield b"".join(gathered), compressed
                gathered, size, compressed = [], 0, 0
    except ChecksumError:
        if gathered:
            yield b"".join(gathered), compressed
        raise
    if gathered:
        yield b"".join(gathered), compressed


def _lines(pieces: Iterator[tuple[bytes, int]]) -> Iterator[Block]:
    """Cut pieces at newlines; a line beyond `LONGEST_LINE` becomes a block of its own."""
    carried = b""
    offset = compressed = 0
    long: _LongLine | None = None
    for text, read in pieces:
        compressed += read
        if long is not None:
            cut = text.find(b"\n")
            long.add(text if cut < 0 else text[:cut])
            if cut < 0:
                continue
            block = long.block(offset, compressed, ended=True)
            yield block
            offset += block.text_bytes
            compressed = 0
            long = None
            text = text[cut + 1 :]
        cut = text.rfind(b"\n") + 1
        if not cut:
            carried += text
            if len(carried) > LONGEST_LINE:
                long = _LongLine(carried)
                carried = b""
            continue
        data = b"".join((carried, memoryview(text)[:cut]))
        carried = text[cut:]
        yield Block(data, offset, compressed)
        compressed = 0
        offset += len(data)
    if long is not None:
        yield long.block(offset, compressed, ended=False)
    elif carried:
        yield Block(carried, offset, compressed)


class _LongLine:
    """A line while it is dropped: what is kept of it."""

    def __init__(self, start: bytes) -> None:
        self._kept = start[:KEPT_OF_LONG_LINE]
        self._size = len(start)
        self._digest = hashlib.sha256(start)

    def add(self, text: bytes) -> None:
        self._size += len(text)
        self._digest.update(text)

    def block(self, offset: int, compressed: int, *, ended: bool) -> Block:
        line = LongLine(self._size, self._digest.hexdigest(), ended)
        return Block(self._kept, offset, compressed, line)
