"""Coinbase's full channel as a table: what is quarantined is not written, ids are whole numbers."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq

from tests.captures.whole import decode

FULL = (
    "order_id,maker_order_id,remaining_size,product_id,sequence,reason,side,type,time,price,size,"
    "trade_id\n"
)
MATCH = ",m{n},,BTC-USD,{n},,buy,match,2018-03-25T00:00:0{n}.257000Z,6929.5,0.5,{id}\n"
OPEN = "o{n},,0.5,BTC-USD,{n},,buy,open,2018-03-25T00:00:0{n}.257000Z,6929.5,,{id}\n"


def full(tmp_path, *rows):
    path = tmp_path / "full.csv.gz"
    text = FULL + "".join(row.format(n=k + 1, id=number) for k, (row, number) in enumerate(rows))
    path.write_bytes(gzip.compress(text.encode()))
    found = decode(path)
    return found, *(
        [] if name not in found.tables else found.tables[name][column].to_pylist()
        for name, column in (("raw.orders", "sequence"), ("raw.trades", "trade_id"))
    )


def test_a_match_whose_id_is_none_is_not_written(tmp_path):
    found, orders, trades = full(
        tmp_path, (MATCH, "5"), (MATCH, "abc"), (OPEN, "abc"), (MATCH, ""), (OPEN, "")
    )
    assert (orders, trades) == ([1, 4, 5], [5, None])
    assert (found.decoded, found.quarantined) == ({"order": 3}, {"wrong_type": 2})


def test_ids_of_matches_are_whole_numbers_to_the_last_digit(tmp_path):
    large = 2**53 + 1  # which no double is
    found, orders, trades = full(
        tmp_path, (MATCH, str(large)), (MATCH, "13419161.0"), (MATCH, "1.5"), (MATCH, "-1")
    )
    assert (orders, trades) == ([1, 2], [large, 13_419_161])
    assert found.quarantined == {"wrong_type": 2}


def test_ids_saved_as_doubles_are_believed_as_far_as_these_are_whole(tmp_path):
    """As of a table in which most rows have none."""
    ids = [5.0, None, float("nan"), 1.5, 2.0**53 + 2, -1.0, 2.0**53]
    n = len(ids)
    columns = {
        "order_id": [None] * n, "maker_order_id": [f"m{k}" for k in range(n)],
        "remaining_size": [None] * n, "product_id": ["BTC-USD"] * n, "sequence": [*range(n)],
        "reason": [None] * n, "side": ["buy"] * n, "type": ["match"] * n,
        "time": pa.array([1_521_936_000_000 + k for k in range(n)], pa.timestamp("ms", "UTC")),
        "price": [6929.5] * n, "size": [0.5] * n, "trade_id": pa.array(ids, pa.float64()),
    }  # fmt: skip
    path = tmp_path / "full.parquet"
    pq.write_table(pa.table(columns), path)
    found = decode(path)
    assert found.tables["raw.orders"]["sequence"].to_pylist() == [0, 1, 2, 6]
    assert found.tables["raw.trades"]["trade_id"].to_pylist() == [5, None, None, 2**53]
    assert found.quarantined == {"wrong_type": 2, "number_out_of_range": 1}
