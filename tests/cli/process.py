"""The command line as a process of its own."""

import subprocess
import sys
from pathlib import Path


def command(*arguments: object, home: Path, config: Path | None = None) -> list[str]:
    """The words that start it."""
    words = [sys.executable, "-m", "imbalance.cli.main", "--home", str(home)]
    words += ["--config", str(config)] if config else []
    return [*words, *map(str, arguments)]


def imbalance(*arguments: object, home: Path, config: Path | None = None):
    """Run it to its end."""
    return subprocess.run(
        command(*arguments, home=home, config=config),
        capture_output=True, text=True, timeout=900, check=False,
    )
