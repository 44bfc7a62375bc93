"""How the bytes of a capture become blocks of whole lines: decompression, checks, limits.

Compression is told by content. Gzip members are checked by their CRC; what follows the last
member, a member cut short and a wrong checksum are told apart. No message is understood here.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

BLOCK_BYTES = 2 << 20
"""Text handed on at a time."""

READ_BYTES = 128 << 10
"""Compressed bytes taken from the file at a time."""

LONGEST_LINE = 16 << 20
"""A longer line is cut out and quarantined: memory stays bounded whatever a file holds."""

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
class Block:
    """Whole lines (all ending in a newline, but for the last block of a file)."""

    data: bytes
    first_offset: int
    """Offset of the first byte in the uncompressed text."""
    compressed_bytes: int
    """Bytes of the file read since the block before."""
    too_long: bool = False
    """The block is the start of one line longer than `LONGEST_LINE`; the rest is dropped."""
    dropped: int = 0
    """Bytes of that line which were dropped."""


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
        pieces = self._pieces()
        return _lines(_threaded(pieces) if self._threaded else pieces)

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
            else:
                while head:
                    yield head, len(head)
                    head = file.read(BLOCK_BYTES)
                    digest.update(head)
        self._end = End(digest.hexdigest(), truncated, reason)


class _Inflate:
    """Gzip members one after another, every checksum tested."""

    def __init__(self) -> None:
        self._member = isal_zlib.decompressobj(wbits=31)
        self._fresh = True
        self._members = 0
        self._garbage = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data and not self._garbage:
            if self._fresh and self._members:
                data = data.lstrip(b"\0")
                if not data:
                    return
                if data[:1] != GZIP_MAGIC[:1]:
                    self._garbage = True
                    return
            self._fresh = False
            try:
                text = self._member.decompress(data, BLOCK_BYTES)
                yield text
                while not self._member.eof and self._member.unconsumed_tail:
                    yield self._member.decompress(self._member.unconsumed_tail, BLOCK_BYTES)
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


def _threaded(pieces: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """The same pieces, produced ahead of their use by another thread (inflate frees the lock)."""
    handed: queue.Queue[tuple[bytes, int] | BaseException | None] = queue.Queue(maxsize=8)
    stopped = threading.Event()

    def put(item: tuple[bytes, int] | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                handed.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        gathered: list[bytes] = []
        size = compressed = 0
        try:
            for text, read in pieces:
                gathered.append(text)
                size += len(text)
                compressed += read
                if size >= BLOCK_BYTES // 2:
                    if not put((b"".join(gathered), compressed)):
                        return
                    gathered, size, compressed = [], 0, 0
            if gathered and not put((b"".join(gathered), compressed)):
                return
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, raised there
            if gathered:
                put((b"".join(gathered), compressed))
            put(error)

    thread = threading.Thread(target=produce, name="inflate", daemon=True)
    thread.start()
    try:
        while (item := handed.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()


def _lines(pieces: Iterator[tuple[bytes, int]]) -> Iterator[Block]:
    """Cut pieces at newlines; a line beyond `LONGEST_LINE` becomes a block of its own."""
    carried = b""
    offset = compressed = 0
    skipped: Block | None = None
    for text, read in pieces:
        compressed += read
        if skipped is not None:
            cut = text.find(b"\n") + 1
            drop = cut or len(text)
            skipped = Block(skipped.data, skipped.first_offset, 0, True, skipped.dropped + drop)
            if not cut:
                continue
            offset += len(skipped.data) + skipped.dropped
            yield skipped
            skipped = None
            text = text[cut:]
        cut = text.rfind(b"\n") + 1
        if not cut:
            carried += text
            if len(carried) > LONGEST_LINE:
                skipped = Block(carried[:1024], offset, 0, True, len(carried) - 1024)
                carried = b""
            continue
        data = carried + text[:cut]
        carried = text[cut:]
        yield Block(data, offset, compressed)
        compressed = 0
        offset += len(data)
    if skipped is not None:
        yield skipped
    elif carried:
        yield Block(carried, offset, compressed)
