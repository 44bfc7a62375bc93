"""Entry point of `imbalance`: the group of commands, the exit codes, and what an error looks like.

Only click is imported here. A command's module is imported when that command is called, which is
what keeps `imbalance --help` below 0.3 s. Nothing of what a command does belongs here.
"""

from __future__ import annotations

import errno
import importlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from imbalance import __version__
from imbalance.cli import output, streams
from imbalance.cli.application import Application
from imbalance.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    UserError,
    full_disk,
    is_interruption,
    nearest,
)

_NO_PATHS = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP})
"""What the system says of a path that this user may not use, or nobody, whatever is asked."""

COMMANDS: dict[str, str] = {
    "demo": "The main job on a simulated market: what was planted and what was found.",
    "simulate": "Write captures of a market whose truth is known.",
    "run": "Register captures, compute what is missing or out of date, and publish.",
    "plan": "What the next run would make again, and what has changed.",
    "ingest": "Register captures and say what each of them is.",
    "formats": "Which captures are understood, and how they are told apart.",
    "status": "What is current, stale, missing or failed; coverage; quarantine.",
    "tables": "List the tables with their grain and size.",
    "venues": "The venues: what is decoded, what loss is noticed and what is not.",
    "describe": "What a table or a column means: formula, unit, nulls, source.",
    "studies": "What is studied: questions, families, estimators, reasons to refuse.",
    "search": "Find columns by words: what they are called, mean, or come from.",
    "sql": "Query any table; works while a run writes.",
    "training-set": "Features as known at each moment, joined to labels, in one file.",
    "publish": "Validate and release what is there as a generation.",
    "generations": "List the published generations.",
    "diff": "What differs between two generations: columns, rows, distributions, estimates.",
    "reproduce": "Make a generation again from its captures and compare every row.",
    "report": "Write one self-contained HTML report.",
    "ui": "Dagster in the browser, on this machine only.",
    "doctor": "Check versions, home, ledger, locks and disk; say what to do.",
    "verify": "Hash every file again and name what is damaged.",
}

HELP = """Order-flow imbalance features and studies from raw exchange captures.

\b
First steps:
  imbalance demo                        a simulated market, end to end
  imbalance run ../captures/binance     real captures into ./warehouse
  imbalance status                      what is there now
  imbalance sql "select instrument, bar_start, queue_imbalance from features.bars_1s limit 5"

\b
Exit codes:
  0 done   1 failed   2 wrong usage or input   3 refused by a gate
  4 another publisher is at work   5 done, with newly quarantined lines
"""


class Commands(click.Group):
    """Commands by name, imported on call; an unknown name is answered with the nearest one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"imbalance.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = nearest(args[0], list(COMMANDS))
            raise UserError(
                f"there is no command {args[0]!r}"
                + (f"; did you mean {close!r}?" if close else ""),
                allowed=", ".join(COMMANDS),
                fix="imbalance --help",
            )
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)
@click.option(
    "--home", type=click.Path(path_type=Path), envvar="IMBALANCE_HOME", default="./warehouse",
    show_default=True, show_envvar=True, help="Directory that holds all data.",
)
@click.option(
    "--config", type=click.Path(path_type=Path), envvar="IMBALANCE_CONFIG", show_envvar=True,
    help="Settings (TOML). Everything has a default.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.version_option(__version__, prog_name="imbalance")
@click.pass_context
def cli(ctx: click.Context, home: Path, config: Path | None, as_json: bool) -> None:
    """Keep what all commands share."""
    ctx.obj = Application(home_given=home, config_path=config, json=as_json)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code; nothing a user can cause ends in a traceback."""
    # Whoever stops a service or a container sends SIGTERM: it is treated as Ctrl-C is, so that what
    # this process has started is ended too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if sys.stdout is not None:
        sys.stdout = streams.marked(sys.stdout)
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        _check_text(arguments)
        code = cli.main(args=arguments, prog_name="imbalance", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return EXIT_DONE
    except BrokenPipeError:
        # The reader (`head`, a closed pager) has had enough; Python must not complain at exit.
        streams.give_up_output()
        return EXIT_FAILED
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - the last line of defence
        return _ended_early(error, arguments)
    return code if isinstance(code, int) else EXIT_DONE


def _check_text(arguments: Sequence[str]) -> None:
    """Refuse bytes that are no text, which neither SQL nor the ledger could hold."""
    given = [("arguments", one) for one in arguments]
    given += [(name, os.environ.get(name, "")) for name in ("IMBALANCE_HOME", "IMBALANCE_CONFIG")]
    for where, text in given:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UserError(f"{text!r} is not UTF-8 text", where=where) from None


def _ended_early(error: BaseException, arguments: list[str]) -> int:
    """Say why a command has not come to its end; returns the exit code."""
    as_json = "--json" in arguments
    if isinstance(error, click.Abort) or is_interruption(error):
        return _interrupted(as_json)
    if isinstance(error, UserError):
        return _refuse(error, as_json)
    if isinstance(error, click.UsageError):
        return _refuse(_as_user_error(error), as_json)
    if isinstance(error, click.ClickException):
        return _refuse(UserError(error.format_message()), as_json)
    return _crash(error, arguments, as_json)


def _interrupted(as_json: bool) -> int:
    if as_json:
        kept = "the same command again: what was finished is kept"
        return _refuse(UserError("interrupted", fix=kept, exit_code=EXIT_INTERRUPTED), as_json)
    click.echo("interrupted: what was finished is kept, the next run continues", err=True)
    return EXIT_INTERRUPTED


def _refuse(error: UserError, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps(error.as_dict(), indent=2))
    else:
        click.echo(f"error: {output.printable(str(error))}", err=True)
    return error.exit_code


def _as_user_error(error: click.UsageError) -> UserError:
    path = error.ctx.command_path if error.ctx else "imbalance"
    what = error.format_message().rstrip(".")
    allowed = None
    if isinstance(error, click.NoSuchOption) and error.ctx:
        options = [
            name for parameter in error.ctx.command.get_params(error.ctx)
            for name in parameter.opts if name.startswith("--")
        ]
        close = nearest(error.option_name, options)
        what = f"there is no option {error.option_name!r}"
        what += f"; did you mean {close!r}?" if close else ""
        allowed = ", ".join(options)
    return UserError(what[:1].lower() + what[1:], where=path, allowed=allowed,
                     fix=f"{path} --help")


def _crash(error: BaseException, arguments: list[str], as_json: bool) -> int:
    """One line on the screen, the traceback in a file: an error of ours, not of the user."""
    from imbalance.store.absent import refusal_in

    no_output = streams.refusal_of_output(error)
    if no_output is not None:
        return _refuse(no_output, as_json=False)
    refusal = refusal_in(error)
    if refusal is not None:
        return _refuse(refusal, as_json)
    if isinstance(error, OSError) and error.errno in _NO_PATHS and (
        isinstance(error.filename, str | bytes)
    ):
        return _refuse(UserError(
            f"a path cannot be used: {error.strerror}", where=os.fsdecode(error.filename),
            allowed="paths of at most 255 bytes a part, of files and directories that you may use",
        ), as_json)
    where = _logged(error, arguments)
    first = (str(error).splitlines() or [""])[0]
    full = full_disk(error, where)
    if full is not None:
        return _refuse(full, as_json)
    return _refuse(
        UserError(
            f"unexpected: {type(error).__name__}: {first}", where=where,
            fix="imbalance doctor; report it with that file if it stays", exit_code=EXIT_FAILED,
        ),
        as_json,
    )


def _logged(error: BaseException, arguments: list[str]) -> str:
    """Write the traceback to a file of the home, if there is one; returns where it is."""
    import tempfile
    import time
    import traceback

    home = os.environ.get("IMBALANCE_HOME", "warehouse")
    for option, value in itertools.pairwise(arguments):
        home = value if option == "--home" else home
    text = f"imbalance {__version__} {' '.join(arguments)}\n" + "".join(
        traceback.format_exception(error)
    )
    try:
        root = Path(home).expanduser()
        there = (root / "ledger.sqlite").exists()
        directory = root / "logs" if there else Path(tempfile.gettempdir())
        log = directory / f"imbalance-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
        directory.mkdir(parents=True, exist_ok=True)
        # Names of files can hold bytes that are no text.
        log.write_text(text, encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError, RuntimeError) as problem:
        return f"the details could not be written: {problem}"
    return f"{log} holds the details"


if __name__ == "__main__":
    main()
