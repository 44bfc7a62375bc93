"""Wall clock, CPU and peak memory of a process and its parts. Standard library only: the peers'
environments use it too.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Cost:
    """Seconds by the wall clock and of CPU."""

    wall: float
    cpu: float

    def __truediv__(self, other: Cost) -> Cost:
        return Cost(self.wall / other.wall, self.cpu / other.cpu)


class Stopwatch:
    """Adds up what its `with` blocks cost.

    Parameters
    ----------
    clock : CPU clock: of the process with all its threads, or `time.thread_time` for what runs in
        one thread beside others.
    """

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self._clock = clock
        self._wall = self._cpu = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter(), self._clock()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._wall += time.perf_counter() - self._started[0]
        self._cpu += self._clock() - self._started[1]

    @property
    def cost(self) -> Cost:
        return Cost(self._wall, self._cpu)


def peak_bytes() -> int:
    """The most memory this process has had in use since it began."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def report(costs: dict[str, Cost], **facts: Any) -> None:
    """Write what a worker has found as the last line of its output."""
    sys.stdout.flush()
    print(json.dumps({"costs": {name: vars(cost) for name, cost in costs.items()}, **facts}))


def read_report(text: str) -> tuple[dict[str, Cost], dict[str, Any]]:
    """Costs and facts from a worker's output."""
    facts = json.loads(text.strip().splitlines()[-1])
    return {name: Cost(**cost) for name, cost in facts.pop("costs").items()}, facts


def median(costs: Iterable[Cost]) -> Cost:
    """Median wall and median CPU, each for itself."""
    found = list(costs)
    return Cost(statistics.median(c.wall for c in found), statistics.median(c.cpu for c in found))
