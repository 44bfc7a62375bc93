"""`imbalance run`: captures in, everything that follows from them brought up to date, published.

The work is done by the Dagster application; here it is started, shown and summed up.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imbalance.cli import output
from imbalance.cli.application import Application, CapturePath, subcommand
from imbalance.errors import EXIT_DONE, EXIT_QUARANTINE, UserError

if TYPE_CHECKING:
    from imbalance.cli.progress import ProgressBar
    from imbalance.store.store import Store


SHOWN_FILES = 5
PARTITION_WORDS = (
    ("built", "built"), ("unchanged", "current already"), ("left", "not made"),
)


@subcommand("run")
@click.argument("captures", nargs=-1, type=CapturePath())
@click.option("--from", "first", metavar="DAY", help="First day, YYYY-MM-DD, UTC.")
@click.option("--to", "last", metavar="DAY", help="Last day.")
@click.option("--venue", metavar="V", help="Only this venue.")
def command(
    application: Application, captures: tuple[Path, ...], first: str | None, last: str | None,
    venue: str | None,
) -> int:
    """Register captures (files or directories), compute what is missing or stale, and publish.

    What is up to date is left alone, so running it again costs little and is always safe; after
    Ctrl-C or a crash the same command goes on where it was. Without CAPTURES it works on what is
    registered already. Venues and studies are worked on side by side, in as many processes as cores
    and memory allow, or as `processes` under [run] of the settings says.

    \b
    Examples:
      imbalance run ../captures/binance-202408
      imbalance run day1.gz day2.gz
      imbalance run --from 2024-08-08 --to 2024-08-09 --venue binance-futures
      imbalance --home /data/w --json run captures

    \b
    JSON: {"status": "done" | "nothing_to_do" | "failed", "captures": {...},
           "partitions": {"built", "unchanged", "left"}, "bars": {table: rows},
           "proof": {"compared", "mismatched"}, "generation", "failures":
           [{"step", "partition", "message"}], "seconds", "log": path, null
           where there was nothing to do, "exit_code"}; where publishing was
           refused, also "error", "where", "allowed" and "fix"
    """
    days = check_days(first, last)
    summary = run(application, captures, days[0], days[1], venue)
    if application.json:
        output.write_json(summary)
    else:
        tell(summary)
    return int(summary["exit_code"])


def run(
    application: Application, captures: Sequence[Path], first: str | None = None,
    last: str | None = None, venue: str | None = None,
) -> dict[str, Any]:
    """Register the captures and run the application; returns its summary."""
    from imbalance.captures.walk import check_there
    from imbalance.cli.process import checkout, run_application
    from imbalance.cli.progress import ProgressBar
    from imbalance.outcome import nothing_to_do
    from imbalance.summary import newly_quarantined

    checkout()
    for path in captures:
        check_there(path)  # before a home is made for it
    _ = application.config
    store = application.store(create=bool(captures))
    before = store.ledger.last_sequence()
    with ProgressBar("run") as progress:
        found = _register(store, captures, progress)
        _check_usable(store, found["refused_files"])
        check_venue(store, venue)
        limits = {"first": first, "last": last, "venue": venue}
        summary = nothing_to_do(store, limits)
        if summary is None:
            store.home.check_writable()
            summary = run_application(store.home, application.config_path, limits, progress)
    quarantined = newly_quarantined(store, before)
    if quarantined and summary["exit_code"] == EXIT_DONE:
        summary["exit_code"] = EXIT_QUARANTINE
    summary["captures"] = {**summary["captures"], **found, "new_quarantined": quarantined}
    return summary


def _register(store: Store, captures: Sequence[Path], progress: ProgressBar) -> dict[str, Any]:
    """Register; returns how many files are new, known or ignored, which have grown, are replaced,
    refused or skipped and why, and of which something was assumed.
    """
    from imbalance.captures.letting_go import remove_unheld
    from imbalance.captures.register import register

    registrations = register(store, captures, progress) if captures else []
    if captures:
        remove_unheld(store)  # what a registration that was killed has left
    statuses = [registration.status for registration in registrations]
    return {
        "new": statuses.count("new"),
        "grown": statuses.count("grown"),
        "replaced": statuses.count("replaced"),
        "known": statuses.count("known") + statuses.count("same_bytes"),
        "ignored_files": statuses.count("ignored"),
        "changed_files": [
            {"path": r.path, "status": r.status, "reason": r.reason, "replaces": r.replaces}
            for r in registrations if r.replaces is not None
        ],
        **{f"{status}_files": [
            {"path": r.path, "reason": r.reason} for r in registrations if r.status == status
        ] for status in ("refused", "skipped")},
        "assumed_files": [{"path": r.path, "assumed": r.assumed} for r in registrations
                          if r.assumed],
    }


def _check_usable(store: Store, refused: Sequence[dict[str, str]]) -> None:
    """Refuse to go on where there is nothing to go on with."""
    if any(capture.first_day for capture in store.ledger.captures()):
        return
    if refused:
        files = "\n  ".join(f"{file['path']}: {file['reason']}" for file in refused[:SHOWN_FILES])
        more = f"\n  and {len(refused) - SHOWN_FILES} more" if len(refused) > SHOWN_FILES else ""
        raise UserError(
            f"none of the files can be used; they are noted and left as they are:\n  {files}{more}",
            where="CAPTURES",
            allowed="capture files of a known format, plain or compressed",
            fix="imbalance formats lists them; imbalance ingest --format NAME says what a file is",
            exit_code=EXIT_QUARANTINE,
        )
    raise UserError(
        "no captures are registered in this home", where=str(store.home.root),
        fix="imbalance run CAPTURES…",
    )


def check_venue(store: Store, venue: str | None) -> None:
    """Refuse a venue of which there are no captures."""
    from imbalance.errors import nearest

    venues = sorted({c.venue for c in store.ledger.captures() if c.first_day})
    if venue and venue not in venues:
        close = nearest(venue, venues)
        raise UserError(
            f"no captures of venue {venue!r}" + (f"; did you mean {close!r}?" if close else ""),
            where="--venue", allowed=", ".join(venues),
        )


def check_days(first: str | None, last: str | None) -> tuple[str | None, str | None]:
    """First and last day, refused when one is none or they are in the wrong order."""
    days = check_day(first, "--from"), check_day(last, "--to")
    if days[0] and days[1] and days[0] > days[1]:
        raise UserError(
            f"--from {days[0]} is after --to {days[1]}", where="--from, --to",
            allowed="a first day that is not after the last",
        )
    return days


def check_day(text: str | None, option: str) -> str | None:
    """A day as YYYY-MM-DD, refused when it is none."""
    if text is None:
        return None
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise UserError(
            f"{text!r} is no day", where=option, allowed="a day as YYYY-MM-DD, such as 2024-08-08"
        ) from None


def tell(summary: dict[str, Any]) -> None:
    """Print the summary, and the gate's refusal when there is one."""
    click.echo(told(summary))
    if "error" in summary:
        refusal = UserError(summary["error"], where=summary["where"],
                            allowed=summary["allowed"], fix=summary["fix"])
        click.echo(f"\nerror: {refusal}", err=True)


def _captures(captures: dict[str, Any]) -> str:
    from imbalance.summary import captures_line

    changed = [f", {captures[k]} {k}" for k in ("grown", "replaced") if captures[k]]
    return f"{captures_line(captures)}; {captures['new']} new{''.join(changed)}"


def _lines(captures: dict[str, Any]) -> str:
    return (
        f"{captures['lines_read']:,} = {captures['lines_decoded']:,} decoded + "
        f"{captures['lines_ignored']:,} ignored + {captures['lines_quarantined']:,} quarantined"
    )


def told(summary: dict[str, Any]) -> str:
    """The summary as text."""
    captures = summary["captures"]
    if summary["status"] == "nothing_to_do":
        text = (
            f"nothing to do: all {summary['partitions']['unchanged']:,} partitions are current, "
            f"generation {summary['generation']}"
        )
    else:
        text = _work(summary)
    if captures["changed_files"]:
        text += "\n\ngrown or replaced since they were last registered:\n" + output.table(
            ["file", "has", "what of it"],
            [[f["path"], f["status"], f["reason"]] for f in captures["changed_files"]],
        )
    for what, files in (
        ("refused, noted and left as they are", captures["refused_files"]),
        ("skipped", captures["skipped_files"]),
    ):
        if files:
            rows = [[file["path"], file["reason"]] for file in files]
            text += f"\n\n{what}:\n" + output.table(["file", "why"], rows)
    if captures["assumed_files"]:
        text += "\n\nassumed, as nothing says otherwise:\n" + output.table(
            ["file", "what"], [[f["path"], f["assumed"]] for f in captures["assumed_files"]],
        )
    if captures["new_quarantined"]:
        text += (
            f"\n\n{output.count(captures['new_quarantined'], 'line')} newly quarantined: "
            'imbalance sql "from raw.quarantine"'
        )
    return text


def _work(summary: dict[str, Any]) -> str:
    """What was done, and what has failed."""
    captures, partitions, proof = (summary[k] for k in ("captures", "partitions", "proof"))
    rows: list[tuple[str, str]] = [
        ("captures", _captures(captures)),
        ("lines", _lines(captures)),
        ("partitions", ", ".join(f"{partitions[k]:,} {word}" for k, word in PARTITION_WORDS)),
        ("bars", ", ".join(f"{n:,} of {name.rpartition('_')[2]}"
                           for name, n in summary["bars"].items())),
        ("book proof",
         "{compared:,} comparisons with quotes, {mismatched:,} mismatches".format(**proof)),
        ("generation", summary["generation"] or "none: see above"),
        ("time", f"{summary['seconds']:.1f} s"),
    ]
    text = "\n".join(f"{name + ':':13}{value}" for name, value in rows)
    if summary["failures"]:
        text += "\n\nfailed:\n" + output.table(
            ["step", "partition", "why"],
            [[f["step"], f["partition"], f["message"]] for f in summary["failures"]], width=300,
        )
        text += f"\n\nall of it: {summary['log']}"
    return text
