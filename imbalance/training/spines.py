"""The spine of a data set: at which moments, of which instruments, its rows are.

Each function leaves a temporary table `spine` in the connection: `row_id` in the order of the rows,
`instrument`, `time`, and whatever else the user's table has. Not here: what is joined to it.
"""
# ruff: noqa: S608 - names of tables and columns are looked up and quoted, values are parameters

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance import catalog
from imbalance.errors import UserError, nearest
from imbalance.store.sqlfiles import quote_ident, quote_table
from imbalance.training.request import moment_text, span_text

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_EARLIEST, _LATEST = (-5_364_662_400_000_000_000, 5_680_281_600_000_000_000)
"""1800 and 2150, ns: a hundred years off, the most that an age can be, times are still times."""

RECORDED_UNTIL = "recorded_until"
"""Column of a spine with the second clock: what had been recorded by then is joined."""


def check_instruments(
    connection: duckdb.DuckDBPyConnection, table: str, instruments: Sequence[str]
) -> None:
    """Refuse instruments which a table does not have.

    Raises
    ------
    UserError
        With the nearest of those it has.
    """
    known = [row[0] for row in connection.execute(
        f"select distinct instrument from {quote_table(table)} order by 1").fetchall()]
    for name in instruments:
        if name not in known:
            close = nearest(name, known)
            raise UserError(
                f"{table} has no instrument {name!r}"
                + (f"; did you mean {close!r}?" if close else ""),
                where="instruments", allowed=", ".join(known) or "it has no rows",
            )


def grid(
    connection: duckdb.DuckDBPyConnection, table: str, step: int, *,
    first: int | None = None, last: int | None = None, instruments: Sequence[str] = (),
) -> None:
    """Every instrument at regular moments from `first` to before `last` (ns); step in ns.

    Without limits, from the first bar's start to the last one's end in the table.

    Raises
    ------
    UserError
        If the step is no whole number of microseconds, or there is no such moment.
    """
    name = quote_table(table)
    low, high = connection.execute(
        f"select min(epoch_ns(bar_start)), max(epoch_ns(bar_end)) from {name}").fetchall()[0]
    if low is None:
        raise UserError(f"{table} has no rows", where="spine",
                        fix="imbalance status says what there is; imbalance run CAPTURES…")
    _check_order(first, last)
    if (first is not None and first > high) or (last is not None and last <= low):
        raise _nothing_between(table, first, last, low, high)
    microseconds = _microseconds(step)
    first = -(-low // step) * step if first is None else first
    last = high + 1 if last is None else last
    if first >= last:
        raise UserError(f"no moment of a grid of {span_text(step)} is within {table}",
                        where="every", allowed=f"at most {span_text(min(last, high) - low)}",
                        fix="give a finer grid, or its first moment")
    connection.execute(
        "create or replace temp table spine as "
        "select row_number() over (order by time, instrument) - 1 as row_id, instrument, time "
        "from grid($table, make_timestamp_ns($first), make_timestamp_ns($last), "
        "to_microseconds($step)) where $every or list_contains($instruments, instrument)",
        {"table": table, "first": first, "last": last, "step": microseconds,
         "every": not instruments, "instruments": list(instruments)},
    )


def _microseconds(step: int) -> int:
    if step < 1000 or step % 1000:
        raise UserError(f"a grid of {step} ns is too fine", where="every",
                        allowed="whole microseconds")
    return step // 1000


def of_table(
    connection: duckdb.DuckDBPyConnection, table: str, *, time: str = "available_at",
    limited: str | None = None, first: int | None = None, last: int | None = None,
    instruments: Sequence[str] = (), keep: Sequence[str] = (),
) -> None:
    """A row for each row of a table of the home: trades, bars.

    Parameters
    ----------
    time : the column which becomes the moment of the row.
    limited : the column in which the limits `first` and before `last` (ns) hold; `time` if None.
    keep : the columns that go along.

    Raises
    ------
    UserError
        If the limits are in the wrong order.
    """
    _check_order(first, last)
    more = "".join(f", {quote_ident(name)}" for name in keep)
    moment, limit = quote_ident(time), quote_ident(limited or time)
    ties = "".join(f", {quote_ident(name)}" for name in catalog.table(table).key)
    connection.execute(
        "create or replace temp table spine as "
        f"select row_number() over (order by {moment}, instrument{ties}) - 1 as row_id, "
        f"instrument, {moment} as time{more} from {quote_table(table)} "
        f"where ($first is null or {limit} >= make_timestamp_ns($first)) "
        f"and ($last is null or {limit} < make_timestamp_ns($last)) "
        "and ($every or list_contains($instruments, instrument))",
        {"first": first, "last": last, "every": not instruments, "instruments": list(instruments)},
    )


def check_not_empty(
    connection: duckdb.DuckDBPyConnection, table: str, limited: str, first: int | None,
    last: int | None, instruments: Sequence[str],
) -> None:
    """Refuse a spine without rows, with what the table has of the instruments.

    Parameters
    ----------
    limited, first, last, instruments : as `of_table` was given them.

    Raises
    ------
    UserError
        If there is no row.
    """
    if connection.execute("from spine limit 1").fetchall():
        return
    limit = quote_ident(limited)
    low, high = connection.execute(
        f"select epoch_ns(min({limit})), epoch_ns(max({limit})) from {quote_table(table)} "
        "where $every or list_contains($instruments, instrument)",
        {"every": not instruments, "instruments": list(instruments)}).fetchall()[0]
    if low is None:
        raise UserError(f"{table} has no rows", where="spine",
                        fix="imbalance status says what there is; imbalance run CAPTURES…")
    raise _nothing_between(table, first, last, low, high)


def _check_order(first: int | None, last: int | None) -> None:
    if first is not None and last is not None and first >= last:
        raise UserError(f"{moment_text(first)} is not before {moment_text(last)}",
                        where="limits of time",
                        allowed="a beginning before its end, which is exclusive")


def _nothing_between(
    table: str, first: int | None, last: int | None, low: int, high: int
) -> UserError:
    begin = "the beginning" if first is None else moment_text(first)
    end = "the end" if last is None else moment_text(last)
    return UserError(f"{table} has nothing from {begin} to {end}", where="limits of time",
                     allowed=f"{moment_text(low)} to {moment_text(high)} UTC",
                     fix="imbalance status says which days are covered")


def of_rows(connection: duckdb.DuckDBPyConnection, rows: pa.Table, where: str) -> None:
    """The user's own rows, in their order, with all their columns.

    Raises
    ------
    UserError
        If they have no `instrument` and `time`, a row lacks one, or there is no row.
    """
    import pyarrow as pa

    try:
        names = [name.casefold() for name in rows.column_names]
    except UnicodeDecodeError:
        raise UserError("the name of a column of the spine is not UTF-8 text", where=where,
                        fix="write the file in UTF-8") from None
    doubled = [name for name in rows.column_names if names.count(name.casefold()) > 1]
    if doubled:
        raise UserError(f"the spine has two columns {doubled[0]!r}", where=where,
                        allowed="names that differ in more than upper and lower case",
                        fix="rename one of them")
    for name in ("instrument", "time"):
        if name not in rows.column_names:
            close = nearest(name, rows.column_names)
            raise UserError(
                f"the spine has no column {name!r}" + (f"; is it {close!r}?" if close else ""),
                where=where, allowed="columns instrument (venue:symbol) and time (UTC)",
                fix="rename the column",
            )
    if "row_id" in names:
        raise UserError("the spine has a column 'row_id', which numbers its rows here",
                        where=where, fix="rename the column")
    if not rows.num_rows:
        raise UserError("the spine has no rows", where=where,
                        allowed="a row for each moment and instrument wanted")
    for name in ("time", RECORDED_UNTIL):
        if name in rows.column_names:
            place = rows.column_names.index(name)
            column = rows.column(place)
            if pa.types.is_integer(column.type):
                raise UserError(f"column {name!r} of the spine has integers, whose unit it does "
                                "not say", where=where, allowed="timestamps, or text in ISO 8601")
            try:
                if pa.types.is_string(column.type) or pa.types.is_date(column.type):
                    column = column.cast(pa.timestamp("us"))
                # Without its zone: Arrow keeps such times in UTC.
                rows = rows.set_column(place, name, column.cast(pa.timestamp("ns")))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise UserError(f"column {name!r} of the spine is no time: {error}", where=where,
                                allowed="timestamps, or text in ISO 8601") from None
            _check_span(rows.column(place), name, where)
    for name in ("instrument", "time"):
        if rows.column(name).null_count:
            first = rows.column(name).is_null().index(True).as_py()
            raise UserError(f"row {first + 1} of the spine has no {name}", where=where,
                            fix="leave such rows out")
    connection.register("given_spine", rows.append_column("row_id", pa.array(range(len(rows)))))
    connection.execute(
        "create or replace temp table spine as select row_id, instrument::varchar as instrument, "
        "* exclude (row_id, instrument) from given_spine"
    )
    connection.unregister("given_spine")


def _check_span(times: pa.ChunkedArray, name: str, where: str) -> None:
    """Refuse moments from which ages and horizons would lead beyond what a time can be."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = times.cast(pa.int64())
    outside = pc.or_(pc.less(whole, _EARLIEST), pc.greater_equal(whole, _LATEST))
    row = outside.index(True).as_py()
    if row >= 0:
        raise UserError(
            f"row {row + 1} of the spine: {name} is {moment_text(whole[row].as_py())}",
            where=where, allowed=f"{moment_text(_EARLIEST)} to {moment_text(_LATEST)}",
        )


def check_some_known(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[str], where: str
) -> None:
    """Refuse rows none of which is of an instrument that a table has: the names are wrong then.

    Raises
    ------
    UserError
        With the nearest of those the tables have.
    """
    names = [name for name, in connection.execute(
        "select distinct instrument from spine order by 1").fetchall()]
    known = sorted({name for table in tables for name, in connection.execute(
        f"select distinct instrument from {quote_table(table)}").fetchall()})
    if names and not {*names} & {*known}:
        close = nearest(names[0], known)
        raise UserError(
            f"no row of the spine is of an instrument that there is, such as {names[0]!r}"
            + (f"; did you mean {close!r}?" if close else ""),
            where=where, allowed=", ".join(known) or "there are none yet",
        )


def check_tables(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> None:
    """Refuse tables that are not in the connection: a generation has not all of them.

    Raises
    ------
    UserError
        With the first that is missing.
    """
    there = {f"{schema}.{name}" for schema, name in connection.execute(
        "select table_schema, table_name from information_schema.tables").fetchall()}
    for table in tables:
        if table not in there:
            raise UserError(f"{table} is not published in this generation", where="generation",
                            fix="leave out the generation to read it from the home")


def read_file(path: Path) -> pa.Table:
    """The rows of a Parquet or CSV file.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    allowed = "a .parquet or .csv file with columns instrument (venue:symbol) and time (UTC)"
    if not path.is_file():
        raise UserError("the spine cannot be read: there is no such file", where=str(path),
                        allowed=allowed)
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        if path.name.endswith((".csv", ".csv.gz")):
            return pyarrow.csv.read_csv(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"the spine cannot be read: {error}", where=str(path),
                        allowed=allowed) from None
    raise UserError(f"{path.name!r} is no spine", where="spine",
                    allowed="grid, trades, a table of the home, or a .parquet or .csv file")
