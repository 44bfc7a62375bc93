"""SQL macros for joins as known at a moment, from `sql/macros/`: in every session and generation.

Here: which there are and how they get into a connection. What they do is said in their files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance.store.sqlfiles import read_sql

if TYPE_CHECKING:
    import duckdb

MACROS = ("as_of", "point_in_time", "why_missing", "grid", "forward", "folds")
"""Those over tables."""

CONDITIONS = ("names_are_free",)
"""What the others ask before they answer."""

HISTORY_MACROS = ("as_recorded", "as_of_recorded", "point_in_time_recorded")
"""Those over views of history, which a generation has none of."""


def create_macros(
    connection: duckdb.DuckDBPyConnection, *, history: bool = True, temporary: bool = False
) -> None:
    """Make the macros in the database that is in use, or `temporary` in the connection alone."""
    for name in (*CONDITIONS, *MACROS, *(HISTORY_MACROS if history else ())):
        text = read_sql(f"macros/{name}.sql")
        if temporary:
            text = text.replace("create or replace macro", "create or replace temp macro")
        connection.execute(text)
