"""Great Expectations on partition files: the one module that knows of it.

A suite is made from the registry and run on a pandas batch. The same promises are held on every row
by the SQL of `gate`; this is a second pair of eyes, and what Dagster shows as checks. Importing the
library takes up to ten seconds, therefore only when a suite is run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbalance.contracts import Table
from imbalance.store.gate import Finding, failed_check

if TYPE_CHECKING:
    import pandas as pd

# A batch of 200 k rows by 70 columns is 110 MB and takes a second. Of a longer partition, evenly
# spaced row groups are looked at; its every row is under the SQL rules.
_BATCH_ROWS = 200_000
_SAMPLE_VALUES = 5


def checked_columns(table: Table) -> list[str]:
    """The columns a suite looks at: those with a promise, and the key."""
    promised = {
        column.name
        for column in table.columns
        if not column.nullable
        or column.minimum is not None
        or column.maximum is not None
        or column.allowed
    }
    return [name for name in table.column_names if name in promised or name in table.key]


def read_batch(table: Table, path: Path) -> pd.DataFrame:
    """The looked-at columns of a partition file, at most some 200,000 rows of it."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        groups = file.num_row_groups
        rows = file.metadata.num_rows
        wanted = max(1, groups * _BATCH_ROWS // rows) if rows > _BATCH_ROWS else groups
        chosen = sorted({index * groups // wanted for index in range(wanted)}) if groups else []
        return file.read_row_groups(chosen, columns=checked_columns(table)).to_pandas()


class Expectations:
    """Runs the suites of tables; keep one for all partitions of a publication."""

    def __init__(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        self._gx = gx
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(
            globally=False, metric_calculations=False
        )
        source = context.data_sources.add_pandas("partitions")
        asset = source.add_dataframe_asset("partition")
        self._suites: dict[Table, Any] = {}
        self._batches = asset.add_batch_definition_whole_dataframe("whole")

    def suite(self, table: Table) -> Any:
        """The Great Expectations suite of a table."""
        if table not in self._suites:
            self._suites[table] = self._make_suite(table)
        return self._suites[table]

    def _make_suite(self, table: Table) -> Any:
        kinds = self._gx.expectations
        suite = self._gx.ExpectationSuite(table.name)
        for column in table.columns:
            if not column.nullable:
                suite.add_expectation(kinds.ExpectColumnValuesToNotBeNull(column=column.name))
            if column.minimum is not None or column.maximum is not None:
                suite.add_expectation(
                    kinds.ExpectColumnValuesToBeBetween(
                        column=column.name, min_value=column.minimum, max_value=column.maximum
                    )
                )
            if column.allowed:
                suite.add_expectation(
                    kinds.ExpectColumnValuesToBeInSet(
                        column=column.name, value_set=list(column.allowed)
                    )
                )
        unique = kinds.ExpectCompoundColumnsToBeUnique(column_list=list(table.key))
        if len(table.key) == 1:
            unique = kinds.ExpectColumnValuesToBeUnique(column=table.key[0])
        suite.add_expectation(unique)
        return suite

    def size(self, table: Table) -> int:
        """How many expectations the suite of a table has."""
        return len(self.suite(table).expectations)

    def check_file(self, table: Table, partition: str, path: Path) -> list[Finding]:
        """The suite of the table on a partition file; an empty list is a pass."""
        frame = read_batch(table, path)
        return [] if frame.empty else self.check_frame(table, partition, frame)

    def check_frame(self, table: Table, partition: str, frame: pd.DataFrame) -> list[Finding]:
        """The suite of the table on a pandas batch with (at least) the looked-at columns."""
        try:
            batch = self._batches.get_batch({"dataframe": frame})
            outcome = batch.validate(self.suite(table), result_format="SUMMARY")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not a pass
            return [failed_check(table.name, partition, error)]
        return [
            _finding(table, partition, result) for result in outcome.results if not result.success
        ]


def _finding(table: Table, partition: str, result: Any) -> Finding:
    config = result.expectation_config
    about = config.kwargs.get("column") or ", ".join(config.kwargs.get("column_list", ["*"]))
    details = result.result or {}
    raised = [
        entry.get("exception_message", "")
        for entry in _exceptions(result.exception_info)
        if entry.get("raised_exception")
    ]
    values = details.get("partial_unexpected_list", [])[:_SAMPLE_VALUES]
    sample = tuple(value if isinstance(value, dict) else {about: value} for value in values)
    limits = {k: v for k, v in config.kwargs.items() if k in ("min_value", "max_value", "value_set")
              and v is not None}
    promise = f"raised {raised[0]}" if raised else f"{config.type} {limits or ''}".strip()
    return Finding(config.type, table.name, partition, about,
                   int(details.get("unexpected_count", 0)), promise, sample)


def _exceptions(info: Any) -> list[dict[str, Any]]:
    # One mapping, or one for each metric that failed.
    if not isinstance(info, dict):
        return []
    return [info] if "raised_exception" in info else list(info.values())
