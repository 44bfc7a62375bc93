"""A training set in one connection: features joined to the spine, labels, folds, reasons.

What each join does is said in `sql/macros/`; here the statements that call them are put together.
"""
# ruff: noqa: S608 - names come from the registry or the spine and are quoted

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance.errors import UserError
from imbalance.store.answers import in_batches
from imbalance.store.history import SUFFIX
from imbalance.store.sqlfiles import quote_ident, quote_table, quote_text
from imbalance.training.request import Feature, Recipe, span_text
from imbalance.training.spines import RECORDED_UNTIL

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_REASON = "_reason"

LABEL_COLUMNS = {"return": "forward_return_bps", "volatility": "forward_volatility_bps",
                 "direction": "forward_direction"}
_LABEL_REASONS = {"return": "forward_return_reason", "volatility": "forward_volatility_reason",
                  "direction": "forward_return_reason"}


def training_set(
    connection: duckdb.DuckDBPyConnection, recipe: Recipe, rows_of: str = ""
) -> pa.RecordBatchReader:
    """Every row of the temporary table `spine`, in its order, with features and labels.

    Parameters
    ----------
    rows_of : the table of bars whose rows, with their `bar_start`, the spine has: of it each row
        gets its own bar, also where a newer one became known at the same moment.

    Returns
    -------
    pyarrow.RecordBatchReader
        The columns of the spine; of each table of bars the start of the joined bar and when it was
        known; each feature with its reason where it is null; labels with theirs; folds.

    Raises
    ------
    UserError
        If the spine has a column which the data set makes.
    """
    own = [name for name in _columns(connection, "spine") if name != "row_id"]
    recorded = RECORDED_UNTIL in own
    selected = [f"spine.{quote_ident(name)}" for name in own]
    # Joined without the user's other columns, whose names may be those of bars and labels.
    clock = f", {RECORDED_UNTIL}" if recorded else ""
    connection.execute("create or replace temp table keyed as "
                       f"select row_id, instrument, time{clock} from spine")
    joins = []
    for number, table in enumerate(recipe.tables):
        features = [feature for feature in recipe.features if feature.table == table]
        if table == rows_of:
            _join_own(connection, number, table, features)
        else:
            _join(connection, number, table, features, recipe.max_age, recorded=recorded)
        joins.append(f"inner join known_{number} using (row_id) "
                     f"left join missing_{number} using (row_id)")
        if table != rows_of:
            selected += _selected_times(number, table, features)
        selected += _selected_features(number, features)
    if recipe.horizons:
        _label(connection, recipe)
        joins.append("inner join labels using (row_id)")
        selected += [f"labels.{quote_ident(name)}" for name in _columns(connection, "labels")
                     if name not in ("row_id", "instrument", "time")]
    query = (f"select {', '.join(selected)} from spine {' '.join(joins)} order by row_id")
    names = [row[0].casefold() for row in connection.execute(f"describe {query}").fetchall()]
    doubled = sorted({name for name in own if names.count(name.casefold()) > 1})
    if doubled:
        raise UserError(f"the spine has a column {doubled[0]!r}, and so has the data set",
                        where="spine", fix="rename the column")
    return in_batches(connection, query)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in connection.execute(f"describe {table}").fetchall()]


def _join(
    connection: duckdb.DuckDBPyConnection, number: int, table: str, features: list[Feature],
    max_age: int, *, recorded: bool,
) -> None:
    """Make `known_N`, the bar joined to each row, and `missing_N`, why there is none."""
    columns = _joined_columns(features)
    macro, source = (
        ("point_in_time_recorded", table + SUFFIX) if recorded else ("point_in_time", table)
    )
    age = _interval(max_age)
    connection.execute(
        f"create or replace temp table known_{number} as "
        f"select row_id, {columns} "
        f"from {macro}('keyed', {quote_text(source)}, {age})"
    )
    connection.execute(
        f"create or replace temp table unmet_{number} as select row_id, instrument, time "
        f"from keyed semi join (from known_{number} where bar_start is null) using (row_id)"
    )
    connection.execute(
        f"create or replace temp table missing_{number} as select row_id, reason "
        f"from why_missing('unmet_{number}', {quote_text(table)}, {age})"
    )


def _join_own(
    connection: duckdb.DuckDBPyConnection, number: int, table: str, features: list[Feature]
) -> None:
    connection.execute(
        f"create or replace temp table known_{number} as "
        f"select row_id, {_joined_columns(features)} "
        "from (select row_id, instrument, bar_start from spine) "
        f"inner join {quote_table(table)} using (instrument, bar_start)"
    )
    connection.execute(
        f"create or replace temp table missing_{number} (row_id bigint, reason varchar)")


def _joined_columns(features: list[Feature]) -> str:
    wanted = ["bar_start", "available_at", "poisoned", *(one.column for one in features)]
    return ", ".join(map(quote_ident, dict.fromkeys(wanted)))


def _selected_times(number: int, table: str, features: list[Feature]) -> list[str]:
    base, named = table.split(".", 1)[1], [feature.column for feature in features]
    return [f"known_{number}.{name} as {quote_ident(f'{base}_{name}')}"
            for name in ("bar_start", "available_at") if name not in named]


def _selected_features(number: int, features: list[Feature]) -> list[str]:
    selected = []
    for feature in features:
        value = f"known_{number}.{quote_ident(feature.column)}"
        selected.append(f"{value} as {quote_ident(feature.name)}")
        selected.append(
            f"case when {value} is null then coalesce(missing_{number}.reason, "
            f"if(known_{number}.poisoned, 'poisoned', 'undefined')) end "
            f"as {quote_ident(feature.name + _REASON)}"
        )
    return selected


def _label(connection: duckdb.DuckDBPyConnection, recipe: Recipe) -> None:
    """Make `labels`: those of each row by horizon, when the last is known, and the folds."""
    selected, joins = ["keyed.row_id", "keyed.instrument", "keyed.time"], []
    for horizon in recipe.horizons:
        alias, text = f"forward_{horizon}", span_text(horizon)
        connection.execute(
            f"create or replace temp table {alias} as select row_id, label_start, label_end, "
            f"label_available_at, {', '.join(LABEL_COLUMNS.values())}, "
            f"{', '.join(dict.fromkeys(_LABEL_REASONS.values()))} "
            f"from forward('keyed', {quote_text(recipe.label_table)}, {_interval(horizon)})"
        )
        joins.append(f"inner join {alias} using (row_id)")
        for label in recipe.labels:
            name = LABEL_COLUMNS[label].replace("forward_", f"forward_{text}_")
            selected.append(f"{alias}.{LABEL_COLUMNS[label]} as {quote_ident(name)}")
            selected.append(
                f"{alias}.{_LABEL_REASONS[label]} as {quote_ident(name + _REASON)}")
    longest = f"forward_{max(recipe.horizons)}"
    selected += [f"{longest}.{name}" for name in ("label_start", "label_end",
                                                  "label_available_at")]
    connection.execute(
        "create or replace temp table labels as "
        f"select {', '.join(selected)} from keyed {' '.join(joins)}"
    )
    if recipe.folds:
        connection.execute(
            "create or replace temp table labels as "
            f"from folds('labels', {int(recipe.folds)}, {_interval(recipe.embargo)})"
        )


def _interval(span: int) -> str:
    """A span in SQL, whose intervals are whole microseconds."""
    return f"to_microseconds({int(span) // 1000})"
