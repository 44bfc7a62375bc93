"""The gate before publication: partitions that break a rule of the registry do not pass.

Here: running the rules of `gate_rules` on partition files, the rules about whole tables, and what a
refusal says and keeps. Great Expectations is in `expectations`. An exception is a failure, never a
pass.
"""
# ruff: noqa: S608 - names and conditions in the SQL are the registry's; values are parameters

from __future__ import annotations

import json
import math
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbalance.contracts import Table
from imbalance.errors import EXIT_REFUSED, UserError, raise_interruption
from imbalance.machine import database_settings
from imbalance.store.files import file_schema
from imbalance.store.gate_rules import Rule, partition_parameters, row_rules
from imbalance.store.manifest import Released
from imbalance.store.sqlfiles import quote_ident, quote_text

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from imbalance.store.home import Home

_SAMPLE_ROWS = 5
_KEPT_ROWS = 10_000
_SHOWN_COLUMNS = 8

NOT_EMPTY = "not_empty"
"""The rule about tables that have no rows; all others are about rows."""


@dataclass(frozen=True)
class Finding:
    """A broken rule: where, how often, and some of the rows.

    `kept` is the file with the offending rows (at most 10,000), relative to the home.
    """

    rule: str
    table: str
    partition: str
    column: str
    count: int
    promise: str
    sample: tuple[Mapping[str, Any], ...] = ()
    kept: str = ""
    rows: pa.Table | None = field(default=None, repr=False, compare=False)


class GateRefused(UserError):
    """The gate found defects: nothing was published, the previous generation stays.

    `rule`, `table`, `column`, `count` and `sample` are those of the first finding, `findings` has
    all of them.
    """

    def __init__(self, findings: Sequence[Finding], kept: str) -> None:
        first = findings[0]
        self.findings = tuple(findings)
        self.rule, self.table, self.column = first.rule, first.table, first.column
        self.count, self.sample = first.count, first.sample
        lines = [_sentence(finding) for finding in findings[:_SAMPLE_ROWS]]
        if len(findings) > _SAMPLE_ROWS:
            lines.append(f"and {len(findings) - _SAMPLE_ROWS} more")
        empty = [finding.table for finding in findings if finding.rule == NOT_EMPTY]
        super().__init__(
            "the gate refuses to publish, the previous generation stays:\n  " + "\n  ".join(lines),
            where=", ".join(empty) if len(empty) == len(findings)
            else f"{first.table} [{first.partition}], column {first.column}",
            allowed=first.promise,
            fix=_fix(findings, kept),
            exit_code=EXIT_REFUSED,
        )

    def as_dict(self) -> dict[str, Any]:
        """The same for machines, with every finding."""
        return {**super().as_dict(), "findings": [finding_dict(f) for f in self.findings]}


def _fix(findings: Sequence[Finding], kept: str) -> str:
    """What to do: rows that are missing are made, rows that are wrong are looked at."""
    if all(finding.rule == NOT_EMPTY for finding in findings):
        return "imbalance run makes what is missing and publishes; imbalance status names it"
    what = "rows" if any(finding.count for finding in findings) else "reasons"
    return f"look at the {what} kept in {kept}, mend what made them, then run and publish again"


def _sentence(finding: Finding) -> str:
    if finding.rule == NOT_EMPTY:
        return f"{finding.table} has no rows ({finding.promise})"
    if not finding.count:
        about = "" if finding.column == "*" else f" {finding.column}"
        return (f"{finding.table} [{finding.partition}]{about}: rule {finding.rule} "
                f"({finding.promise})")
    text = (
        f"{finding.table} [{finding.partition}] {finding.column}: rule {finding.rule} "
        f"({finding.promise}) broken by {finding.count} row{'' if finding.count == 1 else 's'}"
    )
    return text + "".join(f"\n    {_row_text(row)}" for row in finding.sample)


def _row_text(row: Mapping[str, Any]) -> str:
    shown = [f"{name}={value}" for name, value in list(row.items())[:_SHOWN_COLUMNS]]
    return ", ".join(shown)


def finding_dict(finding: Finding) -> dict[str, Any]:
    """A finding as JSON values."""
    return {
        "rule": finding.rule,
        "table": finding.table,
        "partition": finding.partition,
        "column": finding.column,
        "count": finding.count,
        "promise": finding.promise,
        "sample": [{k: _plain(v) for k, v in row.items()} for row in finding.sample],
        "kept": finding.kept,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such numbers
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


@contextmanager
def examination(spill: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database for `check_partition`, empty and in memory, that puts aside in `spill`, or in the
    system's directory for temporary files, what it has no memory for.

    To open one takes longer (8 ms) than the rules of a small partition: one serves many.
    """
    import duckdb

    spill = spill or Path(tempfile.gettempdir()) / f"imbalance-spill-{uuid.uuid4().hex}"
    with duckdb.connect(config=database_settings(spill)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def rules_of(table: Table) -> int:
    """How many rules `check_partition` asks: those of rows, and of columns, their types, the key,
    and how many rows there are.
    """
    return len(row_rules(table)) + 4


def check_partition(
    table: Table, partition: str, row_count: int, path: Path,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> list[Finding]:
    """Every rule of a table on one of its partition files; an empty list is a pass.

    Parameters
    ----------
    row_count : rows which the ledger says are in the file.
    path : the file.
    connection : that of an `examination`, where more than one partition is checked.
    """
    import pyarrow.parquet as pq

    if connection is None:
        with examination() as own:
            return check_partition(table, partition, row_count, path, own)

    found = pq.read_schema(path)
    if set(found.names) != set(table.column_names):
        odd = sorted(set(found.names) ^ set(table.column_names))
        return [Finding("registered_columns", table.name, partition, ", ".join(odd), 0,
                        "the file has exactly the columns of the registry")]
    retyped = [
        Finding("registered_types", table.name, partition, one.name, 0,
                f"{one.type} as the registry says, not {found.field(one.name).type}")
        for one in file_schema(table) if found.field(one.name).type != one.type
    ]
    # Rules of a column of another type may raise, or hold of what its rows are turned into.
    return retyped or _PartitionCheck(connection, table, partition, path).findings(row_count)


class _PartitionCheck:
    """One partition file under examination."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, table: Table, partition: str, path: Path
    ) -> None:
        self._connection = connection
        self._table = table
        self._partition = partition
        self._source = f"read_parquet({quote_text(str(path))})"
        self._parameters = partition_parameters(table, partition)

    def findings(self, row_count: int) -> list[Finding]:
        rules = row_rules(self._table)
        # One scan for all: 210 rules on 864,000 rows by 102 columns take 1.1 s of CPU this way, and
        # 3.1 s as `count(*) filter (…)`.
        broken_by = "".join(f", count_if({rule.condition})" for rule in rules)
        counts = self._one(f"select count(*){broken_by} from {self._source}")
        broken = [
            self._finding(rule, count, f"select * from {self._source} where {rule.condition}")
            for rule, count in zip(rules, counts[1:], strict=True)
            if count
        ]
        broken.extend(self._doubled())
        broken.extend(self._falling())
        if counts[0] != row_count:
            promise = f"as many rows as the ledger says: {row_count}, not {counts[0]}"
            off = abs(counts[0] - row_count)
            broken.append(Finding("row_count", self._table.name, self._partition, "*", off,
                                  promise))
        return broken

    def _doubled(self) -> list[Finding]:
        key = ", ".join(quote_ident(name) for name in self._table.key)
        known = " and ".join(f"{quote_ident(n)} is not null" for n in self._table.identity)
        where = f"where {known} " if known else ""
        groups = f"select {key} from {self._source} {where}group by all having count(*) > 1"
        count = self._one(f"select count(*) from ({groups})")[0]
        if not count:
            return []
        # By `is not distinct from`: a part of a key may be null.
        same = " and ".join(f"r.{quote_ident(n)} is not distinct from g.{quote_ident(n)}"
                            for n in self._table.key)
        rows = (
            f"select r.* from {self._source} r where exists "
            f"(select 1 from ({groups}) g where {same}) order by {key}"
        )
        rule = Rule("unique_key", ", ".join(self._table.key), "", "no two rows with the same key")
        return [self._finding(rule, count, rows)]

    def _falling(self) -> list[Finding]:
        """What is known of an instrument only grows: no bar is available before an earlier one."""
        if not {"instrument", "bar_start", "available_at"} <= set(self._table.column_names):
            return []
        rows = (
            f"select * from {self._source} qualify available_at < max(available_at) over "
            "(partition by instrument order by bar_start)"
        )
        count = self._one(f"select count(*) from ({rows})")[0]
        rule = Rule("available_never_falls", "bar_start, available_at", "",
                    "no bar is available before an earlier one of its instrument")
        return [self._finding(rule, count, rows)] if count else []

    def _finding(self, rule: Rule, count: int, query: str) -> Finding:
        kept = f"{query} limit {_KEPT_ROWS}"
        rows = self._connection.sql(kept, params=self._used(kept)).to_arrow_table()
        names = [*self._table.key, *rule.column.split(", ")]
        shown = rows.slice(0, _SAMPLE_ROWS).select(list(dict.fromkeys(names)))
        return Finding(rule.name, self._table.name, self._partition, rule.column, count,
                       rule.promise, tuple(shown.to_pylist()), rows=rows)

    def _one(self, query: str) -> tuple[Any, ...]:
        # All of the one row: DuckDB 2 lets nothing else run while a result is not read to its end.
        (row,) = self._connection.execute(query, self._used(query)).fetchall()
        return row

    def _used(self, query: str) -> dict[str, str]:
        return {name: value for name, value in self._parameters.items() if f"${name}" in query}


def check_not_empty(table: Table, partitions: Mapping[str, Released]) -> list[Finding]:
    """A published table without a row never passes, unless the registry says why it may."""
    if table.may_be_empty or any(one.row_count for one in partitions.values()):
        return []
    return [Finding(NOT_EMPTY, table.name, "all", "*", 0, "a published table has rows")]


def check_captures(connection: duckdb.DuckDBPyConnection, limit: float) -> list[Finding]:
    """Every line of every capture is accounted for, and few enough are quarantined.

    Parameters
    ----------
    connection : a session over the home.
    limit : largest share of a capture's lines that may be quarantined.
    """
    rules = (
        Rule("lines_accounted_for", "lines_read",
             "lines_read <> lines_decoded + lines_ignored + lines_quarantined",
             "lines read = decoded + ignored + quarantined"),
        Rule("quarantine_limit", "lines_quarantined", "lines_quarantined > $share * lines_read",
             f"at most {limit:.1%} of a capture's lines in quarantine"),
    )
    findings = []
    for rule in rules:
        rows = connection.sql(
            "select capture_id, path, lines_read, lines_decoded, lines_ignored, lines_quarantined "
            f"from raw.captures where {rule.condition}",
            params={"share": limit} if "$share" in rule.condition else {},
        ).to_arrow_table()
        if rows.num_rows:
            sample = tuple(rows.slice(0, _SAMPLE_ROWS).to_pylist())
            findings.append(Finding(rule.name, "raw.captures", "all", rule.column, rows.num_rows,
                                    rule.promise, sample, rows=rows))
    return findings


def failed_check(table: str, partition: str, error: Exception) -> Finding:
    """A check that could not be made, which counts as one that failed unless it was interrupted."""
    raise_interruption(error)
    return Finding("check_failed", table, partition, "*", 0,
                   f"the check runs to its end, not {type(error).__name__}: {error}")


def refuse(home: Home, findings: Sequence[Finding]) -> GateRefused:
    """Keep the offending rows with their reasons below `<home>/refused/`, and make the error."""
    import pyarrow.parquet as pq

    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    directory = home.refused_dir / f"{stamp}-{uuid.uuid4().hex[:8]}"
    directory.mkdir(parents=True)
    kept = []
    for number, finding in enumerate(findings, 1):
        if finding.rows is None:
            kept.append(finding)
            continue
        path = directory / f"{number:03d}-{finding.table}-{finding.rule}.parquet"
        pq.write_table(finding.rows, path)
        kept.append(replace(finding, kept=str(path.relative_to(home.root)), rows=None))
    reasons = json.dumps([finding_dict(finding) for finding in kept], indent=2)
    (directory / "reasons.json").write_text(reasons, encoding="utf-8")
    return GateRefused(kept, str(directory))
