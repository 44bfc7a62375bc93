"""`connect` and `load`: the published or current tables in a program, without the command line."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbalance.errors import UserError, nearest
from imbalance.store.absent import refusal_in
from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.training import spines
from imbalance.training.build import training_set
from imbalance.training.request import finest_bars, make_recipe, parse_moment, recorded_by

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

FRAMES = ("arrow", "pandas", "polars", "duckdb")
"""Forms in which `load` returns rows."""


def connect(
    home: str | Path | None = None,
    *,
    generation: str | None = None,
    as_of: str | datetime.date | None = None,
) -> duckdb.DuckDBPyConnection:
    """A locked-down, read-only DuckDB connection in which every table is there under its name.

    Parameters
    ----------
    home : directory of the home; by default $IMBALANCE_HOME, else ./warehouse.
    generation : a published generation by its id, or `current`; by default the home as it is now.
    as_of : the home as this system had recorded it at that moment (UTC); not of a generation,
        which is a record of its own.

    Examples
    --------
    >>> import imbalance
    >>> with imbalance.connect("warehouse") as connection:  # doctest: +SKIP
    ...     connection.sql("from features.bars_1s limit 5").df()
    """
    return _connect(home, generation, as_of, described=True)


def _connect(
    home: str | Path | None, generation: str | None, as_of: str | datetime.date | None, *,
    described: bool,
) -> duckdb.DuckDBPyConnection:
    place = Path(home or os.environ.get("IMBALANCE_HOME") or "warehouse")
    if generation is not None:
        if as_of is not None:
            raise UserError("a generation is a record of its own, as_of chooses among records",
                            where="as_of", fix="give one of them")
        from imbalance.store.generations import open_generation

        return open_generation(Home.open(place), None if generation == "current" else generation)
    store = Store.open(place)
    at = None if as_of is None else recorded_by(store, as_of, "as_of")
    return store.session(at, described=described)


def load(
    features: Sequence[str],
    instruments: Sequence[str] = (),
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    *,
    as_of: str | datetime.date | None = None,
    generation: str | None = None,
    home: str | Path | None = None,
    frame: str = "arrow",
    max_age: str = "10m",
) -> Any:
    """Features as known at the moment each of the finest bars among them became known.

    One row per instrument and bar of the finest table named: `instrument`, `time` (when the bar was
    known), `bar_start`, then each feature, with `<feature>_reason` where it is null. A coarser
    bar is the newest one that was known by then. Limits between which there is nothing give the
    same columns without rows, so that days may be gone through one by one.

    Parameters
    ----------
    features : `TABLE.COLUMN`, such as `bars_1s.order_flow_imbalance`, of any bar sizes.
    instruments : all by default.
    start, end : limits of `bar_start` (UTC), the second exclusive.
    as_of, generation, home : see `connect`.
    frame : `arrow`, `pandas`, `polars` or `duckdb` (a relation, whose connection stays open).
    max_age : how long after its end a coarser bar is still joined.

    Raises
    ------
    UserError
        If a feature, an instrument or a frame is not known, the limits are in the wrong order, or a
        partition file of a table that is asked is missing.

    Examples
    --------
    >>> import imbalance
    >>> imbalance.load(  # doctest: +SKIP
    ...     ["bars_1s.order_flow_imbalance", "bars_1m.depth_imbalance_5"],
    ...     ["binance:BTCUSDT"], "2024-08-08", frame="pandas")
    """
    import duckdb

    if frame not in FRAMES:
        close = nearest(frame, list(FRAMES))
        raise UserError(f"there is no frame {frame!r}"
                        + (f"; did you mean {close!r}?" if close else ""),
                        where="frame", allowed=", ".join(FRAMES))
    features, instruments = _texts(features, "features"), _texts(instruments, "instruments")
    recipe = make_recipe(features, max_age=max_age)
    table = f"features.bars_{finest_bars(recipe.tables)}"
    connection = _connect(home, generation, as_of, described=False)
    spines.check_tables(connection, [table, *recipe.tables])
    try:
        spines.check_instruments(connection, table, instruments)
        spines.of_table(
            connection, table, instruments=instruments, keep=("bar_start",), limited="bar_start",
            first=None if start is None else parse_moment(start, "start"),
            last=None if end is None else parse_moment(end, "end"),
        )
        rows = training_set(connection, recipe, table).read_all()
    except duckdb.Error as error:
        raise refusal_in(error) or error from None
    return _as_frame(connection, rows, frame)


def _texts(given: Any, name: str) -> list[str]:
    """The texts of a list, or of what else has them one by one."""
    if isinstance(given, str):
        raise UserError(f"{given!r} is a text and no list", where=name, fix=f"[{given!r}]")
    texts = list(given) if isinstance(given, Iterable) else [given]
    for text in texts:
        if not isinstance(text, str):
            raise UserError(f"{text!r} is no text", where=name, allowed="a list of texts",
                            fix="[] is all of them" if name == "instruments" else None)
    return texts


def _as_frame(connection: duckdb.DuckDBPyConnection, rows: pa.Table, frame: str) -> Any:
    if frame == "duckdb":
        connection.register("loaded", rows)
        return connection.table("loaded")
    if frame == "polars":
        connection.register("loaded", rows)
        try:
            found: Any = connection.table("loaded").pl()
        except ImportError:
            raise UserError("polars is not installed", where="frame",
                            allowed="arrow, pandas, duckdb", fix="pip install polars") from None
    else:
        found = rows if frame == "arrow" else rows.to_pandas()
    connection.close()
    return found
