"""Partition files: one content, one name, one sequence of bytes."""

import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance.errors import UserError
from imbalance.store.files import PartitionWriter, check_file, group_rows, place
from imbalance.store.home import Home
from tests.store.samples import BARS, EVENTS, bars, events

GROUP = group_rows(EVENTS)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home.open(tmp_path_factory.mktemp("home"), create=True)


@pytest.fixture(scope="module")
def many():
    return events(2 * GROUP + 1000)


def write(home, *parts):
    writer = PartitionWriter(home, EVENTS)
    for part in parts:
        writer.write(part)
    return writer.finish()


@settings(max_examples=8)
@given(st.lists(st.integers(1, 2 * GROUP + 999), max_size=6))
def test_the_cutting_into_batches_leaves_no_trace(home, many, cuts):
    bounds = [0, *sorted(set(cuts)), many.num_rows]
    parts = [many.slice(a, b - a) for a, b in itertools.pairwise(bounds)]
    whole, cut = write(home, many), write(home, *parts)
    assert (cut.sha256, cut.rows_hash, cut.row_count) == (
        whole.sha256, whole.rows_hash, many.num_rows
    )


def test_what_is_read_is_what_was_written(home):
    rows = events(5000)
    staged = write(home, rows)
    assert pq.read_table(staged.path).equals(rows)


def test_row_groups_prune_by_time(home, many):
    metadata = pq.read_metadata(write(home, many).path)
    assert metadata.num_row_groups == 3
    times = [metadata.row_group(i).column(2).statistics for i in range(3)]
    assert times[0].max < times[1].min < times[1].max < times[2].min


def test_an_empty_partition_is_a_file_without_rows(home):
    staged = write(home)
    assert staged.row_count == 0
    assert pq.read_table(staged.path).schema.names == list(EVENTS.column_names)


def test_a_dictionary_of_texts_leaves_no_trace(home):
    rows = events(500).set_column(0, "instrument", pa.array(["b", "a", None, "b", "c"] * 100))
    plain = write(home, rows)
    words = pa.array(["unused", "c", "a", "b"])
    codes = pa.array([3, 2, None, 3, 1] * 100, pa.int32())
    first, rest = (
        rows.slice(start, count).set_column(
            0, "instrument", pa.DictionaryArray.from_arrays(codes.slice(start, count), words)
        )
        for start, count in ((0, 7), (7, 493))
    )
    for parts in ((first, rest), (first, rows.slice(7)), (rows.slice(0, 7), rest)):
        staged = write(home, *parts)
        assert (staged.sha256, staged.rows_hash) == (plain.sha256, plain.rows_hash)
    read = pq.read_table(plain.path)
    assert read.schema.field("instrument").type == pa.string()
    assert read.equals(rows)


def test_groups_of_rows_with_lists_are_smaller(home):
    writer = PartitionWriter(home, BARS)
    writer.write(bars(GROUP + 1))
    assert pq.read_metadata(writer.finish().path).num_row_groups == 1
    assert pq.read_metadata(write(home, events(GROUP + 1)).path).num_row_groups == 2


def test_columns_may_come_in_any_order_and_width(home):
    rows = events(10)
    other = rows.select(rows.column_names[::-1])
    narrow = other.set_column(
        other.column_names.index("event_id"), "event_id", other["event_id"].cast(pa.int32())
    )
    assert write(home, narrow).sha256 == write(home, rows).sha256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["price"]), r"columns missing: \['price'\]"),
        (lambda t: t.append_column("extra", t["price"]), r"not in the registry: \['extra'\]"),
        (lambda t: t.set_column(1, "event_id", [["x"] * t.num_rows]), "event_id|parse|cast|x"),
    ],
)
def test_rows_of_another_shape_are_refused(home, change, message):
    writer = PartitionWriter(home, EVENTS)
    with pytest.raises(ValueError, match=message):
        writer.write(change(events(10)))
    writer.abort()
    assert not writer._path.exists()


def test_a_name_in_place_is_not_written_again(home):
    first = place(home, EVENTS, write(home, events(10)))
    inode = home.file(first).stat().st_ino
    again = write(home, events(10))
    assert place(home, EVENTS, again) == first
    assert home.file(first).stat().st_ino == inode
    assert not again.path.exists()


def test_a_damaged_file_in_place_is_replaced_by_the_good_one(home):
    name = place(home, EVENTS, write(home, events(20)))
    path = home.file(name)
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(good[:-10] + bytes(10))
    staged = write(home, events(20))
    with pytest.raises(UserError, match="damaged"):
        check_file(home.root, name, staged.sha256)
    assert place(home, EVENTS, staged) == name
    assert path.read_bytes() == good


def test_names_cannot_lead_out_of_the_home(home):
    for name in ("../x", "/etc/passwd", "tables/../../x"):
        with pytest.raises(ValueError, match="leads out"):
            home.file(name)
