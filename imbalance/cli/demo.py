"""`imbalance demo`: the main job from nothing, on a market whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imbalance.cli import output, report, run
from imbalance.cli.application import Application, CapturePath, subcommand
from imbalance.cli.progress import ProgressBar
from imbalance.cli.simulate import Minutes
from imbalance.errors import UserError

if TYPE_CHECKING:
    from imbalance.simulate.finding import Finding
    from imbalance.simulate.truth import Truth
    from imbalance.store.store import Store

DIRECTORY = "simulation"

_FIRST_QUERY = "select instrument, bar_start, queue_imbalance from features.bars_1s limit 5"


@subcommand("demo")
@click.argument("captures", nargs=-1, type=CapturePath())
@click.option("--minutes", type=Minutes(), help="Market time to simulate; 40 by default.")
def command(
    application: Application, captures: tuple[Path, ...], minutes: float | None
) -> int:
    """Simulate a market, run everything on it, report, and compare what was found with the truth.

    The captures are in Binance's own format, four instruments across midnight UTC. With CAPTURES it
    does the same on real ones, of which no truth is known.

    \b
    Examples:
      imbalance demo
      imbalance --home /tmp/demo demo
      imbalance demo ../captures/binance-202408

    \b
    JSON: {"run": {... as imbalance run}, "report", "findings": [{"question",
           "subject", "unit", "planted", "found", "low", "high", "agrees", "note"}]}
    """
    truth = None
    if not captures:
        truth = _simulate(application, minutes)
        captures = (application.home_path / DIRECTORY,)
    summary = run.run(application, captures)
    if not application.json:
        run.tell(summary)
    if not any(summary["bars"].values()):
        raise UserError(
            "the run has made no bars", where=summary["log"],
            fix="imbalance status; imbalance doctor", exit_code=summary["exit_code"] or 1,
        )
    written = report.write(application, None, "Demonstration" if truth else "Order-flow imbalance")
    findings = _compare(application.store(), truth) if truth else []
    if application.json:
        output.write_json({
            "run": summary, "report": written.path.absolute(),
            "findings": [asdict(finding) for finding in findings],
        })
    else:
        click.echo(_told(findings, written.path))
    return int(summary["exit_code"])


def _simulate(application: Application, minutes: float | None) -> Truth:
    from dataclasses import replace

    from imbalance.simulate.market import simulate_market
    from imbalance.simulate.scenario import Scenario

    scenario = Scenario.default()
    if minutes is not None:
        scenario = replace(scenario, duration_seconds=round(minutes * 60))
    store = application.store(create=True)
    directory = store.home.root / DIRECTORY
    others = [c.path for c in store.ledger.captures() if not c.path.startswith(f"{directory}/")]
    if others:
        raise UserError(
            f"the home {str(store.home.root)!r} holds captures of its own", where=others[0],
            allowed="a new home, or one that only the demonstration has used",
            fix="imbalance --home DIR demo",
        )
    with ProgressBar("simulate", len(scenario.instruments)) as progress:
        return simulate_market(directory, scenario, progress)


def _compare(store: Store, truth: Truth) -> list[Finding]:
    from imbalance.simulate.compare import compare

    with store.session(described=False) as session:
        def query(sql: str, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
            return session.execute(sql, dict(values)).fetchall()

        return compare(truth, query)


def _told(findings: Sequence[Finding], path: Path) -> str:
    if not findings:
        return f"\nreport: {path.absolute()}"
    rows = [
        [
            f.question, f.subject, _number(f.planted), _number(f.found),
            f"{_number(f.low)} … {_number(f.high)}" if f.low is not None else "",
            {True: "yes", False: "NO", None: f.note}[f.agrees],
        ]
        for f in findings
    ]
    agreed = sum(1 for f in findings if f.agrees)
    return (
        "\nWhat was planted, and what was found:\n"
        + output.table(["question", "of", "planted", "found", "interval", "agrees"], rows, width=64)
        + f"\n\n{agreed} of {len(findings)} planted figures are found within their uncertainty"
        f"\nreport: {path.absolute()}"
        f'\nnext: imbalance status · imbalance ui · imbalance sql "{_FIRST_QUERY}"'
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
