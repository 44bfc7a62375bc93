"""The book against the venue's own quotes, in the units in which the book is kept."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imbalance.books.proof import QuoteProof

NAME = "gate-io-futures:X_USDT"


@pytest.mark.parametrize(("unit", "mismatched"), [(0.1, 0), (1.0, 2)])
def test_quotes_are_compared_in_the_book_s_units(tmp_path, unit, mismatched):
    quotes = pa.table({
        "instrument": pa.array([NAME] * 2).dictionary_encode(), "update_id": [7, 8],
        "bid_price": [99.0, 99.0], "bid_size": [3.0, 7.0],
        "ask_price": [101.0, 101.0], "ask_size": [9.0, 1.0],
    })
    pq.write_table(quotes, tmp_path / "quotes.parquet")
    proof = QuoteProof(NAME, tmp_path / "quotes.parquet", unit)
    sent = np.array([[99.0, 3.0, 101.0, 9.0], [99.0, 7.0, 101.0, 1.0]])
    proof.compare(np.array([7, 8]), sent * [1.0, 0.1, 1.0, 0.1])
    assert (proof.compared, proof.mismatched) == (2, mismatched)
    assert proof.agreed_since == (0 if mismatched else 2)


@pytest.mark.parametrize("pieces", [[8], [3, 5], [1] * 8])
@pytest.mark.parametrize(("wrong", "since"), [((), 8), ((0, 2), 5), ((7,), 0), ((0, 7), 0)])
def test_how_many_agree_after_the_last_that_differs(tmp_path, pieces, wrong, since):
    shown = np.tile([100.0, 1.0, 101.0, 2.0], (8, 1))
    quotes = pa.table({
        "instrument": pa.array(["a:B"] * 8).dictionary_encode(), "update_id": np.arange(8),
        "bid_price": shown[:, 0], "bid_size": shown[:, 1], "ask_price": shown[:, 2],
        "ask_size": shown[:, 3],
    })  # fmt: skip
    pq.write_table(quotes, tmp_path / "quotes.parquet")
    shown[list(wrong), 3] = 7.0
    proof = QuoteProof("a:B", tmp_path / "quotes.parquet")
    for ids in np.split(np.arange(8), np.cumsum(pieces)[:-1]):
        proof.compare(ids, shown[ids])
    assert (proof.compared, proof.mismatched, proof.agreed_since) == (8, len(wrong), since)
