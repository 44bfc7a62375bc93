"""Inputs that would break a decoder or tell an untruth: each is refused, or told right."""

import base64
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imbalance.captures.events import Rejected
from imbalance.captures.probe import probe
from imbalance.captures.records import parse_record
from tests.captures.whole import decode

RECORD = {"t": "recv", "conn": "c", "ts": 1, "data": "{}"}


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({**RECORD, "ts": 1.7e9, "data": None, "b64": "é"}),
        json.dumps({**RECORD, "ts": 1.7e9, "data": None, "b64": "a"}),
        '{"t":"recv","conn":"c","ts":1700000000.5,"x":' + "[" * 100_000,
        '{"t":"recv","conn":"c","ts":17000000000.5,"data":"{}"}',
        '{"t":"recv","conn":"c","ts":NaN,"data":"{}"}',
        json.dumps({**RECORD, "ts": 1700000000.5, "data": None,
                    "b64": base64.b64encode(b"\x1f\x8bxxxx").decode()}),
    ],
)  # fmt: skip
def test_a_record_that_is_none_is_rejected_by_name(line):
    with pytest.raises(Rejected):
        parse_record(line.encode("utf-8"))


def test_two_sides_far_apart_are_not_one_quote(tmp_path):
    """Rows whose message has no time do not join the one before."""
    folder = tmp_path / "hyperliquid"
    folder.mkdir()
    head = "timestamp,price,size,side,exchange_timestamp\n"
    rows = (
        "1700000000.5,10,1,bid,1700000000400\n1700000000.5,11,1,ask,1700000000400\n"
        ",15,1,bid,1700000005000\n"
        "1700000009.5,20,1,bid,1700000009400\n1700000009.5,21,1,ask,1700000009400\n"
    )
    path = folder / "prices_BTC.csv"
    path.write_text(head + rows)
    found = decode(path)
    quotes = found.tables["raw.quotes"].to_pylist()
    assert [(q["bid_price"], q["ask_price"]) for q in quotes] == [(10.0, 11.0), (20.0, 21.0)]
    assert str(quotes[1]["available_at"]) == "2023-11-14 22:13:29.500000"
    assert sum(found.quarantined.values()) == 1


def parquet(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_of_layouts_that_are_text_only_is_refused(tmp_path):
    three = parquet(tmp_path / "a.parquet", side=["buy"], price=[1.0], size=[1.0])
    assert "no known layout" in probe(three).reason
    tardis = parquet(
        tmp_path / "b.parquet", exchange=["x"], symbol=["S"], timestamp=[1], local_timestamp=[1],
        id=["1"], side=["buy"], price=[1.0], amount=[1.0],
    )  # fmt: skip
    assert probe(tardis).state == "refused"


def test_levels_that_do_not_match_cost_their_row(tmp_path):
    at = pa.array([1_767_704_407_000_000_000, 1_767_704_408_000_000_000], pa.timestamp("ns", "UTC"))
    path = parquet(
        tmp_path / "standx/orderbook_BTC-USD.parquet", timestamp=at, received_at=at,
        symbol=["BTC-USD"] * 2, bid_prices=[[10.0, 9.0], [10.0, 9.0]],
        bid_quantities=[[1.0], [3.0, 4.0]], ask_prices=[[11.0], [11.0]],
        ask_quantities=[[5.0], [6.0]],
    )  # fmt: skip
    found = decode(path)
    assert found.quarantined == {"wrong_type": 1}
    (row,) = found.tables["raw.book_updates"].to_pylist()
    assert (row["bid_sizes"], row["ask_sizes"]) == ([3.0, 4.0], [6.0])


def test_columns_a_table_lacks_are_missing_not_a_crash(tmp_path):
    head = (
        "exchange,symbol,timestamp,local_timestamp,funding_timestamp,open_interest,mark_price\n"
    )
    row = "binance-futures,BTCUSDT,1582329602111000,1582329602418379,1582329700000000,5,9682\n"
    path = tmp_path / "ticks.csv.gz"
    path.write_bytes(gzip.compress((head + row).encode()))
    (tick,) = decode(path).tables["raw.derivative_ticks"].to_pylist()
    assert (tick["mark_price"], tick["index_price"], tick["funding_rate"]) == (9682.0, None, None)


def test_differences_without_ids_before_a_snapshot_do_not_follow_it():
    import numpy as np

    from imbalance.books.rebuild import BookBuilder, Rules
    from imbalance.books.state import BREAK, DIFF, SNAPSHOT, Messages

    start, n = 1_700_000_000_000_000_000, 4
    kind = np.array([BREAK, DIFF, SNAPSHOT, DIFF], np.uint8)
    ids = np.full((n, 3), -1, np.int64)
    ids[0, 0] = 10
    rows = []
    builder = BookBuilder("kraken:X", Rules(), lambda t, r: rows.append(r) if "states" in t else 0)
    builder.feed(Messages(
        kind, ids, start + np.arange(n) * 10**9, start + np.arange(n) * 10**9,
        np.array([0, 0, 1, 2, 2]), np.array([0, 0, 1, 2, 3]),
        np.array([100.0, 100.0]), np.array([7.0, 1.0]),
        np.array([101.0, 101.0, 102.0]), np.array([7.0, 2.0, 3.0]),
    ))  # fmt: skip
    builder.finish(start + n * 10**9)
    states = [row for table in rows for row in table.to_pylist()]
    assert states[0]["bid_sizes"] == [1.0]
    assert states[0]["ask_sizes"] == [2.0]
