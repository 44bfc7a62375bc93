"""`imbalance describe`: the registry, told to a reader."""

from __future__ import annotations

from typing import Any

import click

from imbalance import catalog
from imbalance.cli import complete, output
from imbalance.cli.application import Application, subcommand
from imbalance.contracts import RECORDED_AT, Column, Table
from imbalance.errors import UserError, nearest
from imbalance.store.dictionary import origins, sources


@subcommand("describe")
@click.argument("name", metavar="TABLE[.COLUMN]", shell_complete=complete.tables_and_columns)
def command(application: Application, name: str) -> None:
    """What a table or one of its columns means.

    \b
    Examples:
      imbalance describe features.bars_1s
      imbalance describe features.bars_1s.order_flow_imbalance
      imbalance describe studies.correlation --json

    \b
    JSON of a table:  {"table", "description", "grain", "partitioning", "key",
                       "published", "columns": [...]}
    JSON of a column: {"table", "column", "type", "unit", "description", "formula",
                       "nullable", "null_meaning", "minimum", "maximum", "allowed",
                       "source", "owner", "version", "made_from": [column],
                       "made_by": [place], "origins": [column of a raw table]}
    """
    table, column = _find(name)
    if column is not None:
        steps = sources(table.name, column.name)
        document = {
            "table": table.name, **_column(column),
            "made_from": [f"{step['source_table']}.{step['source_column']}" for step in steps],
            "made_by": sorted({step["derived_by"] for step in steps}),
            "origins": [".".join(one) for one in origins(table.name, column.name)],
        }
        if application.json:
            output.write_json(document)
        else:
            click.echo("\n".join(_column_lines(table, document)))
        return
    if application.json:
        output.write_json(
            {
                "table": table.name,
                "description": table.description,
                "grain": table.grain,
                "partitioning": table.partitioning,
                "key": list(table.key),
                "published": table.published,
                "columns": [_column(c) for c in (*table.columns, RECORDED_AT)],
            }
        )
        return
    click.echo(f"{table.name}: {table.description}")
    stored = (
        f"a view of {catalog.VIEW_OF[table.name]}" if table.name in catalog.VIEW_OF
        else f"partitions by {table.partitioning.replace('_', ' × ')}"
    )
    click.echo(f"  one row per {table.grain}; key {', '.join(table.key)}; {stored}"
               + ("; published" if table.published else "") + "\n")
    rows = [
        [c.name, c.type, c.unit, "null" if c.nullable else "", c.description]
        for c in (*table.columns, RECORDED_AT)
    ]
    click.echo(output.table(["column", "type", "unit", "may be", "meaning"], rows, width=72))
    click.echo(f"\nimbalance describe {table.name}.COLUMN says all about one column")


def _find(name: str) -> tuple[Table, Column | None]:
    """The table, and the column when the name has one; a bare table name is looked for in all."""
    tables = {**catalog.tables(), **catalog.views()}
    if name in tables:
        return tables[name], None
    bare, _, wanted = name.partition(".")
    matches = [table for table in tables.values() if table.base_name == bare]
    if len(matches) == 1 and bare not in catalog.LAYERS:
        table = matches[0]
    else:
        parts = name.split(".", 2)
        full, wanted = ".".join(parts[:2]), "".join(parts[2:])
        if full not in tables:
            raise _no_table(full, name, tables)
        table = tables[full]
    if not wanted:
        return table, None
    columns = {column.name: column for column in (*table.columns, RECORDED_AT)}
    if wanted in columns:
        return table, columns[wanted]
    close = nearest(wanted, list(columns))
    raise UserError(
        f"{table.name} has no column {wanted!r}" + (f"; did you mean {close!r}?" if close else ""),
        where=name, allowed=output.most_alike(wanted, list(columns)),
        fix=f"imbalance describe {table.name}",
    )


def _no_table(full: str, name: str, tables: dict[str, Table]) -> UserError:
    """What was meant: a column's name alone, a table's without its layer, a misspelt one."""
    holding = [table.name for table in tables.values() if name in table.column_names]
    if holding:
        return UserError(
            f"{name!r} is no table but a column of {output.count(len(holding), 'table')}",
            where=name, allowed=", ".join(f"{table}.{name}" for table in holding),
            fix=f"imbalance describe {holding[0]}.{name}",
        )
    short = {table.base_name: table.name for table in tables.values()}
    bare = full.partition(".")[0]
    close = nearest(full, list(tables)) or short.get(nearest(bare, list(short)) or "")
    return UserError(
        f"there is no table {full!r}" + (f"; did you mean {close!r}?" if close else ""),
        where=name, allowed=", ".join(tables), fix="imbalance tables",
    )


def _column(column: Column) -> dict[str, Any]:
    return {
        "column": column.name,
        "type": column.type,
        "unit": column.unit,
        "description": column.description,
        "formula": column.formula,
        "nullable": column.nullable,
        "null_meaning": column.null_meaning,
        "minimum": column.minimum,
        "maximum": column.maximum,
        "allowed": list(column.allowed),
        "source": column.source,
        "owner": column.owner,
        "version": column.version,
    }


def _column_lines(table: Table, document: dict[str, Any]) -> list[str]:
    bounds = [f"{document[k]:g}" if document[k] is not None else "…"
              for k in ("minimum", "maximum")]
    facts = {
        "type": document["type"],
        "unit": document["unit"],
        "formula": document["formula"],
        "range": " to ".join(bounds) if bounds != ["…", "…"] else "",
        "allowed": ", ".join(document["allowed"]),
        "null": document["null_meaning"] if document["nullable"] else "never",
        "source": document["source"],
        "owner": f"{document['owner']}, version {document['version']}",
        "from": ", ".join(document["made_from"]),
        "made by": ", ".join(document["made_by"]),
        "origin": ", ".join(document["origins"]),
    }
    lines = [f"{table.name}.{document['column']}: {document['description']}"]
    lines += [f"  {name + ':':9}{value}" for name, value in facts.items() if value]
    return lines
