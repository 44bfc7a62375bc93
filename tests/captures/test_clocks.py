"""Times never look ahead: skew from the past only, nothing known before it was said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance.captures.clocks import NO_TIME, SOURCES, Clocks
from imbalance.captures.decode import Decoder

S = 1_000_000_000


def read(rows, clocks=None):
    """(event, source, available) of rows (receive, exchange, transaction, instrument) in s."""
    columns = [
        np.array([NO_TIME if v is None else int(v * S) for v in column], np.int64)
        for column in zip(*((*row[:3],) for row in rows), strict=True)
    ]
    instrument = np.array([row[3] for row in rows], np.int32)
    event, source, available = (clocks or Clocks()).read(*columns, instrument)
    return [(e / S, SOURCES[s], a / S) for e, s, a in zip(event, source, available, strict=True)]


def test_a_recorder_behind_the_exchange_is_moved_forward_by_the_least_it_must_be():
    assert read(
        [
            (10.0, None, None, 0),  # nothing known of the skew yet
            (10.5, 12.0, 11.0, 0),  # 1.5 s behind at least
            (11.0, None, None, 0),
            (12.0, 14.0, None, 0),  # 2 s behind
            (13.0, None, None, 0),
            (14.0, 15.0, None, 0),  # only 1 s: latency, the skew stays
        ]
    ) == [
        (10.0, "receive", 10.0),
        (11.0, "transaction", 12.0),
        (12.5, "receive", 12.5),
        (14.0, "exchange", 14.0),
        (15.0, "receive", 15.0),
        (15.0, "exchange", 16.0),
    ]


def test_a_recorder_ahead_is_left_alone_since_it_may_be_latency():
    assert read([(15.0, 10.0, None, 0), (16.0, None, None, 0)]) == [
        (10.0, "exchange", 15.0),
        (16.0, "receive", 16.0),
    ]


def test_nothing_is_known_before_what_the_same_instrument_told_earlier():
    clocks = Clocks()
    assert read([(20.0, 19.0, None, 0), (10.0, 9.0, None, 0)], clocks)[1] == (9.0, "exchange", 20.0)
    assert read([(11.0, 9.5, None, 1)], clocks) == [(9.5, "exchange", 11.0)]
    assert read([(12.0, 9.5, None, 0)], clocks) == [(9.5, "exchange", 20.0)]


def test_the_skew_is_the_smallest_difference_seen():
    clocks = Clocks()
    assert clocks.smallest_difference is None
    read([(10.0, None, None, 0)], clocks)
    assert clocks.smallest_difference is None
    read([(10.0, 8.0, None, 0), (11.0, 12.0, None, 0), (13.0, 12.5, None, 0)], clocks)
    assert clocks.smallest_difference == -1 * S


def test_hundreds_of_instruments_are_kept_apart():
    clocks = Clocks()
    for start in (0, 60, 64, 65, 300):
        read([(100.0 + start + k, None, None, start + k) for k in range(70)], clocks)
    assert read([(0.0, None, None, 64)], clocks) == [(0.0, "receive", 164.0)]
    assert read([(0.0, None, None, 369)], clocks) == [(0.0, "receive", 469.0)]


times = st.one_of(st.none(), st.integers(0, 1_000))
rows = st.lists(st.tuples(st.integers(0, 1_000), times, times, st.integers(0, 3)), min_size=1)


@given(rows, st.data())
def test_later_lines_never_change_earlier_times(lines, data):
    cut = data.draw(st.integers(0, len(lines)))
    later = data.draw(st.permutations(lines[cut:]))
    assert read(lines)[:cut] == read([*lines[:cut], *later])[:cut]


@given(rows, st.data())
def test_times_do_not_depend_on_how_lines_come_in_blocks(lines, data):
    cut = data.draw(st.integers(1, len(lines)))
    clocks = Clocks()
    found = read(lines[:cut], clocks) + (read(lines[cut:], clocks) if lines[cut:] else [])
    assert found == read(lines)


@given(rows)
def test_available_never_falls_and_never_precedes_the_event_or_the_receipt(lines):
    last: dict[int, float] = {}
    for row, (event, _, available) in zip(lines, read(lines), strict=True):
        assert available >= event
        assert available >= row[0]
        assert available >= last.get(row[3], 0)
        last[row[3]] = available


@pytest.mark.parametrize(
    ("name", "venue", "skew_ms"),
    [
        ("spot/ethusdt_20240808.gz", "binance", -1_275),
        ("cm/ethusd_perp_20240808.gz", "binance-delivery", -1_273),
        ("usdm/ethusdt_20240808.gz", "binance-futures", -1_273),
    ],
)
def test_the_recorder_of_the_real_captures_is_more_than_a_second_behind(
    shared, name, venue, skew_ms
):
    decoder = Decoder(shared / "captures/binance-202408" / name, venue, "ns", [], "ETHUSDT")
    latency = []
    for chunk in decoder:
        times = chunk.trades[0]
        latency.append((times.receive - times.exchange) / 1e6)
        for part in (chunk.books, chunk.quotes, chunk.trades):
            assert (np.diff(part[0].available) >= 0).all()
            assert (part[0].available >= part[0].event).all()
    assert decoder.clock_skew is not None
    assert round(decoder.clock_skew / 1e6) == skew_ms
    assert -1_273 < np.median(np.concatenate(latency)) < -1_260
