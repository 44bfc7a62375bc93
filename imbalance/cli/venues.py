"""`imbalance venues`: what is decoded of each venue, and what loss can be noticed in it."""

from __future__ import annotations

from typing import Any

import click

from imbalance.captures.formats.files import files_of, files_of_any, venues_of_files
from imbalance.captures.published import sources_of
from imbalance.captures.venues.registry import venues
from imbalance.captures.venues.venue import PROOFS
from imbalance.cli import output
from imbalance.cli.application import Application, subcommand
from imbalance.errors import UserError, nearest


@subcommand("venues")
@click.argument("name", metavar="[NAME]", required=False)
def command(application: Application, name: str | None) -> None:
    """List the venues; with a name, its messages and hosts, the files it is read from, and what can
    be proved, with dates.

    NAME is the id, as in the names of instruments, or what recorders call the venue. Of a venue
    without a title no messages are decoded: it is read from files alone.

    \b
    Examples:
      imbalance venues
      imbalance venues okex
      imbalance venues hyperliquid
      imbalance venues KRAKEN_FUTURES --json

    \b
    JSON: {"venues": [{"venue", "title", "recorders", "hosts", "messages": {kind: made},
                       "continuity": [{"channel", "proof", "meaning", "not_noticed",
                                       "since", "until", "source"}],
                       "silent_after_seconds",
                       "files": [{"file" (layout or format), "formats", "made", "proof",
                                  "meaning", "not_noticed"}],
                       "instruments": [source of what is known of them]}]}
    JSON of one: the same of it alone
    """
    if name is None:
        documents = [_document(one) for one in _all()]
        if application.json:
            output.write_json({"venues": documents})
            return
        rows = [
            [one["venue"], one["title"] or "", ", ".join(one["recorders"]), len(one["messages"]),
             len(one["files"]), ", ".join(dict.fromkeys(
                 proof["proof"] for proof in one["continuity"] or one["files"]))]
            for one in documents
        ]  # fmt: skip
        header = ["venue", "title", "recorders call it", "messages", "files", "proof"]
        click.echo(output.table(header, rows, width=72))
        click.echo("\nimbalance venues NAME says what is made of each message and file, and what "
                   "loss is not noticed")  # fmt: skip
        return
    document = _document(_find(name))
    if application.json:
        output.write_json(document)
    else:
        click.echo("\n".join(_lines(document)))


def _all() -> list[str]:
    return sorted({*venues(), *venues_of_files()})


def _find(name: str) -> str:
    found = _all()
    if name in found:
        return name
    for one in venues().values():
        if name.upper() in one.recorders:
            return one.name
    close = nearest(name.lower(), found)
    raise UserError(
        f"there is no venue {name!r}" + (f"; did you mean {close!r}?" if close else ""),
        allowed=", ".join(found),
        fix="imbalance venues",
    )


def _document(name: str) -> dict[str, Any]:
    venue = venues().get(name)
    return {
        "venue": name,
        "title": venue and venue.title,
        "recorders": list(venue.recorders) if venue else [],
        "hosts": list(venue.hosts) if venue else [],
        "messages": venue.channels if venue else {},
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
            for one in (venue.continuity if venue else ())
        ],
        "silent_after_seconds": venue and venue.silent_after_seconds,
        "files": [
            {
                "file": one.name,
                "formats": list(one.formats),
                "made": one.holds.made,
                "proof": one.holds.proof,
                "meaning": PROOFS[one.holds.proof],
                "not_noticed": one.holds.blind,
            }
            for one in (*files_of(name), *files_of_any())
        ],
        "instruments": list(sources_of(name)),
    }


def _lines(document: dict[str, Any]) -> list[str]:
    files = [[one["file"], ", ".join(one["formats"]), one["made"], one["proof"],
              one["not_noticed"]] for one in document["files"]]  # fmt: skip
    told = output.table(["file", "formats", "what is made of it", "proof", "not noticed"], files,
                        width=100)
    known = [f"instruments: {source}" for source in document["instruments"]]
    if document["title"] is None:
        return [f"{document['venue']}: read from files alone", "", told, "", *known]
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
    lines += ["", told, "", *(f"{one['proof']}: {one['source']}" for one in document["continuity"]
                              if one["source"]), *known]  # fmt: skip
    return lines


def _days(one: dict[str, Any]) -> str:
    if one["since"] is None and one["until"] is None:
        return "all"
    return f"{one['since'] or '…'} to {one['until'] or '…'}"
