"""Tables of the ledger file, in SQLite's SQL. How they are used is in `ledger`."""

LAYOUT_VERSION = 3
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

SCHEMA = _TABLES + "".join(
    _APPEND_ONLY.format(table=table, verb=verb)
    for table in ("entries", "input_sets", "captures", "capture_paths", "capture_readings",
                  "failures")
    for verb in ("update", "delete")
)
