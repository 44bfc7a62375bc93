"""Capture to features against hftbacktest's conversion and replay of the same file.

Makes the long capture, runs each side in processes and environments of its own, round by round in
turn, and compares medians. What is measured within a process is said there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Cost, median, read_report

REPOSITORY = Path(__file__).parent.parent
PEER_PYTHON = REPOSITORY / ".venv-benchmark" / "bin" / "python"

NOT_THE_SAME = (
    "The two do not do the same work.",
    "hftbacktest's conversion takes trades and book levels of the capture into one array, corrects",
    "their clock and order, and keeps them all; it rebuilds no book and passes over best quotes.",
    "Here every message is decoded and checked, quotes too; the book is rebuilt and checked by its",
    "chain of ids; a state per change, order flow of ten levels and bars are made of it; single",
    "levels are kept only where tables are written.",
    "hftbacktest's replay also models the exchange's side, latency and a queue. The book alone is",
    "this project's under the same updates, ten levels a side read every 100 ms, as the peer's",
    "are; the rebuild makes a state and its order flow for every change besides, and depth in",
    "bands and by distance for every bar.",
)


@dataclass(frozen=True)
class Goal:
    """A figure to reach."""

    name: str
    value: float
    wanted: float
    unit: str = "×"
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.value < self.wanted if self.at_most else self.value >= self.wanted


@dataclass
class Results:
    """Costs by stage over the rounds, and the facts of the last of them."""

    capture: dict[str, Any]
    costs: dict[str, list[Cost]] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    load: list[float] = field(default_factory=list)

    def take(self, job: str, output: str) -> None:
        costs, facts = read_report(output)
        for name, cost in costs.items():
            self.costs.setdefault(name, []).append(cost)
        peak = max(facts["peak_bytes"], self.facts.get(job, facts)["peak_bytes"])
        self.facts[job] = facts | {"peak_bytes": peak}

    def cost(self, name: str) -> Cost:
        return median(self.costs[name])

    def ratio(self, peer: str, ours: str) -> Cost:
        """How many times the peer's stage costs ours: the median of the rounds' ratios."""
        pairs = zip(self.costs[peer], self.costs[ours], strict=True)
        return median(theirs / mine for theirs, mine in pairs)

    def peak(self, job: str) -> int:
        return int(self.facts[job]["peak_bytes"])

    def goals(self) -> list[Goal]:
        bars, tables = self.ratio("convert", "to_bars"), self.ratio("convert", "to_tables")
        inflated = self.ratio("to_bars", "decompress")
        book, on_map = self.ratio("replay_vector", "book"), self.ratio("replay_map", "book")
        rebuild = self.ratio("replay_vector", "rebuild")
        decode = self.ratio("decompress", "decode")
        largest = max(self.peak(job) for job in ("memory", "features", "tables"))
        to_bars = self.peak("memory")
        return [
            Goal("capture to 100 ms bars in memory, against its conversion, wall", bars.wall, 20),
            Goal("the same, CPU", bars.cpu, 12),
            Goal("the same, against inflating the file alone, wall", inflated.wall, 2.5,
                 at_most=True),
            Goal("capture to all tables written, against its conversion, wall", tables.wall, 8),
            Goal("book alone, against its replay (vector book), CPU", book.cpu, 7),
            Goal("book alone, against its replay (hash map book), CPU", on_map.cpu, 15),
            Goal("rebuild with all it makes, against its replay (vector book), CPU",
                 rebuild.cpu, 4),
            Goal("decoding, against the inflating it follows, CPU", decode.cpu, 1),
            Goal("peak memory, whatever is made", largest / 1e9, 2, "GB", at_most=True),
            Goal("peak memory to bars", to_bars / 1e6, 350, "MB", at_most=True),
            Goal("the same, against its conversion's", to_bars / self.peak("peer"), 0.5,
                 at_most=True),
        ]  # fmt: skip

    def check(self) -> None:
        """That both sides did the work.

        Raises
        ------
        AssertionError
            If lines were not decoded, best quotes differ from the book, or the closing books of
            the two sides differ.
        """
        ours, theirs, tables = self.facts["memory"], self.facts["peer"], self.facts["tables"]
        assert ours["lines"] == self.capture["messages"]
        assert ours["lines_not_decoded"] == 0
        assert tables["quotes_compared"] > 0
        assert tables["quotes_mismatched"] == 0
        for replay in ("replay_vector", "replay_map"):
            pairs = zip(ours["closing_best"], theirs[replay]["closing_best"], strict=True)
            assert all(abs(a - b) < 1e-6 for a, b in pairs), "closing books differ"
        assert ours["closing_best_of_the_book_alone"] == ours["closing_best"]


def _run(python: Path, module: str, *arguments: str | Path) -> str:
    command = [str(python), "-W", "ignore::DeprecationWarning", "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"benchmark: {module} ended with {done.returncode}, see above")
    return done.stdout


def measure(original: Path, level_updates: int, rounds: int) -> Results:
    """Make the capture and run all sides, one after the other, `rounds` times."""
    mine = Path(sys.executable)
    with tempfile.TemporaryDirectory(prefix="imbalance-benchmark-") as directory:
        long = Path(directory) / f"repeated_{original.name}"
        _note("making the capture")
        made = _run(mine, "benchmarks.repeated_capture", original, long, str(level_updates))
        results = Results(json.loads(made))
        for k in range(rounds + 1):
            # the first time fills the caches of compiled code and counts for nothing
            taken = results if k else Results(results.capture)
            for job in ("memory", "peer", "tables", "features"):
                _note(f"round {k} of {rounds}: {job}")
                if job == "peer":
                    capture = long if k else original
                    output = _run(PEER_PYTHON, "benchmarks.peer_hftbacktest", capture, original)
                else:
                    capture = long if k else original
                    output = _run(mine, "benchmarks.product", job, capture, original)
                taken.take(job, output)
            taken.load.append(os.getloadavg()[0])
    _note("")
    results.check()
    return results


def _note(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()
