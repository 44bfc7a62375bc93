"""`imbalance status`: how far the home is, table by table."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from imbalance.cli import output
from imbalance.cli.application import Application, subcommand
from imbalance.cli.plan import document as step_document

if TYPE_CHECKING:
    from imbalance.store.store import Store

STATES = ("current", "stale", "missing", "failed")


@subcommand("status")
@click.option("--all", "everything", is_flag=True,
              help="Every partition that is not current, not only the first of them.")
def command(application: Application, everything: bool) -> None:
    """What is current, stale, missing or failed; overdue days; coverage by day; trades that are
    missing by their ids; quarantine; instruments of which nobody said what they are, or what a
    contract of them is worth.

    Every registered capture is counted: read, refused, not yet read, or of a day that failed.

    Stale: made from something that has changed since. `imbalance run` brings it up to date.
    Overdue: a day of a venue that is recorded, which should be there by now and is not.

    What a contract is worth, where that is not known, is said in the settings: under [multipliers],
    "VENUE:SYMBOL" = { linear = NUMBER } base units, or { inverse = NUMBER } quote units. Until then
    sizes in base units, and what is made of them, are null.

    \b
    Examples:
      imbalance status
      imbalance status --all
      imbalance --json status

    \b
    JSON: {"home", "ledger_sequence", "generation",
           "captures": {"registered", "files" (with an account), "refused", "not_read",
                        "failed", "size_bytes", "lines_read", "lines_decoded",
                        "lines_ignored", "lines_quarantined"},
           "tables": [{"table", "current", "stale", "missing", "failed"}],
           "due": [{"layer", "tables": [name], "partition", "state", "reasons": [text],
                    "message"}],
           "overdue": [{"day", "venue", "kind", "concerns", "message"}],
           "coverage": [{"instrument", "day", "bars", "coverage", "poisoned"}],
           "missing_trades": [{"instrument", "holes", "missing"}],
           "quarantine": [{"path", "reason", "lines", "first_line", "example"}],
           "unknown_instruments": {instrument: ["kind", "contract size" or
                                                "contract size in some captures"]}}
    """
    document = status(application.store())
    if application.json:
        output.write_json(document)
        return
    click.echo(_told(document, everything))


def status(store: Store) -> dict[str, Any]:
    """The status of a home as one document."""
    from dataclasses import asdict

    from imbalance.captures.instruments import unknown_instruments
    from imbalance.overdue import overdue_in
    from imbalance.plan import make_plan
    from imbalance.store.generations import list_generations
    from imbalance.summary import captures_told, rows_of, survey

    store.reasons = {}
    plan = make_plan(store)
    counts: dict[str, Counter[str]] = {}
    for step in plan.steps:
        for table in step.tables:
            counts.setdefault(table, Counter())[step.state] += 1
    with survey(store) as session:
        captures = captures_told(store, session)
        coverage = rows_of(session, "coverage")
        missing_trades = rows_of(session, "missing_trades")
        quarantine = rows_of(session, "quarantine")
        unknown = unknown_instruments(rows_of(session, "instruments"))
        late = overdue_in(store, session, datetime.datetime.now(datetime.UTC))
    current = [g.id for g in list_generations(store.home) if g.current]
    return {
        "home": str(store.home.root),
        "ledger_sequence": store.ledger.last_sequence(),
        "generation": current[0] if current else None,
        "captures": captures,
        "tables": [
            {"table": table, **{state: count[state] for state in STATES}}
            for table, count in counts.items()
        ],
        "due": [step_document(step) for step in plan.due()],
        "overdue": [asdict(one) for one in late],
        "coverage": coverage,
        "missing_trades": missing_trades,
        "quarantine": quarantine,
        "unknown_instruments": unknown,
    }


SHOWN, NAMED = 20, 3


def _told(document: dict[str, Any], everything: bool) -> str:
    from imbalance.summary import captures_line

    captures = document["captures"]
    head = (
        f"home {document['home']}, ledger at {document['ledger_sequence']}, "
        f"generation {document['generation'] or 'none published'}\n"
        f"{captures_line(captures)}, {output.size(captures['size_bytes'])}\n"
        f"{captures['lines_read']:,} lines: {captures['lines_decoded']:,} decoded, "
        f"{captures['lines_ignored']:,} ignored, {captures['lines_quarantined']:,} quarantined"
    )
    blocks = [
        head,
        output.table(
            ["table", *STATES],
            [[row["table"], *(row[state] for state in STATES)] for row in document["tables"]],
        ),
    ]
    due = document["due"]
    if due:
        shown = due if everything else due[:SHOWN]
        text = output.table(
            ["to do", "partition", "state", "why"],
            [[_names(d["tables"]), d["partition"], d["state"], _why(d)] for d in shown],
            width=None if everything else 100,
        )
        rest = len(due) - len(shown)
        blocks.append(text + (f"\n… and {rest} more: --all" if rest else "")
                      + "\nimbalance plan: what has changed; imbalance run: make them")
    if document["overdue"]:
        blocks.append(output.table(
            ["overdue", "venue", "is", "why"],
            [[o["day"], o["venue"], o["kind"], o["message"]] for o in document["overdue"]],
            width=100,
        ))
    if document["coverage"]:
        blocks.append(output.table(
            ["instrument", "day", "1 s bars", "coverage", "poisoned"],
            [[c["instrument"], c["day"], c["bars"], c["coverage"], c["poisoned"]]
             for c in document["coverage"]],
        ))
    if document["missing_trades"]:
        blocks.append(_missing_trades(document["missing_trades"]))
    if document["quarantine"]:
        blocks.append(output.table(
            ["quarantined in", "reason", "lines", "first", "such as"],
            [[q["path"], q["reason"], q["lines"], q["first_line"], q["example"]]
             for q in document["quarantine"]], width=80,
        ))
    if document["unknown_instruments"]:
        blocks.append(_unknown(document["unknown_instruments"], everything))
    return "\n\n".join(blocks)


def _missing_trades(found: list[dict[str, Any]]) -> str:
    """In a line: of how many instruments, how many trades, and where the most are missing."""
    most = found[0]
    return (
        f"missing by their ids: {output.count(sum(one['missing'] for one in found), 'trade')} of "
        f"{output.count(len(found), 'instrument')}, most of {most['instrument']} "
        f"({most['missing']:,}); when: book.trade_gaps"
    )


def _unknown(found: dict[str, list[str]], everything: bool) -> str:
    """In words: which instruments, and what to do where their sizes are null for it."""
    from imbalance.captures.instruments import setting_of, unsized_of

    shown = found if everything else list(found)[:NAMED]
    named = ", ".join(f"{name} ({', '.join(found[name])})" for name in shown)
    rest = len(found) - len(shown)
    text = (f"{output.count(len(found), 'instrument')} of unknown kind or contract size: {named}"
            + (f" and {rest} more: --all" if rest else ""))
    unsized = unsized_of(found)
    if unsized:
        text += (f"\nwithout a contract size, sizes in base units are null; to say it, in the "
                 f"settings: {setting_of(unsized[0])}")
    return text


def _names(tables: Sequence[str]) -> str:
    return tables[0] + (f" and {len(tables) - 1} more" if len(tables) > 1 else "")


def _why(step: dict[str, Any]) -> str:
    return step["message"] or next(iter(step["reasons"]), "")
