"""Parquet as captures: a bad value costs its row, a type of no use its column, nothing the rest."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imbalance.captures.compression import ChecksumError
from imbalance.captures.frames import Frame, shown
from imbalance.captures.probe import probe
from imbalance.captures.tabular import damage_told
from tests.captures.whole import decode

TRADED = 1_767_700_000_000_000
BEYOND = 9 * 10**17
"""As a time in µs it is of the year 30489."""


def trades(path, **columns):
    """Three trades as StandX's collector keeps them, some columns otherwise."""
    times = pa.array([TRADED, TRADED + 1, TRADED + 2]).cast(pa.timestamp("us"))
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({
        "timestamp": times, "received_at": times, "symbol": ["BTC-USD"] * 3,
        "price": [1.5, 2.5, 3.5], "quantity": [1.0] * 3, "side": ["SELL"] * 3,
    } | columns), path)  # fmt: skip
    return path


def microseconds(*values):
    return pa.array(values).cast(pa.timestamp("us"))


def test_an_absurd_time_costs_its_row(tmp_path):
    path = trades(tmp_path / "standx" / "a.parquet",
                  timestamp=microseconds(TRADED, BEYOND, TRADED + 2))  # fmt: skip
    found = decode(path)
    assert found.decoded == {"trade": 2}
    (bad,) = found.bad
    assert (bad.line, bad.reason) == (2, "wrong_type")
    assert bad.text_start == (
        "{'timestamp': '900000000000000000', 'received_at': datetime.datetime(2026, 1, 6, 11, 46, "
        "40, 1), 'symbol': 'BTC-USD', 'price': 2.5, 'quantity': 1.0, 'side': 'SELL'}"
    )
    assert found.tables["raw.trades"]["price"].to_pylist() == [1.5, 3.5]


@pytest.mark.parametrize("odd", [
    pa.array([[BEYOND]], pa.list_(pa.timestamp("us"))),
    pa.array([{"a": BEYOND}], pa.struct({"a": pa.timestamp("us")})),
    pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
    pa.array([2**62]).cast(pa.duration("s")),
    pa.array([BEYOND]).cast(pa.timestamp("ms", "UTC")),
    pa.array([TRADED]).cast(pa.timestamp("us", "Nowhere/X")),
], ids=lambda odd: str(odd.type))  # fmt: skip
def test_values_that_python_has_none_of_are_shown(tmp_path, odd):
    assert shown(odd[0])
    frame = Frame({"x": odd}, np.arange(1))
    assert frame.words("x")[0]
    assert np.isnan(frame.number("x")).all()
    assert frame.bad[0][0] == "wrong_type"
    path = trades(tmp_path / "standx" / "a.parquet", price=[1.0, -1.0, 1.0],
                  more=pa.concat_arrays([odd] * 3))  # fmt: skip
    found = decode(path)
    assert found.decoded == {"trade": 2}
    assert found.bad[0].text_start.startswith("{'timestamp': datetime.datetime(2026")


def test_a_value_that_python_has_is_shown_as_it_has_it():
    assert str(shown(pa.scalar(TRADED, pa.timestamp("us")))) == "2026-01-06 11:46:40"
    assert shown(pa.scalar(None, pa.int64())) is None


@pytest.mark.parametrize("column", [
    pa.nulls(3), pa.array([1, 2, 2], pa.float16()), pa.array([1, 2, 2]).cast(pa.timestamp("us")),
], ids=lambda column: str(column.type))  # fmt: skip
def test_columns_of_types_that_are_rarely_met(column):
    frame = Frame({"x": column}, np.arange(3))
    assert frame.changes("x").tolist() == ([0] if column.null_count else [0, 1])
    numbers = frame.number("x", optional=True)
    assert np.isnan(numbers).all() or numbers.tolist() == [1, 2, 2]


def test_a_column_of_a_type_that_nothing_is_made_of_refuses_the_file(tmp_path):
    """By a reason that says so: its pages are whole."""
    levels = {side: pa.array([[1.5]] * 3) for side in
              ("bid_quantities", "ask_prices", "ask_quantities")}
    path = trades(tmp_path / "standx" / "a.parquet", bid_prices=["1.5"] * 3, **levels)
    assert probe(path).sniff.layout == "standx-books"
    with pytest.raises(ChecksumError, match="of a type that nothing is made of: Function"):
        decode(path)


def test_only_what_is_wrong_with_the_file_is_told_as_damage(tmp_path, monkeypatch):
    """An error of the program's own is none of the file's."""
    def wrong(*_):
        pa.array(["x"]).cast("int8")

    monkeypatch.setattr("imbalance.captures.tabular.made_of", wrong)
    with pytest.raises(pa.ArrowInvalid):
        decode(trades(tmp_path / "standx" / "a.parquet"))
    with pytest.raises(ChecksumError), damage_told():
        wrong()
