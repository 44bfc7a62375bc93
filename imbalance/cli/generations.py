"""`imbalance generations`: what has been published, and which of it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imbalance.cli import complete, output
from imbalance.cli.application import Application, subcommand
from imbalance.errors import UserError

if TYPE_CHECKING:
    from imbalance.store.generations import Generation
    from imbalance.store.home import Home
    from imbalance.store.retention import Pin

ACTIONS = ("list", "pin", "unpin", "prune")


@subcommand("generations")
@click.argument("action", type=click.Choice(ACTIONS), default="list")
@click.argument("generation", required=False, metavar="[ID]",
                shell_complete=complete.generations)
@click.option("--because", default="", metavar="TEXT", help="Of a pin: what needs it.")
@click.option("--keep", type=click.IntRange(min=0), metavar="N",
              help="Of prune: how many of the newest stay.")
@click.option("--older-than", type=click.FloatRange(min=0), default=0.0, metavar="DAYS",
              help="Of prune: younger ones stay as well.")
@click.option("--dry-run", is_flag=True, help="Of prune: say only what would be removed.")
def command(
    application: Application, action: str, generation: str | None, because: str,
    keep: int | None, older_than: float, dry_run: bool,
) -> None:
    """List the published generations, oldest first; pin, unpin and prune them.

    A generation never changes. `prune` removes all but the newest --keep, the current one, the
    pinned ones, and those that somebody has open.

    \b
    Examples:
      imbalance generations
      imbalance sql "from features.bars_1s" --generation ID
      imbalance generations pin ID --because "model 7 was trained on it"
      imbalance generations prune --keep 30 --older-than 7 --dry-run

    \b
    JSON of list:  {"generations": [{"id", "number", "created_at", "ledger_sequence",
                    "current", "pinned", "path", "rows": {table: rows}}]}
    JSON of pin:   {"generation", "because"}; of unpin: {"generation", "was_pinned"}
    JSON of prune: {"removed": [id], "bytes", "kept": {id: reason}, "dry_run"}
    """
    from imbalance.store import retention
    from imbalance.store.generations import list_generations

    home = application.home()
    if action == "list":
        _list(application, list_generations(home), retention.pins(home))
    elif action == "prune":
        if keep is None:
            raise UserError("how many of the newest are to stay is not said", where="prune",
                            allowed="--keep N", fix="imbalance generations prune --keep 30")
        done = retention.prune(application.store(), keep=keep, older_than_days=older_than,
                               dry_run=dry_run)
        word = "would remove" if dry_run else "removed"
        _tell(application, {"removed": done.removed, "bytes": done.bytes, "kept": done.kept,
                            "dry_run": dry_run},
              f"{word} {output.count(len(done.removed), 'generation')}, "
              f"{output.size(done.bytes)}; {len(done.kept)} stay")
    elif generation is None:
        raise UserError(f"which generation to {action} is not said", where=action,
                        fix=f"imbalance generations {action} ID")
    elif action == "pin":
        made = retention.pin(home, _id(home, generation), because)
        _tell(application, {"generation": made.generation, "because": made.because},
              f"pinned {made.generation}")
    else:
        was = retention.unpin(home, _id(home, generation))
        _tell(application, {"generation": generation, "was_pinned": was},
              f"unpinned {generation}" if was else f"{generation} was not pinned")


def _id(home: Home, generation: str) -> str:
    from imbalance.store.generations import find_generation

    return find_generation(home, None if generation == "current" else generation).id


def _tell(application: Application, document: dict[str, Any], text: str) -> None:
    if application.json:
        output.write_json(document)
    else:
        click.echo(text)


def _list(application: Application, found: list[Generation], pins: dict[str, Pin]) -> None:
    if application.json:
        output.write_json({
            "generations": [
                {"id": g.id, "number": g.number, "created_at": g.created_at,
                 "ledger_sequence": g.ledger_sequence, "current": g.current,
                 "pinned": pins[g.id].because if g.id in pins else None, "path": g.path,
                 "rows": g.rows}
                for g in found
            ]
        })
        return
    if not found:
        click.echo("nothing has been published yet: imbalance publish")
        return
    click.echo(output.table(
        ["generation", "published", "ledger", "rows", ""],
        [[g.id, g.created_at, g.ledger_sequence, sum(g.rows.values()), _state(g, pins)]
         for g in found],
    ))


def _state(generation: Generation, pins: dict[str, Pin]) -> str:
    pin = pins.get(generation.id)
    said = ["current"] if generation.current else []
    return ", ".join([*said, *([f"pinned: {pin.because}".rstrip(": ")] if pin else [])])
