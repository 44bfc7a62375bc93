"""The doctor: versions, home, ledger, locks, disk, files and leftovers, each with what to do.

It mends only what is safe to mend (old leftovers), and never raises for what it is there to find.
Not here: hashing (`verify`), printing (the command line).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import imbalance
from imbalance.errors import UserError, full_disk
from imbalance.store.generations import current_generation_is_broken, list_generation_paths
from imbalance.store.history import current_files
from imbalance.store.home import LEDGER_NAME, Home, directory_of
from imbalance.store.ledger import Ledger
from imbalance.store.locks import is_held, read_holder
from imbalance.store.manifest import read_manifest
from imbalance.store.sweep import OLD_SECONDS, find_leftovers, sweep

_PACKAGES = (
    "duckdb", "pyarrow", "numpy", "numba", "pandas", "scipy", "statsmodels", "great-expectations",
    "dagster",
)
_LOW_BYTES = 2 * 1024**3
_PAGE_BYTES = 64 * 1024
_SHOWN = 5

Level = Literal["good", "warning", "problem"]


@dataclass(frozen=True)
class Diagnosis:
    """One thing looked at: how it is, and what to do when it is not good."""

    subject: str
    level: Level
    what: str
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """All diagnoses, in the order in which they were made."""

    diagnoses: tuple[Diagnosis, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no problem; warnings do not count."""
        return all(diagnosis.level != "problem" for diagnosis in self.diagnoses)


def examine(root: str | Path) -> Report:
    """Look at the home at `root`; sweep leftovers older than an hour."""
    home = Home(directory_of(root))
    return Report((*_versions(), *_home(home)))


def _versions() -> Iterator[Diagnosis]:
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield Diagnosis("versions", "good", f"imbalance {imbalance.__version__}, Python {python}")
    for name in _PACKAGES:
        try:
            yield Diagnosis("versions", "good", f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Diagnosis("versions", "problem", f"{name} is not installed", "make setup")


def _home(home: Home) -> Iterator[Diagnosis]:
    if not home.root.is_dir():
        yield Diagnosis("home", "problem", f"there is no directory {home.root}",
                        "give --home DIR or set IMBALANCE_HOME, or fill a new one: imbalance demo")
        return
    yield from _disk(home)
    yield from _unless_full(_locks(home))
    if not home.ledger_path.is_file():
        filled = home.tables_dir.is_dir() and any(home.tables_dir.iterdir())
        fix = f"put {LEDGER_NAME} back from a copy" if filled else "imbalance demo or imbalance run"
        yield Diagnosis("ledger", "problem", f"there is no ledger in {home.root}", fix)
        return
    yield Diagnosis("home", "good", str(home.root))
    try:
        ledger = Ledger(home.ledger_path)
        problems = ledger.integrity_problems()
    except UserError as error:
        yield Diagnosis("ledger", "problem", error.what, error.fix or "")
        return
    if problems:
        yield Diagnosis("ledger", "problem", f"damaged: {'; '.join(problems[:_SHOWN])}",
                        "put it back from a copy; nothing has been deleted")
        return
    yield Diagnosis("ledger", "good", f"whole, at sequence {ledger.last_sequence()}, "
                    f"{len(ledger.captures())} captures")
    yield from _failures(ledger)
    yield from _files(home, ledger)
    yield from _generations(home)
    if ledger.writable:
        yield from _unless_full(_leftovers(home, ledger))
    else:
        yield Diagnosis("home", "warning", "it may only be read by this user: no leftovers were "
                        "looked for", "nothing, or look again as one who may write to it")


def _unless_full(diagnoses: Iterator[Diagnosis]) -> Iterator[Diagnosis]:
    """The same, unless the disk has no room for the file of a lock, which is said then."""
    try:
        yield from diagnoses
    except OSError as error:
        full = full_disk(error, "")
        if full is None:
            raise
        yield Diagnosis("disk", "problem", "full: the file of a lock cannot be written",
                        full.fix or "")


def has_room(root: Path) -> bool:
    """Whether there is room for so much as a page of a database."""
    return shutil.disk_usage(root).free > _PAGE_BYTES


def _disk(home: Home) -> Iterator[Diagnosis]:
    usage = shutil.disk_usage(home.root)
    text = f"{usage.free / 1024**3:.1f} GB free of {usage.total / 1024**3:.1f} GB"
    if usage.free < _LOW_BYTES:
        yield Diagnosis("disk", "warning", text, "make room: a generation is written aside in full")
    else:
        yield Diagnosis("disk", "good", text)


def _locks(home: Home) -> Iterator[Diagnosis]:
    holder = read_holder(home.publish_lock)
    if is_held(home.publish_lock):
        yield Diagnosis("locks", "good", f"a publisher is at work: {holder or 'not named'}")
    elif holder is not None:
        yield Diagnosis("locks", "warning", f"a publisher died at work: {holder}",
                        "nothing: the lock went with it, the next publisher starts anew")
    else:
        yield Diagnosis("locks", "good", "no publisher is at work")


def _failures(ledger: Ledger) -> Iterator[Diagnosis]:
    failures = ledger.failures()
    for failure in failures[:_SHOWN]:
        yield Diagnosis("failures", "warning", f"{failure.table} [{failure.partition}] failed: "
                        f"{failure.message}", "mend the cause, then imbalance run")
    if len(failures) > _SHOWN:
        yield Diagnosis("failures", "warning", f"and {len(failures) - _SHOWN} more",
                        "imbalance status lists all")


def _files(home: Home, ledger: Ledger) -> Iterator[Diagnosis]:
    files, current = ledger.files(), current_files(ledger)
    missing = [name for name in sorted(files) if not home.file(name).is_file()]
    lost = [name for name in missing if name in current]
    for name in lost[:_SHOWN]:
        yield Diagnosis("files", "problem", f"{name} is missing", "imbalance run builds it again")
    if len(lost) > _SHOWN:
        yield Diagnosis("files", "problem", f"and {len(lost) - _SHOWN} more missing",
                        "imbalance verify lists all")
    if len(missing) > len(lost):
        yield Diagnosis("files", "warning", f"files of rows that newer ones have replaced are "
                        f"missing: {len(missing) - len(lost)}; what was known then cannot be asked "
                        "for",
                        "put them back from a copy, or do without; imbalance verify lists all")
    if not missing:
        yield Diagnosis("files", "good", f"all {len(files)} partition files are there "
                        "(imbalance verify looks into them)")


def _generations(home: Home) -> Iterator[Diagnosis]:
    paths = list_generation_paths(home)
    for path in paths:
        try:
            read_manifest(path)
        except UserError as error:
            yield Diagnosis("generations", "problem", f"{path.name}: {error.what}",
                            error.fix or "")
    if current_generation_is_broken(home):
        yield Diagnosis("generations", "problem",
                        "none is current: generations/current leads nowhere", "imbalance publish")
    yield Diagnosis("generations", "good", f"{len(paths)} published")


def _leftovers(home: Home, ledger: Ledger) -> Iterator[Diagnosis]:
    try:
        swept = sweep(home, ledger)
    except TimeoutError:
        yield Diagnosis("leftovers", "warning", "tasks are being committed, nothing was swept",
                        "try again later")
        return
    for leftover in swept:
        yield Diagnosis("leftovers", "good", f"swept {leftover.path}, {leftover.bytes} bytes, "
                        f"{leftover.age / 3600:.1f} h old")
    for leftover in find_leftovers(home, ledger):
        yield Diagnosis("leftovers", "good", f"{leftover.path}, {leftover.bytes} bytes, is swept "
                        f"from an age of {OLD_SECONDS / 3600:g} h if nobody claims it")
    if not swept:
        yield Diagnosis("leftovers", "good", "none to sweep")
