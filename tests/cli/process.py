"""The command line as a process of its own."""

import subprocess
import sys
from pathlib import Path


def words(*arguments: object, home: Path, config: Path | None = None) -> list[str]:
    """What it is given."""
    own = ["--home", str(home), *(["--config", str(config)] if config else [])]
    return [*own, *map(str, arguments)]


def command(*arguments: object, home: Path, config: Path | None = None) -> list[str]:
    """The words that start it."""
    given = words(*arguments, home=home, config=config)
    return [sys.executable, "-m", "imbalance.cli.main", *given]


def imbalance(*arguments: object, home: Path, config: Path | None = None):
    """Run it to its end."""
    return subprocess.run(
        command(*arguments, home=home, config=config),
        capture_output=True, text=True, check=False,
    )
