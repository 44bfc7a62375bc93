"""Great Expectations on partition files: the one module that knows of it.

A suite is made from the registry and run on a pandas batch. The same promises are held on every row
by the SQL of `gate`; this is a second pair of eyes, and what Dagster shows as checks. Importing the
library takes up to ten seconds, therefore only when a suite is run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbalance.contracts import Table
from imbalance.store.gate import Finding, failed_check

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# A batch of 200 k rows by 70 columns is 110 MB and takes a second. Of a longer partition, evenly
# spaced row groups are looked at; its every row is under the SQL rules.
_BATCH_ROWS = 200_000
_SAMPLE_VALUES = 5

# Of a column with a null the library copies all rows without one, each with all of its columns:
# 81 columns of 96,000 rows took 2.5 s at once, and 0.45 s in nine groups. Of few rows, groups cost
# more than they save.
_GROUP_VALUES = 1_000_000
_GROUP_COLUMNS = 10

PARTITION = "partition"
"""Column of a batch that says whose rows they are. A suite costs the same tenths of a second for a
row as for thousands, so that small partitions of a table share a batch."""


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


def read_batch(table: Table, partition: str, path: Path) -> pa.Table:
    """The looked-at columns of a partition file and `PARTITION`, at most some 200,000 rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        groups = file.num_row_groups
        rows = file.metadata.num_rows
        wanted = max(1, groups * _BATCH_ROWS // rows) if rows > _BATCH_ROWS else groups
        chosen = sorted({index * groups // wanted for index in range(wanted)}) if groups else []
        found = file.read_row_groups(chosen, columns=checked_columns(table))
    return found.append_column(PARTITION, pa.array([partition] * found.num_rows, pa.string()))


def batches(partitions: Mapping[str, int]) -> Iterator[list[str]]:
    """Partitions with their numbers of rows, cut into batches; those without rows are in none."""
    batch: list[str] = []
    rows = 0
    for name, count in partitions.items():
        if batch and rows + count > _BATCH_ROWS:
            yield batch
            batch, rows = [], 0
        if count:
            batch.append(name)
            rows += count
    if batch:
        yield batch


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
        self._expected: dict[Table, dict[tuple[str, ...], list[Any]]] = {}
        self._batches = asset.add_batch_definition_whole_dataframe("whole")

    def _expectations(self, table: Table) -> dict[tuple[str, ...], list[Any]]:
        """The expectations of a table by the columns they look at."""
        if table not in self._expected:
            self._expected[table] = self._make_expectations(table)
        return self._expected[table]

    def _make_expectations(self, table: Table) -> dict[tuple[str, ...], list[Any]]:
        kinds = self._gx.expectations
        found: dict[tuple[str, ...], list[Any]] = {}
        for column in table.columns:
            expected = found.setdefault((column.name,), [])
            if not column.nullable:
                expected.append(kinds.ExpectColumnValuesToNotBeNull(column=column.name))
            if column.minimum is not None or column.maximum is not None:
                expected.append(
                    kinds.ExpectColumnValuesToBeBetween(
                        column=column.name, min_value=column.minimum, max_value=column.maximum
                    )
                )
            if column.allowed:
                expected.append(
                    kinds.ExpectColumnValuesToBeInSet(
                        column=column.name, value_set=list(column.allowed)
                    )
                )
        key = (PARTITION, *table.key)
        found[key] = [kinds.ExpectCompoundColumnsToBeUnique(column_list=list(key))]
        return {columns: expected for columns, expected in found.items() if expected}

    def _suites(self, table: Table, rows: int) -> Iterator[tuple[list[str], Any]]:
        """The suite of a table on so many rows, in parts: the columns that each looks at."""
        at_once = max(_GROUP_COLUMNS, _GROUP_VALUES // max(1, rows))
        parts = iter(self._expectations(table).items())
        while part := list(islice(parts, at_once)):
            columns = dict.fromkeys(name for names, _ in part for name in names)
            # All at once: one that is added is compared with each that is there.
            expected = [one for _, of_columns in part for one in of_columns]
            yield list(columns), self._gx.ExpectationSuite(table.name, expectations=expected)

    def size(self, table: Table) -> int:
        """How many expectations the suite of a table has."""
        return sum(map(len, self._expectations(table).values()))

    def check_files(self, table: Table, paths: Mapping[str, Path]) -> list[Finding]:
        """The suite of the table on the files of some partitions; an empty list is a pass.

        What is found among several is looked for again in each: a finding names its partition.
        """
        import pyarrow as pa

        try:
            rows = pa.concat_tables(read_batch(table, name, path) for name, path in paths.items())
        except Exception as error:  # noqa: BLE001 - a file of another shape is not a pass
            found = [failed_check(table.name, ", ".join(paths), error)]
        else:
            if not rows.num_rows:
                return []
            found = self.check_frame(table, ", ".join(paths), rows.to_pandas())
        if not found or len(paths) == 1:
            return found
        alone = [self.check_files(table, {name: path}) for name, path in paths.items()]
        return [finding for findings in alone for finding in findings] or found

    def check_frame(self, table: Table, partition: str, frame: pd.DataFrame) -> list[Finding]:
        """The suite of the table on a pandas batch with the looked-at columns and `PARTITION`.

        What broke a promise is asked for where one is broken: it is more than half of the time.
        """
        results: list[Any] = []
        try:
            for columns, suite in self._suites(table, len(frame)):
                looked_at = frame[[name for name in columns if name in frame]]
                batch = self._batches.get_batch({"dataframe": looked_at})
                if not batch.validate(suite, result_format="BOOLEAN_ONLY").success:
                    results += batch.validate(suite, result_format="SUMMARY").results
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not a pass
            return [failed_check(table.name, partition, error)]
        return [_finding(table, partition, result) for result in results if not result.success]


def _finding(table: Table, partition: str, result: Any) -> Finding:
    config = result.expectation_config
    key = [name for name in config.kwargs.get("column_list", ["*"]) if name != PARTITION]
    about = config.kwargs.get("column") or ", ".join(key)
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
