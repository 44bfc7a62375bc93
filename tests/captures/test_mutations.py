"""Lines of every venue with bytes changed: nothing crashes, and each line has its place (F21)."""

import hashlib
import io
import random
from itertools import accumulate

import pytest
import zstandard

from tests.captures.mutations import mutated
from tests.captures.whole import decode

LINES = 20_000
MANY = 1_000_000
SHORT, LONG = 4096, 65_536
"""Of lines longer than that a tenth and none is mutated: those are snapshots the others need."""


def recording(path):
    """Lines of a recording, its header first."""
    with zstandard.open(path, "rb") as file:
        return file.read().splitlines(keepends=True)


def spoilt(lines, count, seed):
    """The recording again and again, half of its lines mutated; `count` lines and the header."""
    rng = random.Random(seed)
    found = [lines[0]]
    while len(found) <= count:
        for one in lines[1 : count + 2 - len(found)]:
            spoil = len(one) <= LONG and rng.random() < (0.5 if len(one) <= SHORT else 0.1)
            text = mutated(rng, one) if spoil else one
            found.append(text if text.endswith(b"\n") else text + b"\n")
    return b"".join(found)


def check(path, text):
    """Decode what was spoilt; returns the lines in quarantine."""
    path.write_bytes(text)
    found = decode(path)  # which asserts that decoded + ignored + quarantined = lines
    assert found.lines == text.count(b"\n")
    assert len(found.bad) == sum(found.quarantined.values())
    starts = list(accumulate(map(len, io.BytesIO(text)), initial=0))
    for one in found.bad:
        stood = text[one.byte_offset : one.byte_offset + one.byte_length]
        assert one.text_sha256 == hashlib.sha256(stood).hexdigest()
        assert one.byte_offset == starts[one.line - 1]
        assert one.reason
        assert one.detail
    return len(found.bad)


def all_venues(shared, tmp_path, lines):
    paths = sorted((shared / "captures/cryptofeed/v3").glob("*.zst"))
    assert len(paths) == 26
    share = -(-lines // len(paths))
    return sum(
        check(tmp_path / path.name.removesuffix(".zst"),
              spoilt(recording(path), share, f"mutations of {path.name}"))
        for path in paths
    )


def test_mutated_lines_of_every_venue_are_accounted_for(shared, tmp_path):
    assert all_venues(shared, tmp_path, LINES) > LINES // 10


@pytest.mark.slow
def test_a_million_mutated_lines_of_every_venue(shared, tmp_path):
    assert all_venues(shared, tmp_path, MANY) > MANY // 10
