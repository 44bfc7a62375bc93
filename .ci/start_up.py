"""Hold the start-up budget: `imbalance --help` in under 0.3 s, with nothing heavy imported.

The best of several starts counts, by the wall clock and in CPU seconds, so that a busy machine does
not fail what an idle one passes.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

BUDGET_SECONDS = 0.3
STARTS = 7
HEAVY = ("dagster", "duckdb", "great_expectations", "matplotlib", "numba", "numpy")
HEAVY += ("pandas", "pyarrow", "scipy", "statsmodels")

command = [str(Path(sys.executable).parent / "imbalance"), "--help"]


def start() -> tuple[float, float]:
    """One start of the command: wall seconds and CPU seconds."""
    before, begin = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begin, os.times()
    used = after.children_user - before.children_user
    return wall, used + after.children_system - before.children_system


def imported() -> set[str]:
    """The top-level packages which one start imports."""
    trace = subprocess.run(
        [sys.executable, "-X", "importtime", *command], check=True, capture_output=True, text=True
    ).stderr
    names = (line.rpartition("|")[2].strip() for line in trace.splitlines())
    return {name.partition(".")[0] for name in names}


def main() -> int:
    """Measure, print, and return the exit code."""
    starts = [start() for _ in range(STARTS)]
    wall, cpu = min(wall for wall, _ in starts), min(cpu for _, cpu in starts)
    heavy = sorted(imported().intersection(HEAVY))
    print(f"imbalance --help: {wall:.3f} s wall, {cpu:.3f} s CPU, best of {STARTS}", end="")
    print(f" (budget {BUDGET_SECONDS} s each); heavy imports: {', '.join(heavy) or 'none'}")
    return 1 if heavy or max(wall, cpu) > BUDGET_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
