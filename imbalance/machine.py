"""How many processes of a run this machine carries, by its cores and by its memory, or by what a
container leaves of them; and how much of the memory a database in one of them may take.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from imbalance.config import Config

PROCESS_BYTES = 4 * 2**30
"""Memory a process of a run is reckoned with: a study of all series of a long day takes that."""

DATABASE_SHARE = 0.8
"""Of the memory a process may count on, what its database may take: what DuckDB takes of a whole
machine where it is not told."""

_GROUP = Path("/sys/fs/cgroup")


class SideBySide:
    """How many processes of this system work on the machine at once, this one among them; said by
    whoever starts it.
    """

    processes: ClassVar[int] = 1


def processes_at_once(config: Config, group: Path = _GROUP) -> int:
    """Processes that work side by side: as the settings say, else one a core and for each
    `PROCESS_BYTES` of memory that is free now; at least one.

    Parameters
    ----------
    group : where Linux says what this container may take (cgroup v2); need not exist.
    """
    if config.run.processes:
        return config.run.processes
    return max(1, min(cores(group), free_memory(group) // PROCESS_BYTES))


def cores(group: Path = _GROUP) -> int:
    """Cores this process may use, rounded down where its share of them is no whole number."""
    try:
        mine = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        mine = os.cpu_count() or 1
    quota, _, period = _line(group / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit() and int(period):
        mine = min(mine, int(quota) // int(period))
    return max(1, mine)


def free_memory(group: Path = _GROUP) -> int:
    """Bytes that may be taken now; where the system does not say, all there are."""
    free = _physical_memory()
    for line in _text(Path("/proc/meminfo")).splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            free = int(rest.split()[0]) * 1024
    most, taken = (_line(group / name) for name in ("memory.max", "memory.current"))
    if most.isdigit() and taken.isdigit():
        # What was read from files is counted as taken, and given back when it is asked for.
        cached = sum(
            int(number) for name, _, number in (
                line.partition(" ") for line in _text(group / "memory.stat").splitlines()
            ) if name in ("active_file", "inactive_file")
        )
        free = min(free, int(most) - int(taken) + cached)
    return max(0, free)


def database_settings(
    spill: Path, group: Path = _GROUP
) -> dict[str, str | bool | int | float | list[str]]:
    """How DuckDB is opened for work of any size: so that this process takes no more than its part
    of the memory, and puts aside in the directory `spill` what it has none for.
    """
    most = _line(group / "memory.max")
    there = min(_physical_memory(), int(most)) if most.isdigit() else _physical_memory()
    part = int(DATABASE_SHARE * there / SideBySide.processes)
    return {"memory_limit": f"{part}B", "temp_directory": str(spill)}


def _physical_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _line(path: Path) -> str:
    return _text(path).partition("\n")[0]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
