"""When a row could have been known does not depend on what other files hold of its instrument."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance.captures.build import RAW_TABLES
from imbalance.captures.register import register
from imbalance.store import Store
from imbalance.tasks import read_current
from tests.captures.building import build_all, hashes, rows, write
from tests.captures.samples import (
    FIRST,
    INVERSE,
    LINEAR,
    MINUTE,
    MS,
    START,
    aggregate,
    diff,
    line,
    mark,
    quote,
    snapshot,
    trade,
)
from tests.captures.whole import decode

BY_CAPTURE = ("capture_id", "line")

LATE = {
    # what a row is late beyond its event and receipt, s: 99 of 100, and all
    "hyperliquid-20250904": (0.001, 0.01),
    "standx-20260106": (0.05, 0.5),
    "edgex-20250913": (0.001, 0.01),
    "tardis": (0.001, 0.01),
    "coinbase-20180417": (0.001, 0.01),
    "binance-ethbtc": (0.001, 0.01),
    # differences that came before a snapshot asked for beside them wait for it
    "cryptofeed/legacy/BINANCE_FUTURES.*": (0.5, 6.0),
    "cryptofeed/legacy/BINANCE_DELIVERY.*": (5.0, 6.0),
    "cryptofeed/legacy/KUCOIN.*": (0.5, 6.0),
}


def whole(column):
    return column.cast(pa.int64()).fill_null(0).to_numpy()


def all_rows(store, table):
    """Rows of all partitions of a table, by partition."""
    found = {key: read_current(store, table, key) for key in store.ledger.partitions(table)}
    return {key: held for key, held in found.items() if len(held)}


def streams(table, held):
    """Rows of what has one order, by instrument and, of trades, by kind."""
    columns = ["instrument", "kind"] if table == "raw.trades" else ["instrument"]
    keys = list(zip(*(held[name].to_pylist() for name in columns), strict=True))
    for key in sorted(set(keys)):
        yield key, held.filter(pa.array([one == key for one in keys]))


@pytest.mark.parametrize("name", LATE)
def test_rows_of_the_real_captures_are_known_when_they_came(store, shared, name):
    register(store, sorted((shared / "captures").glob(name)))
    assert all(not result.failed for result in build_all(store).values())
    nearly_all, most = LATE[name]
    met = 0
    for table in RAW_TABLES:
        for held in all_rows(store, table).values():
            for key, mine in streams(table, held):
                available = whole(mine["available_at"])
                said = np.maximum(whole(mine["event_time"]), whole(mine["receive_time"]))
                late = (available - said) / 1e9
                assert (np.diff(available) >= 0).all(), (table, key)
                assert late.min() >= 0
                assert np.median(late) == 0, (table, key)
                assert np.quantile(late, 0.99) <= nearly_all, (table, key)
                assert late.max() <= most, (table, key)
                met += len(mine)
    assert met > 100


def test_tables_of_one_instrument_in_files_that_overlap_do_not_hold_each_other_up(tmp_path):
    """Trades of an hour, and quotes, aggregates and marks of the same hour beside them."""
    count, step = 60, MINUTE
    kinds = {
        "trades": lambda k, at: trade(LINEAR, k, at=at),
        "quotes": lambda k, at: quote(LINEAR, k, at=at),
        "aggregates": lambda k, at: aggregate(LINEAR, k, at=at),
        "marks": lambda k, at: mark(LINEAR, at=at, p=f"100.{k}"),
        "more": lambda k, at: mark(LINEAR, at=at, p=f"200.{k}"),
    }
    paths = []
    for number, (name, message) in enumerate(kinds.items()):
        sent = [START - 60 * MINUTE + k * step + number * MS for k in range(1, count)]
        lines = [line(message(k, at), at + 2 * MS) for k, at in enumerate(sent, 1)]
        paths.append(write(tmp_path / f"{name}.gz", lines))
    found = []
    for number, order in enumerate((paths, paths[::-1], paths[2:] + paths[:2])):
        store = Store.open(tmp_path / f"home{number}", create=True)
        for path in order:
            register(store, [path])
        build_all(store)
        found.append(hashes(store, LINEAR))
        for table, kept in (("raw.trades", 2), ("raw.quotes", 1), ("raw.derivative_ticks", 2)):
            held = rows(store, table, LINEAR)
            assert len(held) == kept * (count - 1)
            assert (whole(held["available_at"]) == whole(held["receive_time"])).all()
    assert found[0] == found[1] == found[2]


def test_a_snapshot_asked_for_beside_the_stream_stands_among_its_differences(tmp_path):
    """Its file begins first, and is read first; the book is known from the snapshot on."""
    levels = {"bids": [("100.4", "1")], "asks": [("100.6", "1")]}
    stream = [
        line(diff(INVERSE, k, k, bids=levels["bids"], at=START + k * MS), START + k * MS)
        for k in range(1, 101)
    ]
    asked = [
        line(snapshot(INVERSE, 0, at=START - MS, **levels), START - MS),
        line(snapshot(INVERSE, 40, at=START + 42 * MS, **levels), START + 42 * MS),
    ]
    found = []
    paths = [write(tmp_path / "http.gz", asked), write(tmp_path / "ws.gz", stream)]
    for number, order in enumerate(itertools.permutations(paths)):
        store = Store.open(tmp_path / f"home{number}", create=True)
        for path in order:
            register(store, [path])
        build_all(store)
        held = rows(store, "raw.book_updates", INVERSE)
        kinds = held["kind"].to_pylist()
        assert [k for k, kind in enumerate(kinds) if kind == "snapshot"] == [0, 42]
        known = (whole(held["available_at"]) - START) // MS
        # difference 41 follows the snapshot, which was not known when it came: as in one stream
        assert known.tolist() == [-1, *range(1, 42), 42, *range(42, 101)]
        found.append(hashes(store, INVERSE))
    assert found[0] == found[1]


def test_a_snapshot_of_before_the_stream_holds_nothing_up(store, tmp_path):
    """It was known two seconds before differences whose ids it contains."""
    register(store, [
        write(tmp_path / "book.gz", [
            line(snapshot(INVERSE, 40, at=START, bids=[("100.4", "1")], asks=[("100.6", "1")]))
        ]),
        write(tmp_path / "ws.gz", [
            line(diff(INVERSE, k, k, at=START + 2_000 * MS + k), START + 2_000 * MS + k)
            for k in range(30, 60)
        ]),
    ])  # fmt: skip
    build_all(store)
    held = rows(store, "raw.book_updates", INVERSE)
    assert held["kind"].to_pylist() == ["snapshot"] + 30 * ["diff"]
    assert (whole(held["available_at"]) == whole(held["receive_time"])).all()


@st.composite
def shared_out(draw):
    """Lines of some instruments as they came, and to which of some files each goes."""
    symbols = draw(st.sampled_from([["BTCUSDT"], ["BTCUSDT", "ETHUSDT"]]))
    count = draw(st.integers(2, 40))
    makers = (
        lambda k, at, symbol: diff(LINEAR, 2 * k, 2 * k + 1, previous=2 * k - 1, at=at,
                                   symbol=symbol, bids=[("100.4", f"{k}")]),
        lambda k, at, symbol: quote(LINEAR, 2 * k, at=at, symbol=symbol),
        lambda k, at, symbol: trade(LINEAR, k, at=at, symbol=symbol),
        lambda k, at, symbol: aggregate(LINEAR, k, at=at, symbol=symbol),
        lambda k, at, symbol: mark(LINEAR, at=at, symbol=symbol),
    )  # fmt: skip
    at, lines = START, []
    for k in range(count):
        at += draw(st.integers(2, 30_000)) * MS
        make = draw(st.sampled_from(makers))
        late = draw(st.integers(0, 1)) * MS
        lines.append(line(make(k + 1, at, draw(st.sampled_from(symbols))), at + late))
        if at > START + 5 * MINUTE:
            break
    files = draw(st.lists(st.integers(0, 2), min_size=len(lines), max_size=len(lines)))
    return lines, [[one for one, to in zip(lines, files, strict=True) if to == k]
                   for k in range(3)]


@settings(max_examples=15, deadline=None)
@given(shared_out())
def test_files_that_share_out_a_recording_are_the_recording(tmp_path_factory, case):
    lines, parts = case
    directory = tmp_path_factory.mktemp("case")
    paths = [write(directory / f"{k}.gz", part) for k, part in enumerate(parts) if part]
    alone = Store.open(directory / "alone", create=True)
    register(alone, [write(directory / "whole.gz", lines)])
    build_all(alone)
    store = Store.open(directory / "home", create=True)
    register(store, paths)
    build_all(store)
    for table in RAW_TABLES:
        keys = [("instrument", "ascending"), ("event_time", "ascending")]
        one, other = (
            rows(held, table, LINEAR, FIRST, without=BY_CAPTURE).sort_by(keys)
            for held in (alone, store)
        )
        assert one == other


def test_connections_that_stand_one_after_the_other_do_not_hold_each_other_up(shared):
    """Kraken's trades, tickers and books came over a connection each, and the recording has one
    behind the other: books of half a minute are not known at its end only."""
    found = decode(shared / "captures" / "cryptofeed" / "v3" / "KRAKEN.jsonl.zst")
    for name in ("raw.book_updates", "raw.quotes", "raw.trades"):
        rows = found.tables[name]
        late = pc.subtract(rows["available_at"].cast(pa.int64()),
                           rows["receive_time"].cast(pa.int64())).to_numpy()  # fmt: skip
        assert np.quantile(late, 0.999) < 500_000_000, name
        times = {}
        for instrument, at in zip(rows["instrument"].to_pylist(), rows["available_at"].to_pylist(),
                                  strict=True):  # fmt: skip
            assert at >= times.get(instrument, at)
            times[instrument] = at
