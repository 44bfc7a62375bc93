"""`imbalance studies`: what is asked of the data, and how."""

from __future__ import annotations

from typing import Any

import click

from imbalance.cli import output
from imbalance.cli.application import Application, subcommand
from imbalance.studies.families import as_json, bar_sizes, families_of
from imbalance.studies.hypotheses import HYPOTHESES
from imbalance.studies.registry import reasons, studies, study
from imbalance.studies.study import Study
from imbalance.studies.version import definition_version


@subcommand("studies")
@click.argument("name", metavar="[STUDY]", required=False)
def command(application: Application, name: str | None) -> None:
    """List the studies; with a name, its families, estimators and reasons to refuse.

    Families are shown as the settings (`--config`) declare them.

    \b
    Examples:
      imbalance studies
      imbalance studies correlation
      imbalance studies feedback --json

    \b
    JSON: {"studies": [{"study", "title", "question", "tables", "windows", "bar_sizes",
                        "events", "cost", "families", "definition_version"}]}
    JSON of one: the same of it, with "estimators": {table: [...]},
                 "hypotheses": {kind of test: words}, "declared": [{setting: value}],
                 "reasons": {reason: words}
    """
    if name is None:
        documents = [_document(application, one) for one in studies()]
        if application.json:
            output.write_json({"studies": documents})
            return
        for document in documents:
            click.echo("\n".join(_lines(document)) + "\n")
        click.echo("imbalance studies STUDY shows its families, estimators and reasons to refuse")
        return
    one = study(name)
    document = _document(application, one) | _particulars(application, one)
    if application.json:
        output.write_json(document)
    else:
        click.echo("\n".join((*_lines(document), *_more_lines(document))))


def _document(application: Application, one: Study) -> dict[str, Any]:
    families = families_of(one, application.config.studies)
    return {
        "study": one.name,
        "title": one.title,
        "question": one.question,
        "tables": list(one.table_names),
        "windows": list(one.scopes),
        "bar_sizes": list(bar_sizes(families)),
        "events": list(one.events),
        "cost": one.cost,
        "families": [family.name for family in families],
        "definition_version": definition_version(one),
    }


def _particulars(application: Application, one: Study) -> dict[str, Any]:
    known = reasons()
    allowed = dict.fromkeys(r for table in one.tables for r in table.column("reason").allowed)
    return {
        "estimators": {table.name: list(table.column("estimator").allowed) for table in one.tables},
        "hypotheses": {name: HYPOTHESES[name] for name in one.hypotheses},
        "declared": as_json(families_of(one, application.config.studies)),
        "reasons": {reason: known[reason] for reason in allowed},
    }


def _lines(document: dict[str, Any]) -> list[str]:
    read = [*(f"bars of {size}" for size in document["bar_sizes"]), *document["events"]]
    facts = {
        "tables": ", ".join(document["tables"]),
        "windows": ", ".join(document["windows"]),
        "reads": ", ".join(read),
        "families": ", ".join(document["families"]),
        "cost": document["cost"],
    }
    return [
        f"{document['study']}: {document['question']}",
        *(f"  {name + ':':10}{value}" for name, value in facts.items() if value),
    ]


def _more_lines(document: dict[str, Any]) -> list[str]:
    lines = []
    for family in document["declared"]:
        lines += ["", f"family {family['name']}: {family['question']}"]
        settings = {name: value for name, value in family.items()
                    if name not in ("name", "question") and value not in ([], None)}
        width = max(map(len, settings)) + 2
        lines += [f"  {name + ':':{width}}{_setting(value)}" for name, value in settings.items()]
    for table, estimators in document["estimators"].items():
        lines += ["", f"{table}: {', '.join(estimators)}"]
    for heads, listed in (
        (["q-values are over tests", "which say that"], document["hypotheses"]),
        (["a row is refused for", "because"], document["reasons"]),
    ):
        if listed:
            lines += ["", output.table(heads, [list(row) for row in listed.items()])]
    return lines


def _setting(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else output.cell(value)
