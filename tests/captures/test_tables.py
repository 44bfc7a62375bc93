"""Tables as captures: bad rows are quarantined one by one, messages of several rows stay whole."""

import gzip

import numpy as np
import pyarrow as pa
import pytest

from imbalance.captures.frames import SIDE_CODES, Frame
from imbalance.captures.layouts.dumps import _either_unit
from imbalance.captures.rows import NO_ID
from tests.captures.whole import decode

HEAD = b"exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
AT = 1_585_699_200_000_000


def book_rows(count, *, levels=3):
    """Messages of some levels each, one of them per ms."""
    lines = []
    for k in range(count):
        time = AT + 1_000 * k
        for level in range(levels):
            side, price = ("bid", 100 - level) if level % 2 else ("ask", 101 + level)
            shown = "true" if k == 0 else "false"
            lines.append(f"deribit,X,{time},{time + 5},{shown},{side},{price},{k + level}\n")
    return [line.encode() for line in lines]


def write(path, lines):
    path.write_bytes(gzip.compress(HEAD + b"".join(lines), mtime=0))
    return path


def test_rows_of_a_message_stay_together_wherever_blocks_are_cut(tmp_path):
    found = decode(write(tmp_path / "a.csv.gz", book_rows(30_000)))
    assert found.decoded == {"incremental_book_L2": 90_000}
    rows = found.tables["raw.book_updates"]
    assert len(rows) == 30_000
    assert rows["kind"].to_pylist() == ["snapshot", *["diff"] * 29_999]
    assert all(len(prices) == 2 for prices in rows["ask_prices"].to_pylist())
    assert rows["line"].to_pylist() == list(range(2, 90_002, 3))


BAD = {
    b"deribit,X,1585699200000000,1585699200000005,false,bid,abc,1\n": "wrong_type",
    b"deribit,X,1585699200000000,1585699200000005,false,bid,,1\n": "missing_field",
    b"deribit,X,1585699200000000,1585699200000005,false,bid,-5,1\n": "number_out_of_range",
    b"deribit,X,1585699200000000,1585699200000005,false,up,5,1\n": "wrong_type",
    b"deribit,X,soon,1585699200000005,false,bid,5,1\n": "wrong_type",
    b"deribit,X,1585699200000000,1585699200000005,false,bid,5\n": "wrong_number_of_columns",
    b"bitmex,X,1585699200000000,1585699200000005,false,bid,5,1\n": "wrong_type",
    b"deribit,X\xff\xfe,1585699200000000,1585699200000005,false,bid,5,1\n": "bad_symbol",
    b"deribit,X\x00,1585699200000000,1585699200000005,false,bid,5,1\n": "bad_symbol",
    b"deribit,X,1585699999000000,1585699200000005,false,bid,5,1\n": "far_from_receipt",
}


@pytest.mark.parametrize("line", sorted(BAD))
def test_a_bad_row_costs_its_message_and_nothing_else(tmp_path, line):
    good = book_rows(50)
    path = write(tmp_path / "a.csv.gz", [*good[:60], line, *good[60:]])
    found = decode(path)
    assert BAD[line] in {bad.reason for bad in found.bad}
    (bad,) = [b for b in found.bad if b.reason == BAD[line]]
    text = HEAD + b"".join([*good[:60], line, *good[60:]])
    assert text[bad.byte_offset :].startswith(line)
    assert bad.line == 62
    assert found.decoded["incremental_book_L2"] == 150
    assert len(found.tables["raw.book_updates"]) == 50


def test_mutated_lines_are_all_accounted_for(tmp_path):
    rng = np.random.default_rng(7)
    lines = book_rows(700)
    mutated = []
    for line in lines:
        data = bytearray(line)
        if rng.random() < 0.5:
            for _ in range(int(rng.integers(1, 4))):
                data[int(rng.integers(len(data) - 1))] = int(rng.integers(256))
        mutated.append(bytes(data))
    found = decode(write(tmp_path / "a.csv.gz", mutated))  # fails where lines do not add up
    text = HEAD + b"".join(mutated)
    assert found.lines == text.count(b"\n")
    assert sum(found.quarantined.values()) > 300
    for bad in found.bad:
        assert text[bad.byte_offset : bad.byte_offset + bad.byte_length].count(b"\n") == 0


def frame(**columns):
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return Frame(arrays, np.arange(len(next(iter(arrays.values())))))


def test_seconds_are_read_digit_by_digit():
    one = frame(t=["1757015216.673878", "1757015216", "1757015216.1234567891", None, "x"])
    assert one.time("t", "s", optional=True).tolist() == [
        1_757_015_216_673_878_000, 1_757_015_216_000_000_000, 1_757_015_216_123_456_789, -1, -1
    ]  # fmt: skip
    assert list(one.bad) == [4]


def test_times_of_dumps_are_milliseconds_until_2025_and_microseconds_after():
    """By their digits, row by row: no day of the switch is needed, and none can be mistaken."""
    moments = np.random.default_rng(36).integers(1_483_228_800, 2_051_222_400, 10_000) * 1_000
    switch = 1_735_689_600_000
    texts = [str(at * 1_000 + 123 if at >= switch else at) for at in moments.tolist()]
    wanted = [at * 10**6 + 123_000 * (at >= switch) for at in moments.tolist()]
    assert _either_unit(frame(t=texts), "t").tolist() == wanted
    assert 3_000 < sum(at >= switch for at in moments) < 7_000


def test_dates_that_are_none_are_told():
    one = frame(t=["2018-04-17T00:55:04.358Z", "2018-06-31T00:00:00Z", "2018-04-17 00:00:01"])
    assert one.time("t", "iso").tolist()[0] == 1_523_926_504_358_000_000
    assert list(one.bad) == [1]


@pytest.mark.parametrize("text", ["1e400", "NaN", "inf", "0x10", "1_0", "--1", "1.2.3", "٣"])
def test_what_is_no_number_marks_its_row(text):
    one = frame(p=["1.5", text])
    one.number("p")
    assert list(one.bad) == [1]


def test_ids_and_words():
    one = frame(i=["5", "", "7.5"], s=["buy", "SELL", "sideways"])
    assert one.whole("i", optional=True).tolist() == [5, NO_ID, NO_ID]
    assert one.code("s", SIDE_CODES).tolist() == [0, 1, -1]
    assert sorted(one.bad) == [2]
