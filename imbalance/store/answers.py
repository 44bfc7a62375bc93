"""How a query is answered: so that it can be interrupted, and in batches made as they are wanted.

Not here: where it is asked (`session`, `generations`), and how the answer is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
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


def what_failed(
    connection: duckdb.DuckDBPyConnection, query: str, error: duckdb.Error
) -> duckdb.Error:
    """The error that ended a query, where DuckDB tells only that it was ended.

    One of its threads fails, it stops the others, and now and then a reader of batches is told of
    that stop in place of what went wrong (seen in one of 1,500 failures on a busy machine). Nobody
    has interrupted the query then, or a KeyboardInterrupt would have been raised: it is asked once
    more for its error.
    """
    import duckdb

    if not str(error).startswith("INTERRUPT Error"):
        return error
    try:
        for _ in in_batches(connection, interruptible(connection, connection.execute, query)):
            pass
    except duckdb.Error as again:
        return again
    return error


def in_batches(
    connection: duckdb.DuckDBPyConnection,
    answer: duckdb.DuckDBPyConnection | duckdb.DuckDBPyRelation,
) -> pa.RecordBatchReader:
    """The rows of an answer; what DuckDB finds wrong on the way is raised as its own error.

    Arrow alone would make an error of reading of it, which looks like one of the file that the rows
    are written to.
    """
    import pyarrow as pa

    reader = interruptible(connection, answer.to_arrow_reader, BATCH_ROWS)
    return pa.RecordBatchReader.from_batches(reader.schema, _batches(connection, reader))


def _batches(
    connection: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader
) -> Iterator[pa.RecordBatch]:
    import duckdb
    import pyarrow as pa

    try:
        while (batch := interruptible(connection, next, reader, None)) is not None:
            yield batch
    except (OSError, pa.ArrowException) as error:
        raise duckdb.Error(str(error)) from error
