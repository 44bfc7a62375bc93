"""`imbalance venues`: what is decoded of each venue, and what loss of messages can be noticed."""

from __future__ import annotations

from typing import Any

import click

from imbalance.captures.venues.registry import venues
from imbalance.captures.venues.venue import PROOFS, Venue
from imbalance.cli import output
from imbalance.cli.application import Application, subcommand
from imbalance.errors import UserError, nearest


@subcommand("venues")
@click.argument("name", metavar="[NAME]", required=False)
def command(application: Application, name: str | None) -> None:
    """List the venues; with a name, its messages, its hosts and what can be proved, with dates.

    NAME is the id, as in the names of instruments, or what recorders call the venue.

    \b
    Examples:
      imbalance venues
      imbalance venues okex
      imbalance venues KRAKEN_FUTURES --json

    \b
    JSON: {"venues": [{"venue", "title", "recorders", "hosts", "messages": {kind: made},
                       "continuity": [{"channel", "proof", "meaning", "not_noticed",
                                       "since", "until", "source"}],
                       "silent_after_seconds"}]}
    JSON of one: the same of it alone
    """
    if name is None:
        documents = [_document(one) for one in venues().values()]
        if application.json:
            output.write_json({"venues": documents})
            return
        rows = [
            [one["venue"], one["title"], ", ".join(one["recorders"]), len(one["messages"]),
             ", ".join(dict.fromkeys(proof["proof"] for proof in one["continuity"]))]
            for one in documents
        ]  # fmt: skip
        header = ["venue", "title", "recorders call it", "messages", "proof"]
        click.echo(output.table(header, rows, width=72))
        click.echo("\nimbalance venues NAME says what is made of each message, and what loss is "
                   "not noticed")  # fmt: skip
        return
    document = _document(_find(name))
    if application.json:
        output.write_json(document)
    else:
        click.echo("\n".join(_lines(document)))


def _find(name: str) -> Venue:
    found = venues()
    if name in found:
        return found[name]
    for one in found.values():
        if name.upper() in one.recorders:
            return one
    close = nearest(name.lower(), list(found))
    raise UserError(
        f"there is no venue {name!r}" + (f"; did you mean {close!r}?" if close else ""),
        allowed=", ".join(found),
        fix="imbalance venues",
    )


def _document(venue: Venue) -> dict[str, Any]:
    return {
        "venue": venue.name,
        "title": venue.title,
        "recorders": list(venue.recorders),
        "hosts": list(venue.hosts),
        "messages": venue.channels,
        "continuity": [
            {
                "channel": one.channel,
                "proof": one.proof,
                "meaning": PROOFS[one.proof],
                "not_noticed": one.blind,
                "since": one.since,
                "until": one.until,
                "source": one.source,
            }
            for one in venue.continuity
        ],
        "silent_after_seconds": venue.silent_after_seconds,
    }


def _lines(document: dict[str, Any]) -> list[str]:
    lines = [f"{document['venue']}: {document['title']}",
             f"  hosts: {', '.join(document['hosts'])}"]  # fmt: skip
    if document["recorders"]:
        lines.append(f"  recorders call it: {', '.join(document['recorders'])}")
    rows = [[kind, made] for kind, made in document["messages"].items()]
    lines += ["", output.table(["message", "what is made of it"], rows, width=72), ""]
    rows = [
        [one["channel"], one["proof"], _days(one), one["not_noticed"]]
        for one in document["continuity"]
    ]
    lines.append(output.table(["channel", "proof", "days", "not noticed"], rows, width=60))
    lines += ["", *(f"{one['proof']}: {one['source']}" for one in document["continuity"]
                    if one["source"])]  # fmt: skip
    return lines


def _days(one: dict[str, Any]) -> str:
    if one["since"] is None and one["until"] is None:
        return "all"
    return f"{one['since'] or '…'} to {one['until'] or '…'}"
