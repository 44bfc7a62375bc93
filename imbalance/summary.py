"""A home in figures: captures and their lines, bars, the proof of the books, coverage, quarantine.

Read from one session at one ledger sequence. What the figures are made of is in the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imbalance.store.sqlfiles import read_sql

if TYPE_CHECKING:
    import duckdb

    from imbalance.store.store import Store

BAR_TABLES = tuple(f"features.bars_{size}" for size in ("100ms", "1s", "10s", "1m", "5m"))


_ASKED = ("raw.captures", "raw.quarantine", "raw.instruments", "book.quote_agreement",
          "book.trade_gaps", "features.bars_1s")
"""Tables that the queries in `sql/summary` are about."""


def survey(store: Store) -> duckdb.DuckDBPyConnection:
    """A session for these queries, whichever files are missing."""
    return store.survey(_ASKED)


def rows_of(session: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]]:
    """Rows of the query `sql/summary/<name>.sql` as dictionaries."""
    result = session.execute(read_sql(f"summary/{name}.sql"))
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def captures_told(store: Store, session: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Every registered capture in one of four places, and where the lines of those read went.

    `registered` = `files`, which have an account and of which some are `refused`, + `not_read`,
    whose days have not been built yet, + `failed`, which have no account because a day of theirs
    failed; `size_bytes` is of all of them.
    """
    from imbalance.captures.build import RAW_TABLES, partition_key
    from imbalance.store.ledger_rows import days_of

    (told,) = rows_of(session, "captures")
    read = store.ledger.partitions("raw.captures").keys()
    waiting = [c for c in store.ledger.captures() if c.capture_id not in read]
    failures = {(one.table, one.partition) for one in store.ledger.failures()}
    failed = [
        c for c in waiting
        if ("raw.captures", c.capture_id) in failures
        or any((RAW_TABLES[0], partition_key(day, c.venue)) in failures for day in days_of(c))
    ]
    return {
        "registered": told["files"] + len(waiting), **told,
        "not_read": len(waiting) - len(failed), "failed": len(failed),
        "size_bytes": told["size_bytes"] + sum(c.size for c in waiting),
    }


def captures_line(told: dict[str, Any]) -> str:
    """The same as text: how many there are, and how many of them stand apart."""
    number = told["registered"]
    parts = [f"{number:,} capture{'s' * (number != 1)} registered"]
    for place, words in (("refused", "refused"), ("not_read", "not yet read"),
                         ("failed", "not read because its day failed")):
        if told[place]:
            parts.append(f"{told[place]:,} {words}")
    return ", ".join(parts)


def has_bars(store: Store) -> bool:
    """Whether there is anything to publish."""
    return any(store.ledger.partitions(table) for table in BAR_TABLES)


def home_summary(store: Store) -> dict[str, Any]:
    """Captures, bars by table, proof of the books: what `imbalance run` tells at its end."""
    entries = store.ledger.all_partitions()
    with survey(store) as session:
        captures = captures_told(store, session)
        proof = rows_of(session, "proof")[0]
    return {
        "captures": captures,
        "bars": {
            table: sum(e.row_count for e in entries.get(table, {}).values())
            for table in BAR_TABLES
        },
        "proof": proof,
    }


def quarantined_lines(store: Store, at: int | None = None) -> dict[str, int]:
    """Rows of `raw.quarantine` by capture, now or at a ledger sequence."""
    return {
        capture: entry.row_count
        for capture, entry in store.ledger.partitions("raw.quarantine", at).items()
    }


def newly_quarantined(store: Store, since: int) -> int:
    """Lines in quarantine now that were not at a ledger sequence."""
    before = quarantined_lines(store, since)
    return sum(
        max(0, rows - before.get(capture, 0))
        for capture, rows in quarantined_lines(store).items()
    )
