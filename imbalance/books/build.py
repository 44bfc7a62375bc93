"""The book layer of a venue and day: every instrument's book rebuilt from `raw.book_updates`.

One bad instrument never fails its venue: its intervals without a book are in `book.book_health`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.beside import ahead
from imbalance.books.proof import Proving, QuoteProof
from imbalance.books.rebuild import BookBuilder, ClosingBook, Rules
from imbalance.books.spool import Spool
from imbalance.books.state import BREAK, BREAK_NOTES, CAUSES, Messages
from imbalance.books.ticks import GridError
from imbalance.captures.build import captures_of, partition_key
from imbalance.captures.formats.format import DAY_NS
from imbalance.captures.instruments import UNKNOWN, Contracts, facts_from, told_from_outside
from imbalance.captures.rows import BOOK_KINDS
from imbalance.progress import SILENT, Progress
from imbalance.store.store import Store
from imbalance.store.task import TaskContext, TaskResult, is_current, materialise

OUTPUTS = (
    "book.book_states",
    "book.book_health",
    "book.closing_books",
    "book.quote_agreement",
    "book.bars_100ms",
)

VERSION = "book-15"

_COLUMNS = (
    "instrument", "kind", "first_update_id", "last_update_id", "previous_update_id", "event_time",
    "available_at", "bid_prices", "bid_sizes", "ask_prices", "ask_sizes", "note",
)  # fmt: skip


def book_inputs(store: Store, venue: str, day: str) -> list[tuple[str, str]]:
    """Partitions a venue's book of a day is made of."""
    key, before = partition_key(day, venue), partition_key(day_before(day), venue)
    captures = [
        (table, c.capture_id)
        for table in ("raw.captures", "raw.instruments") for c in captures_of(store, venue, day)
    ]
    return [
        ("raw.book_updates", key),
        ("raw.quotes", key),
        ("book.closing_books", before),
        *captures,
    ]


def day_before(day: str) -> str:
    """The UTC day before."""
    return (datetime.date.fromisoformat(day) - datetime.timedelta(days=1)).isoformat()


def _arguments(store: Store, venue: str, day: str) -> dict[str, Any]:
    book = store.config.book
    return {
        "outputs": OUTPUTS,
        "partition": partition_key(day, venue),
        "inputs": book_inputs(store, venue, day),
        "version": VERSION,
        "parameters": {
            "levels": book.levels,
            "silent_after_seconds": book.silent_after_seconds,
            **told_from_outside(store.config, venue),
        },
    }


def book_is_current(store: Store, venue: str, day: str) -> bool:
    """Whether the book partitions of a venue and day are up to date."""
    return is_current(store, **_arguments(store, venue, day))


def materialise_book(
    store: Store, venue: str, day: str, progress: Progress = SILENT, run: str | None = None
) -> TaskResult:
    """Bring the book layer of a venue and day up to date."""
    return materialise(
        store,
        **_arguments(store, venue, day),
        build=lambda context: _build(context, store, venue, day, progress),
        run=run,
    )


def _build(
    context: TaskContext, store: Store, venue: str, day: str, progress: Progress
) -> Mapping[str, Any]:
    start = (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days * DAY_NS
    key = partition_key(day, venue)
    opening = _closing_books(
        context.read("book.closing_books", partition_key(day_before(day), venue))
    )
    proofs: dict[str, QuoteProof] = {}
    until = _told(context, store, venue, day, start)
    contracts = _contracts(context, store, venue, day)
    progress.advance(note=f"rebuilding books of {venue} on {day}")

    def sink(table: str, rows: pa.Table) -> None:
        context.writer(table).write(rows)

    spool = Spool(store.home.staging_dir, sink)
    spool.begin(min(until, default=""))
    try:
        closing = _rebuild(
            context, store, key, opening, contracts, start, until, spool, proofs, progress
        )
    finally:
        spool.close()
    held = {name: book for name, book in closing.items() if book is not None}
    # an instrument without a message all day keeps its book: the next day's chain will prove it
    held |= {name: book for name, book in opening.items() if name not in closing}
    context.writer("book.closing_books").write(_closing_table(store, held))
    context.writer("book.quote_agreement").write(
        pa.Table.from_pylist(
            [proof.row() for _, proof in sorted(proofs.items())],
            store.table("book.quote_agreement").arrow_schema(),
        )
    )
    return {
        "instruments": sorted(closing),
        "compared": sum(proof.compared for proof in proofs.values()),
        "mismatched": sum(proof.mismatched for proof in proofs.values()),
    }


def _rebuild(
    context: TaskContext,
    store: Store,
    key: str,
    opening: Mapping[str, ClosingBook],
    contracts: Contracts,
    start: int,
    until: Mapping[str, int],
    spool: Spool,
    proofs: dict[str, QuoteProof],
    progress: Progress,
) -> dict[str, ClosingBook | None]:
    """Rebuild all instruments of a partition; returns their closing books."""
    builders: dict[str, BookBuilder] = {}
    quotes = context.path("raw.quotes", key)
    messages = context.batches("raw.book_updates", key, _COLUMNS, batch_rows=16_384)
    closing = {}
    unit_of = partial(linear_multiplier, contracts)
    with Proving(proofs, quotes, unit_of) as proving:
        for instrument, found in ahead(_told_apart(messages, contracts), "read", 2):
            if instrument not in builders:
                held = opening.get(instrument)
                builders[instrument] = BookBuilder(
                    instrument, rules_of(store, instrument, contracts), spool.sink_of(instrument),
                    None if held is None else in_units(held, unit_of(instrument)), start,
                )  # fmt: skip
            builder = builders[instrument]
            try:
                builder.feed(found)
            except GridError:
                builder.abandon(until[instrument])
            proving.compare(instrument, *builder.take_proofs())
            progress.advance(events=len(found.event))
        for instrument, builder in sorted(builders.items()):
            spool.begin(instrument)
            book = builder.finish(until[instrument])
            closing[instrument] = None if book is None else as_sent(book, unit_of(instrument))
            proving.compare(instrument, *builder.take_proofs())
    return closing


def _told_apart(
    batches: Iterable[pa.RecordBatch], contracts: Contracts
) -> Iterator[tuple[str, Messages]]:
    """Messages by instrument, batch by batch."""
    for batch in batches:
        for instrument, rows in by_instrument(batch):
            yield instrument, messages_of(rows, linear_multiplier(contracts, instrument))


def rules_of(store: Store, instrument: str, contracts: Contracts) -> Rules:
    """Rules of an instrument by its venue and the configuration."""
    contract = contracts.get(instrument)
    return Rules(
        multiplier=contract.multiplier if contract is not None and contract.inverse else None,
        sized=contract is not UNKNOWN,
        levels=store.config.book.levels,
        silence_ns=int(store.config.book.silent_after_seconds * 1e9),
    )


def linear_multiplier(contracts: Contracts, instrument: str) -> float:
    """Base units per unit of size of instruments whose contracts are of a fixed size; 1 where it
    is not known: the book is kept in sizes as sent then, and shows none.
    """
    contract = contracts.get(instrument)
    if contract is None or contract is UNKNOWN or contract.inverse:
        return 1.0
    return contract.multiplier


def in_units(book: ClosingBook, multiplier: float) -> ClosingBook:
    """A book of sizes as sent, which are that many base units each, as a day's messages have it."""
    return replace(
        book, bid_sizes=book.bid_sizes * multiplier, ask_sizes=book.ask_sizes * multiplier
    )


def as_sent(book: ClosingBook, multiplier: float) -> ClosingBook:
    """The other way: sizes of which `in_units` makes the book's own again, to the last bit; the
    next day may know less of the contract, or more.
    """
    if multiplier == 1.0:
        return book
    return replace(
        book,
        bid_sizes=_divided(book.bid_sizes, multiplier),
        ask_sizes=_divided(book.ask_sizes, multiplier),
    )


def _divided(sizes: Any, multiplier: float) -> Any:
    """Sizes of which the products are given: the decimal that was sent, else its neighbours."""
    near = sizes / multiplier
    decimal = np.array([float(f"{size:.15g}") for size in near.tolist()], float)
    found = (decimal, near, np.nextafter(near, 0.0), np.nextafter(near, np.inf))
    return np.select([one * multiplier == sizes for one in found], found, near)


def _contracts(context: TaskContext, store: Store, venue: str, day: str) -> Contracts:
    rows = [
        row for capture in captures_of(store, venue, day)
        for row in context.read("raw.instruments", capture.capture_id).to_pylist()
    ]
    return Contracts(store.config, facts_from(rows))


def by_instrument(batch: pa.RecordBatch) -> list[tuple[str, pa.RecordBatch]]:
    """Rows of a batch by instrument, in their order."""
    names = batch.column("instrument").dictionary_encode()
    words = names.dictionary.to_pylist()
    if len(words) == 1:
        return [(words[0], batch)]
    codes = names.indices.to_numpy()
    return [
        (word, batch.take(pa.array(np.flatnonzero(codes == code))))
        for code, word in enumerate(words)
    ]


def messages_of(batch: pa.RecordBatch, multiplier: float = 1.0) -> Messages:
    """The kernel's view of rows of `raw.book_updates` of one instrument, whose sizes are that many
    base units each.
    """
    lists = [batch.column(name) for name in ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")]
    ids = np.stack(
        [
            batch.column(name).fill_null(-1).to_numpy(zero_copy_only=False)
            for name in ("first_update_id", "last_update_id", "previous_update_id")
        ],
        axis=1,
    )
    first = [column.offsets[0].as_py() if len(column) else 0 for column in lists]
    offsets = [
        column.offsets.to_numpy() - start for column, start in zip(lists, first, strict=True)
    ]
    values = [column.flatten().to_numpy() for column in lists]
    event, available = (
        batch.column(name).cast(pa.int64()).to_numpy() for name in ("event_time", "available_at")
    )
    if multiplier != 1.0:
        values[1], values[3] = values[1] * multiplier, values[3] * multiplier
    kind = np.asarray(pa.compute.index_in(batch.column("kind"), pa.array(BOOK_KINDS)))
    for place in np.flatnonzero(kind == BREAK).tolist():
        note = batch.column("note")[place].as_py()
        ids[place, 0] = CAUSES.index(note if note in BREAK_NOTES else BREAK_NOTES[-1])
    return Messages(
        np.ascontiguousarray(kind, np.uint8),
        np.ascontiguousarray(ids, np.int64),
        event,
        available,
        offsets[0],
        offsets[2],
        *values,
    )


def _told(context: TaskContext, store: Store, venue: str, day: str, start: int) -> dict[str, int]:
    """By instrument: the last moment the captures that hold it tell of, at most the day's end."""
    ends: dict[str, int] = {}
    for capture in captures_of(store, venue, day):
        rows = context.read("raw.captures", capture.capture_id, ["last_event_time", "instruments"])
        times = rows["last_event_time"].cast(pa.int64()).to_pylist()
        for end, text in zip(times, rows["instruments"].to_pylist(), strict=True):
            for name in json.loads(text) if end is not None else ():
                ends[name] = max(ends.get(name, 0), min(end, start + DAY_NS))
    return ends


def _closing_books(rows: pa.Table) -> dict[str, ClosingBook]:
    found = {}
    for row in rows.to_pylist():
        levels = [
            np.array(row[name], float)
            for name in ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")
        ]
        found[row["instrument"]] = ClosingBook(
            _ns(row["event_time"]), _ns(row["available_at"]), row["update_id"], row["known_low"],
            row["known_high"], *levels,
        )  # fmt: skip
    return found


def _ns(value: Any) -> int:
    return int(np.datetime64(value, "ns").astype(np.int64))


def _closing_table(store: Store, books: Mapping[str, ClosingBook]) -> pa.Table:
    schema = store.table("book.closing_books").arrow_schema()
    rows = [{"instrument": name, **vars(book)} for name, book in sorted(books.items())]
    for row in rows:
        for name in ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes"):
            row[name] = row[name].tolist()
    return pa.Table.from_pylist(rows, schema)
