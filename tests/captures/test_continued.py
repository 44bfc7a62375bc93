"""Decoders that go on where one of the first part of a capture has ended: the same as in one go."""

import random
import re
import zlib
from array import array
from collections import Counter, deque
from typing import get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from imbalance.captures.checkpoint import (
    Checkpoint,
    Point,
    read_checkpoint,
    write_checkpoint,
)
from imbalance.captures.clocks import Clocks
from imbalance.captures.decoding import Context
from imbalance.captures.events import BookUpdate
from imbalance.captures.formats.registry import formats
from imbalance.captures.framing import CaptureReader
from imbalance.captures.instruments import Contracts
from imbalance.captures.kept import Keeps
from imbalance.captures.probe import IGNORED_NAMES, sniff
from imbalance.captures.venues.registry import MODULES, venue
from imbalance.config import Config
from tests.captures.samples import LINEAR, recording

NO_FORMATS = {}
MOST_BYTES = 5 << 20
PACKED = {".gz", ".zst", ".xz"}
SETS = (
    "cryptofeed/v3", "cryptofeed/legacy", "hyperliquid-20250904", "edgex-20250913", "tardis",
    "bitstamp-20150501", "binance-nexo", "binance-202408", "leadlag-btcjpy",
)  # fmt: skip
NEVER = {
    "BINANCE_DELIVERY.http.6.0", "BINANCE_FUTURES.http.4.0", "KUCOIN.http.0.0",
    "BITHUMB.jsonl", "GATEIO.jsonl", "GATEIO_FUTURES.jsonl",
}  # fmt: skip
"""Answers to requests wait until there are no more lines; of the others the first messages that
carry both times, which the clocks begin with, come near the end."""


def decoder_of(path, own=NO_FORMATS):
    found = sniff(path, None, own)
    context = Context(
        "0" * 16, path, found.venue, Contracts(Config()),
        clocks=Clocks(None, found.first_difference),
    )  # fmt: skip
    return formats(own)[found.format].decoder(context, found)


def decoded(path, point=None, own=NO_FORMATS):
    """Batches of a capture and its decoder at the end; from a point on where one is given."""
    decoder = decoder_of(path, own)
    if point is not None:
        decoder.go_on(point)
    return list(decoder), decoder


def tables_of(batches, until=None):
    """Rows by table of some batches, of the lines up to one."""
    found = {}
    for batch in batches:
        for name, (_, rows) in batch.tables.items():
            kept = rows if until is None else rows.filter(pc.less_equal(rows["line"], until))
            if len(kept):
                found.setdefault(name, []).append(plain(kept))
    return found


def plain(rows):
    return pa.table({
        name: column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        for name, column in zip(rows.column_names, rows.columns, strict=True)
    })


def together(*parts):
    """Rows by table, one part after the other."""
    names = sorted({name for part in parts for name in part})
    return {
        name: pa.concat_tables([rows for part in parts for rows in part.get(name, ())])
        .combine_chunks() for name in names
    }


def whole_text(path, target):
    """The text of a capture as a file of its own, its first megabytes."""
    text = b"".join(block.data for block in CaptureReader(path))[:MOST_BYTES]
    target.mkdir(parents=True, exist_ok=True)
    found = target / (path.stem if path.suffix in PACKED else path.name)
    found.write_bytes(text)
    return found


def assert_continued(path, part, cut, own=NO_FORMATS):
    """That a capture goes on from its first bytes and comes to the same as in one go; returns
    whether it does go on."""
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(path.read_bytes()[:cut])
    if sniff(part, None, own) != sniff(path, None, own):
        return False
    before, ended = decoded(part, own=own)
    if ended.point is None:
        return False
    point = ended.point
    after, decoder = decoded(path, point, own)
    wanted, one_go = decoded(path, own=own)
    assert together(tables_of(before, point.lines), tables_of(after)) == together(tables_of(wanted))
    bad = [one for batch in before for one in batch.bad if one.line <= point.lines]
    bad += [one for batch in after for one in batch.bad]
    assert bad == [one for batch in wanted for one in batch.bad]
    for name in ("account", "instruments", "clock_skew", "last_receive", "last_available",
                 "shortcoming", "end"):  # fmt: skip
        assert getattr(decoder, name) == getattr(one_go, name), name
    assert decoder.facts() == one_go.facts()
    assert (decoder.point is None) == (one_go.point is None)
    return True


@pytest.mark.parametrize("name", SETS)
def test_a_capture_goes_on_where_its_first_part_ended(shared, tmp_path, name):
    """Cut anywhere, in the midst of a line as a rule: books, checksums, sequences, connections,
    clocks, orders and messages of several rows go on from what was held."""
    never = set()
    paths = [p for p in sorted((shared / "captures" / name).rglob("*"))
             if p.is_file() and not IGNORED_NAMES.match(p.name)]  # fmt: skip
    for path in paths:
        whole = whole_text(path, tmp_path / "whole" / path.parent.name)
        size = whole.stat().st_size
        chance = random.Random(zlib.crc32(path.name.encode()))
        part = tmp_path / "part" / path.parent.name / whole.name
        cuts = (chance.randrange(size // 3, size) for _ in range(12))
        if not any(assert_continued(whole, part, cut) for cut in cuts):
            never.add(whole.name)
    assert never <= NEVER


@pytest.mark.parametrize("name", ["OKX", "KRAKEN", "HUOBI_SWAP", "PHEMEX"])
def test_a_last_line_before_which_an_answer_waits_is_taken_once(shared, tmp_path, name):
    """The answer's moment is that of the last message, which has no newline yet: what is made of
    both would be made again."""
    found = shared / "captures" / "cryptofeed" / "v3" / f"{name}.jsonl.zst"
    lines = b"".join(block.data for block in CaptureReader(found)).rstrip(b"\n").split(b"\n")
    stamp = re.compile(rb'"ts":\s*([0-9.]+)')
    answers = [line for line in lines if line.startswith(b'{"t":"http"')]
    others = [line for line in lines if not line.startswith(b'{"t":"http"')]
    half = len(others) // 2
    late = stamp.sub(b'"ts":' + stamp.search(others[half])[1], answers[-1], count=1)
    before = [*others[:1], *answers[:-1], *others[1:half], late]
    whole, part = tmp_path / "whole", tmp_path / "part"
    whole.mkdir()
    whole = whole / f"{name}.jsonl"
    whole.write_bytes(b"\n".join([*before, *others[half:]]))
    cut = len(b"\n".join([*before, others[half]]))
    assert not assert_continued(whole, part / f"{name}.jsonl", cut)
    assert assert_continued(whole, part / f"{name}.jsonl", cut + 1)  # with the newline


@pytest.mark.parametrize("ended", [True, False])
def test_a_capture_of_the_scanner_goes_on_at_every_line(tmp_path, ended):
    lines = recording(LINEAR, 30)
    whole = tmp_path / "whole"
    whole.write_bytes(b"".join(lines))
    for count in range(1, len(lines)):
        cut = len(b"".join(lines[:count])) - (0 if ended else 1)
        assert assert_continued(whole, tmp_path / "part", cut)


def test_a_state_of_another_decoder_is_refused(tmp_path, shared):
    whole = tmp_path / "whole"
    whole.write_bytes(b"".join(recording(LINEAR, 30)))
    _, ended = decoded(whole)
    other = decoder_of(shared / "captures" / "cryptofeed" / "v3" / "KRAKEN.jsonl.zst")
    with pytest.raises(ValueError, match="is none of RecordedDecoder"):
        other.go_on(ended.point)


@pytest.mark.parametrize("name", MODULES)
def test_sessions_keep_all_that_they_hold(name):
    """But for what they are made with, and the fields that the message at hand has too many."""
    session = venue(name).session()
    kept = set(get_type_hints(type(session)))
    assert set(vars(session)) - kept <= {"_unknown", "_market"}


def test_a_state_is_data_of_the_types_it_was_taken_of():
    class Holds(Keeps):
        waiting: dict[str, deque[BookUpdate]]
        counts: Counter[str]
        numbers: np.ndarray

    holds, other = Holds(), Holds()
    levels = array("d", [1.5]), array("d", [0.25])
    told = BookUpdate(symbol="a", kind="diff", bids=levels, last_id=7)
    holds.waiting, holds.counts = {"a": deque([told])}, Counter(one=3)
    holds.numbers = np.array([[1, -1]], np.int64)
    other.waiting = other.counts = other.numbers = None
    other.restore(holds.state())
    (found,) = other.waiting["a"]
    assert (found.bids, found.last_id) == (([1.5], [0.25]), 7)
    assert other.counts == Counter(one=3)
    assert other.numbers.dtype == np.int64
    assert other.numbers.tolist() == [[1, -1]]
    other.numbers[0, 0] = 5  # its own, to be written to
    assert holds.numbers[0, 0] == 1
    holds.counts = Counter(one="three")
    with pytest.raises(ValueError, match="Expected `int`"):
        other.restore(holds.state())


def test_a_damaged_checkpoint_is_none(tmp_path):
    checkpoint = Checkpoint("read", -3, "ab" * 32, 100, Point(90, 9, b"state"), None, 1, None)
    write_checkpoint(tmp_path / "checkpoints", checkpoint)
    (path,) = (tmp_path / "checkpoints").iterdir()
    assert path.name == "ab" * 8
    assert read_checkpoint(path.parent, path.name) == checkpoint
    assert read_checkpoint(path.parent, "cd" * 8) is None
    data = path.read_bytes()
    for place in range(len(data)):
        for bit in range(8):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
            assert read_checkpoint(path.parent, path.name) is None
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert read_checkpoint(path.parent, path.name) is None
