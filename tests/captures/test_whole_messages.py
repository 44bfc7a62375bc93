"""Messages of several rows: continued where a file grows, and none held that is too long."""

import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imbalance.captures import delimited, framing, json_rows, tabular
from imbalance.captures.delimited import DelimitedDecoder
from imbalance.captures.frames import Frame
from imbalance.captures.framing import LONGEST_LINE
from imbalance.captures.json_rows import JsonRowsDecoder
from imbalance.captures.register import register
from imbalance.captures.whole_messages import LONGEST_MESSAGE, TOO_LONG, Limit, cut
from imbalance.store.store import Store
from tests.captures.levels import KINDS, config, row, rows
from tests.captures.test_continued import assert_continued, decoded, tables_of, together
from tests.captures.test_grown import build, tables


@pytest.fixture
def own(tmp_path):
    return config(tmp_path).formats


@pytest.fixture
def limited(monkeypatch):
    """Sets the size of a message, of a block and of a line, all of them small."""

    def limit(message, block=None, line=None):
        monkeypatch.setattr(delimited, "LONGEST_MESSAGE", message)
        monkeypatch.setattr(json_rows, "LONGEST_MESSAGE", message)
        for name in ("READ_BYTES", "BLOCK_BYTES") if block else ():
            monkeypatch.setattr(framing, name, block)
        if line:
            monkeypatch.setattr(framing, "LONGEST_LINE", line)

    return limit


def books(found):
    return together(tables_of(found)).get("raw.book_updates", pa.table({"line": []}))


def bad_of(found):
    return [one for batch in found for one in batch.bad]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_ones_own_that_grows_in_the_midst_of_a_message(tmp_path, kind):
    head, written = KINDS[kind]
    settings = config(tmp_path)
    path = tmp_path / "levels"
    store = Store.open(tmp_path / "home", create=True, config=settings)
    spoilt = b"{\n" if kind == "json" else b"1,2\n"
    parts = [
        [*map(written, rows(3)), spoilt, b"\n"], [written(row(0, 3)), written(row(1))], [spoilt],
        [written(row(2))], [written(row(2, 1)), written(row(3))[:-1]], [b"\n", written(row(4))],
    ]  # fmt: skip
    path.write_bytes(head)
    for number, part in enumerate(parts):
        with path.open("ab") as file:
            file.write(b"".join(part))
        (told,) = register(store, [path])
        assert told.status == ("grown" if number else "new")
        heard = build(store)
        other = Store.open(tmp_path / f"anew-{number}", create=True, config=settings)
        register(other, [path])
        build(other)
        assert tables(store) == tables(other)
        assert any("from line" in note for note in heard.notes) == (number > 0)


@pytest.mark.parametrize("most", [10**6, 9 * len(KINDS["csv"][1](row(0)))])
@pytest.mark.parametrize("kind", KINDS)
def test_levels_of_ones_own_are_continued_wherever_they_are_cut(
    tmp_path, own, limited, kind, most
):
    head, written = KINDS[kind]
    lines = [written(one) for one in rows(3, 1, 12, 2, 1, 5)]
    for at, other in ((2, b"\n"), (6, b"{}{}\n"), (14, b"\xff\n"), (15, b"\n"), (23, b"[1]\n")):
        lines.insert(at, other)
    limited(most if kind == "csv" else most * 5 // 2)
    path = tmp_path / "levels"
    text = head + b"".join(lines)
    path.write_bytes(text)
    ends = [at for at in range(1, len(text)) if text[at - 1 : at] == b"\n"]
    cuts = {*ends, *(at - 1 for at in ends), *random.Random(2).sample(range(1, len(text)), 40)}
    begun = [at for at in sorted(cuts)
             if assert_continued(path, tmp_path / "part" / "levels", at, own)]
    assert len(begun) > len(cuts) * 0.8
    found, decoder = decoded(path, own=own)
    assert decoder.account.quarantined[TOO_LONG] == (0 if most == 10**6 else 12)
    assert len(books(found)) == (6 if most == 10**6 else 5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_does_not_depend_on_where_blocks_are_cut(tmp_path, own, limited, kind):
    head, written = KINDS[kind]
    rng = random.Random(5)
    for number in range(6):
        sizes = [rng.choice([1, 2, 3, 9, 30]) for _ in range(20)]
        lines = [written(one) for one in rows(*sizes)]
        for _ in range(rng.randrange(12)):
            wrong = rng.choice([b"\n", b"{}\n", b"{}{}\n", b"x\n", b",,,,\n",
                                written(row(7, q="many")), b"x" * 700 + b"\n"])
            lines.insert(rng.randrange(3, len(lines)), wrong)
        path = tmp_path / "levels"
        path.write_bytes(head + b"".join(lines))
        seen = []
        for block in (None, 200, 333, 1_000):
            limited(600, block)
            found, decoder = decoded(path, own=own)
            assert decoder.account.balanced
            seen.append((books(found), bad_of(found), decoder.account))
        for other in seen[1:]:
            assert other == seen[0], number
        assert seen[0][2].quarantined[TOO_LONG] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_over_the_whole_file_is_not_held(tmp_path, own, limited, monkeypatch, kind):
    """Each of its rows is quarantined, whatever comes between, and what comes after is made."""
    head, written = KINDS[kind]
    good, long = rows(3), [row(1, level) for level in range(2_000)]
    lines = [*map(written, good), *map(written, long), b"\n", b"x\n", *map(written, long),
             *map(written, rows(0, 0, 2, 1))]
    path = tmp_path / "levels"
    path.write_bytes(head + b"".join(lines))
    limited(4_000, 1_000)
    held = []
    of = DelimitedDecoder if kind == "csv" else JsonRowsDecoder
    take = of.take

    def watched(self, *given):
        held.append(len(self.state()))
        return take(self, *given)

    monkeypatch.setattr(of, "take", watched)
    found, decoder = decoded(path, own=own)
    account = decoder.account
    assert account.balanced
    assert account.lines_read == len(lines) + bool(head)
    assert account.quarantined[TOO_LONG] == 4_000
    assert account.quarantined.total() == 4_001
    assert account.ignored["blank_line"] == 1
    assert account.decoded == {"book_levels": 6}
    assert [len(one) for one in books(found)["bid_prices"].to_pylist()] == [2, 1, 1]
    first = bool(head) + 4
    assert books(found)["line"].to_pylist() == [first - 3, first + 4_002, first + 4_004]
    bad = bad_of(found)
    assert [one.line for one in bad] == [*range(first, first + 2_000),
                                         *range(first + 2_001, first + 4_002)]
    text = path.read_bytes()
    for one in bad[:: 97]:
        assert text[one.byte_offset : one.byte_offset + one.byte_length] == (
            text.split(b"\n")[one.line - 1]
        )
    assert bad[0].detail == "its message is of more than 4,000 bytes"
    assert len(held) > 100
    assert max(held) < 12_000


@pytest.mark.parametrize("kind", KINDS)
def test_lines_that_are_none_are_not_held_either(tmp_path, own, limited, kind):
    """Behind one row of a message, which may go on after them."""
    head, written = KINDS[kind]
    path = tmp_path / "levels"
    lines = [*map(written, rows(2, 1)), *[b"x\n"] * 5_000, *map(written, rows(0, 0, 1))]
    path.write_bytes(head + b"".join(lines))
    limited(4_000, 1_000)
    found, decoder = decoded(path, own=own)
    assert decoder.account.quarantined.total() == 5_001
    assert decoder.account.quarantined[TOO_LONG] == 1
    assert len(books(found)) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_too_long_within_a_message(tmp_path, own, limited, kind):
    """The message is as long, and so are its lines' numbers and places told."""
    head, written = KINDS[kind]
    lines = [*map(written, rows(2, 2)), b"x" * 9_000 + b"\n", *map(written, rows(0, 2, 2))]
    path = tmp_path / "levels"
    text = head + b"".join(lines)
    path.write_bytes(text)
    limited(2_000, 500, 2_000)
    found, decoder = decoded(path, own=own)
    assert decoder.account.quarantined == Counter({TOO_LONG: 4, "line_too_long": 1})
    assert [one.line - bool(head) for one in bad_of(found)] == [3, 4, 5, 6, 7]
    for one in bad_of(found):
        start = text[: one.byte_offset]
        assert (start.count(b"\n") + 1, start[-1:]) == (one.line, b"\n")
    assert books(found)["line"].to_pylist() == [1 + bool(head), 8 + bool(head)]
    long = text.index(b"xx")
    for at in (long - 3, long, long + 1_000, long + 8_000, long + 9_001, long + 9_090):
        assert assert_continued(path, tmp_path / "part" / "levels", at, own)


def test_a_message_of_parquet_that_is_too_long(tmp_path, own, monkeypatch):
    """Its rows are told by their numbers, over all batches, and so is the last one of a file."""
    monkeypatch.setattr(tabular, "MOST_ROWS", 1_000)
    monkeypatch.setattr(tabular, "PARQUET_ROWS", 300)
    path = tmp_path / "levels.parquet"
    wanted = {(2, 3, 1): 0, (1_000, 1_001, 2): 1_001, (400, 5_000, 1, 2_000): 7_000, (999,): 0}
    for sizes, long in wanted.items():
        levels = rows(*sizes)
        pq.write_table(pa.Table.from_pylist(levels), path)
        found, decoder = decoded(path, own=own)
        assert decoder.account.balanced
        assert decoder.account.lines_read == len(levels)
        assert decoder.account.quarantined == ({TOO_LONG: long} if long else {})
        ends = np.cumsum(sizes)
        lines = [line for size, end in zip(sizes, ends.tolist(), strict=True) if size > 1_000
                 for line in range(end - size + 1, end + 1)]
        assert [one.line for one in bad_of(found)] == lines
        assert len(books(found)) == sum(size <= 1_000 for size in sizes)


def test_a_message_may_be_as_long_as_a_line():
    assert LONGEST_MESSAGE == LONGEST_LINE
    frame = Frame({"t": pa.array([1, 1, 2, 2, 2, 3])}, np.arange(6))
    places = np.arange(0, 70, 10)

    def cut_at(most, **how):
        found = cut(frame, ("t",), places, Limit(most, "bytes"), **{"over": False, "last": False,
                                                                   **how})
        return found.until, found.kept, found.over, np.flatnonzero(found.long).tolist()

    assert cut_at(30) == (5, 5, False, [])
    assert cut_at(29) == (5, 5, False, [2, 3, 4])
    assert cut_at(9) == (6, 5, True, [0, 1, 2, 3, 4, 5])
    assert cut_at(29, last=True) == (6, None, False, [2, 3, 4])
    assert cut_at(30, over=True) == (5, 5, False, [0, 1])
