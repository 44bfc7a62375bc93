"""Tables of the ledger file, how they come to be, and its longest question; `ledger` uses them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from imbalance.errors import UserError
from imbalance.store.home import TABLES_NAME, ledger_lost

LAYOUT_VERSION = 4
"""Kept as SQLite's user_version; a newer one than this is refused, not guessed at."""

_TABLES = """
create table if not exists entries (
    sequence integer primary key autoincrement,
    table_name text not null,
    partition text not null,
    file text,
    sha256 text,
    rows_hash text,
    row_count integer not null,
    inputs_hash text not null,
    definition_version text not null,
    schema_hash text not null,
    run text not null,
    recorded_at integer not null
);
create index if not exists entries_by_partition on entries (table_name, partition, sequence);

-- What entries were made from, compressed: the text whose SHA-256 is their inputs_hash.
create table if not exists input_sets (
    inputs_hash text primary key,
    contents blob not null
);

create table if not exists captures (
    capture_id text primary key,
    sha256 text not null unique,
    path text not null,
    size integer not null,
    mtime_ns integer not null,
    format text not null,
    venue text not null,
    first_day text,
    last_day text,
    registered_at integer not null
);
create table if not exists capture_paths (
    path text not null,
    size integer not null,
    mtime_ns integer not null,
    capture_id text not null references captures (capture_id),
    registered_at integer not null,
    primary key (path, size, mtime_ns, capture_id)
);

-- What a capture is taken for, where that has changed since it was registered: the newest counts.
create table if not exists capture_readings (
    number integer primary key autoincrement,
    capture_id text not null references captures (capture_id),
    format text not null,
    venue text not null,
    first_day text,
    last_day text,
    recorded_at integer not null
);

-- How the format of a capture was chosen: named by the user, or not, and what stands for the
-- mapping of a format of the user's own; the newest counts.
create table if not exists capture_choices (
    number integer primary key autoincrement,
    capture_id text not null references captures (capture_id),
    named integer not null,
    mapping text,
    recorded_at integer not null
);

create index if not exists readings_of_capture on capture_readings (capture_id);
create index if not exists choices_of_capture on capture_choices (capture_id);

-- A null message says that the partition has recovered since.
create table if not exists failures (
    number integer primary key autoincrement,
    table_name text not null,
    partition text not null,
    run text not null,
    message text,
    recorded_at integer not null
);
create index if not exists failures_by_partition on failures (table_name, partition, number);
"""

_APPEND_ONLY = """
create trigger if not exists {table}_never_{verb} before {verb} on {table}
begin select raise(abort, 'the ledger is append-only'); end;
"""

_SCHEMA = _TABLES + "".join(
    _APPEND_ONLY.format(table=table, verb=verb)
    for table in ("entries", "input_sets", "captures", "capture_paths", "capture_readings",
                  "capture_choices", "failures")
    for verb in ("update", "delete")
)

CAPTURES_IN_USE = """
with newest as (
    select * from capture_readings where number in (
        select max(number) from capture_readings group by capture_id
    )
), told as (
    select
        held.capture_id, held.sha256, held.path, held.size, held.mtime_ns,
        coalesce(newest.format, held.format) as format,
        coalesce(newest.venue, held.venue) as venue,
        iif(newest.number is null, held.first_day, newest.first_day) as first_day,
        iif(newest.number is null, held.last_day, newest.last_day) as last_day,
        held.registered_at
    from captures as held left join newest using (capture_id)
    where coalesce(newest.format, held.format) <> ''
), holders as (
    select path, capture_id from (
        select seen.path, capture_id, row_number() over (
            partition by seen.path order by seen.registered_at desc, seen.rowid desc
        ) as age from capture_paths as seen join told using (capture_id)
    ) where age = 1
)
select {columns} from told as mine where exists (
    select 1 from capture_paths as seen
    join holders using (path)
    join told as now on now.capture_id = holders.capture_id
    where seen.capture_id = mine.capture_id and (
        now.capture_id = mine.capture_id or now.first_day is null
        or mine.first_day is not null and (
            now.venue <> mine.venue or now.first_day > mine.first_day
            or now.last_day < mine.last_day
        )
    )
) order by registered_at, capture_id
"""
"""All captures whose file is still there for them, as what they count now; without those that were
let go of, which are taken for no format."""


def prepare(connection: sqlite3.Connection, path: Path, *, writable: bool = True) -> None:
    """Make the tables of the ledger at `path`, or those that a newer layout adds.

    Raises
    ------
    UserError
        If its layout is newer than this version knows, or older and may not be changed, or if it
        has none while the partition files of another ledger lie beside it: to a new one they would
        be leftovers, which are swept.
    """
    # Asked twice: another process may have made it meanwhile, and filled it.
    if _layout(connection) == 0 and _files_beside(path) and _layout(connection) == 0:
        raise ledger_lost(path)
    found = _layout(connection)
    if found < LAYOUT_VERSION and not writable:
        raise UserError(
            f"the ledger has layout {found}, this version needs {LAYOUT_VERSION}, and the home may "
            "only be read",
            where=str(path),
            fix="imbalance status by one who may write to the home, which brings it up to date",
        )
    if found < LAYOUT_VERSION:
        connection.executescript(
            f"begin immediate; {_SCHEMA} pragma user_version = {LAYOUT_VERSION}; commit;"
        )
    elif found > LAYOUT_VERSION:
        raise UserError(
            f"the ledger has layout {found}, this version knows {LAYOUT_VERSION}",
            where=str(path),
            fix="use the version of imbalance which made this home, or a newer one",
        )


def _layout(connection: sqlite3.Connection) -> int:
    """Version of the tables there are; 0 before there are any."""
    (version,) = connection.execute("pragma user_version").fetchone()
    return int(version)


def _files_beside(path: Path) -> bool:
    return next(path.with_name(TABLES_NAME).rglob("*.parquet"), None) is not None
