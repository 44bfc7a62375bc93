"""The row hash: what it must not see (order, cutting) and what it must (everything else)."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance.store.rowhash import RowHasher

SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "number": pa.int64(),
        "small": pa.uint8(),
        "time": pa.timestamp("ns"),
        "flag": pa.bool_(),
        "value": pa.float64(),
        "values": pa.list_(pa.float64()),
    }
)
ROW = st.fixed_dictionaries(
    {
        "name": st.none() | st.text(max_size=3),
        "number": st.none() | st.integers(-(2**63), 2**63 - 1),
        "small": st.none() | st.integers(0, 255),
        "time": st.none() | st.integers(0, 2**62),
        "flag": st.none() | st.booleans(),
        "value": st.none() | st.floats(),
        "values": st.none() | st.lists(st.none() | st.floats(), max_size=3),
    }
)
ROWS = st.lists(ROW, max_size=12)


def digest(rows: list[dict], cuts: int = 1, schema: pa.Schema = SCHEMA) -> str:
    hasher = RowHasher(schema)
    for start in range(0, len(rows), max(1, math.ceil(len(rows) / cuts))):
        part = rows[start : start + max(1, math.ceil(len(rows) / cuts))]
        hasher.update(pa.Table.from_pylist(part, schema=schema))
    return hasher.hexdigest()


def same(one: object, other: object) -> bool:
    """Equality of values as SQL sees it: NaN is NaN, −0 is 0, 1 is not True."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and one == other


@given(ROWS, st.randoms(), st.integers(1, 5))
def test_neither_order_nor_cutting_matters(rows, random, cuts):
    shuffled = random.sample(rows, len(rows))
    assert digest(shuffled, cuts) == digest(rows)


@given(st.lists(ROW, min_size=1, max_size=5), st.data())
def test_any_changed_value_changes_it(rows, data):
    place = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(SCHEMA.names))
    value = data.draw(ROW)[name]
    changed = [{**row, name: value} if i == place else row for i, row in enumerate(rows)]
    assert (digest(changed) == digest(rows)) == same(value, rows[place][name])


@given(st.lists(ROW, min_size=1, max_size=5))
def test_a_doubled_or_a_lost_row_changes_it(rows):
    assert len({digest(rows), digest([*rows, rows[0]]), digest(rows[1:])}) == 3


def test_values_may_not_change_columns_or_rows():
    schema = pa.schema({"a": pa.float64(), "b": pa.float64()})
    rows = [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]
    columns_swapped = [{"a": 2.0, "b": 1.0}, rows[1]]
    rows_crossed = [{"a": 1.0, "b": 4.0}, {"a": 3.0, "b": 2.0}]
    digests = [digest(r, schema=schema) for r in (rows, columns_swapped, rows_crossed)]
    assert len(set(digests)) == 3


def test_neighbouring_powers_of_two_do_not_collide():
    # Doubles such as these differ in their upper bits only, where a weak hash is blind.
    values = 2.0 ** np.arange(-500, 500)
    schema = pa.schema({"a": pa.float64(), "b": pa.float64()})
    found = {digest([{"a": a, "b": b}], schema=schema) for a in values[:40] for b in values[-40:]}
    assert len(found) == 1600


def test_names_and_types_count_order_of_columns_does_not():
    row = {"a": 1, "b": 2}
    a_b = pa.schema({"a": pa.int64(), "b": pa.int64()})
    b_a = pa.schema({"b": pa.int64(), "a": pa.int64()})
    a_c = pa.schema({"a": pa.int64(), "c": pa.int64()})
    small = pa.schema({"a": pa.int64(), "b": pa.int32()})
    reference = digest([row], schema=a_b)
    assert digest([row], schema=b_a) == reference
    assert digest([{"a": 1, "c": 2}], schema=a_c) != reference
    assert digest([row], schema=small) != reference


def test_slices_of_larger_arrays_hash_as_copies():
    rows = [{"name": str(i), "number": i, "small": i, "time": i, "flag": i % 2 == 0,
             "value": i / 2, "values": [float(i)] * (i % 3)} for i in range(20)]
    whole = pa.Table.from_pylist(rows, schema=SCHEMA)
    hasher = RowHasher(SCHEMA)
    hasher.update(whole.slice(7, 9))
    assert hasher.hexdigest() == digest(rows[7:16])


def test_texts_hash_the_same_as_dictionaries():
    rows = [{"name": name} | dict.fromkeys(SCHEMA.names[1:]) for name in ("b", None, "a", "b")]
    words = pa.DictionaryArray.from_arrays(pa.array([2, None, 0, 2]), pa.array(["a", "c", "b"]))
    table = pa.Table.from_pylist(rows, schema=SCHEMA).set_column(0, "name", words)
    hasher = RowHasher(SCHEMA)
    hasher.update(table)
    assert hasher.hexdigest() == digest(rows)


def test_it_never_changes():
    # Ledgers hold these for years; a change of the scheme needs a new kind of hash.
    rows = [{"name": "binance:BTCUSDT", "number": 1, "small": 2, "time": 3, "flag": True,
             "value": 0.5, "values": [1.0, 2.0]},
            dict.fromkeys(SCHEMA.names)]
    assert digest(rows) == "6c4d66407eab1196a26355b9ce564ca4"


def test_unknown_types_are_refused():
    schema = pa.schema({"a": pa.date32()})
    with pytest.raises(TypeError, match="date32"):
        digest([{"a": None}], schema=schema)
