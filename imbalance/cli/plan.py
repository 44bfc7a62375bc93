"""`imbalance plan`: what a run would do, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imbalance.cli import complete, output
from imbalance.cli.application import Application, subcommand

if TYPE_CHECKING:
    from imbalance.plan import Step

SHOWN = 50


@subcommand("plan")
@click.option("--from", "first", metavar="DAY", shell_complete=complete.days,
              help="First day, YYYY-MM-DD.")
@click.option("--to", "last", metavar="DAY", shell_complete=complete.days,
              help="Last day, inclusive.")
@click.option("--venue", shell_complete=complete.venues, help="Only this venue, and the studies.")
@click.option("--all", "everything", is_flag=True, help="Every step, not only the first of them.")
def command(
    application: Application, first: str | None, last: str | None, venue: str | None,
    everything: bool,
) -> None:
    """What the next run would make, and which input, setting or version has changed.

    Nothing is made. A step below one that is due is listed too; it finds itself unchanged when its
    input comes out the same. Captures are registered by `imbalance run`, so that one it has not
    been given yet is not in the plan.

    \b
    Examples:
      imbalance plan
      imbalance plan --from 2024-08-08 --to 2024-08-09 --venue binance
      imbalance --json plan

    \b
    JSON: {"due": [{"layer", "tables": [name], "partition", "state", "reasons": [text],
                    "message"}], "current": steps}
    """
    from imbalance.cli.run import check_days, check_venue
    from imbalance.plan import make_plan

    first, last = check_days(first, last)
    store = application.store()
    check_venue(store, venue)
    store.reasons = {}
    plan = make_plan(store, first=first, last=last, venue=venue)
    due = plan.due()
    current = len(plan.steps) - len(due)
    if application.json:
        output.write_json({"due": [document(step) for step in due], "current": current})
        return
    for step in due if everything else due[:SHOWN]:
        click.echo(f"{step.layer} {step.partition}: {step.state}, {', '.join(step.tables)}")
        for reason in (*step.reasons, *([step.message] if step.message else ())):
            click.echo(f"    {reason}")
    if len(due) > SHOWN and not everything:
        click.echo(f"… and {len(due) - SHOWN} more: --all")
    click.echo(f"{output.count(len(due), 'step')} to do, {current} current"
               + (": imbalance run" if due else ""))


def document(step: Step) -> dict[str, Any]:
    """A step as JSON tells it."""
    return {"layer": step.layer, "tables": step.tables, "partition": step.partition,
            "state": step.state, "reasons": step.reasons, "message": step.message}
