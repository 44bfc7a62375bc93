"""`imbalance sql`: one query against the home or a published generation.

How a query is written out; which tables there are and that they cannot be changed is the store's.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from imbalance import catalog
from imbalance.cli import complete, output, streams
from imbalance.cli.application import Application, subcommand
from imbalance.errors import UserError, nearest
from imbalance.whole_file import whole_file

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_COMMENTS = re.compile(r"duckdb_|pg_|information_schema|comment", re.IGNORECASE)
"""Where a query can see comments, which take half the time of opening a session."""

FORMATS = ("table", "csv", "json", "parquet")
ENDINGS = {f".{form}": form for form in FORMATS if form != "table"}
SHOWN_ROWS = 40

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_NOT_IN_ARROW = re.compile(r"\b(UHUGEINT|BIGNUM|BIT|TIME WITH TIME ZONE)\b")


@subcommand("sql")
@click.argument("query")
@click.option("--generation", "-g", metavar="G", shell_complete=complete.generations,
              help="Ask a published generation: its id, or `current`.")
@click.option("--format", "-f", "form", type=click.Choice(FORMATS),
              help="By the ending of the file if not given; a table on standard output.")
@click.option("--output", "-o", "out", type=click.Path(path_type=Path, dir_okay=False),
              help="Write to this file instead of standard output: .csv, .json, .parquet, or "
              "another with --format.")
@click.option("--rows", type=click.IntRange(min=1), default=SHOWN_ROWS, show_default=True,
              help="Rows shown as a table; the other formats write all.")
def command(
    application: Application, query: str, generation: str | None, form: str | None,
    out: Path | None, rows: int,
) -> None:
    """Query any table with SQL (DuckDB's). `-` reads the query from standard input.

    Works while a run writes: a query sees the home as it was when it began.

    \b
    Examples:
      imbalance sql "select instrument, bar_start, queue_imbalance from features.bars_1s limit 5"
      imbalance sql "select instrument, count(*) from features.bars_1s group by all"
      imbalance sql "select * from studies.correlation where q_value < 0.05" -f csv
      imbalance sql "from features.bars_1s" -o bars.parquet
      imbalance sql "from features.bars_1s" --generation current

    \b
    JSON: {"columns": [{"name", "type"}], "rows": [{column: value}]}
    Times are text in UTC with the decimals of their type: nine of the tables'
    own, TIMESTAMP_NS, six of TIMESTAMP and TIMESTAMP WITH TIME ZONE. Decimals
    are text with all their digits, whole numbers of any size are numbers; a
    value that is not finite is null. Of columns with one name, a, the second is
    called a_1.
    """
    import duckdb

    from imbalance.store.answers import in_batches
    from imbalance.store.session import check_query

    if query == "-":
        query = streams.read_input()
    form = "json" if application.json else _format(form, out)
    if out is None:
        _check_output(form)
    connection = _connect(application, generation, query)
    try:
        check_query(connection, query)
        reader = in_batches(connection, query)
        columns = [{"name": name, "type": str(kind)} for name, kind, *_ in connection.description]
        _check_types(columns)
        if form == "table" and out is None:
            click.echo(_table(reader, rows))
            return
        with _target(out, form) as stream:
            _stream(reader, columns, form, rows, stream)
    except duckdb.Error as error:
        raise explain(error, query, None if generation is None else connection) from None
    finally:
        connection.close()


def _connect(
    application: Application, generation: str | None, query: str
) -> duckdb.DuckDBPyConnection:
    if generation is None:
        return application.store().session(described=bool(_COMMENTS.search(query)))
    from imbalance.store.generations import open_generation

    home = application.home()
    return open_generation(home, None if generation == "current" else generation)


def _format(form: str | None, out: Path | None) -> str:
    """The format asked for, else that of the file's ending."""
    if form is not None or out is None:
        return form or "table"
    if out.suffix.lower() not in ENDINGS:
        raise UserError(f"the ending of {out.name!r} says no format", where="--output",
                        allowed=", ".join(ENDINGS), fix=f"--format {'|'.join(FORMATS)}")
    return ENDINGS[out.suffix.lower()]


def _check_output(form: str) -> None:
    """Refuse a standard output that is closed, or a terminal where the answer is no text."""
    if sys.stdout is None:
        raise UserError("there is no standard output", where="standard output",
                        fix="--output FILE")
    if form == "parquet" and sys.stdout.isatty():
        raise UserError(
            "Parquet is not text", where="--format parquet", allowed="a file or a pipe",
            fix="--output FILE.parquet",
        )


def _check_types(columns: list[dict[str, str]]) -> None:
    """Refuse types whose values Arrow, by which answers come, has no place for."""
    for column in columns:
        # names of fields and words of enumerations are quoted
        if _NOT_IN_ARROW.search(_QUOTED.sub("", column["type"])):
            raise UserError(
                f"column {column['name']!r} is of type {column['type']}, whose values would be "
                "others here", fix="cast it in the query, such as with ::varchar",
            )


def _target(out: Path | None, form: str) -> AbstractContextManager[BinaryIO]:
    """Where an answer goes: whole, where it is of no use in part."""
    if out is not None:
        return whole_file(out, "--output")
    return streams.whole_output() if form == "json" else nullcontext(sys.stdout.buffer)


def _stream(
    reader: pa.RecordBatchReader, columns: list[dict[str, str]], form: str, rows: int,
    stream: BinaryIO,
) -> None:
    if form == "table":
        stream.write(_table(reader, rows).encode() + b"\n")
    elif form == "csv":
        _csv(reader, stream)
    elif form == "json":
        _json(reader, columns, stream)
    else:
        _parquet(reader, stream)
    stream.flush()


def _plain(batch: pa.RecordBatch) -> list[list[Any]]:
    """Columns of the batch as Python values; times as text, which keeps their nanoseconds."""
    plain = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            plain.append(_values(column))
        except (OverflowError, ValueError):  # Python's dates and times end sooner
            raise UserError(
                f"a value of column {name!r} is a date or time that cannot be shown",
                fix="cast it in the query, such as with ::varchar",
            ) from None
    return plain


def _values(column: pa.Array) -> list[Any]:
    from pyarrow import types

    kind = column.type
    if types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind):
        return list(_finite(column).cast("string").to_pylist())
    values = column.to_pylist()
    if types.is_integer(kind) or types.is_floating(kind) or types.is_string(kind):
        return list(values)
    return [_readable(value) for value in values]


def _finite(column: pa.Array) -> pa.Array:
    """Dates and times, those of which DuckDB says that they are infinite null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    width = column.type.bit_width
    whole = column.view(pa.int32() if width == 32 else pa.int64())
    infinite = pc.equal(pc.abs(pc.cast(whole, pa.int64())), 2 ** (width - 1) - 1)
    return pc.if_else(pc.fill_null(infinite, False), None, column)


def _readable(value: Any) -> Any:
    """Bytes in hexadecimal, intervals as text and whole decimals (such as the sum of a BIGINT) as
    whole numbers, at any depth; the rest as it is.
    """
    import pyarrow as pa

    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:  # that is, of scale 0
        return int(value)
    if isinstance(value, pa.MonthDayNano):
        return _interval(value.months, value.days, value.nanoseconds)
    if isinstance(value, dict):
        return {name: _readable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    return value


def _interval(months: int, days: int, nanoseconds: int) -> str:
    """An interval as text DuckDB reads: `2 months 3 days -00:00:01.500000`."""
    parts = [f"{count} {unit}" for count, unit in ((months, "months"), (days, "days")) if count]
    if nanoseconds or not parts:
        microseconds = abs(nanoseconds) // 1_000  # DuckDB's intervals are no finer
        seconds, fraction = divmod(microseconds, 1_000_000)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        sign = "-" if nanoseconds < 0 else ""
        parts.append(f"{sign}{hours:02}:{minutes:02}:{seconds:02}.{fraction:06}")
    return " ".join(parts)


def _table(reader: pa.RecordBatchReader, limit: int) -> str:
    found: list[tuple[Any, ...]] = []
    for batch in reader:
        wanted = min(batch.num_rows, limit + 1 - len(found))
        found += list(zip(*_plain(batch.slice(0, wanted)), strict=True))
        if len(found) > limit:
            break
    text = output.table(reader.schema.names, found[:limit])
    if len(found) > limit:
        text += f"\n… more rows: --rows N shows more, --format csv writes all ({limit} shown)"
    elif not found:
        text += "\n(no rows)"
    return text


def _csv(reader: pa.RecordBatchReader, stream: BinaryIO) -> None:
    import csv
    import io
    import json

    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    try:
        writer.writerow(reader.schema.names)
        for batch in reader:
            columns = [
                [json.dumps(output.json_ready(v)) if isinstance(v, list | dict) else v
                 for v in column]
                for column in _plain(batch)
            ]
            writer.writerows(zip(*columns, strict=True))
    finally:
        text.detach()  # which would close the stream as it goes


def _json(
    reader: pa.RecordBatchReader, columns: list[dict[str, str]], stream: BinaryIO
) -> None:
    import json

    names = _distinct(reader.schema.names)
    columns = [{**column, "name": name} for column, name in zip(columns, names, strict=True)]
    stream.write(b'{"columns": ' + json.dumps(columns).encode() + b', "rows": [')
    first = True
    for batch in reader:
        for values in zip(*_plain(batch), strict=True):
            row = output.json_ready(dict(zip(names, values, strict=True)))
            text = json.dumps(row, ensure_ascii=False)
            stream.write((b"\n" if first else b",\n") + text.encode())
            first = False
    stream.write(b"]}\n")


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, those that come again with a number that none of them has: an object holds one
    value of a name.
    """
    found: list[str] = []
    for name in names:
        others = (f"{name}_{number}" for number in itertools.count(1))
        taken = {*found, *names} if name in found else set()
        found.append(next(one for one in itertools.chain([name], others) if one not in taken))
    return found


def _parquet(reader: pa.RecordBatchReader, stream: BinaryIO) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetWriter(stream, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
    except pa.ArrowNotImplementedError as error:
        raise UserError(
            f"Parquet cannot hold a column of the answer: {error}", where="--format parquet",
            fix="cast it in the query, such as an interval with epoch(…) or ::varchar",
        ) from None


def explain(
    error: duckdb.Error, query: str, published: duckdb.DuckDBPyConnection | None = None
) -> UserError:
    """DuckDB's complaint with what was probably meant; `published` is the generation asked."""
    import duckdb

    from imbalance.store.absent import refusal_in

    refusal = refusal_in(error)
    if refusal is not None:
        return refusal
    lines = str(error).splitlines()
    what = lines[0]
    where = next((line for line in lines if line.startswith("LINE ")), query.strip()[:200])
    allowed = None
    fix = "imbalance tables; imbalance describe TABLE"
    missing_table = re.search(r"Table with name \"?([\w.]+)\"? does not exist", what)
    missing_column = re.search(r"[Rr]eferenced (?:column|table) \"(\w+)\" not found", what)
    if missing_table:
        return _no_table(missing_table.group(1), query, where, published)
    if missing_column:
        wanted = missing_column.group(1)
        columns = _columns(query)
        close = nearest(wanted, columns)
        what = f"there is no column {wanted!r}" + (f"; did you mean {close!r}?" if close else "")
        allowed = output.most_alike(wanted, columns) or None
    elif isinstance(error, duckdb.PermissionException) or "disabled" in what:
        fix = "a session reads the tables of the home and nothing else"
    elif isinstance(error, duckdb.ParserException):
        fix = "see the DuckDB SQL reference; quote the whole query for the shell"
    return UserError(what, where=where, allowed=allowed, fix=fix)


def _no_table(
    wanted: str, query: str, where: str, published: duckdb.DuckDBPyConnection | None
) -> UserError:
    """That there is no such table, or that it is not published."""
    names = [*catalog.tables(), *catalog.views()]
    qualified = _qualified(wanted, query)
    if published is not None:
        of_home = names
        names = [row[0] for row in published.sql(
            "select concat_ws('.', schema_name, table_name) from duckdb_tables() order by 1"
        ).fetchall()]
        if qualified in of_home:
            return UserError(
                f"{qualified!r} is not published: it is a table of the home alone", where=where,
                allowed=", ".join(names), fix="ask the home, which is without --generation",
            )
    # Of layers with the same name in them, the last is the one that is read most.
    short = {name.split(".", 1)[1]: name for name in names}
    close = (
        short.get(wanted)
        or nearest(qualified, names)
        or short.get(nearest(wanted, list(short)) or "")
    )
    return UserError(
        f"there is no table {wanted!r}" + (f"; did you mean {close!r}?" if close else ""),
        where=where, allowed=", ".join(names),
        fix="imbalance tables" if published is None else 'imbalance sql -g G "show all tables"',
    )


def _qualified(name: str, query: str) -> str:
    """The name with the schema it had in the query."""
    found = re.search(rf"(\w+)\"?\.\"?{re.escape(name)}\b", query)
    return f"{found.group(1)}.{name}" if found and "." not in name else name


def _columns(query: str) -> list[str]:
    """Columns of the tables which the query names."""
    found: list[str] = []
    for name, table in (catalog.tables() | catalog.views()).items():
        if name in query:
            found += [c for c in (*table.column_names, "recorded_at") if c not in found]
    return found
