"""The command line as a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def words(*arguments: object, home: Path, config: Path | None = None) -> list[str]:
    """What it is given."""
    own = ["--home", str(home), *(["--config", str(config)] if config else [])]
    return [*own, *map(str, arguments)]


def command(*arguments: object, home: Path, config: Path | None = None) -> list[str]:
    """The words that start it."""
    given = words(*arguments, home=home, config=config)
    return [sys.executable, "-m", "imbalance.cli.main", *given]


def restricted(*arguments: object, home: Path):
    """Run it to its end as somebody to whom the permissions of files apply, which they do not to
    root.
    """
    given = command(*arguments, home=home)
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may read and write everything, and there is no setpriv")
        given = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *given]
    return subprocess.run(given, capture_output=True, text=True, check=False)


def imbalance(*arguments: object, home: Path, config: Path | None = None):
    """Run it to its end."""
    return subprocess.run(
        command(*arguments, home=home, config=config),
        capture_output=True, text=True, check=False,
    )
