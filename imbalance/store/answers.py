"""How a query is answered: so that it can be interrupted, and in batches made as they are wanted.

Not here: where it is asked (`session`, `generations`), and how the answer is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH_ROWS = 65_536
AGAIN_SECONDS = 0.05
HEARD_SECONDS = 0.2

Result = TypeVar("Result")


def interruptible(
    connection: duckdb.DuckDBPyConnection, work: Callable[..., Result], *given: Any
) -> Result:
    """What some work with a connection comes to, done in a thread beside and ended by Ctrl-C.

    DuckDB alone does not hear of that while it waits for its other threads, or makes a batch.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="query") as thread:
        done = thread.submit(work, *given)
        try:
            # By turns: a wait without end may not hear of a signal that another thread has got.
            while wait([done], HEARD_SECONDS).not_done:
                pass
            return done.result()
        except KeyboardInterrupt:
            # Again, since a query that has not begun yet does not hear of it either.
            while wait([done], AGAIN_SECONDS).not_done:
                connection.interrupt()
            raise


def in_batches(connection: duckdb.DuckDBPyConnection, query: str) -> pa.RecordBatchReader:
    """The rows of a query's answer; what DuckDB finds wrong on the way is raised as its own error.

    Arrow alone would make an error of reading of it, which looks like one of the file that the rows
    are written to.
    """
    import pyarrow as pa

    with telling_why(connection, query):
        reader = _ask(connection, query)
    return pa.RecordBatchReader.from_batches(reader.schema, _batches(connection, query, reader))


@contextmanager
def telling_why(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[None]:
    """Raise the error that ended a query within, where DuckDB tells only that it was ended.

    When one of its threads fails it stops the others, and now and then a reader of batches is told
    of that stop in place of what went wrong, also when it asks again (seen in 22 of 8,000 failures
    on a busy machine). The query is asked once more for its error then. One that Ctrl-C has stopped
    is stopped again: `interruptible` goes on interrupting until it has ended.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        if str(error).startswith("INTERRUPT Error"):
            for _ in _read(connection, _ask(connection, query)):
                pass
        raise


def _ask(connection: duckdb.DuckDBPyConnection, query: str) -> pa.RecordBatchReader:
    answer = interruptible(connection, connection.execute, query)
    return interruptible(connection, answer.to_arrow_reader, BATCH_ROWS)


def _batches(
    connection: duckdb.DuckDBPyConnection, query: str, reader: pa.RecordBatchReader
) -> Iterator[pa.RecordBatch]:
    with telling_why(connection, query):
        yield from _read(connection, reader)


def _read(
    connection: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader
) -> Iterator[pa.RecordBatch]:
    import duckdb
    import pyarrow as pa

    try:
        while (batch := interruptible(connection, next, reader, None)) is not None:
            yield batch
    except (OSError, pa.ArrowException) as error:
        raise duckdb.Error(str(error)) from error
