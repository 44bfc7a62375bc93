"""Generations: what is published, never changed afterwards, found by one name that moves.

Here: listing, finding, opening. They are made in `publishing`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from imbalance.errors import UserError, nearest
from imbalance.store import generation_index
from imbalance.store.home import Home
from imbalance.store.macros import create_macros
from imbalance.store.manifest import DATABASE_NAME, read_manifest
from imbalance.store.session import LOCKDOWN
from imbalance.store.sqlfiles import quote_text

if TYPE_CHECKING:
    import duckdb

CURRENT = "current"
_SHOWN = 10


class Generation(msgspec.Struct, frozen=True, gc=False):
    """A published generation. `new` says whether the call that returned it has published it.

    A structure and no dataclass, since ten thousand are listed at once, and the counts of rows as
    the text they are kept as, since few of those who list look at them.
    """

    id: str
    directory: str
    number: int
    created_at: str
    ledger_sequence: int
    row_counts: msgspec.Raw
    current: bool
    new: bool = False

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each table has; from the manifest where the index is damaged."""
        try:
            return msgspec.json.decode(self.row_counts, type=dict[str, int])
        except msgspec.MsgspecError:
            return read_manifest(self.path).row_counts()

    @property
    def path(self) -> Path:
        """The directory."""
        return Path(self.directory)

    @property
    def database(self) -> Path:
        """The DuckDB file."""
        return self.path / DATABASE_NAME


def list_generations(home: Home) -> list[Generation]:
    """All generations that can be read, oldest first; `doctor` names those that cannot."""
    current = current_path(home)
    current_name = None if current is None else current.name
    lines = generation_index.read_lines(home)
    above = str(home.generations_dir)
    found = []
    for name, stamp in generation_index.stamps(home).items():
        directory = f"{above}/{name}"
        line = lines.get(name)
        if line is not None and line.stamp == stamp:
            found.append(Generation(
                name, directory, line.number, line.created_at, line.ledger_sequence,
                line.row_counts, name == current_name,
            ))
            continue
        with suppress(UserError):
            found.append(read_generation(Path(directory), current))
    return found


def find_generation(home: Home, generation: str | None = None) -> Generation:
    """The generation of that id, or the current one.

    Raises
    ------
    UserError
        If there is no such generation, or none at all.
    """
    current = current_path(home)
    known = generation_index.names(home)
    name = generation if generation is not None else (current.name if current else None)
    if name is None and known:
        raise UserError("no generation is current", where=str(home.generations_dir / CURRENT),
                        allowed=_some("", known), fix="imbalance publish makes one that is")
    if name is None:
        raise UserError("nothing has been published yet", where=str(home.generations_dir),
                        fix="imbalance publish")
    if name not in known:
        close = nearest(name, known)
        raise UserError(f"there is no generation {name!r}"
                        + (f"; did you mean {close!r}?" if close else ""),
                        where=str(home.generations_dir),
                        allowed=_some(generation or "", known),
                        fix="imbalance generations; one that was not pinned can have been pruned")
    return read_generation(home.generations_dir / name, current)


def _some(wanted: str, known: list[str]) -> str:
    """Of thousands of names the most like the one wanted, and the last."""
    if len(known) <= _SHOWN:
        return ", ".join(known) or "none is published"
    import difflib

    close = difflib.get_close_matches(wanted, known, n=_SHOWN, cutoff=0.0)
    return ", ".join(dict.fromkeys([*close, known[-1]])) + f" and others, {len(known)} in all"


def open_generation(home: Home, generation: str | None = None) -> duckdb.DuckDBPyConnection:
    """A locked-down, read-only DuckDB connection to a generation, the current one by default.

    Its id is in the session's variable `generation`. What is published later is not seen.
    """
    import duckdb

    found = find_generation(home, generation)
    # Attached to a database in memory: two connections of one process to the same file would have
    # to agree on every setting, and could not both set and lock them.
    connection = duckdb.connect(config={"temp_directory": str(home.spill_dir())})
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(f"attach {quote_text(str(found.database))} as published (read_only)")
    connection.execute("use published")
    connection.execute(f"set variable generation = {quote_text(found.id)}")
    # One that an earlier version published may have none, or those of that version.
    create_macros(connection, history=False, temporary=True)
    for statement in LOCKDOWN:
        connection.execute(statement)
    return connection


def current_generation_is_broken(home: Home) -> bool:
    """Whether the name `current` leads nowhere, or is not there though something is published."""
    link = home.generations_dir / CURRENT
    return not link.is_dir() and (link.is_symlink() or bool(generation_index.names(home)))


def current_path(home: Home) -> Path | None:
    """Where the current generation is; None before the first."""
    link = home.generations_dir / CURRENT
    return link.resolve() if link.is_dir() else None


def list_generation_paths(home: Home) -> list[Path]:
    """The directories of all generations, readable or not, oldest first."""
    return [home.generations_dir / name for name in generation_index.names(home)]


def read_generation(path: Path, current: Path | None) -> Generation:
    """A generation from its manifest; `current` is where the current one is."""
    manifest = read_manifest(path)
    return Generation(
        id=path.name,
        directory=str(path),
        number=manifest.number,
        created_at=manifest.created_at,
        ledger_sequence=manifest.ledger_sequence,
        row_counts=msgspec.Raw(msgspec.json.encode(manifest.row_counts())),
        current=current is not None and path.name == current.name,
    )
