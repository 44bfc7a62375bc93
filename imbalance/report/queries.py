"""Runs the report's queries on a session: the only place of the report that touches the data.

Everything comes aggregated out of SQL (`sql/report/`), so that memory does not grow with the days.
A session without some table (a published generation has no `raw` layer) yields nothing for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import duckdb
import numpy as np

from imbalance.captures.instruments import unknown_instruments
from imbalance.report import records
from imbalance.store.answers import interruptible
from imbalance.store.sqlfiles import read_sql
from imbalance.studies.registry import studies
from imbalance.summary import rows_of

SIGNIFICANCE = 0.05
"""False discovery rate up to which a row counts as a finding."""

FEWEST_INDEPENDENT = 20
"""Effective pairs of bars below which a significant correlation is not told as a finding: with
fewer, two or three coincident spikes make any size of it."""

Record = TypeVar("Record")
_SECOND = 1_000_000_000
_STEPS = tuple(
    seconds * _SECOND
    for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
)
_DAY = 86_400 * _SECOND


@dataclass(frozen=True)
class Choice:
    """Window that the report shows of a study: the whole span, or one day (`window_day`)."""

    scope: str
    window_day: str | None
    from_ns: int
    to_ns: int


class Source:
    """The tables of a session, as the report wants them.

    Parameters
    ----------
    session : connection in which every layer is a schema.
    """

    def __init__(self, session: duckdb.DuckDBPyConnection) -> None:
        self._session = session
        found = session.execute(read_sql("report/tables_present.sql")).fetchall()
        self.tables = frozenset(name for (name,) in found)

    def has(self, *names: str) -> bool:
        """Whether the session knows all these tables."""
        return self.tables.issuperset(names)

    def ledger_sequence(self) -> int | None:
        """Ledger sequence that the session reads at, where it says so."""
        row = self._session.execute(read_sql("report/ledger_sequence.sql")).fetchone()
        return None if row is None else row[0]

    def captures(self) -> list[records.Capture]:
        return self._rows("captures", records.Capture, "raw.captures")

    def unknown_instruments(self) -> dict[str, list[str]]:
        """Instruments whose kind or contract size is not known, with what is not."""
        if not self.has("raw.instruments"):
            return {}
        return unknown_instruments(rows_of(self._session, "instruments"))

    def clocks(self) -> list[records.Clock]:
        return self._rows("clocks", records.Clock, "raw.clock_skew", "raw.captures")

    def quarantine(self) -> list[records.Quarantined]:
        return self._rows("quarantine", records.Quarantined, "raw.quarantine")

    def book_health(self) -> list[records.Unhealthy]:
        return self._rows("book_health", records.Unhealthy, "book.book_health")

    def trade_gaps(self) -> list[records.TradeGaps]:
        return self._rows("trade_gaps", records.TradeGaps, "book.trade_gaps")

    def book_messages(self) -> list[records.BookMessages]:
        return self._rows("book_messages", records.BookMessages, "book.book_health")

    def quote_agreement(self) -> list[records.Agreement]:
        return self._rows("quote_agreement", records.Agreement, "book.quote_agreement")

    def coverage(self) -> list[records.Coverage]:
        return self._rows("coverage", records.Coverage, "features.bars_1s")

    def stretches(self) -> list[records.Stretch]:
        return self._rows("stretches", records.Stretch, "features.bars_1s")

    def families(self) -> list[records.Family]:
        return self._rows("families", records.Family, "studies.families")

    def series(self, stretches: list[records.Stretch], points: int) -> list[records.Series]:
        """Price, flow and validity per instrument in at most about `points` buckets each."""
        if not stretches:
            return []
        bucket = bucket_for(sum(s.end_ns - s.start_ns for s in stretches), points)
        table = self._answer("price_and_flow", {"bucket_ns": bucket}).to_arrow_table()
        names = np.array(table.column("instrument").to_pylist(), dtype=object)
        columns = {
            name: table.column(name).to_numpy()
            for name in ("start_ns", "price", "low", "high", "flow", "valid_share")
        }
        return [
            records.Series(
                instrument=str(name),
                bucket_ns=bucket,
                **{key: values[names == name] for key, values in columns.items()},
            )
            for name in dict.fromkeys(names)
        ]

    @cached_property
    def study_tables(self) -> list[str]:
        """Tables of the studies that the session has, in the order of the registry."""
        return [name for study in studies() for name in study.table_names if self.has(name)]

    @cached_property
    def _windows(self) -> list[records.Window]:
        if not self.study_tables:
            return []
        return self._rows("study_windows", records.Window, tables=self.study_tables,
                          significance=SIGNIFICANCE)

    def windows(self) -> list[records.Window]:
        return self._windows

    def refusals(self) -> list[records.Refusal]:
        if not self.study_tables:
            return []
        return self._rows("refusals", records.Refusal, tables=self.study_tables)

    def choice(self, table: str) -> Choice | None:
        """The window of `studies.<table>` to show; None when it holds nothing."""
        return choose_window(self._windows, table)

    def correlation_measures(self, window: Choice) -> list[records.Measures]:
        return self.of_study("correlation_measures", records.Measures, "correlation", window,
                           significance=SIGNIFICANCE, fewest=FEWEST_INDEPENDENT)

    def correlation_cells(
        self, window: Choice, measures: records.Measures, most: int
    ) -> list[records.Cell]:
        """Cells of the heatmap of one pair of measures, `most` pairs of instruments."""
        return self.of_study(
            "correlation_cells", records.Cell, "correlation", window, significance=SIGNIFICANCE,
            family=measures.family, measure_x=measures.measure_x, measure_y=measures.measure_y,
            most=most,
        )

    def correlation_strongest(self, window: Choice, most: int) -> list[records.Finding]:
        return self.of_study("correlation_strongest", records.Finding, "correlation", window,
                           significance=SIGNIFICANCE, fewest=FEWEST_INDEPENDENT, most=most)

    def correlation_question(
        self, window: Choice, family: str, most: int
    ) -> list[records.Finding]:
        """The strongest tests of a family in which x goes before y, significant or not."""
        return self.of_study("correlation_question", records.Finding, "correlation", window,
                           significance=SIGNIFICANCE, fewest=FEWEST_INDEPENDENT, family=family,
                           most=most)

    def systems(self, window: Choice, most: int) -> list[records.System]:
        return self.of_study("systems", records.System, "vector_autoregression", window, most=most)

    def impulse_responses(self, window: Choice, most: int) -> list[records.Response]:
        return self.of_study("impulse_responses", records.Response, "impulse_response", window,
                           most=most)

    def cumulative_responses(self, window: Choice) -> list[records.Cumulative]:
        return self.of_study("cumulative_responses", records.Cumulative, "impulse_response", window)

    def granger(self, window: Choice, most: int | None = None) -> list[records.Granger]:
        """Tests by direction, within and across instruments: `most` of either, or all."""
        return self.of_study("granger", records.Granger, "granger_causality", window,
                           significance=SIGNIFICANCE, most=most)

    def of_study(
        self, name: str, kind: type[Record], study: str, window: Choice, **parameters: Any
    ) -> list[Record]:
        """Rows of `sql/report/<name>.sql`, which takes $scope and $window_day, as records.

        Parameters
        ----------
        kind : dataclass whose fields are the query's columns.
        study : base name of the table that the query reads; without it there are no rows.
        window : what `choice` gave.
        parameters : further parameters of the query.
        """
        place = {"scope": window.scope, "window_day": window.window_day}
        return self._rows(name, kind, f"studies.{study}", **place, **parameters)

    def _rows(
        self, name: str, kind: type[Record], *needed: str, **parameters: Any
    ) -> list[Record]:
        if not self.has(*needed):
            return []
        result = self._answer(name, parameters)
        names = [column[0] for column in result.description]
        return [kind(**dict(zip(names, row, strict=True))) for row in result.fetchall()]

    def _answer(self, name: str, parameters: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        ask = self._session.execute
        return interruptible(self._session, ask, read_sql(f"report/{name}.sql"), parameters)


def bucket_for(duration_ns: int, points: int) -> int:
    """The shortest readable bucket, ns, which cuts `duration_ns` into at most `points`."""
    for step in _STEPS:
        if duration_ns <= step * points:
            return step
    return _DAY * -(-duration_ns // (_DAY * points))


def choose_window(windows: list[records.Window], study: str) -> Choice | None:
    """The window of a study to show: the whole span, else the day with most estimates."""
    totals: dict[tuple[str, str | None], int] = {}
    rows = [row for row in windows if row.study == study and row.scope != "trailing"]
    for row in rows:
        key = (row.scope, None if row.scope == "span" else row.window_day)
        totals[key] = totals.get(key, 0) + row.estimates
    if not totals:
        return None
    scope, day = max(totals, key=lambda key: (totals[key] > 0, key[0] == "span", totals[key]))
    shown = [r for r in rows if r.scope == scope and (day is None or r.window_day == day)]
    shown = [r for r in shown if r.estimates] or shown
    return Choice(scope, day, min(r.from_ns for r in shown), max(r.to_ns for r in shown))
