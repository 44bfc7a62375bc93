"""`imbalance training-set`: options to a spine and a recipe, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imbalance.cli import complete, output
from imbalance.cli.application import Application, subcommand
from imbalance.errors import UserError, nearest

if TYPE_CHECKING:
    import duckdb

    from imbalance.training.request import Recipe

_FILES = (".parquet", ".csv", ".gz")


@subcommand("training-set")
@click.option("--feature", "-F", "features", multiple=True, metavar="TABLE.COLUMN",
              shell_complete=complete.features,
              help="A column of any bars, such as bars_1s.order_flow_imbalance; again for more.")
@click.option("--output", "-o", "out", type=click.Path(path_type=Path, dir_okay=False),
              required=True, help="The file to write: .parquet or .csv.")
@click.option("--spine", default="grid", show_default=True, metavar="SPINE",
              help="The rows: grid, trades, a table of the home, or your .parquet or .csv file "
              "with columns instrument and time.")
@click.option("--every", metavar="SPAN", help="Step of the grid; the finest bars named if not "
              "given.")
@click.option("--time-column", metavar="COLUMN", default="available_at", show_default=True,
              help="Of trades or a table: the column with the moment of its rows.")
@click.option("--instrument", "-i", "instruments", multiple=True,
              shell_complete=complete.instruments, help="Only these.")
@click.option("--from", "first", metavar="TIME", help="First moment (UTC).")
@click.option("--to", "last", metavar="TIME", help="End of the moments, exclusive (UTC).")
@click.option("--max-age", default="60s", show_default=True, metavar="SPAN",
              help="A bar that ended longer ago is not joined.")
@click.option("--horizon", "-H", "horizons", multiple=True, metavar="SPAN",
              help="Label what comes after, over this span; again for more.")
@click.option("--label", "labels", multiple=True, metavar="LABEL",
              help="return, volatility or direction; all of them if not given.")
@click.option("--label-bars", metavar="SIZE", help="Bars the labels are made from; the finest "
              "named if not given.")
@click.option("--folds", type=click.IntRange(2, 100), help="Folds in order of time, with the "
              "rows to be left out of each one's training.")
@click.option("--embargo", default="0s", show_default=True, metavar="SPAN",
              help="Time after a fold's labels in which rows are left out as well.")
@click.option("--as-of", metavar="TIME", help="What this system had recorded by then (UTC), or "
              "`moment`: by the time of each row.")
@click.option("--generation", "-g", metavar="G", shell_complete=complete.generations,
              help="From a published generation: its id, or `current`.")
def command(
    application: Application, features: Sequence[str], out: Path, spine: str, every: str | None,
    time_column: str, instruments: Sequence[str], first: str | None, last: str | None,
    max_age: str, horizons: Sequence[str], labels: Sequence[str], label_bars: str | None,
    folds: int | None, embargo: str, as_of: str | None, generation: str | None,
) -> None:
    """Features as known at each moment, with labels, in one file.

    Each row of the spine stays and gets, of each table named, the newest bar that was known then,
    by `available_at`; where a value is null, a column beside it has the reason: no_instrument,
    outside_coverage, no_bar, too_old, not_yet_available, not_yet_recorded, poisoned, undefined.
    Labels begin at the first end of a bar after the moment. With --as-of it is what this system
    had recorded by then; a Parquet file keeps the recipe and its source in its metadata.

    \b
    Examples:
      imbalance training-set -F bars_1s.order_flow_imbalance -H 10s -o set.parquet
      imbalance training-set -F bars_1s.queue_imbalance -F bars_1m.return_bps \\
        --spine trades -H 1s -H 10s --folds 5 --embargo 60s -o set.parquet
      imbalance training-set --spine mine.csv -F bars_1s.spread_bps --as-of moment -o set.csv

    \b
    JSON: {"output", "rows", "columns": [name], "reasons": {column: {reason: rows}},
           "source": {"generation" | "ledger_sequence"}}
    """
    from imbalance.store.answers import interruptible
    from imbalance.training import spines
    from imbalance.training.build import training_set
    from imbalance.training.request import finest_bars, make_recipe
    from imbalance.training.write import SUFFIXES, write

    if out.suffix not in SUFFIXES:
        raise UserError(f"{out.name!r} is no kind of file here", where="--output",
                        allowed=", ".join(SUFFIXES))
    if not out.parent.is_dir():
        raise UserError(f"cannot write {str(out)!r}: there is no directory {str(out.parent)!r}",
                        where="--output", fix=f"mkdir -p {out.parent}")
    if folds and out.suffix == ".csv":
        raise UserError("a .csv file cannot hold the lists of folds", where="--folds, --output",
                        allowed=".parquet")
    recipe = make_recipe(
        features, max_age=max_age, horizons=horizons, folds=folds or 0, embargo=embargo,
        label_bars=label_bars, **({"labels": labels} if labels else {}),
    )
    connection, source = _connect(application, generation, as_of)
    with connection:
        spines.check_tables(connection, [*recipe.tables, recipe.label_table])
        interruptible(connection, _make_spine, connection, recipe, spine,
                      every or finest_bars(recipe.tables), time_column, instruments, first, last)
        if spine.endswith(_FILES) and (as_of == "moment" or generation is not None):
            _check_one_clock(connection)
        if as_of == "moment":
            connection.execute("alter table spine add column recorded_until timestamp_ns")
            connection.execute("update spine set recorded_until = time")
        asked = {"spine": spine, "every": every, "time_column": time_column,
                 "instruments": list(instruments), "from": first, "to": last, "as_of": as_of}
        rows = interruptible(connection, training_set, connection, recipe)
        written = write(rows, out, {**asked, **recipe.as_dict(), "source": source})
    if application.json:
        output.write_json({"output": out, "rows": written.rows, "columns": written.columns,
                           "reasons": written.reasons, "source": source})
        return
    click.echo(f"{out}: {output.count(written.rows, 'row')}, "
               f"{output.count(len(written.columns), 'column')}")
    for name, reasons in written.reasons.items():
        click.echo(f"  {name} is null: "
                   + ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items())))


def _connect(
    application: Application, generation: str | None, as_of: str | None
) -> tuple[duckdb.DuckDBPyConnection, dict[str, Any]]:
    """A connection, and what is read: a generation, or the ledger at a sequence."""
    from imbalance.store.generations import find_generation, open_generation
    from imbalance.training.request import recorded_by

    if generation is not None:
        if as_of is not None:
            raise UserError("a generation is a record of its own", where="--as-of, --generation",
                            fix="give one of them")
        home = application.home()
        found = find_generation(home, None if generation == "current" else generation)
        return open_generation(home, found.id), {"generation": found.id}
    store = application.store()
    sequence = store.ledger.last_sequence()
    if as_of not in (None, "moment"):
        sequence = recorded_by(store, as_of or "", "--as-of")
    return store.session(sequence, described=False), {"ledger_sequence": sequence}


def _check_one_clock(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a second clock in the user's rows where the options have set it."""
    from imbalance.training.spines import RECORDED_UNTIL

    if connection.execute(
        "select 1 from (describe spine) where column_name = ?", [RECORDED_UNTIL]
    ).fetchone():
        raise UserError(f"the spine has a column {RECORDED_UNTIL!r} of its own",
                        where="--spine, --as-of, --generation",
                        fix="leave out the option, or rename the column")


def _make_spine(
    connection: duckdb.DuckDBPyConnection, recipe: Recipe, spine: str, every: str,
    time_column: str, instruments: Sequence[str], first: str | None, last: str | None,
) -> None:
    from imbalance import catalog
    from imbalance.training import spines
    from imbalance.training.request import parse_moment, parse_span

    begin = None if first is None else parse_moment(first, "--from")
    end = None if last is None else parse_moment(last, "--to")
    table = "raw.trades" if spine == "trades" else spine
    if spine == "grid":
        spines.check_instruments(connection, recipe.tables[0], instruments)
        spines.grid(connection, recipe.tables[0], parse_span(every, "--every"),
                    first=begin, last=end, instruments=instruments)
    elif spine.endswith(_FILES) or (spine != "trades" and Path(spine).is_file()):
        if instruments or first or last:
            raise UserError("a spine of your own is taken as it is", where="--spine",
                            fix="leave out --instrument, --from and --to")
        spines.of_rows(connection, spines.read_file(Path(spine)), spine)
        spines.check_some_known(connection, recipe.tables, spine)
    else:
        columns = {column.name: column.type for column in catalog.table(table).columns}
        if "instrument" not in columns or time_column not in columns:
            close = nearest(time_column, list(columns))
            raise UserError(
                f"{table} has no column {time_column!r}" if "instrument" in columns
                else f"{table} has no instruments",
                where="--spine, --time-column",
                allowed=f"a table with instruments and times{f'; {close!r}?' if close else ''}",
            )
        if columns[time_column] != "TIMESTAMP_NS":
            raise UserError(f"{time_column} of {table} is no time", where="--time-column",
                            allowed=", ".join(name for name, kind in columns.items()
                                              if kind == "TIMESTAMP_NS"))
        spines.check_tables(connection, [table])
        spines.check_instruments(connection, table, instruments)
        spines.of_table(connection, table, time=time_column, first=begin, last=end,
                        instruments=instruments)
        spines.check_not_empty(connection, table, time_column, begin, end, instruments)
