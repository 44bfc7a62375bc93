"""`imbalance diff`: two generations side by side."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from imbalance.cli import complete, output
from imbalance.cli.application import Application, subcommand

if TYPE_CHECKING:
    from imbalance.store.generation_diff import Difference, TableChange

SHOWN = 20


@subcommand("diff")
@click.argument("before", metavar="G1", shell_complete=complete.generations)
@click.argument("after", metavar="G2", default="current", shell_complete=complete.generations)
def command(application: Application, before: str, after: str) -> None:
    """What differs between two generations; G2 is the current one if not given.

    Columns by their definitions, captures, partitions by the hash of their rows, rows by their key,
    and of each column that differs its distribution on either side. Of studies the estimates that
    moved most. Only what differs is read.

    \b
    Examples:
      imbalance diff ID
      imbalance diff ID1 ID2
      imbalance --json diff ID1 current

    \b
    JSON: {"before", "after", "same", "definitions": {"added", "removed", "changed"},
           "captures": {"added", "removed", "changed"},
           "tables": [{"table", "rows": [before, after], "partitions": {...},
                       "only_before", "only_after", "different",
                       "columns": [{"column", "different", "nulls", "mean", "deviation",
                                    "largest"}],
                       "estimates": [{key columns, "before", "after"}]}]}
    """
    from imbalance.store.generation_diff import compare
    from imbalance.store.generations import find_generation

    home = application.home()
    sides = [find_generation(home, None if name == "current" else name)
             for name in (before, after)]
    found = compare(*sides)
    if application.json:
        output.write_json({"same": found.same, **asdict(found)})
    else:
        click.echo(_told(found))


def _told(found: Difference) -> str:
    lines = [f"{found.before} → {found.after}" + (": the same" if found.same else "")]
    for what, changes in (("column", found.definitions), ("capture", found.captures)):
        for how, names in changes.items():
            if names:
                more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
                lines.append(f"{what}s {how}: {', '.join(names[:SHOWN])}{more}")
    for table in found.tables:
        lines += _table_lines(table)
    return "\n".join(lines)


def _table_lines(table: TableChange) -> list[str]:
    counts = ", ".join(f"{len(keys)} {how}" for how, keys in table.partitions.items() if keys)
    head = (
        f"{table.table}: {table.rows[0]:,} → {table.rows[1]:,} rows; partitions: {counts}; "
        f"rows: {table.only_before:,} gone, {table.only_after:,} new, "
        f"{table.different:,} different"
    )
    lines = ["", head]
    if table.columns:
        lines.append(output.table(
            ["column", "different", "nulls", "→", "mean", "→", "deviation", "→", "at most by"],
            [[c.column, c.different, *c.nulls, *c.mean, *c.deviation, c.largest]
             for c in table.columns], indent="  ",
        ))
    if table.estimates:
        names = list(table.estimates[0])
        lines += ["  estimates that moved most:", output.table(
            names, [[row[name] for name in names] for row in table.estimates], indent="  ")]
    return lines
