"""The ledger: which file is the current one of each partition, and everything that came before.

One append-only SQLite file. The newest entry of a partition is its current file, older ones are its
history, an entry without a file is a tombstone. Capture files and failed runs are registered here
too. Not here: the files themselves (`files`), and the rule for when a task must run (`task`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path

from imbalance.store.home import only_readable
from imbalance.store.ledger_access import connect, connected_to_read, errors_told, may_write
from imbalance.store.ledger_rows import CaptureFile, Choice, Entry, Failure, NewEntry, days_of
from imbalance.store.ledger_schema import CAPTURES_IN_USE, prepare

__all__ = ["CaptureFile", "Choice", "Entry", "Failure", "Ledger", "NewEntry"]

_COLUMNS = ", ".join("table_name" if f.name == "table" else f.name for f in fields(Entry))
_CAPTURE_COLUMNS = ", ".join(f.name for f in fields(CaptureFile))
_NEWEST = f"""
select {_COLUMNS} from entries where sequence in (
    select max(sequence) from entries where sequence <= :at{{of}} group by table_name, partition
) order by table_name, partition
"""  # noqa: S608 - column names of our own dataclass
_OF_TABLE = " and table_name = :table"
_OF_DAYS = " and partition >= :first and partition < :after"

AFTER_DAY = "}"
"""Sorts after whatever follows the day in the name of a partition, which is a `|`."""


class Ledger:
    """The ledger in one SQLite file. Threads and processes may share it.

    Parameters
    ----------
    path : the file; made when missing. It may be one that this process may only read.

    Raises
    ------
    UserError
        From any method, when the file is damaged, is locked for long, or is from a newer version;
        or is new or empty where the partition files of another lie beside it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.writable = may_write(self.path)
        self._local = threading.local()
        with self._reading() as connection:
            prepare(connection, self.path, writable=self.writable)

    def _connection(self) -> sqlite3.Connection:
        # One for each thread, and never one that a fork has carried over: SQLite forbids both.
        known: tuple[int, sqlite3.Connection] | None = getattr(self._local, "known", None)
        if known is None or known[0] != os.getpid():
            known = (os.getpid(), connect(self.path))
            self._local.known = known
        return known[1]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with errors_told(self.path):
            if self.writable:
                yield self._connection()
                return
            with connected_to_read(self.path) as connection:
                yield connection

    @contextmanager
    def _writing(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """One transaction, with its time: after the last one, even if the clock steps back."""
        if not self.writable:
            raise only_readable(self.path)
        with self._reading() as connection:
            connection.execute("begin immediate")
            try:
                last = connection.execute(
                    "select max(coalesce((select recorded_at from entries "
                    "order by sequence desc limit 1), 0), coalesce((select recorded_at "
                    "from failures order by number desc limit 1), 0))"
                ).fetchone()[0]
                yield connection, max(time.time_ns(), last + 1)
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                raise

    def commit(self, entries: Sequence[NewEntry], run: str, inputs: str = "") -> int:
        """Make all entries current in one transaction; those that change nothing add nothing.

        Parameters
        ----------
        inputs : the text whose hash is their `inputs_hash`, kept to say later what has changed.

        Returns
        -------
        int
            The ledger's last sequence after it.
        """
        with self._writing() as (connection, now):
            if inputs and entries:
                connection.execute(
                    "insert into input_sets values (?, ?) on conflict do nothing",
                    (entries[0].inputs_hash, zlib.compress(inputs.encode())),
                )
            for place, entry in enumerate(entries):
                self._recover(connection, entry.table, entry.partition, run, now)
                if self._is_current(connection, entry):
                    continue
                marks = ", ".join("?" * len(fields(NewEntry)))
                names = ", ".join(_COLUMNS.split(", ")[: len(fields(NewEntry))])
                connection.execute(
                    f"insert into entries ({names}, run, recorded_at) values ({marks}, ?, ?)",  # noqa: S608
                    (*astuple(entry), run, now + place),
                )
            return _last_sequence(connection)

    @staticmethod
    def _is_current(connection: sqlite3.Connection, entry: NewEntry) -> bool:
        row = connection.execute(
            f"select {_COLUMNS} from entries where table_name = ? and partition = ? "  # noqa: S608
            "order by sequence desc limit 1",
            (entry.table, entry.partition),
        ).fetchone()
        return row is not None and row[: len(fields(NewEntry))] == astuple(entry)

    def current(self, table: str, partition: str, at: int | None = None) -> Entry | None:
        """The current entry of a partition (as of sequence `at`), or None when it has no file."""
        entry = self.newest(table, partition, at)
        return None if entry is None or entry.file is None else entry

    def newest(self, table: str, partition: str, at: int | None = None) -> Entry | None:
        """The same, or its tombstone; None when it has never been."""
        with self._reading() as connection:
            row = connection.execute(
                f"select {_COLUMNS} from entries where table_name = ? and partition = ? "  # noqa: S608
                "and sequence <= ? order by sequence desc limit 1",
                (table, partition, _at(at)),
            ).fetchone()
        return None if row is None else Entry(*row)

    def partitions(self, table: str, at: int | None = None) -> dict[str, Entry]:
        """The current entry of every partition that has a file, by partition."""
        return self.all_partitions(at, table).get(table, {})

    def all_partitions(
        self, at: int | None = None, table: str | None = None
    ) -> dict[str, dict[str, Entry]]:
        """The same for all tables: table → partition → entry, of one moment."""
        found: dict[str, dict[str, Entry]] = {}
        for entry in self._newest(at, table):
            if entry.file is not None:
                found.setdefault(entry.table, {})[entry.partition] = entry
        return found

    def partitions_between(self, table: str, first: str, last: str) -> list[str]:
        """Partitions of the days from `first` to `last` that have a file, in order."""
        found = self._newest(None, table, (first, last))
        return [entry.partition for entry in found if entry.file is not None]

    def _newest(
        self, at: int | None, table: str | None = None, days: tuple[str, str] | None = None
    ) -> Iterable[Entry]:
        """The newest entry of every partition, tombstones included, by table and partition."""
        of = (_OF_TABLE if table is not None else "") + (_OF_DAYS if days else "")
        first, last = days or ("", "")
        given = {"at": _at(at), "table": table, "first": first, "after": last + AFTER_DAY}
        with self._reading() as connection:
            rows = connection.execute(_NEWEST.format(of=of), given).fetchall()
        return [Entry(*row) for row in rows]

    def history(
        self, table: str | None = None, partition: str | None = None, at: int | None = None
    ) -> list[Entry]:
        """All entries (of a partition, of a table), oldest first, tombstones included."""
        with self._reading() as connection:
            rows = connection.execute(
                f"select {_COLUMNS} from entries where (:table is null or table_name = :table) "  # noqa: S608
                "and (:partition is null or partition = :partition) and sequence <= :at "
                "order by sequence",
                {"table": table, "partition": partition, "at": _at(at)},
            ).fetchall()
        return [Entry(*row) for row in rows]

    def sequence_at(self, moment: int) -> int:
        """The last sequence recorded by a moment (ns since the epoch, UTC), 0 before the first."""
        with self._reading() as connection:
            row = connection.execute(
                "select coalesce(max(sequence), 0) from entries where recorded_at <= ?", (moment,)
            ).fetchone()
        return row[0]

    def inputs(self, inputs_hash: str) -> str | None:
        """The text of that hash, what an entry was made from; None when it was not kept."""
        with self._reading() as connection:
            row = connection.execute(
                "select contents from input_sets where inputs_hash = ?", (inputs_hash,)
            ).fetchone()
        return None if row is None else zlib.decompress(row[0]).decode()

    def files(self) -> dict[str, str]:
        """Every file ever named, current or not, with its SHA-256."""
        with self._reading() as connection:
            return dict(
                connection.execute(
                    "select distinct file, sha256 from entries where file is not null"
                ).fetchall()
            )

    def integrity_problems(self) -> list[str]:
        """What SQLite finds wrong with the file; empty when it is whole."""
        with self._reading() as connection:
            rows = connection.execute("pragma integrity_check").fetchall()
        return [row[0] for row in rows if row[0] != "ok"]

    def last_sequence(self) -> int:
        """The newest sequence, 0 in an empty ledger."""
        with self._reading() as connection:
            return _last_sequence(connection)

    def register_capture(
        self, capture: CaptureFile, *, anew: bool = False, choice: Choice | None = None
    ) -> bool:
        """Add a capture file; bytes known already under another name add an alias only; `anew`
        says that what they are taken for now counts from here on, and `choice` how it was chosen.

        Returns
        -------
        bool
            Whether the bytes are new.
        """
        with self._writing() as (connection, now):
            values = (*astuple(capture)[:-1], now)
            marks = ", ".join("?" * len(values))
            added = connection.execute(
                f"insert into captures ({_CAPTURE_COLUMNS}) values ({marks}) "  # noqa: S608
                "on conflict do nothing",
                values,
            ).rowcount
            reading = (capture.format, capture.venue, capture.first_day, capture.last_day)
            if anew and not added and reading != self._reading_of(connection, capture.capture_id):
                connection.execute(
                    "insert into capture_readings (capture_id, format, venue, first_day, "
                    "last_day, recorded_at) values (?, ?, ?, ?, ?, ?)",
                    (capture.capture_id, *reading, now),
                )
            if choice is not None and (added or anew):
                connection.execute(
                    "insert into capture_choices (capture_id, named, mapping, recorded_at) "
                    "values (?, ?, ?, ?)",
                    (capture.capture_id, *astuple(choice), now),
                )
            seen = (capture.path, capture.size, capture.mtime_ns, capture.capture_id, now)
            put = "insert into capture_paths values (?, ?, ?, ?, ?) on conflict do nothing"
            if not connection.execute(put, seen).rowcount:
                self._see_again(connection, capture, now)
        return added == 1

    @staticmethod
    def _see_again(connection: sqlite3.Connection, capture: CaptureFile, now: int) -> None:
        """Note that a file is what it was before it was another one: rows are never changed, and
        a time of change that no file has makes one of its own.
        """
        connection.execute(
            "insert into capture_paths select :path, :size, -:now, :id, :now where :id <> ("
            "select capture_id from capture_paths where path = :path "
            "order by registered_at desc, rowid desc limit 1)",
            {"path": capture.path, "size": capture.size, "id": capture.capture_id, "now": now},
        )

    @staticmethod
    def _reading_of(connection: sqlite3.Connection, capture_id: str) -> tuple[str | None, ...]:
        """What a capture counts as: format, venue, first and last day."""
        found: tuple[str | None, ...] = connection.execute(
            "select format, venue, first_day, last_day from ("
            "select number, format, venue, first_day, last_day from capture_readings "
            "where capture_id = :id union all "
            "select 0, format, venue, first_day, last_day from captures where capture_id = :id"
            ") order by number desc limit 1", {"id": capture_id},
        ).fetchone()
        return found

    def choice(self, capture_id: str) -> Choice:
        """How the format that a capture is taken for was chosen."""
        with self._reading() as connection:
            row = connection.execute(
                "select named, mapping from capture_choices where capture_id = ? "
                "order by number desc limit 1", (capture_id,),
            ).fetchone()
        return Choice() if row is None else Choice(bool(row[0]), row[1])

    def captures(self) -> list[CaptureFile]:
        """All captures in use in the order of their registration.

        Not in use is one whose file has since been replaced, under each of its names, by a capture
        which holds all of its days: a file that was registered while it was being written.
        """
        with self._reading() as connection:
            rows = connection.execute(
                CAPTURES_IN_USE.format(columns=_CAPTURE_COLUMNS)
            ).fetchall()
        return [CaptureFile(*row) for row in rows]

    def captures_on(self, day: str) -> list[CaptureFile]:
        """Captures in use that may hold events of a day."""
        return [c for c in self.captures() if day in days_of(c)]

    def capture_paths(self, capture_id: str) -> list[str]:
        """Every path under which a capture's bytes have been seen."""
        with self._reading() as connection:
            rows = connection.execute(
                "select path from capture_paths where capture_id = ? "
                "group by path order by min(registered_at), path",
                (capture_id,),
            ).fetchall()
        return [row[0] for row in rows]

    def captures_at(self, path: str) -> list[str]:
        """Ids of all captures that have been seen at a path, the last one first."""
        with self._reading() as connection:
            rows = connection.execute(
                "select capture_id from capture_paths where path = ? "
                "group by capture_id order by max(registered_at) desc", (path,),
            ).fetchall()
        return [row[0] for row in rows]

    def known_capture(
        self, path: str, size: int | None = None, mtime_ns: int | None = None
    ) -> str | None:
        """The capture last seen at this path, with this size and time of change, by its id.

        It spares reading the file again to know its bytes.
        """
        with self._reading() as connection:
            row = connection.execute(
                "select capture_id from capture_paths where path = :path "
                "and size = coalesce(:size, size) and mtime_ns = coalesce(:mtime, mtime_ns) "
                "order by registered_at desc, rowid desc limit 1",
                {"path": path, "size": size, "mtime": mtime_ns},
            ).fetchone()
        return None if row is None else row[0]

    def record_failure(self, table: str, partition: str, run: str, message: str) -> None:
        """Note that a task failed; it stands until the partition is next built or found good."""
        with self._writing() as (connection, now):
            connection.execute(
                "insert into failures (table_name, partition, run, message, recorded_at) "
                "values (?, ?, ?, ?, ?)",
                (table, partition, run, message, now),
            )

    def record_recovery(self, table: str, partition: str, run: str) -> None:
        """Note that a partition which had failed is good again."""
        with self._writing() as (connection, now):
            self._recover(connection, table, partition, run, now)

    @staticmethod
    def _recover(
        connection: sqlite3.Connection, table: str, partition: str, run: str, now: int
    ) -> None:
        row = connection.execute(
            "select message from failures where table_name = ? and partition = ? "
            "order by number desc limit 1",
            (table, partition),
        ).fetchone()
        if row is not None and row[0] is not None:
            connection.execute(
                "insert into failures (table_name, partition, run, message, recorded_at) "
                "values (?, ?, ?, null, ?)",
                (table, partition, run, now),
            )

    def failures(self) -> list[Failure]:
        """The failures that stand: the last attempt at the partition failed."""
        with self._reading() as connection:
            rows = connection.execute(
                "select table_name, partition, run, message, recorded_at from failures "
                "where number in (select max(number) from failures group by table_name, partition) "
                "and message is not null order by table_name, partition"
            ).fetchall()
        return [Failure(*row) for row in rows]


def _at(at: int | None) -> int:
    return 2**62 if at is None else at


def _last_sequence(connection: sqlite3.Connection) -> int:
    return connection.execute("select coalesce(max(sequence), 0) from entries").fetchone()[0]
