"""Tables of collectors: one bad row costs what it is a part of, and every row means one thing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance.captures.framing import BLOCK_BYTES
from imbalance.captures.probe import probe
from tests.captures.test_continued import assert_continued
from tests.captures.whole import decode

TIME = 1_757_800_369
QUOTES = "timestamp,price,size,side,exchange_timestamp\n"
DEPTH = (
    "timestamp,bid_1_price,bid_1_size,bid_2_price,bid_2_size,"
    "ask_1_price,ask_1_size,ask_2_price,ask_2_size\n"
)


def written(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def quotes_of(tmp_path, rows):
    found = decode(written(tmp_path, "hyperliquid/prices_BTC.csv", QUOTES + rows))
    quotes = found.tables["raw.quotes"].to_pylist()
    return found, [(row["bid_price"], row["ask_price"]) for row in quotes]


NEXT = f"{TIME + 1}.5,20,1,bid,{TIME + 1}400\n{TIME + 1}.5,21,1,ask,{TIME + 1}400\n"
GOOD = f"{TIME}.5,{{}},1,{{}},{TIME}400\n"
BAD_QUOTES = {
    "first": f"{TIME}.5,x,1,bid,{TIME}400\n" + GOOD.format(11, "ask"),
    "second": GOOD.format(10, "bid") + f"{TIME}.5,11,1,up,{TIME}400\n",
    "time": GOOD.format(10, "bid") + f"{TIME}.5,11,1,ask,soon\n",
    "far": GOOD.format(10, "bid") + f"{TIME}.5,11,1,ask,{TIME + 400}000\n",
    "far first": f"{TIME}.5,11,1,ask,{TIME + 400}000\n" + GOOD.format(10, "bid"),
}


@pytest.mark.parametrize("which", sorted(BAD_QUOTES))
def test_a_bad_row_costs_its_quote_whole(tmp_path, which):
    """The other side alone would be a quote that there never was, or be counted and say nothing."""
    found, quotes = quotes_of(tmp_path, BAD_QUOTES[which] + NEXT)
    assert quotes == [(20.0, 21.0)]
    assert found.decoded == {"quote": 2}
    assert found.quarantined.pop("part_of_a_bad_message") == 1
    assert sum(found.quarantined.values()) == 1


def test_a_quote_of_one_side_is_one(tmp_path):
    found, quotes = quotes_of(tmp_path, GOOD.format(10, "bid") + NEXT)
    assert quotes == [(10.0, None), (20.0, 21.0)]
    assert (found.decoded, found.quarantined) == ({"quote": 3}, {})


@pytest.mark.parametrize(("name", "header"), [
    ("edgex/depth_BTC.csv", "timestamp,bid_1_price,bid_1_size,ask_1_price,ask_1_size"),
    ("hyperliquid/orderbooks_BTC.csv",
     "timestamp,sequence,exchange_timestamp,bid_price_0,bid_size_0,ask_price_0,ask_size_0"),
])
def test_a_book_needs_all_columns_of_its_first_level(tmp_path, name, header):
    names = header.split(",")
    values = {"sequence": "1", "exchange_timestamp": f"{TIME}400"}
    row = [values.get(name, "100" if "bid" in name else "101") for name in names[1:]]
    whole = f"{header}\n{TIME}.5,{','.join(row)}\n"
    assert decode(written(tmp_path, name, whole)).decoded == {"book_image": 1}
    for missing in names[-4:]:
        kept = [k for k, one in enumerate(names) if one != missing]
        text = "\n".join(",".join(line.split(",")[k] for k in kept) for line in whole.splitlines())
        found = probe(written(tmp_path, name, text + "\n"))
        assert found.state == "refused"
        assert found.reason.startswith("a table of no known layout: columns timestamp")


def books(found):
    rows = found.tables.get("raw.book_updates")
    return [] if rows is None else [
        (row["bid_prices"], row["ask_prices"]) for row in rows.to_pylist()
    ]


def decoded(tmp_path, rows, header=DEPTH):
    text = header + "".join(f"{TIME + k}.5,{row}\n" for k, row in enumerate(rows))
    return decode(written(tmp_path, "edgex/depth_BTC.csv", text))


def test_the_deeper_side_of_an_image_is_kept(tmp_path):
    header = ("timestamp,sequence,exchange_timestamp,bid_price_0,bid_size_0,bid_price_1,bid_size_1,"
              "bid_price_2,ask_price_0,ask_size_0\n")
    row = f"{TIME}.5,1,{TIME}400,100,1,99,1,98,101,1\n"
    found = decode(written(tmp_path, "hyperliquid/orderbooks_BTC.csv", header + row))
    assert books(found) == [([100.0, 99.0], [101.0])]


ROWS = {
    "100,1,101,1,99,1,102,1": ([100.0, 99.0], [101.0, 102.0]),
    "100,1,99,1,101,1,102,1": ([100.0, 99.0], [101.0, 102.0]),
    "100,1,101,1,99,1,,": ([100.0, 99.0], [101.0]),
    "100,1,101,1,,,,": ([100.0], [101.0]),
    "100,1,100,1,99,1,102,1": ([100.0, 99.0], [100.0, 102.0]),
    "100,1,,,,,102,1": ([100.0], [102.0]),
    ",,,,,,,": ([], []),
    ",,101,1,99,1,102,1": None,
    "100,1,99,1,,,,": None,
    "101,1,100,1,99,1,102,1": None,
    "100,1,101,1,100,1,99,1": None,
}
"""Rows and their books, None where the order of their columns is not told: both are in order (a
crossed book, or the one side of the other order), or neither."""


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_edgex_is_the_same_book_wherever_it_stands(tmp_path, row):
    told = [] if ROWS[row] is None else [ROWS[row]]
    for before, after in ([], []), ([0], []), ([1], []), ([], [0, 0, 0]), ([1, 1, 1], [0]):
        known = list(ROWS)
        found = decoded(tmp_path, [*(known[k] for k in before), row, *(known[k] for k in after)])
        both = [ROWS[known[0]]]
        assert books(found) == [*both * len(before), *told, *both * len(after)]
        assert found.quarantined == ({} if told else {"order_of_columns_not_told": 1})


def test_edgex_rows_are_the_same_however_the_file_is_cut(tmp_path):
    """Longer than a block, of two orders and of rows that tell none; and as a file that grows."""
    pick = np.random.default_rng(5).integers(len(ROWS), size=BLOCK_BYTES // 30)
    rows = [list(ROWS)[k] for k in pick]
    found = decoded(tmp_path, rows)
    assert books(found) == [ROWS[row] for row in rows if ROWS[row] is not None]
    assert found.quarantined == {"order_of_columns_not_told": sum(ROWS[r] is None for r in rows)}
    text = DEPTH + "".join(f"{TIME + k}.5,{row}\n" for k, row in enumerate([*ROWS] * 2))
    path = written(tmp_path, "edgex/depth_ETH.csv", text)
    for cut in range(len(DEPTH) + 40, len(text), 7):
        assert assert_continued(path, tmp_path / "part" / "edgex" / path.name, cut)


@given(
    st.lists(st.integers(1, 40), min_size=0, max_size=6, unique=True),
    st.lists(st.integers(1, 40), min_size=0, max_size=6, unique=True),
    st.integers(2, 6), st.booleans(),
)
def test_no_book_of_edgex_is_taken_for_another(tmp_path_factory, bids, asks, depth, alternates):
    """Thin, one-sided, locked and crossed ones: each is read as it is, or not at all."""
    bids, asks = sorted(bids, reverse=True)[:depth], sorted(asks)[:depth]
    sides = [[f"{price},1" for price in side] + [","] * (depth - len(side))
             for side in (bids, asks)]  # fmt: skip
    pairs = [*zip(*sides, strict=True)] if alternates else sides
    columns = [f"{side}_{k}_{what}" for side in ("bid", "ask") for k in range(1, depth + 1)
               for what in ("price", "size")]  # fmt: skip
    row = ",".join(one for pair in pairs for one in pair)
    found = decoded(tmp_path_factory.mktemp("depth"), [row], f"timestamp,{','.join(columns)}\n")
    if found.quarantined:
        assert found.quarantined == {"order_of_columns_not_told": 1}
        # never a book with two levels of each side that is not crossed
        assert min(len(bids), len(asks)) < 2 or bids[0] > asks[0]
    else:
        assert books(found) == [(bids, asks)]


def test_columns_beside_the_levels_are_none_of_them(tmp_path):
    header = DEPTH.replace("timestamp,", "timestamp,contract_id,").replace("\n", ",note\n")
    found = decoded(tmp_path, ["7,100,1,101,1,99,1,102,1,8"], header)
    assert books(found) == [([100.0, 99.0], [101.0, 102.0])]
