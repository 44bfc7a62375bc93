"""How the bytes of a capture become blocks of whole lines: checks, limits, pieces put together.

Compression is told by content (`compression`). Gzip members are checked by their CRC; what follows
the last member, a member cut short and a wrong checksum are told apart. No message is understood
here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from imbalance.beside import Beside, ahead
from imbalance.captures.compression import (
    BLOCK_BYTES,
    READ_BYTES,
    Bound,
    ChecksumError,
    compression_of_bytes,
    inflater,
    zip_text,
)

LONGEST_LINE = 16 << 20
"""A longer line is cut out and quarantined: memory stays bounded whatever a file holds."""

KEPT_OF_LONG_LINE = 1024
"""Bytes of such a line which are shown."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""May stand before the text, and is none of it."""

_READS_HASHED_TOGETHER = 16
"""Reads of a file that are handed together to the thread which hashes them."""

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
    """Whole lines (all ending in a newline, but for the last block of a file).

    In pieces as they were inflated: who only looks at the ends of blocks need not have them put
    together.
    """

    pieces: tuple[bytes | memoryview, ...]
    first_offset: int
    """Offset of the first byte in the uncompressed text."""
    compressed_bytes: int
    """Bytes of the file read since the block before."""
    long_line: LongLine | None = None
    """Set where the block is the start of one line longer than `LONGEST_LINE`."""

    @cached_property
    def data(self) -> bytes:
        """The text in one piece."""
        return b"".join(self.pieces)

    @property
    def text_bytes(self) -> int:
        """Bytes of text that the block stands for, its newlines included."""
        if self.long_line is None:
            return sum(map(len, self.pieces))
        return self.long_line.size + self.long_line.ended

    @property
    def ended(self) -> bool:
        """Whether a newline ends the block's last line."""
        if self.long_line is None:
            return bool(self.pieces) and self.pieces[-1][-1:] == b"\n"
        return self.long_line.ended


class _Digest:
    """SHA-256 of a file as it is read, made in a thread beside: a fifth of what inflating takes.

    A context; `hexdigest` waits for all that was given.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._beside = Beside("hash", 1)
        self._held: list[bytes] = []
        self.size = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self.size += len(data)
        self._held.append(data)
        if len(self._held) == _READS_HASHED_TOGETHER:
            self._beside.do(self._hash, self._held)
            self._held = []

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        self._beside.finish()
        self._hash(self._held)
        self._held = []
        return self._digest.hexdigest()

    def _hash(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._digest.update(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.end()


class CaptureReader:
    """Reads a capture as blocks of whole lines, inflating in a thread of its own. `member` names
    the file to read of an archive that holds several. From `start` on, a place in the text, blocks
    are handed out; what comes before it is inflated and checked all the same.

    Iterate over it once; afterwards `end` tells how the file ended. A wrong checksum raises
    `ChecksumError` when it is met, after blocks of the same member were handed out: callers that
    must not use any of them check first (`verify`).
    """

    def __init__(self, path: Path, *, threaded: bool = True, member: str | None = None) -> None:
        self._path = path
        self._member = member
        self._threaded = threaded
        self._end: End | None = None
        self.start = 0
        self.size = 0
        """Bytes of the file, of which `end` has the hash: it may have grown since."""

    @property
    def end(self) -> End:
        """How the file ended; RuntimeError before it has been read."""
        if self._end is None:
            raise RuntimeError("the capture has not been read to its end")
        return self._end

    def __iter__(self) -> Iterator[Block]:
        blocks = _lines(_gathered(self._pieces()), self.start)
        return ahead(blocks, "inflate", 2) if self._threaded else blocks

    def _pieces(self) -> Iterator[tuple[bytes, int]]:
        truncated, reason = False, None
        with _Digest() as digest, self._path.open("rb", buffering=0) as file:
            head = file.read(READ_BYTES)
            digest.update(head)
            kind = compression_of_bytes(head)
            if kind == "none":
                while head:
                    yield head, len(head)
                    head = file.read(BLOCK_BYTES)
                    digest.update(head)
            elif kind == "zip":
                while data := file.read(READ_BYTES):
                    digest.update(data)
                yield from zip_text(self._path, self._member)
            else:
                state = inflater(kind)
                bound = Bound(self._path)
                data = head
                while data:
                    read = len(data)
                    for text in state.feed(data):
                        bound.check(len(text), read)
                        yield text, read
                        read = 0
                    data = file.read(READ_BYTES)
                    digest.update(data)
                truncated, reason = state.finish()
                for text in state.held_back(file):
                    yield text, 0
            self._end = End(digest.hexdigest(), truncated, reason)
            self.size = digest.size


def _gathered(pieces: Iterator[tuple[bytes, int]]) -> Iterator[tuple[list[bytes], int]]:
    """The same pieces, as many together as make a block."""
    gathered: list[bytes] = []
    size = compressed = 0
    try:
        for text, read in pieces:
            gathered.append(text)
            size += len(text)
            compressed += read
            if size >= BLOCK_BYTES:
                yield gathered, compressed
                gathered, size, compressed = [], 0, 0
    except ChecksumError:
        if gathered:
            yield gathered, compressed
        raise
    if gathered:
        yield gathered, compressed


def _lines(gathered: Iterator[tuple[list[bytes], int]], start: int) -> Iterator[Block]:
    """Cut text at newlines, from a place on; a line beyond `LONGEST_LINE` becomes a block of its
    own.
    """
    carried: list[bytes] = []
    held = offset = compressed = 0
    long: _LongLine | None = None
    for k, (pieces, read) in enumerate(gathered):
        compressed += read
        if not k:
            pieces, offset = _unmarked(pieces)
        if offset < start:
            pieces, offset = _from(pieces, offset, start)
            if not pieces:
                continue
        if long is not None:
            text = b"".join(pieces)
            cut = text.find(b"\n")
            long.add(text if cut < 0 else text[:cut])
            if cut < 0:
                continue
            block = long.block(offset, compressed, ended=True)
            yield block
            offset += block.text_bytes
            compressed = 0
            long = None
            pieces = [text[cut + 1 :]]
        *before, last = pieces
        cut = last.rfind(b"\n") + 1
        if before and not cut:
            before, last = [], b"".join(pieces)
            cut = last.rfind(b"\n") + 1
        if not cut:
            # never put together until it ends: a line without end would be copied with every block
            carried.append(last)
            held += len(last)
            if held > LONGEST_LINE:
                long = _LongLine(carried)
                carried, held = [], 0
            continue
        block = Block((*carried, *before, memoryview(last)[:cut]), offset, compressed)
        carried, held = [last[cut:]], len(last) - cut
        yield block
        compressed = 0
        offset += block.text_bytes
    if long is not None:
        yield long.block(offset, compressed, ended=False)
    elif held:
        yield Block(tuple(carried), offset, compressed)


def _unmarked(pieces: list[bytes]) -> tuple[list[bytes], int]:
    """The first pieces of a text without a byte order mark, and where they begin."""
    start, used = b"", 0
    while used < len(pieces) and len(start) < len(_BYTE_ORDER_MARK):
        start += pieces[used]
        used += 1
    if not start.startswith(_BYTE_ORDER_MARK):
        return pieces, 0
    return [start[len(_BYTE_ORDER_MARK) :], *pieces[used:]], len(_BYTE_ORDER_MARK)


def _from(pieces: list[bytes], offset: int, start: int) -> tuple[list[bytes], int]:
    """Pieces of a text from a place on, the first of which is at `offset`, and where they begin."""
    for used, piece in enumerate(pieces):
        if offset + len(piece) > start:
            return [piece[start - offset :], *pieces[used + 1 :]], start
        offset += len(piece)
    return [], offset


class _LongLine:
    """A line while it is dropped: what is kept of it."""

    def __init__(self, start: list[bytes]) -> None:
        self._kept = b""
        self._size = 0
        self._digest = hashlib.sha256()
        for text in start:
            self.add(text)

    def add(self, text: bytes) -> None:
        self._kept += text[: KEPT_OF_LONG_LINE - len(self._kept)]
        self._size += len(text)
        self._digest.update(text)

    def block(self, offset: int, compressed: int, *, ended: bool) -> Block:
        line = LongLine(self._size, self._digest.hexdigest(), ended)
        return Block((self._kept,), offset, compressed, line)
