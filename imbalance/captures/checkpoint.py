"""Where the decoding of a capture has ended, so that a longer version of it is continued there.

A checkpoint is a file in the home, named by the capture it is of. Nothing depends on it: without
one, or with one that does not fit, a capture is decoded from its first line, to the same rows.
"""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import msgspec
import zstandard

from imbalance.captures.chunks import BadLine
from imbalance.captures.kept import from_bytes, to_bytes

_DIGEST_BYTES = 16


class Point(msgspec.Struct, frozen=True):
    """A place behind a whole line, and what a decoder is told to go on from there.

    Parameters
    ----------
    offset : of the line after it in the text, bytes.
    lines : lines before it of which all has been made that they say. Rows of later ones belong to
        a file that ends here, and are made again where it goes on.
    state : the decoder's.
    """

    offset: int
    lines: int
    state: bytes


class Told(msgspec.Struct, frozen=True):
    """What lines have said besides their rows: first and last event time, ns, None where there was
    no event; lines that could not be understood; the state of their `Latency`.
    """

    first: int | None
    last: int | None
    bad: list[BadLine]
    latency: bytes


class Checkpoint(msgspec.Struct, frozen=True):
    """How a capture was decoded, and to where.

    Parameters
    ----------
    read_as : stands for all that decided on its rows but its bytes and the next.
    skew : what its clocks began with, of the capture that it follows.
    sha256, size : of the file.
    point, told : what a longer version of it goes on from; None where it must begin anew.
    clock_skew, last_receive : of the whole capture.
    days : the entry of the ledger, by day, whose rows were made so.
    """

    read_as: str
    skew: int | None
    sha256: str
    size: int
    point: Point | None
    told: Told | None
    clock_skew: int | None
    last_receive: int | None
    days: dict[str, int] = {}

    @property
    def capture_id(self) -> str:
        """First 16 hex digits of the SHA-256 of the bytes."""
        return self.sha256[:16]

    def also(self, other: Checkpoint | None, day: str, entry: int) -> Checkpoint:
        """The same of one day more, and of those of another checkpoint of the capture if it was
        read in the same way.
        """
        alike = other is not None and (other.read_as, other.skew) == (self.read_as, self.skew)
        known = self.days | (other.days if other is not None and alike else {})
        return msgspec.structs.replace(self, days=known | {day: entry})


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Keep a checkpoint, in place of an earlier one of the same capture."""
    directory.mkdir(exist_ok=True)
    data = zstandard.compress(to_bytes(checkpoint), 1)
    path = directory / checkpoint.capture_id
    aside = path.with_suffix(f".{uuid.uuid4().hex}")
    aside.write_bytes(_digest(data) + data)
    aside.replace(path)


def read_checkpoint(directory: Path, capture_id: str) -> Checkpoint | None:
    """The checkpoint of a capture; None where there is none, or a damaged one."""
    try:
        data = (directory / capture_id).read_bytes()
    except OSError:
        return None
    digest, data = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if digest != _digest(data):
        return None
    try:
        return from_bytes(zstandard.decompress(data), Checkpoint)
    except ValueError:  # of another version
        return None


def remove_checkpoint(directory: Path, capture_id: str) -> None:
    """Drop the checkpoint of a capture that is continued no more."""
    (directory / capture_id).unlink(missing_ok=True)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()
