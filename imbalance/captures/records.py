"""Records of recorded connections: which bytes came or went, when, on which connection.

Two encodings of the same recorder are read: JSON lines with a header (`cryptofeed-records`), and
the older text lines (`cryptofeed-lines`) with a configuration line, where binary frames stand as
Python literals. What a message means is the business of `venues`.
"""

from __future__ import annotations

import ast
import base64
import gzip
import re
import zlib
from typing import Literal

import msgspec

from imbalance.captures.events import Ignored, Rejected
from imbalance.captures.kept import Keeps

RecordKind = Literal["recv", "send", "connect", "http"]

LAST_SECOND = 2**63 // 10**9 - 1_000
"""Seconds beyond which times in ns have no room in 64 bits."""

LARGEST_FRAME = 64 << 20
"""Bytes a compressed frame may inflate to."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One thing a recorder wrote down.

    `payload` is the message as bytes, a compressed frame inflated. `address` is the URL of a
    request or a connection. `receive_time` is in ns by the recorder's clock.
    """

    kind: RecordKind
    connection: str
    address: str
    receive_time: int
    payload: bytes


class _Line(msgspec.Struct, gc=False):
    t: str
    conn: str = ""
    ts: msgspec.Raw = msgspec.Raw(b"")
    addr: str = ""
    url: str = ""
    data: str | None = None
    b64: str | None = None


_line = msgspec.json.Decoder(_Line).decode
_KINDS: dict[str, RecordKind] = {
    "recv": "recv", "send": "send", "connect": "connect", "http": "http",
}
_LEGACY = re.compile(
    rb"^(?:(?P<address>[a-z]+://\S+) (?P<arrow><->|<-|->) )?(?P<time>\d{9,11}(?:\.\d+)?)"
    rb"(?:: (?P<payload>.*))?$",
    re.DOTALL,
)


def nanoseconds(text: bytes) -> int:
    """Seconds with a decimal fraction as whole nanoseconds, digit by digit.

    Raises
    ------
    Rejected
        If the text is no such number.
    """
    whole, point, fraction = text.partition(b".")
    decimals = not point or (len(whole) <= 11 and fraction.isdigit())
    if len(whole) < 9 or not whole.isdigit() or not decimals:
        raise Rejected("no_receive_time", f"{text[:40]!r} is no time in seconds")
    seconds = int(whole[:11])
    if seconds >= LAST_SECOND:
        raise Rejected("no_receive_time", f"{text[:40]!r} is no time of 64 bits")
    return seconds * 1_000_000_000 + int(fraction[:9].ljust(9, b"0"))


def inflated(payload: bytes) -> bytes:
    """The text of a binary frame: gzip, raw deflate, or text as it is.

    Raises
    ------
    Rejected
        If it cannot be inflated, or inflates to more than `LARGEST_FRAME`.
    """
    if payload[:1] in (b"{", b"["):
        return payload
    try:
        if payload[:2] == b"\x1f\x8b":
            member = zlib.decompressobj(wbits=31)
        else:
            member = zlib.decompressobj(wbits=-15)
        text = member.decompress(payload, LARGEST_FRAME)
    except (zlib.error, gzip.BadGzipFile) as error:
        raise Rejected("bad_frame", f"a binary frame that cannot be inflated: {error}") from None
    if member.unconsumed_tail:
        raise Rejected("bad_frame", f"a binary frame of more than {LARGEST_FRAME} bytes")
    return text


def parse_record(line: bytes) -> Record | Ignored:
    """One line of `cryptofeed-records`.

    Raises
    ------
    Rejected
        With a named reason.
    """
    try:
        found = _line(line)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Rejected("not_a_record", str(error)) from None
    if found.t == "header":
        return Ignored("header")
    kind = _KINDS.get(found.t)
    if kind is None:
        raise Rejected("unknown_record", f"t = {found.t!r}")
    payload = b""
    if found.data is not None:
        payload = found.data.encode("utf-8", "surrogatepass")
    elif found.b64 is not None:
        try:
            payload = inflated(base64.b64decode(found.b64, validate=True))
        except ValueError as error:  # what is no base64, or no ASCII
            raise Rejected("bad_frame", f"b64: {error}") from None
    return Record(
        kind, found.conn, found.addr or found.url, nanoseconds(bytes(found.ts)), payload
    )


class JsonRecords(Keeps):
    """Lines of `cryptofeed-records` of one file, each of which says all of itself."""

    address = ""
    parse = staticmethod(parse_record)


class LegacyLines(Keeps):
    """Lines of `cryptofeed-lines` of one file, which carry the address on some lines only."""

    _address: str

    def __init__(self) -> None:
        self._address = ""

    @property
    def address(self) -> str:
        """What lines without an address are of."""
        return self._address

    @staticmethod
    def begins(line: bytes) -> bool:
        """Whether a file of such lines may begin with this one."""
        found = _LEGACY.match(line)
        return found is not None and found["arrow"] is not None

    def parse(self, line: bytes) -> Record | Ignored:
        """One line.

        Raises
        ------
        Rejected
            With a named reason.
        """
        if line.startswith(b"configuration: "):
            return Ignored("header")
        found = _LEGACY.match(line)
        if found is None:
            raise Rejected("not_a_record", f"the line begins with {line[:40]!r}")
        received = nanoseconds(found["time"])
        arrow, payload = found["arrow"], found["payload"] or b""
        if arrow is not None:
            self._address = found["address"].decode("utf-8", "replace")
        kind: RecordKind = "recv"
        if arrow == b"<->":
            kind = "connect"
        elif arrow == b"<-":
            kind = "send"
        elif arrow == b"->":
            kind = "http"
        if payload[:2] in (b"b'", b'b"'):
            payload = inflated(_literal(payload))
        return Record(kind, self._address, self._address, received, payload)


def _literal(text: bytes) -> bytes:
    try:
        value = ast.literal_eval(text.decode("ascii"))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise Rejected("bad_frame", "a frame that is no Python bytes literal") from None
    if not isinstance(value, bytes):
        raise Rejected("bad_frame", "a frame that is no Python bytes literal")
    return value


