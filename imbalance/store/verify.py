"""Verification: every file that the system has written or registered is hashed again and compared.

Readers of Parquet take most damage for data, so that this is the only way to know. It changes
nothing. Not here: what to do about locks, disk and leftovers (`doctor`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imbalance.errors import UserError
from imbalance.progress import SILENT, Progress
from imbalance.store.files import sha256_file
from imbalance.store.generations import list_generation_paths
from imbalance.store.history import current_files
from imbalance.store.home import Home
from imbalance.store.ledger import Ledger
from imbalance.store.manifest import MANIFEST_NAME, read_manifest


@dataclass(frozen=True)
class Damage:
    """A file that is not what it was: where, what is wrong with it, and what to do."""

    path: str
    what: str
    fix: str


@dataclass(frozen=True)
class Verification:
    """What was hashed, what is damaged, and which captures are no longer where they were."""

    files: int
    bytes: int
    damaged: tuple[Damage, ...]
    missing_captures: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damaged


@dataclass(frozen=True)
class _Expected:
    path: Path
    sha256: str
    fix: str


_BUILD_AGAIN = "delete it if it is there: the next `imbalance run` builds it again"
_OLD_VERSION = ("no run makes it again, since newer rows have replaced it: put it back from a "
                "copy, or do without what was known then")
_PUBLISH_AGAIN = "train on another generation: `imbalance generations` lists them"
_GET_AGAIN = "get the capture again from where it came from"


def verify(home: Home, progress: Progress = SILENT) -> Verification:
    """Hash partition files (current and history), generations and captures again.

    Raises
    ------
    UserError
        If the ledger cannot be read: then nothing says what the files should be.
    """
    ledger = Ledger(home.ledger_path)
    damaged = [Damage(str(ledger.path), what, "put it back from a copy; see `imbalance doctor`")
               for what in ledger.integrity_problems()]
    expected = [*_partition_files(home, ledger), *_generation_files(home, damaged)]
    missing_captures = []
    for capture in ledger.captures():
        there = [path for path in map(Path, ledger.capture_paths(capture.capture_id))
                 if path.is_file()]
        expected += [_Expected(path, capture.sha256, _GET_AGAIN) for path in there]
        if not there:
            missing_captures.append(capture.path)
    hashes: dict[tuple[int, int], str] = {}
    total = 0
    for one in expected:
        try:
            status = one.path.stat()
            identity = (status.st_dev, status.st_ino)  # generations share files with the tables
            known = identity in hashes
            if not known:
                hashes[identity] = sha256_file(one.path)
        except FileNotFoundError:
            damaged.append(Damage(str(one.path), "missing", one.fix))
            continue
        except PermissionError:
            damaged.append(Damage(str(one.path), "may not be read", "look again as one who may"))
            continue
        except OSError as error:  # a bad sector, say: the others are looked at all the same
            why = f"cannot be read: {error.strerror}"
            damaged.append(Damage(str(one.path), why, one.fix))
            continue
        if not known:
            total += status.st_size
            progress.advance(bytes=status.st_size, files=1, note=one.path.name)
        if hashes[identity] != one.sha256:
            damaged.append(Damage(str(one.path), "its bytes have changed", one.fix))
    return Verification(len(hashes), total, tuple(damaged), tuple(missing_captures))


def _partition_files(home: Home, ledger: Ledger) -> Iterator[_Expected]:
    current = current_files(ledger)
    for name, sha256 in sorted(ledger.files().items()):
        yield _Expected(home.file(name), sha256,
                        _BUILD_AGAIN if name in current else _OLD_VERSION)


def _generation_files(home: Home, damaged: list[Damage]) -> Iterator[_Expected]:
    for directory in list_generation_paths(home):
        path = directory / MANIFEST_NAME
        try:
            manifest = read_manifest(directory)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except (UserError, OSError) as error:
            damaged.append(Damage(str(path), str(error).splitlines()[0], _PUBLISH_AGAIN))
            continue
        if not directory.name.endswith(digest[:8]):
            damaged.append(Damage(str(path), "its bytes have changed", _PUBLISH_AGAIN))
        for name, sha256 in sorted(manifest.files.items()):
            yield _Expected(directory / name, sha256, _PUBLISH_AGAIN)
