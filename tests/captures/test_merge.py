"""Each event once, however many captures hold it and whatever their clocks say."""

import itertools
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from imbalance.books.build import OUTPUTS, materialise_book
from imbalance.captures.build import RAW_TABLES
from imbalance.captures.register import register
from imbalance.store import Store
from imbalance.tasks import read_current
from tests.captures.building import (
    account,
    assert_everything_accounted_for,
    build_all,
    hashes,
    rows,
    write,
)
from tests.captures.samples import (
    FIRST,
    INVERSE,
    LINEAR,
    MS,
    SPOT,
    START,
    kinds_of,
    line,
    mark,
    recording,
    snapshot,
    text_of,
)

BY_CAPTURE = ("capture_id", "line", "receive_time", "available_at")


def test_the_nexo_captures_overlap_and_add_nothing(store, shared, tmp_path):
    directory = shared / "captures/binance-nexo"
    register(store, [directory])
    (result,) = build_all(store).values()
    assert result.partitions[f"2024-07-23|{SPOT}"].metadata["merged"]
    files = [directory / f"nexousdt_2024072{n}" for n in ("3.dat", "3.dat.gz", "4.dat.gz")]
    assert_everything_accounted_for(store, files)
    once = Counter(kinds_of(text_of(files[0]))) + Counter(kinds_of(text_of(files[2])))
    held = {
        table: sum(len(rows(store, table, SPOT, f"2024-07-{d}")) for d in (23, 24))
        for table in RAW_TABLES
    }
    assert held["raw.quotes"] == once["book_ticker"] == 33_437
    assert held["raw.trades"] == once["trade"] == 12_458
    assert held["raw.book_updates"] == once["depth_diff"] + once["depth_snapshot"] == 68_183
    other = Store.open(tmp_path / "other", create=True)
    register(other, [files[1], files[2]])
    build_all(other)
    for table in RAW_TABLES:
        same = {"without": ("capture_id",)}
        day = "2024-07-24"
        assert rows(store, table, SPOT, day, **same) == rows(other, table, SPOT, day, **same)


def overlapping(count, share, shift_ms):
    """Lines of one recording, and two recorders' parts of it which share a stretch."""
    lines = []
    for k in range(count):
        at = START + k * MS
        if k == 4:
            message = snapshot(INVERSE, 1003, at=at, bids=[("100.4", "5")], asks=[("100.6", "5")])
        elif k % 7 == 6:
            message = mark(INVERSE, at=at)
        else:
            lines.append(recording(INVERSE, count)[k])
            continue
        lines.append(line(message, at))
    middle = count // 2
    low, high = middle - share // 2, middle + share // 2

    def later(one):
        receive, rest = one.split(b" ", 1)
        return str(int(receive) + shift_ms * MS).encode() + b" " + rest

    return lines, lines[:high], [later(one) for one in lines[low:]], (low, high)


@pytest.mark.parametrize("shift_ms", [-40, 0, 40, 90_000])
def test_two_captures_of_the_same_stretch_are_one(tmp_path, shift_ms):
    whole, first, second, (low, high) = overlapping(120, 40, shift_ms)
    paths = [write(tmp_path / "a.gz", first), write(tmp_path / "b.gz", second)]
    alone = Store.open(tmp_path / "alone", create=True)
    register(alone, [write(tmp_path / "whole.gz", whole)])
    build_all(alone)
    found = []
    for number, order in enumerate(itertools.permutations(paths)):
        store = Store.open(tmp_path / f"home{number}", create=True)
        for path in order:
            register(store, [path])
        (result,) = build_all(store).values()
        assert result.partitions[f"{FIRST}|{INVERSE}"].metadata["merged"]
        found.append(hashes(store, INVERSE))
        for table in RAW_TABLES:
            keys = [("instrument", "ascending"), ("event_time", "ascending")]
            merged, single = (
                rows(s, table, INVERSE, without=BY_CAPTURE).sort_by(keys) for s in (store, alone)
            )
            assert merged == single
            # of what both hold, the earliest receipt is kept
            early = read_current(alone, table, f"{FIRST}|{INVERSE}")["receive_time"]
            times = sorted(pc.cast(early, pa.int64()).to_pylist())
            kept = sorted(
                pc.cast(rows(store, table, INVERSE)["receive_time"], pa.int64()).to_pylist()
            )
            late = [t for t in times if t >= START + (low if shift_ms < 0 else high) * MS]
            assert kept == sorted(t + shift_ms * MS if t in late else t for t in times)
    assert found[0] == found[1]


@pytest.mark.parametrize("again", [(0, 30), (20, 90), (100, 120)])
def test_what_a_capture_holds_of_another_adds_nothing(tmp_path, again):
    """Nor moves anything: not the book, which opens when its snapshot was known."""
    whole, *_ = overlapping(120, 40, 0)
    late = line(snapshot(INVERSE, 1050, at=START + 60 * MS, bids=[("100.4", "5")],
                         asks=[("100.6", "5")]), START + 60 * MS)  # fmt: skip
    whole.insert(61, late)
    homes = [Store.open(tmp_path / name, create=True) for name in ("alone", "both")]
    for store in homes:
        register(store, [write(tmp_path / "whole.gz", whole)])
    register(homes[1], [write(tmp_path / "again.gz", whole[slice(*again)])])
    books = []
    for store, merged in zip(homes, (False, True), strict=True):
        (result,) = build_all(store).values()
        assert result.partitions[f"{FIRST}|{INVERSE}"].metadata["merged"] == merged
        materialise_book(store, INVERSE, FIRST)
        books.append(hashes(store, INVERSE, tables=OUTPUTS))
    assert hashes(homes[0], INVERSE) == hashes(homes[1], INVERSE)
    assert books[0] == books[1]


def test_clocks_that_disagree_do_not_hide_an_overlap(store, tmp_path):
    """The second recorder's clock is a minute and a half ahead: its first line comes after the
    last of the first one by receive time, and repeats its events.
    """
    whole, first, second, _ = overlapping(120, 40, 90_000)
    register(store, [write(tmp_path / "a.gz", first), write(tmp_path / "b.gz", second)])
    build_all(store)
    assert sum(len(rows(store, table, INVERSE)) for table in RAW_TABLES) == len(whole)


def test_captures_of_other_instruments_at_the_same_time_are_not_merged(store, tmp_path):
    for symbol in ("BTCUSDT", "ETHUSDT"):
        write(tmp_path / "in" / f"{symbol}.gz", recording(LINEAR, 60, symbol=symbol))
    register(store, [tmp_path / "in"])
    (result,) = build_all(store).values()
    (built,) = result.partitions.values()
    assert not built.metadata["merged"]
    assert built.rows == {
        "raw.book_updates": 40, "raw.quotes": 40, "raw.trades": 40, "raw.derivative_ticks": 0,
        "raw.liquidations": 0, "raw.options": 0, "raw.orders": 0, "raw.depth_bands": 0,
    }  # fmt: skip


@pytest.mark.parametrize("repeated", [1, 7, 100])
def test_repeated_lines_within_a_capture_add_nothing(tmp_path, repeated):
    lines = recording(LINEAR, 300)
    found = []
    for name, text in (
        ("once", lines),
        ("twice", [*lines[:150], *lines[150 - repeated : 150], *lines[150:]]),
        ("each", [one for line_ in lines for one in (line_, line_)]),
    ):
        store = Store.open(tmp_path / name, create=True)
        register(store, [write(tmp_path / f"{name}.gz", text)])
        build_all(store)
        found.append([rows(store, t, LINEAR, without=("capture_id", "line")) for t in RAW_TABLES])
        read = account(store, tmp_path / f"{name}.gz")
        assert read["lines_decoded"] == len(text)
    assert found[0] == found[1] == found[2]


def test_homes_of_any_name_can_merge(tmp_path):
    store = Store.open(tmp_path / "h[o]me * '%s' {x}", create=True)
    whole, first, second, _ = overlapping(60, 20, 5)
    register(store, [write(tmp_path / "a.gz", first), write(tmp_path / "b.gz", second)])
    (result,) = build_all(store).values()
    assert not result.failed
    assert sum(len(rows(store, table, INVERSE)) for table in RAW_TABLES) == len(whole)
