"""`imbalance simulate`: captures of a market whose truth is known."""

from __future__ import annotations

import datetime
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from imbalance.cli import output
from imbalance.cli.application import Application, subcommand
from imbalance.errors import UserError


class Minutes(click.FloatRange):
    """Market time to simulate. What is no number is in no range, which click alone lets through."""

    def __init__(self) -> None:
        super().__init__(min=1.0, max=1440.0)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The minutes."""
        minutes: float = super().convert(value, param, ctx)
        if math.isnan(minutes):
            self.fail(f"{value} is not in the range {self._describe_range()}", param, ctx)
        return minutes


@subcommand("simulate")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--minutes", type=Minutes(), help="Market time to simulate; 40 by default.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed; equal seeds give equal files.")
@click.option("--start", metavar="TIME", help="First instant, UTC, such as 2025-03-04T23:30.")
@click.option("--drop", type=click.FloatRange(0.0, 0.99), default=0.0, show_default=True,
              help="Share of the book differences to lose: makes gaps.")
@click.option("--skew", type=float, default=0.0, show_default=True, metavar="SECONDS",
              help="Error of the recorder's clock.")
def command(
    application: Application, directory: Path, minutes: float | None, seed: int | None,
    start: str | None, drop: float, skew: float,
) -> None:
    """Write capture files of a simulated market, in Binance's own format, and truth.json.

    Four instruments; a perpetual moves its spot and leads it by a known time; impact and feedback
    are planted. What was planted stands in truth.json beside the files.

    Each simulation numbers its updates anew: days that follow one another in one home are one
    simulation over midnight (--start, --minutes). Those of several contradict each other.

    \b
    Examples:
      imbalance simulate /tmp/captures
      imbalance simulate /tmp/captures --minutes 20 --seed 7
      imbalance simulate /tmp/captures --drop 0.001     with gaps
      imbalance run /tmp/captures                       then use them

    \b
    JSON: {"directory", "files": [{"path", "instrument", "lines", "sha256"}], "truth"}
    """
    from imbalance.cli.progress import ProgressBar
    from imbalance.simulate.market import simulate_market
    from imbalance.simulate.scenario import Scenario

    scenario = Scenario.default()
    if minutes is not None:
        scenario = replace(scenario, duration_seconds=round(minutes * 60))
    if seed is not None:
        scenario = replace(scenario, seed=seed)
    if start is not None:
        scenario = replace(scenario, start=_instant(start))
    scenario = replace(scenario, drop_fraction=drop, clock_skew_seconds=skew)
    with ProgressBar("simulate", len(scenario.instruments)) as progress:
        truth = simulate_market(directory, scenario, progress)
    if application.json:
        output.write_json(
            {
                "directory": str(directory.absolute()),
                "files": [asdict(file) for file in truth.files],
                "truth": str((directory / "truth.json").absolute()),
            }
        )
        return
    rows = [[file.path, file.instrument, file.lines] for file in truth.files]
    click.echo(output.table(["file", "instrument", "lines"], rows))
    click.echo(f"\nwhat was planted: {directory / 'truth.json'}\nnext: imbalance run {directory}")


def _instant(text: str) -> datetime.datetime:
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{text!r} is no time", where="--start", allowed="a time such as 2025-03-04T23:30"
        ) from None
    return when if when.tzinfo else when.replace(tzinfo=datetime.UTC)
