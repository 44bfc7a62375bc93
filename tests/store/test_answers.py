"""How a query is answered in batches, and what is told of one that fails on the way."""

import duckdb
import pytest

from imbalance.store.answers import in_batches, telling_why

FAILS_MIDWAY = "select if(a > 200000, error('boom'), a::varchar) as a from range(300000) t(a)"
STOPPED = "INTERRUPT Error: Interrupted!"


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        yield connection


def test_all_rows_come_with_their_types(connection):
    rows = in_batches(connection, "select a, a::varchar b from range(200000) t(a)").read_all()
    assert rows["a"].to_pylist() == list(range(200000))
    assert rows["b"][199999].as_py() == "199999"
    assert [(name, str(kind)) for name, kind, *_ in connection.description] == [
        ("a", "BIGINT"), ("b", "VARCHAR"),
    ]


def test_a_failure_midway_is_an_error_of_duckdb(connection):
    reader = in_batches(connection, FAILS_MIDWAY)
    with pytest.raises(duckdb.Error, match=r"^Invalid Input Error: boom"):
        reader.read_all()


@pytest.mark.parametrize(("told", "query", "raised"), [
    (STOPPED, FAILS_MIDWAY, "Invalid Input Error: boom"),
    (STOPPED, "from range(10)", STOPPED),  # fails no more: nothing else is known
    ("Invalid Input Error: boom", "select error('another')", "Invalid Input Error: boom"),
])
def test_a_query_that_duckdb_stopped_itself_is_asked_why(connection, told, query, raised):
    with pytest.raises(duckdb.Error) as failure, telling_why(connection, query):
        raise duckdb.Error(told)
    assert str(failure.value) == raised
