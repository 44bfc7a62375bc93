"""Compressed captures as text: gzip, zstd, xz and zip, told by content, checked, with limits.

What is checked is what the format has: gzip and zip a CRC, xz a CRC or a hash, zstd a checksum
where the frame carries one. Beyond that stands the SHA-256 under which a capture is registered.
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from isal import isal_zlib

BLOCK_BYTES = 4 << 20
"""Text handed on at a time: enough of it that what a block costs whatever its size is small."""

READ_BYTES = 64 << 10
"""Compressed bytes taken from the file at a time: their text stays in the cache."""

_ZSTD_BYTES = 256
"""Compressed bytes of zstd inflated at once: 128 KB of text take 4 of them at least, so that these
are 8 MB at most, held twice for a moment.
"""

LARGEST_RATIO = 400
"""Text per compressed byte beyond which a file is taken for a bomb, from `RATIO_FROM` on."""

RATIO_FROM = 48 << 20
MOST_MEMBERS = 1_000

XZ_MEMORY = 256 << 20
"""Bytes that inflating xz may take, whatever its header asks for."""

MAGIC = {
    "gzip": b"\x1f\x8b",
    "zstd": b"\x28\xb5\x2f\xfd",
    "xz": b"\xfd7zXZ\x00",
    "zip": b"PK\x03\x04",
}
COMPRESSIONS = (*MAGIC, "none")


class ChecksumError(Exception):
    """A checksum or the structure of compressed data is wrong; carries the reason."""


def compression_of_bytes(head: bytes) -> str:
    """One of `COMPRESSIONS`, by the first bytes of a file."""
    return next((name for name, magic in MAGIC.items() if head.startswith(magic)), "none")


def compression_of(path: Path) -> str:
    """The same of a file."""
    with path.open("rb") as file:
        return compression_of_bytes(file.read(8))


class Bound:
    """Refuses a file that inflates without measure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = self._read = 0

    def check(self, text: int, read: int) -> None:
        """Count bytes of text and of the file.

        Raises
        ------
        ChecksumError
            If the text is too much for the bytes it is from.
        """
        self._text += text
        self._read += read
        if self._text > RATIO_FROM and self._text > LARGEST_RATIO * max(self._read, 1):
            raise ChecksumError(
                f"inflates to more than {LARGEST_RATIO} times its size: not taken for a capture"
            )


class Inflater(Protocol):
    """Compressed bytes to text, piece by piece."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The text of the next bytes."""

    def finish(self) -> tuple[bool, str | None]:
        """Whether the data end too early, and how."""

    def held_back(self, file: Any) -> Iterator[bytes]:
        """Text that could have been had of data cut short, and was not."""


def inflater(kind: str) -> Inflater:
    """The inflater of a compression."""
    if kind == "gzip":
        return Gzip()
    if kind == "xz":
        return Xz()
    return Zstd()


class Gzip:
    """Gzip members one after another, every checksum tested."""

    def __init__(self) -> None:
        self._member = isal_zlib.decompressobj(wbits=31)
        self._fresh = True
        self._members = 0
        self._garbage = False
        self._fed = 0
        self._start = self._done = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._fed += len(data)
        while data and not self._garbage:
            if self._fresh and self._members:
                data = data.lstrip(b"\0")
                if not data:
                    return
                if not MAGIC["gzip"].startswith(data[:2]):
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

    def held_back(self, file: Any) -> Iterator[bytes]:
        """Isal keeps back a last symbol which it cannot look beyond, zlib does not, and that
        symbol may be a newline.
        """
        if self._fresh or self._garbage:
            return
        file.seek(self._start)
        member = zlib.decompressobj(wbits=31)
        seen, done = 0, self._done
        try:
            while data := member.unconsumed_tail or file.read(READ_BYTES):
                text = member.decompress(data, BLOCK_BYTES)
                yield text[max(done - seen, 0) :]
                seen += len(text)
            yield member.flush()[max(done - seen, 0) :]
        except zlib.error as error:
            raise ChecksumError(str(error)) from None


class Xz:
    """Streams of xz one after another, every check tested."""

    def __init__(self) -> None:
        self._stream = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
        self._fresh = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._fresh:
                data = data.lstrip(b"\0")  # streams may be padded
                if not data:
                    return
            self._fresh = False
            try:
                yield self._stream.decompress(data, BLOCK_BYTES)
                while not (self._stream.needs_input or self._stream.eof):
                    yield self._stream.decompress(b"", BLOCK_BYTES)
            except lzma.LZMAError as error:
                raise ChecksumError(str(error)) from None
            if not self._stream.eof:
                return
            data = self._stream.unused_data
            self._stream = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
            self._fresh = True

    def finish(self) -> tuple[bool, str | None]:
        return (False, None) if self._fresh else (True, "the last xz stream is cut short")

    def held_back(self, file: Any) -> Iterator[bytes]:  # noqa: ARG002 - xz keeps nothing back
        return iter(())


class Zstd:
    """Frames of zstd one after another; a frame's checksum is tested where it carries one."""

    def __init__(self) -> None:
        self._frame = self._new()
        self._fresh = True

    @staticmethod
    def _new() -> Any:
        import zstandard

        return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    def feed(self, data: bytes) -> Iterator[bytes]:
        import zstandard

        rest = memoryview(data)
        while rest:
            self._fresh = False
            # what a piece inflates to is handed out at once
            piece, rest = rest[:_ZSTD_BYTES], rest[_ZSTD_BYTES:]
            try:
                yield self._frame.decompress(piece)
            except zstandard.ZstdError as error:
                raise ChecksumError(str(error)) from None
            if self._frame.eof:
                rest = memoryview(self._frame.unused_data + bytes(rest))
                self._frame = self._new()
                self._fresh = True

    def finish(self) -> tuple[bool, str | None]:
        return (False, None) if self._fresh else (True, "the last zstd frame is cut short")

    def held_back(self, file: Any) -> Iterator[bytes]:  # noqa: ARG002 - zstd keeps nothing back
        return iter(())


def zip_members(path: Path) -> list[str]:
    """Names of the files in an archive, in its order; nothing is ever extracted to disk.

    Raises
    ------
    ChecksumError
        If it is no archive that can be read, or holds too many files.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ChecksumError(f"no archive that can be read: {error}") from None
    if len(files) > MOST_MEMBERS:
        raise ChecksumError(f"{len(files)} files in an archive, more than {MOST_MEMBERS}")
    return [info.filename for info in files]


def zip_text(path: Path, member: str | None) -> Iterator[tuple[bytes, int]]:
    """Text of a file in an archive, by name, or of the only one; with the bytes it is from.

    Raises
    ------
    ChecksumError
        If there is no such file, its CRC is wrong, or it inflates without measure.
    """
    names = zip_members(path)
    if member is None and len(names) != 1:
        raise ChecksumError(f"an archive of {len(names)} files, which are no capture together")
    bound = Bound(path)
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member or names[0]) as file:
            size = max(archive.getinfo(member or names[0]).compress_size, 1)
            rest = size
            while text := file.read(BLOCK_BYTES):
                bound.check(len(text), rest)
                yield text, rest
                rest = 0
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, KeyError, NotImplementedError,
            RuntimeError, ValueError, EOFError, OSError) as error:
        raise ChecksumError(f"the archive cannot be read: {error}") from None
