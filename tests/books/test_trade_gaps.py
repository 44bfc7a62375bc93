"""Missing trades: holes in ids that count, and times that no capture with trades covers."""

import gzip
from itertools import pairwise

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from imbalance.books.trade_gaps import Capture, gaps, trade_gaps_task
from imbalance.captures.event_tables import TRADES
from imbalance.captures.formats.registry import formats
from imbalance.captures.register import register
from imbalance.captures.venues.registry import venues
from imbalance.cli.status import _told, status
from imbalance.store.store import Store
from imbalance.tasks import read_current
from tests.captures.building import build_all

DAY = 1_723_075_200_000_000_000  # 2024-08-08
DAY_LENGTH = 86_400_000_000_000
S = 1_000_000_000
NAME = "binance:A"
COLUMNS = ("instrument", "kind", "trade_id", "event_time", "capture_id", "available_at")
LATE = S // 2
"""Trades become known so long after they happened, ns."""
WHOLE = Capture("binance-lines", DAY - DAY_LENGTH, DAY + 2 * DAY_LENGTH, {NAME})


def trade(number, second, *, kind="trade", capture="a", instrument=NAME):
    at = DAY + int(second * S)
    return (instrument, kind, number, at, capture, at + LATE)


def found(trades, *, before=(), after=(), captures=None, mine=None, silence=60, rows=65_536):
    """Rows of the day as tuples: kind, from and to in seconds of the day, cause, ids, missing."""
    captures = {"a": WHOLE} if captures is None else captures
    schema = pa.schema([TRADES.arrow_schema().field(name).with_nullable(True) for name in COLUMNS])
    batches = [
        pa.table([list(column) for column in zip(*part, strict=True)] or [[]] * 6,
                 schema=schema).to_batches(max_chunksize=rows)
        for part in (before, trades, after)
    ]
    table = gaps((DAY, DAY + DAY_LENGTH), *batches, captures, captures if mine is None else mine,
                 silence * S)
    assert table["gap"].to_pylist() == list(range(1, len(table) + 1))
    for row in table.to_pylist():
        begin, end, known = (row[name].value for name in (
            "missing_from", "missing_to", "available_at"))  # fmt: skip
        if row["cause"] == "not_recorded":
            assert known == min(begin + silence * S, end)
        elif end < DAY + DAY_LENGTH:  # by the trade after it
            assert known == end + LATE
    return [
        (row["kind"], *((row[side].value - DAY) / S for side in ("missing_from", "missing_to")),
         row["cause"], row["expected_trade_id"], row["found_trade_id"], row["missing_trades"])
        for row in table.to_pylist()
    ]


def test_a_hole_lies_between_the_trades_beside_it():
    tape = [trade(n, n) for n in (10, 11, 12, 20, 21)]
    assert found(tape) == [("trade", 12.0, 20.0, "id_hole", 13, 20, 7)]


def test_neither_order_nor_repetition_looks_like_a_hole():
    numbers = [10, 12, 11, 11, 14, 13, 10, 15]
    assert found([trade(n, n) for n in numbers], rows=3) == []
    assert found([trade(n, n) for n in numbers if n != 13], rows=2) == [
        ("trade", 12.0, 14.0, "id_hole", 13, 14, 1)]


def test_a_counter_that_begins_anew_proves_nothing():
    tape = [trade(5_000 + n, n) for n in range(5)] + [trade(n, 10 + n) for n in range(5)]
    assert found(tape) == []


def test_two_captures_fill_each_others_holes():
    both = dict.fromkeys("ab", WHOLE)
    one = [trade(n, n) for n in (1, 2, 6, 7)]
    other = [trade(n, n, capture="b") for n in (3, 4, 5)]
    assert found(one + other, captures=both) == []
    assert found(one + other[:2], captures=both) == [("trade", 4.0, 6.0, "id_hole", 5, 6, 1)]


def test_ids_count_within_a_kind_and_the_one_that_features_count_is_told_of():
    single = [trade(n, n) for n in (1, 2, 3)]
    together = [trade(n, n, kind="aggregate_trade") for n in (100, 105)]
    assert found(single + together) == []
    assert found(together) == [("aggregate_trade", 100.0, 105.0, "id_hole", 101, 105, 4)]


@pytest.mark.parametrize(("instrument", "form", "counts"), [
    ("binance:A", "tables", True), ("binance:A", "parquet", True),
    ("binance:A", "tardis-trades", False),  # those off the book are left out
    ("coinbase:A", "recorded-connections", True),
    ("kraken:A", "venue-messages", True), ("cryptofacilities:A", "recorded-connections", True),
    ("deribit:A", "recorded-connections", True),
    ("deribit:A", "tables", False),  # the id of a trade there is of all instruments
    ("binance:A", "my-own-format", False), ("bitflyer:A", "recorded-connections", False),
    ("nowhere:A", "tables", False),
])
def test_ids_are_compared_only_where_they_count(instrument, form, counts):
    whole = {"a": Capture(form, WHOLE.first, WHOLE.last, {instrument})}
    tape = [trade(n, n, instrument=instrument) for n in (1, 5)]
    assert len(found(tape, captures=whole)) == counts


def test_what_the_page_of_venues_says_of_trades_is_what_is_looked_at():
    told = {
        name for name, venue in venues().items() for one in venue.continuity
        if one.proof == "counter" and one.channel.startswith(("trade", "match"))
    }
    assert told == {name for name, venue in venues().items() if venue.trades_counted}
    assert len(told) == 8
    assert {form for venue in venues().values() for form in venue.trades_counted} <= set(formats())


def test_a_hole_over_midnight_is_on_both_days():
    hole = "id_hole", 11, 30, 19
    assert found([trade(30, 90), trade(31, 95)], before=[trade(10, -20)]) == [
        ("trade", 0.0, 90.0, *hole)]
    assert found([trade(10, 86_300)], after=[trade(30, 86_500)]) == [
        ("trade", 86_300.0, 86_400.0, *hole)]
    assert found([trade(10, 0)], before=[trade(5, -40), trade(9, -30)],
                 after=[trade(11, 86_400), trade(20, 86_450)]) == []


def test_what_no_capture_with_trades_covers_is_not_recorded():
    """Books all day; trades in two files. Not the last trade, the last event ends a capture."""
    captures = {
        "books": Capture("tables", DAY, DAY + 9_000 * S, {"standx:A"}),
        "a": Capture("tables", DAY + 100 * S, DAY + 3_000 * S, {"standx:A"}),
        "b": Capture("tables", DAY + 7_000 * S, DAY + 8_000 * S, {"standx:A"}),
    }
    tape = [trade(1, 120, instrument="standx:A"),
            trade(2, 7_100, capture="b", instrument="standx:A")]
    nobody = ("not_recorded", None, None, None)
    assert found(tape, captures=captures) == [
        ("trade", 0.0, 100.0, *nobody), ("trade", 3_000.0, 7_000.0, *nobody),
        ("trade", 8_000.0, 9_000.0, *nobody)]
    assert found(tape[:1], captures=captures) == [
        ("trade", 0.0, 100.0, *nobody), ("trade", 3_000.0, 9_000.0, *nobody)]
    # nothing at all is recorded after the last capture: there are no bars
    alone = {name: captures[name] for name in "ab"}
    assert found(tape, captures=alone) == [("trade", 3_000.0, 7_000.0, *nobody)]


@pytest.mark.parametrize(("ends", "begins", "missing"), [
    (86_399.9, 86_400.02, []), (86_350, 86_405, []), (86_350, 86_460, [(86_350.0, 86_400.0)]),
    (86_300, 86_361, [(86_300.0, 86_361.0)]),
])
def test_files_that_are_cut_at_midnight_are_one_recording(ends, begins, missing):
    """The file of the next day is told of, as it may hold events of this one."""
    captures = {
        "books": Capture("tables", DAY, DAY + 100_000 * S, {NAME}),
        "a": Capture("tables", DAY + 30 * S, DAY + int(ends * S), {NAME}),
        "b": Capture("tables", DAY + int(begins * S), DAY + 100_000 * S, {NAME}),
    }
    told = found([trade(1, 40)], after=[trade(2, begins, capture="b")], captures=captures)
    assert [row[1:4] for row in told] == [(*one, "not_recorded") for one in missing]


@pytest.mark.parametrize("earlier", [None, -15 * 3_600, -30])
def test_trades_that_begin_a_little_after_the_books_are_of_one_recording(earlier):
    captures = {"books": Capture("tables", DAY, DAY + 500 * S, {NAME}),
                "a": Capture("tables", DAY + S, DAY + 500 * S, {NAME})}
    before = ()
    if earlier is not None:
        captures["b"] = Capture("tables", DAY + (earlier - 10) * S, DAY + earlier * S, {NAME})
        before = [trade(1, earlier - 5, capture="b")]
    told = found([trade(2, 2)], before=before, captures=captures, mine=["books", "a"])
    assert [row for row in told if row[3] == "not_recorded"] == []


def test_captures_that_follow_each_other_are_one_recording():
    captures = {"a": Capture("tables", DAY, DAY + 100 * S, {NAME}),
                "b": Capture("tables", DAY + 160 * S, DAY + 300 * S, {NAME})}
    tape = [trade(1, 50), trade(2, 200, capture="b")]
    assert found(tape, captures=captures) == []
    assert found(tape, captures=captures, silence=59) == [
        ("trade", 100.0, 160.0, "not_recorded", None, None, None)]
    tape[1] = trade(3, 200, capture="b")
    assert found(tape, captures=captures) == [("trade", 50.0, 200.0, "id_hole", 2, 3, 1)]


def test_a_capture_of_the_day_before_covers_what_it_goes_on_to():
    captures = {"a": Capture("binance-lines", DAY - 500 * S, DAY + 500 * S, {NAME}),
                "books": Capture("binance-lines", DAY, DAY + 900 * S, {NAME})}
    assert found([], before=[trade(1, -400)], captures=captures) == [
        ("trade", 500.0, 900.0, "not_recorded", None, None, None)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_holes_are_what_was_taken_away(data):
    """Whatever is lost, in whatever order and batches the rest comes, and however often."""
    kept = sorted(data.draw(st.sets(st.integers(0, 60), min_size=1)))
    again = data.draw(st.lists(st.sampled_from(kept), max_size=20))
    order = data.draw(st.permutations([*kept, *again]))
    told = found([trade(n, 10 * n) for n in order], rows=data.draw(st.integers(1, 30)))
    assert told == [
        ("trade", 10.0 * a, 10.0 * b, "id_hole", a + 1, b, b - a - 1)
        for a, b in pairwise(kept) if b > a + 1
    ]


@pytest.fixture(scope="module")
def around_midnight(shared, tmp_path_factory):
    """A perpetual from before to after midnight in two files, without the trades of 25 s about
    it: homes by which of the files are in them.
    """
    root = tmp_path_factory.mktemp("midnight")
    low, high = ((DAY + DAY_LENGTH + side * S) // 1_000_000 for side in (-15, 10))
    for day, part in (("20240808", slice(-4_000, None)), ("20240809", slice(4_000))):
        name = f"btcusd_perp_{day}.gz"
        with gzip.open(shared / "captures/binance-202408/cm" / name) as file:
            lines = file.readlines()[part]
        kept = [line for line in lines if b'"e":"trade"' not in line
                or not low <= int(line.split(b'"T":')[1].split(b",")[0]) < high]
        assert len(kept) < len(lines)
        (root / name).write_bytes(gzip.compress(b"".join(kept), mtime=0))
    return root


def test_the_next_day_tells_the_one_before_of_a_hole(around_midnight, tmp_path):
    store = Store.open(tmp_path / "home", create=True)
    first, second = sorted(around_midnight.glob("*.gz"))

    def told(day):
        task = trade_gaps_task(store, "binance-delivery", day)
        if not task.is_current(store):
            task.materialise(store)
        rows = read_current(store, "book.trade_gaps", f"{day}|binance-delivery")
        return [(row["missing_from"].value - DAY - DAY_LENGTH,
                 row["missing_to"].value - DAY - DAY_LENGTH, row["cause"], row["missing_trades"])
                for row in rows.to_pylist()]

    register(store, [first])
    build_all(store)
    assert told("2024-08-08") == []
    register(store, [second])
    build_all(store)
    assert not trade_gaps_task(store, "binance-delivery", "2024-08-08").is_current(store)
    (before,), (after,) = told("2024-08-08"), told("2024-08-09")
    assert -60 * S < before[0] < -15 * S
    assert before[1] == after[0] == 0
    assert 10 * S <= after[1] < 60 * S
    assert before[2:] == after[2:] == ("id_hole", before[3])
    assert before[3] > 10
    name = "binance-delivery:BTCUSD_PERP"
    document = status(store)  # one hole, though it stands on both days
    assert document["missing_trades"] == [{"instrument": name, "holes": 1, "missing": before[3]}]
    assert _told(document, everything=False).split("\n\n")[-1] == (
        f"missing by their ids: {before[3]} trades of 1 instrument, most of {name} ({before[3]}); "
        "when: book.trade_gaps"
    )
