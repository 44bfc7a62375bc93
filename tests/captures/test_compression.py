"""Compressed captures: what is checked, what is cut short, what is refused before it does harm."""

import bz2
import gzip
import io
import json
import lzma
import os
import stat
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import zstandard

from imbalance.captures.compression import ChecksumError, compression_of, zip_members
from imbalance.captures.framing import CaptureReader
from imbalance.captures.probe import probe
from tests.captures.samples import SPOT, recording

TEXT = b"".join(recording(SPOT, 3_000))


def zipped(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def zstd(data, *, checksum=True):
    return zstandard.ZstdCompressor(write_checksum=checksum).compress(data)


PACKED = {
    "gzip": gzip.compress(TEXT, mtime=0), "xz": lzma.compress(TEXT), "zstd": zstd(TEXT),
    "zip": zipped(("a.jsonl", TEXT)), "none": TEXT,
}  # fmt: skip


def text_of(path):
    reader = CaptureReader(path)
    data = b"".join(block.data for block in reader)
    return data, reader.end


@pytest.mark.parametrize("kind", sorted(PACKED))
def test_text_comes_back_whole(tmp_path, kind):
    path = tmp_path / "a"
    path.write_bytes(PACKED[kind])
    assert compression_of(path) == kind
    data, end = text_of(path)
    assert data == TEXT
    assert (end.truncated, end.reason) == (False, None)


@pytest.mark.parametrize("kind", ["xz", "zstd"])
def test_frames_one_after_another_are_one_text(tmp_path, kind):
    path = tmp_path / "a"
    path.write_bytes(PACKED[kind] * 3)
    assert text_of(path)[0] == TEXT * 3


@pytest.mark.parametrize("kind", ["xz", "zstd"])
def test_what_is_cut_short_yields_its_beginning(tmp_path, kind):
    path = tmp_path / "a"
    for share in (0.2, 0.5, 0.9, 0.999):
        path.write_bytes(PACKED[kind][: int(len(PACKED[kind]) * share)])
        data, end = text_of(path)
        assert TEXT.startswith(data)
        assert end.truncated
        assert "cut short" in end.reason


@pytest.mark.parametrize("kind", ["xz", "zstd", "zip"])
def test_every_flipped_bit_is_caught_or_harmless(tmp_path, kind):
    rng = np.random.default_rng(3)
    path = tmp_path / "a"
    caught = 0
    for _ in range(150):
        data = bytearray(PACKED[kind])
        place = int(rng.integers(len(data)))
        data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            text, end = text_of(path)
        except ChecksumError:
            caught += 1
            continue
        # a header's bit that says nothing of the text, or one that ends it early
        assert text == TEXT or (end.truncated and TEXT.startswith(text)) or kind == "none"
    assert caught > 100


def test_a_frame_without_a_checksum_is_held_to_the_hash_of_its_file(tmp_path):
    """Where nothing in the format notices a flipped bit, the registered SHA-256 does."""
    path = tmp_path / "a"
    path.write_bytes(zstd(TEXT, checksum=False))
    before = probe(path)
    data = bytearray(path.read_bytes())
    silent = 0
    rng = np.random.default_rng(4)
    for _ in range(30):
        flipped = bytearray(data)
        flipped[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        found = probe(path)
        assert found.sha256 != before.sha256
        silent += found.state != "refused"
    assert silent > 0


BOMBS = {
    "gzip": lambda zeros: gzip.compress(zeros, 6),
    "xz": lambda zeros: lzma.compress(zeros, preset=0),
    "zstd": zstd, "zip": lambda zeros: zipped(("a", zeros)),
}  # fmt: skip


IN_A_PROCESS_OF_ITS_OWN = """
import json, sys
from pathlib import Path
from imbalance.captures.compression import Bound
from imbalance.captures.probe import probe

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")

def peak():
    (line,) = (one for one in STATUS.read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) << 10

inflated, check = [], Bound.check
def count(bound, text, read):
    inflated.append(text)
    check(bound, text, read)
Bound.check = count

whole, *bombs = map(Path, sys.argv[1:])
assert probe(whole).state == "whole"  # all that reads captures is loaded
for bomb in bombs:
    inflated.clear()
    FORGET.write_text("5")
    before = peak()
    found = probe(bomb)
    print(json.dumps([bomb.name, found.state, found.reason, sum(inflated), peak() - before]))
"""
"""What reading bombs takes, in a process in which nothing else takes memory or gives it back."""


def looked_at(tmp_path, files):
    """Name, state, reason, bytes of text and bytes of memory of each file, looked at in turn."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this system does not tell the most memory since a moment")
    for name, data in {"whole": TEXT, **files}.items():
        (tmp_path / name).write_bytes(data)
    told = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS_OF_ITS_OWN,
         *(tmp_path / name for name in ("whole", *files))],
        stdout=subprocess.PIPE, check=True).stdout  # fmt: skip
    found = [json.loads(line) for line in told.splitlines()]
    assert [name for name, *_ in found] == list(files)
    return found


def test_a_bomb_is_refused_early_and_small(tmp_path):
    bombs = {kind: packed(bytes(200 << 20)) for kind, packed in BOMBS.items()}
    for name, state, reason, inflated, grown in looked_at(tmp_path, bombs):
        assert state == "refused", name
        assert "times its size" in reason, name
        assert inflated < 100 << 20, name
        assert grown < 48 << 20, name


def empty_files(count):
    """An archive of so many files without a byte, put together by hand: a writer takes seconds."""
    first = zipped(("00000000", b""))
    at = first.index(b"PK\x01\x02")
    entry = first[at : first.index(b"PK\x05\x06")]
    entries = b"".join(entry[:-8] + b"%08d" % k for k in range(count))
    end = struct.pack(
        "<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(entries), at)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at + len(entries), 1)
    last = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)
    return first[:at] + entries + end + locator + last


def test_an_archive_of_very_many_files_is_refused_small(tmp_path):
    ((_, state, reason, _, grown),) = looked_at(tmp_path, {"a.zip": empty_files(100_000)})
    assert (state, "100000 files in an archive" in reason) == ("refused", True)
    assert grown < 64 << 20


def test_archives_that_are_no_capture(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(("a.csv", b"x"), ("b.csv", b"y")))
    assert probe(path).state == "refused"
    path.write_bytes(zipped(*((f"{k}", b"") for k in range(2_000))))
    with pytest.raises(ChecksumError, match="2000 files"):
        zip_members(path)
    nested = TEXT
    for depth in range(5):
        nested = zipped((f"{depth}.zip" if depth else "a", nested))
        path.write_bytes(nested)
        assert (probe(path).state == "whole") == (depth == 0)
    assert "unknown format" in probe(path).reason
    assert list(tmp_path.iterdir()) == [path]


SLIPS = {
    "up": ("../../outside.jsonl", 0), "through": ("a/../../../outside.jsonl", 0),
    "absolute": ("{outside}/outside.jsonl", 0), "of Windows": ("..\\..\\outside.jsonl", 0),
    "a drive": ("C:\\outside.jsonl", 0), "a link": ("outside.jsonl", stat.S_IFLNK | 0o777),
    "a device": ("outside.jsonl", stat.S_IFCHR | 0o666),
}


@pytest.mark.parametrize("kind", SLIPS)
def test_names_in_an_archive_lead_nowhere(tmp_path, monkeypatch, kind):
    """Whatever a file in an archive is called, its text is read and nothing is put anywhere."""
    outside, inside = tmp_path / "outside", tmp_path / "x" / "y"
    inside.mkdir(parents=True)
    outside.mkdir()
    monkeypatch.chdir(inside)
    name, mode = SLIPS[kind]
    info = zipfile.ZipInfo(name.format(outside=outside))
    info.external_attr = mode << 16
    path = inside / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, TEXT)
    assert probe(path).state == "whole"
    assert text_of(path)[0] == TEXT
    assert {one for one in tmp_path.rglob("*") if not one.is_dir()} == {path}


def test_an_archive_that_lies_about_its_size(tmp_path):
    data = bytearray(PACKED["zip"])
    place = data.index(b"PK\x01\x02") + 24  # uncompressed size in the directory
    data[place : place + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    assert text_of(path)[0] == TEXT  # what is there is read, whatever is said of its size


def test_an_unknown_compression_is_an_unknown_format(tmp_path):
    path = tmp_path / "a.bz2"
    path.write_bytes(bz2.compress(TEXT))
    assert "unknown format" in probe(path).reason
