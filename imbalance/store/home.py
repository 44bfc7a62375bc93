"""Where everything is on disk below one directory, the home. Knows places, not contents."""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from imbalance.errors import EXIT_FAILED, UserError
from imbalance.processes import beginning
from imbalance.store.ledger_access import may_write

LEDGER_NAME = "ledger.sqlite"
TABLES_NAME = "tables"


_NOT_IN_PATHS = re.compile(r"\?|%[0-9a-fA-F]{2}")


def ledger_lost(path: Path) -> UserError:
    """That the ledger at a path knows nothing, or is not there, beside partition files."""
    return UserError(
        "the ledger is empty, but there are partition files which only a ledger knows",
        where=f"{path}; {path.with_name(TABLES_NAME)}",
        allowed="the ledger that was written with these files, or a directory without any",
        fix=f"put {path.name} back from a copy; or, to make all anew from the captures, "
        f"move {path.name} and {TABLES_NAME}/ away and run again",
        exit_code=EXIT_FAILED,
    )


def only_readable(where: Path) -> UserError:
    """That a home may only be read by this process, where it is to be written to."""
    return UserError(
        "the home may only be read by this user", where=str(where),
        allowed="what only reads: status, plan, sql, describe, report OUT.html, verify and others",
        fix="give a home that may be written to with --home DIR, such as a copy of this one",
    )


def directory_of(path: str | Path) -> Path:
    """The directory that a home's path names, whole.

    Raises
    ------
    UserError
        If it begins with `~` and a user who is not there.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise UserError(
            f"{str(Path(path).parts[0])!r} is the home directory of no user", where=str(path),
            allowed="a directory; ~ stands for your own, ~NAME for another user's",
            fix="give --home DIR or set IMBALANCE_HOME",
        ) from None


@dataclass(frozen=True)
class Home:
    """A directory with a ledger, the tables' files, and what has been published from them.

    Open one with `Home.open`, which checks that it is a home.
    """

    root: Path

    @classmethod
    def open(cls, path: str | Path, create: bool = False) -> Home:
        """The home at `path`, made when `create` and there is none.

        Raises
        ------
        UserError
            If there is no home at `path` and none may be made, or it cannot be made.
        """
        home = cls(directory_of(path))
        if home.ledger_path.is_file():
            return home
        if home.has_rows:
            raise ledger_lost(home.ledger_path)
        if not create:
            raise UserError(
                f"there is no home at {home.root}",
                where=str(home.ledger_path),
                allowed="a directory which `imbalance run` or `imbalance demo` has filled",
                fix="give --home DIR or set IMBALANCE_HOME, or fill a new one: imbalance demo",
            )
        home._make()
        return home

    def _make(self) -> None:
        from imbalance.store.ledger import Ledger

        wrong = _NOT_IN_PATHS.search(str(self.root))
        if wrong is not None:
            raise UserError(
                f"a home cannot be made at {self.root}: its path has {wrong[0]!r}",
                where=str(self.root),
                allowed="a path that is the same in an address: without ? and % before two digits",
                fix="give another place with --home DIR",
            )
        try:
            for directory in (self.tables_dir, self.staging_dir, self.generations_dir,
                              self.locks_dir, self.refused_dir):
                directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"a home cannot be made at {self.root}: {error.strerror}",
                where=str(error.filename),
                allowed="a directory this user may write to",
                fix="give another place with --home DIR",
            ) from None
        Ledger(self.ledger_path)

    def check_writable(self) -> None:
        """Refuse to begin what is going to write to the home, where it may only be read."""
        if not may_write(self.ledger_path):
            raise only_readable(self.root)

    @property
    def ledger_path(self) -> Path:
        """SQLite file which says what is current."""
        return self.root / LEDGER_NAME

    @property
    def tables_dir(self) -> Path:
        """Immutable partition files: `<layer>/<table>/<start of their SHA-256>.parquet`."""
        return self.root / TABLES_NAME

    @property
    def has_rows(self) -> bool:
        """Whether there is any partition file."""
        return next(self.tables_dir.rglob("*.parquet"), None) is not None

    @property
    def staging_dir(self) -> Path:
        """Files and generations being written; nothing in it is ever read by others."""
        return self.root / "staging"

    def spill_dir(self) -> Path:
        """A new directory, not yet made, for what a query of any size puts aside: not in the home
        where that may only be read. Its name says whose it is (`sweep`).
        """
        if os.access(self.staging_dir, os.W_OK):
            pid = os.getpid()
            return self.staging_dir / f"spill-{pid}-{beginning(pid)}-{uuid.uuid4().hex}"
        return Path(tempfile.gettempdir()) / f"imbalance-spill-{uuid.uuid4().hex}"

    @property
    def checkpoints_dir(self) -> Path:
        """Where the decoding of captures has ended, by capture; may be removed at any time."""
        return self.root / "checkpoints"

    @property
    def generations_dir(self) -> Path:
        """Published generations, and the symbolic link `current`."""
        return self.root / "generations"

    @property
    def pins_dir(self) -> Path:
        """A file for each generation that is to stay, with the reason."""
        return self.root / "pins"

    @property
    def refused_dir(self) -> Path:
        """Rows which a gate refused, with the reason."""
        return self.root / "refused"

    @property
    def locks_dir(self) -> Path:
        """Lock files, see `locks`."""
        return self.root / "locks"

    @property
    def dagster_dir(self) -> Path:
        """DAGSTER_HOME of this home."""
        return self.root / "dagster"

    @property
    def publish_lock(self) -> Path:
        """Held by the one publisher."""
        return self.locks_dir / "publish.lock"

    @property
    def sweep_lock(self) -> Path:
        """Held shared from placing files until their commit, exclusively by the sweeper."""
        return self.locks_dir / "sweep.lock"

    def file(self, relative: str) -> Path:
        """The path of a file named in the ledger.

        Raises
        ------
        ValueError
            If the name leads out of the home.
        """
        name = os.path.normpath(relative)
        if name.startswith((os.sep, os.pardir)) or name == os.curdir:
            raise ValueError(f"{relative!r} leads out of the home {self.root}")
        return self.root / name
