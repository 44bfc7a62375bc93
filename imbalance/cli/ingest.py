"""`imbalance ingest`: take note of captures and decode them, and nothing that follows from them."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from pathlib import Path

import click

from imbalance.cli import output
from imbalance.cli.application import Application, CapturePath, subcommand
from imbalance.cli.progress import ProgressBar
from imbalance.errors import EXIT_DONE, EXIT_QUARANTINE, UserError, nearest

_ALIKE = 0.8
"""How like a known venue a name must be for it to be a slip."""


@subcommand("ingest")
@click.argument("captures", nargs=-1, type=CapturePath())
@click.option("--format", "form", metavar="F", help="Take the files for this format.")
@click.option("--venue", metavar="V", help="Take the files for captures of this venue.")
@click.option(
    "--forget", "forgotten", multiple=True, metavar="FILE|ID",
    help="Let go of a registered capture, whether its file is still there or not.",
)
def command(
    application: Application, captures: tuple[Path, ...], form: str | None, venue: str | None,
    forgotten: tuple[str, ...],
) -> int:
    """Register captures (files or directories) and say what each of them is: new, known, grown
    since it was last seen, replaced by other bytes, the same bytes under another name, or refused.

    Every file is read to its end and its checksums are tested; it is referenced by path and
    SHA-256, never copied or changed. What follows from it is made by the next `imbalance run`.
    What only a forgotten capture held is no longer in the tables; generations keep it.

    \b
    Examples:
      imbalance ingest ../captures/binance-202408
      imbalance ingest --format tables export.csv
      imbalance ingest --venue bybit-spot BTCUSDT_ob200.data.zip
      imbalance ingest --forget ../captures/removed.gz
      imbalance --json ingest today/

    \b
    JSON: {"captures": [{"path", "status", "capture_id", "venue", "format",
                         "reason", "assumed", "replaces" (capture_id)}],
           "forgotten": [{"path", "capture_id"}], "exit_code"}
    """
    from imbalance.captures.formats.format import VENUE_NAME
    from imbalance.captures.formats.registry import formats
    from imbalance.captures.letting_go import let_go
    from imbalance.captures.register import register
    from imbalance.captures.walk import check_there
    from imbalance.summary import newly_quarantined

    known = formats(application.config.formats)
    if form is not None and form not in known:
        close = nearest(form, list(known))
        raise UserError(
            f"there is no format {form!r}" + (f"; did you mean {close!r}?" if close else ""),
            where="--format", allowed=", ".join(known), fix="imbalance formats",
        )
    if venue is not None and not VENUE_NAME.fullmatch(venue):
        raise UserError(
            f"{venue!r} is no venue", where="--venue",
            allowed="small letters, digits and hyphens, at most 40", fix="imbalance venues",
        )
    if venue is not None:
        _check_spelling(venue)
    if not captures and not forgotten:
        raise UserError(
            "nothing is named", where="CAPTURES", allowed="files or directories, or --forget FILE",
            fix="imbalance ingest --help",
        )
    for path in captures:
        check_there(path)  # before a home is made for it
    store = application.store(create=not forgotten)
    gone = let_go(store, forgotten) if forgotten else []
    before = store.ledger.last_sequence()
    with ProgressBar("registering captures") as progress:
        found = register(store, captures, progress, form=form, venue=venue)
    held = {capture.capture_id: capture.format for capture in store.ledger.captures()}
    code = EXIT_QUARANTINE if newly_quarantined(store, before) else EXIT_DONE
    if application.json:
        documents = [
            {"path": one.path, "status": one.status, "capture_id": one.capture_id,
             "venue": one.venue, "format": held.get(one.capture_id or "", ""),
             "reason": one.reason, "assumed": one.assumed, "replaces": one.replaces}
            for one in found
        ]  # fmt: skip
        told = [{"path": one.path, "capture_id": one.capture_id} for one in gone]
        output.write_json({"captures": documents, "forgotten": told, "exit_code": code})
        return code
    for one in gone:
        click.echo(f"forgotten: {one.path} ({one.capture_id})")
    if not captures:
        click.echo("next: imbalance run")
        return code
    rows = [
        [one.path, one.status, one.venue, held.get(one.capture_id or "", ""),
         "; ".join(filter(None, (one.reason, one.assumed)))]
        for one in found if one.status != "ignored"
    ]
    click.echo(output.table(["capture", "status", "venue", "format", "why"], rows, width=120))
    counts = Counter(one.status for one in found)
    click.echo("\n" + ", ".join(f"{count} {status}" for status, count in sorted(counts.items())))
    if counts["refused"]:
        click.echo("for what is refused, give a good copy, or say what it is: --format, --venue")
    if counts.keys() - {"refused", "ignored", "skipped"}:
        click.echo("next: imbalance run")
    return code


def _check_spelling(venue: str) -> None:
    """Refuse a venue that is nearly one that is known: it would be a venue of its own."""
    from imbalance.captures.formats.files import venues_of_files
    from imbalance.captures.venues.registry import MODULES

    known = sorted({*MODULES, *venues_of_files()})
    close = get_close_matches(venue, known, n=1, cutoff=_ALIKE)
    if venue not in known and close:
        raise UserError(
            f"there is no venue {venue!r}; did you mean {close[0]!r}?", where="--venue",
            allowed=", ".join(known) + "; or a name that is like none of them",
            fix="imbalance venues",
        )
