"""A long capture made of a short one: the same minutes again and again, as one unbroken recording.

Ids and times of repetition k are moved on by k times their span, so every chain of ids goes on and
no event comes twice. Where one repetition follows another stands one difference, which takes the
book from where it ended back to the snapshot it began with, and stands for that snapshot: each
repetition therefore rebuilds the same books, and best quotes agree with them as in the original.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib

GZIP_LEVEL = 7
"""Comes nearest to the size of the original."""

_FIELD = re.compile(rb'"(lastUpdateId|E|T|u|U|pu|t)":(\d+)')
_RECEIVE_DIGITS = 19
_MINUTES_BACK = 22 * 60 + 50
"""The original is from the end of its day. From one o'clock on there is room for 230 of it, and
none of it is near enough to midnight to be looked into for another day.
"""


@dataclass(frozen=True)
class Made:
    """What a made capture holds."""

    repetitions: int
    messages: int
    level_updates: int
    text_bytes: int
    file_bytes: int


class _Shiftable:
    """A text whose ids and times can be moved without parsing it again."""

    def __init__(self, text: bytes) -> None:
        self._text = np.frombuffer(text, np.uint8).copy()
        fields: dict[str, list[int]] = {"time": [], "update": [], "trade": []}
        for match in _FIELD.finditer(text):
            name = {b"E": "time", b"T": "time", b"t": "trade"}.get(match[1], "update")
            fields[name].append(match.start(2))
        breaks = np.flatnonzero(self._text == 10)
        fields["receive"] = [0, *(breaks[:-1] + 1).tolist()]
        self._fields = {}
        for name, starts in fields.items():
            at = np.array(starts)
            width = _digits(text, int(at[0]))
            places = at[:, None] + np.arange(width)
            digits = self._text[places].astype(np.int64) - 48
            assert ((digits >= 0) & (digits <= 9)).all(), f"{name}: not all of one width"
            self._fields[name] = places, digits @ 10 ** np.arange(width - 1, -1, -1)

    def shifted(self, milliseconds: int, updates: int, trades: int) -> bytes:
        """The text with its times, update ids and trade ids moved on."""
        moves = {"time": milliseconds, "receive": milliseconds * 1_000_000, "update": updates,
                 "trade": trades}  # fmt: skip
        text = self._text.copy()
        for name, (places, values) in self._fields.items():
            powers = 10 ** np.arange(places.shape[1] - 1, -1, -1)
            text[places] = (values + moves[name])[:, None] // powers % 10 + 48
        return text.tobytes()


def _digits(text: bytes, at: int) -> int:
    end = at
    while text[end : end + 1].isdigit():
        end += 1
    return end - at


@dataclass(frozen=True)
class _Parsed:
    """What has to be known of the original to continue it."""

    lines: list[bytes]
    payloads: list[dict[str, Any]]
    snapshot_at: int

    @classmethod
    def read(cls, text: bytes) -> _Parsed:
        lines = text.splitlines(keepends=True)
        messages = [json.loads(line[_RECEIVE_DIGITS + 1 :]) for line in lines]
        payloads = [message.get("data", message) for message in messages]
        (snapshot,) = [k for k, payload in enumerate(payloads) if "lastUpdateId" in payload]
        return cls(lines, payloads, snapshot)

    def differences(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for k, payload in enumerate(self.payloads):
            if payload.get("e") == "depthUpdate":
                yield k, payload

    def levels(self) -> int:
        snapshot = self.payloads[self.snapshot_at]
        return len(snapshot["bids"]) + len(snapshot["asks"]) + sum(
            len(payload["b"]) + len(payload["a"]) for _, payload in self.differences()
        )  # fmt: skip

    def span(self) -> tuple[int, int, int]:
        """How far a repetition moves times (ms), update ids and trade ids."""
        times = [p[key] for p in self.payloads for key in ("E", "T")]
        received = [int(line[:_RECEIVE_DIGITS]) for line in (self.lines[0], self.lines[-1])]
        longest = max(max(times) - min(times), (received[1] - received[0]) // 1_000_000)
        updates = [u for _, p in self.differences() for u in (p["U"], p["u"])]
        trades = [p["t"] for p in self.payloads if p.get("e") == "trade"]
        return (longest // 1000 + 1) * 1000, max(updates) - min(updates) + 1, (
            max(trades) - min(trades) + 1
        )  # fmt: skip

    def continued(self, updates: int) -> tuple[bytes, int]:
        """The text of a later repetition before its ids and times are moved, and its levels."""
        snapshot = self.payloads[self.snapshot_at]
        held = snapshot["lastUpdateId"]
        used = [(k, p) for k, p in self.differences() if p["u"] >= held]
        stale = {k for k, p in self.differences() if p["u"] < held}
        ended = used[-1][1]["u"] - updates
        seam = {"e": "depthUpdate", "E": snapshot["E"], "T": snapshot["T"],
                "s": self.payloads[0]["s"], "U": ended + 1, "u": held, "pu": ended}  # fmt: skip
        for side, name in (("b", "bids"), ("a", "asks")):
            opening = dict(snapshot[name])
            closing = dict(snapshot[name])
            for _, payload in used:
                closing.update(payload[side])
            gone = {price: "0.000" for price, size in closing.items() if price not in opening
                    and float(size)}  # fmt: skip
            seam[side] = sorted((gone | opening).items(), key=lambda level: float(level[0]))
        wrapped = {"stream": json.loads(self.lines[0][_RECEIVE_DIGITS + 1 :])["stream"],
                   "data": seam}  # fmt: skip
        text = json.dumps(wrapped, separators=(",", ":")).encode()
        first, payload = used[0]
        lines = []
        for k, line in enumerate(self.lines):
            if k in stale or k == self.snapshot_at:
                continue
            if k == first:
                lines.append(line[: _RECEIVE_DIGITS + 1] + text + b"\n")
                # the chain goes on from the seam, whose levels are those of the snapshot
                line = line.replace(b'"pu":%d' % payload["pu"], b'"pu":%d' % held)
            lines.append(line)
        count = len(seam["b"]) + len(seam["a"]) + sum(len(p["b"]) + len(p["a"]) for _, p in used)
        return b"".join(lines), count


def make(original: Path, target: Path, level_updates: int) -> Made:
    """Write a capture with at least that many level updates."""
    parsed = _Parsed.read(isal_zlib.decompress(original.read_bytes(), wbits=31))
    milliseconds, updates, trades = parsed.span()
    later, later_levels = parsed.continued(updates)
    first = b"".join(parsed.lines)
    repetitions = 1 + -(-(level_updates - parsed.levels()) // later_levels)
    back = -_MINUTES_BACK * 60_000
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
    texts = _Shiftable(later)
    with target.open("wb") as file:
        file.write(compressor.compress(_Shiftable(first).shifted(back, 0, 0)))
        for k in range(1, repetitions):
            text = texts.shifted(back + k * milliseconds, k * updates, k * trades)
            file.write(compressor.compress(text))
        file.write(compressor.flush())
    return Made(
        repetitions,
        len(parsed.lines) + (repetitions - 1) * later.count(b"\n"),
        parsed.levels() + (repetitions - 1) * later_levels,
        len(first) + (repetitions - 1) * len(later),
        target.stat().st_size,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("original", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("level_updates", type=int)
    given = parser.parse_args()
    made = make(given.original, given.target, given.level_updates)
    sys.stdout.write(json.dumps(vars(made)) + "\n")


if __name__ == "__main__":
    main()
