"""Starting the Dagster application as a process and listening to it.

The child tells what it does as JSON lines on its standard output (see `pipelines/report.py`); its
standard error, where Dagster logs, goes to a file in the home. The command line itself imports
neither Dagster nor the application.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import imbalance
from imbalance.cli.progress import ProgressBar
from imbalance.errors import EXIT_FAILED, UserError, full_disk_said
from imbalance.store.home import Home

GRACE_SECONDS = 30.0
"""How long an interrupted run may take to put its things in order."""

LAST_WORDS = 65_536
"""Bytes at the end of a log that are to say why a run died."""


def checkout() -> Path:
    """Directory of the application: `assets/` and `pipelines/` beside the library.

    Raises
    ------
    UserError
        When only the library is installed.
    """
    root = Path(imbalance.__file__).resolve().parent.parent
    missing = [name for name in ("assets", "pipelines") if not (root / name).is_dir()]
    if missing:
        raise UserError(
            f"this command needs the application, but {' and '.join(missing)} are not there",
            where=str(root),
            allowed="a checkout of the project: the installed library can read a home, not fill it",
            fix="clone the project, then make setup and .venv/bin/imbalance",
        )
    return root


def environment(home: Home, config: Path | None) -> dict[str, str]:
    """Variables by which the application knows its home and settings."""
    return {
        # Studies work on their pairs and systems side by side. Threads of linear algebra besides
        # only wait for each other, at full speed: a fifth of a run's CPU, half of a study's time.
        "OPENBLAS_NUM_THREADS": "1",
        **os.environ,
        "PYTHONPATH": str(checkout()),
        "DAGSTER_HOME": str(home.dagster_dir),
        "IMBALANCE_HOME": str(home.root),
        "IMBALANCE_CONFIG": str(config.absolute()) if config else "",
        "GX_ANALYTICS_ENABLED": "false",
    }


def run_application(
    home: Home, config: Path | None, limits: Mapping[str, str | None], progress: ProgressBar
) -> dict[str, Any]:
    """Run `python -m pipelines.run` to its end and return its summary.

    A gate's refusal is in the summary (`error`, `where`, …): all but the publication is done then.

    Parameters
    ----------
    limits : `first` and `last` day and `venue` of what it works on; None for all.

    Raises
    ------
    UserError
        What was wrong before anything was done, or that the run died, with the log that tells why.
    KeyboardInterrupt
        After the child has been interrupted too and has ended.
    """
    log = home.root / "logs" / f"run-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    options = {"first": "--from", "last": "--to", "venue": "--venue"}
    arguments = [word for name, value in limits.items() if value for word in (options[name], value)]
    result: dict[str, Any] = {}
    with log.open("w", encoding="utf-8") as errors:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "pipelines.run", "--end-with-parent",
             *arguments],
            # The pipe to the child's input closes when this process is gone, however it ended:
            # the child stops then.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(home, config),
            start_new_session=True,
            text=True,
        )
        try:
            result = _listen(child, progress)
            child.wait()
        except KeyboardInterrupt:
            _stop(child)
            raise
        finally:
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
    result["log"] = str(log)
    if "error" in result and "partitions" not in result:
        raise UserError(
            result["error"], where=result.get("where"), allowed=result.get("allowed"),
            fix=result.get("fix"), exit_code=result.get("exit_code", EXIT_FAILED),
        )
    if "exit_code" not in result:
        raise _died(child.returncode, log)
    return result


def _died(status: int, log: Path) -> UserError:
    """That a run has ended without its summary, and that the disk is full where that is why: its
    log says so, or has found no room to.
    """
    where = f"{log} holds the details"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_WORDS))
        said = file.read().decode(errors="replace")
    if shutil.disk_usage(log.parent).free < LAST_WORDS:
        said = os.strerror(errno.ENOSPC)
    return full_disk_said(said, where) or UserError(
        f"the run ended without a word (exit status {status})", where=where,
        fix="run the same command again: what was finished is kept", exit_code=EXIT_FAILED,
    )


def _listen(child: subprocess.Popen[str], progress: ProgressBar) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for line in child.stdout or ():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        kind = said.pop("say", None)
        if kind == "progress":
            progress.advance(**said)
        elif kind == "phase":
            progress.begin(**said)
        elif kind == "result":
            result = said
    return result


def _stop(child: subprocess.Popen[str]) -> None:
    """Interrupt the child; kill it when it does not end."""
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGINT)
    try:
        child.wait(timeout=GRACE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        child.kill()
        child.wait()
