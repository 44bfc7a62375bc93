"""Processes of this machine: whether one that was there once still is, though its number may have
been given to another since.
"""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = 19
"""Place of the time of its start in what Linux says of a process after the program's name."""


def is_there(pid: int, began: str) -> bool:
    """Whether the process of that number is there, and is the one that began then, where known."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    return not began or beginning(pid) in {began, ""}


def beginning(pid: int) -> str:
    """When a process began, by the start of the machine and its ticks since then; nothing where the
    system does not say.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        # the name of the program, in brackets, may hold anything
        after_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2]
        return f"{boot.strip()}-{int(after_name.split()[_TICKS])}"
    except (OSError, ValueError, IndexError):
        return ""
