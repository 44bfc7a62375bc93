"""One measured process of the product: from a capture to bars, in memory or with all tables.

Only what the commands run themselves is called, and timed from outside. Each job first does the
whole work on a short capture, so that everything is compiled and imported.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import imbalance  # noqa: F401 - before Arrow, as in the commands: it says how memory is kept

# isort: split
import numpy as np
import pyarrow as pa

from benchmarks import grid_replay
from benchmarks.measure import Cost, Stopwatch, peak_bytes, report
from imbalance.books.build import materialise_book
from imbalance.books.rebuild import BookBuilder, Rules
from imbalance.books.state import Messages
from imbalance.books.tables import BARS_100MS
from imbalance.books.trade_gaps import trade_gaps_task
from imbalance.captures.batches import Batches
from imbalance.captures.build import materialise_raw
from imbalance.captures.chunks import Chunk
from imbalance.captures.decode import Decoder
from imbalance.captures.event_tables import QUOTES, TRADES
from imbalance.captures.framing import Block, CaptureReader
from imbalance.captures.register import register
from imbalance.features.build import bars_in_memory
from imbalance.features.tasks import features_task
from imbalance.store.files import PartitionWriter
from imbalance.store.ledger_rows import days_of
from imbalance.store.store import Store

VENUE, SYMBOL = "binance-futures", "BTCUSDT"
INSTRUMENT = f"{VENUE}:{SYMBOL}"

Facts = dict[str, Any]


class _TimedDecoder(Decoder):
    """The decoder, with its own work timed apart from the inflating thread's."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, VENUE, "ns", [SYMBOL], SYMBOL)
        self.watch = Stopwatch(time.thread_time)

    def _chunk(self, block: Block) -> Chunk:
        with self.watch:
            return super()._chunk(block)


class _Tables:
    """Keeps all rows of all tables."""

    def __init__(self) -> None:
        self._rows: dict[str, list[pa.Table]] = {}

    def take(self, table: str, rows: pa.Table) -> None:
        self._rows.setdefault(table, []).append(rows)

    def table(self, name: str) -> pa.Table:
        return pa.concat_tables(self._rows[name])

    def count(self, name: str) -> int:
        return sum(len(rows) for rows in self._rows.get(name, []))


def messages_of(chunk: Chunk) -> Messages:
    """The book messages of a chunk of one instrument, as the rebuild takes them."""
    times, snapshot, ids, *levels = chunk.books
    return Messages(snapshot.astype(np.uint8), ids, times.event, times.available, *levels)


def with_nulls(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with the columns that this capture does not fill, as a file of them has."""
    for field in schema:
        if field.name not in rows.column_names:
            rows = rows.append_column(field.name, pa.nulls(len(rows), field.type))
    return rows


def new_builder(tables: _Tables) -> BookBuilder:
    return BookBuilder(INSTRUMENT, Rules(), tables.take)


def decode_alone(path: Path) -> dict[str, Cost]:
    """Inflating and decoding in turns, block by block in this thread: neither is slowed down by
    the other's running beside it.
    """
    inflate = Stopwatch(time.thread_time)
    blocks = iter(CaptureReader(path, threaded=False))
    decoder = _TimedDecoder(path)
    while True:
        with inflate:
            block = next(blocks, None)
        if block is None:
            return {"decompress": inflate.cost, "decode": decoder.watch.cost}
        decoder._chunk(block)  # noqa: SLF001


def to_book_bars(path: Path) -> tuple[dict[str, Cost], Facts]:
    """Capture to `book.bars_100ms`, states and health in memory."""
    tables = _Tables()
    rebuild = Stopwatch(time.thread_time)
    last = 0
    with (whole := Stopwatch()):
        decoder = _TimedDecoder(path)
        builder = new_builder(tables)
        for chunk in decoder:
            with rebuild:
                messages = messages_of(chunk)
                builder.feed(messages)
                builder.take_proofs()
                last = max(last, int(messages.event.max(initial=0)))
        with rebuild:
            builder.finish(last)
    counts = tables.table(BARS_100MS.name).column("level_updates")
    return {
        "to_bars": whole.cost, "decode_within": decoder.watch.cost, "rebuild_within": rebuild.cost,
    }, {
        "bars": tables.count(BARS_100MS.name),
        "states": tables.count("book.book_states"),
        "level_updates_in_bars": pa.compute.sum(counts).as_py(),
        "lines": decoder.account.lines_read,
        "lines_not_decoded": decoder.account.lines_read - decoder.account.decoded.total(),
    }  # fmt: skip


def to_features(path: Path) -> tuple[dict[str, Cost], Facts]:
    """Capture to all feature tables (100 ms to 5 min) in memory."""
    tables = _Tables()
    features = Stopwatch()
    last = 0
    with (whole := Stopwatch()):
        decoder = _TimedDecoder(path)
        builder = new_builder(tables)
        batches = Batches("0" * 16, decoder.instruments, {})
        for chunk in decoder:
            for name, (_, rows) in batches.tables(chunk).items():
                if name in {TRADES.name, QUOTES.name}:
                    tables.take(name, rows)
            messages = messages_of(chunk)
            builder.feed(messages)
            builder.take_proofs()
            last = max(last, int(messages.event.max(initial=0)))
        builder.finish(last)
        with features:
            schema = BARS_100MS.arrow_schema()
            book = tables.table(BARS_100MS.name).select(schema.names).cast(schema)
            made = bars_in_memory(book, *(
                with_nulls(tables.table(one.name), one.arrow_schema()) for one in (TRADES, QUOTES)
            ))
    return {"to_features": whole.cost, "features": features.cost}, {
        "feature_rows": {name: len(rows) for name, rows in made.items()}
    }


def rebuild_alone(path: Path) -> tuple[dict[str, Cost], Facts]:
    """From decoded messages in memory: the book alone, read as the peer reads its own; then bars,
    a state per event and health.
    """
    decoder = Decoder(path, VENUE, "ns", [SYMBOL], SYMBOL)
    messages = [messages_of(chunk) for chunk in decoder]
    last = max(int(part.event.max(initial=0)) for part in messages)
    with (grid := Stopwatch()):
        steps, _, best = grid_replay.replay(messages)
    with (watch := Stopwatch()):
        tables = _Tables()
        builder = new_builder(tables)
        for part in messages:
            builder.feed(part)
            builder.take_proofs()
        closing = builder.finish(last)
    assert closing is not None, "the book is not valid at the end"
    return {"book": grid.cost, "rebuild": watch.cost}, {
        "closing_best": [float(closing.bid_prices[0]), float(closing.ask_prices[0])],
        "closing_best_of_the_book_alone": best,
        "steps": steps,
    }


def in_memory(path: Path, short: Path) -> None:
    """All that happens in memory; the peak is that of a process which has made the bars."""
    to_book_bars(short)
    rebuild_alone(short)
    costs, facts = to_book_bars(path)
    facts["peak_bytes"] = peak_bytes()
    costs |= decode_alone(path)
    more, found = rebuild_alone(path)
    costs |= more
    facts |= found
    report(costs, **facts)


def in_memory_features(path: Path, short: Path) -> None:
    to_features(short)
    costs, facts = to_features(path)
    report(costs, **facts, peak_bytes=peak_bytes())


class _TimedWriter:
    """Times what the writers of partition files do, in whichever thread, while it is in use."""

    def __init__(self) -> None:
        self._watches: list[Stopwatch] = []
        encode, finish = PartitionWriter._encode, PartitionWriter.finish  # noqa: SLF001

        def timed_encode(writer: PartitionWriter, group: pa.Table) -> None:
            with self._watch():
                encode(writer, group)

        def timed_finish(writer: PartitionWriter) -> Any:
            with self._watch():
                return finish(writer)

        PartitionWriter._encode = timed_encode  # type: ignore[method-assign]  # noqa: SLF001
        PartitionWriter.finish = timed_finish  # type: ignore[method-assign]
        self._restore = encode, finish

    def _watch(self) -> Stopwatch:
        # one a call: several writers encode at the same time
        self._watches.append(Stopwatch(time.thread_time))
        return self._watches[-1]

    def stop(self) -> Cost:
        PartitionWriter._encode, PartitionWriter.finish = self._restore  # type: ignore[method-assign]  # noqa: SLF001
        costs = [watch.cost for watch in self._watches]
        return Cost(sum(cost.wall for cost in costs), sum(cost.cpu for cost in costs))


def to_tables(path: Path, home: Path) -> tuple[dict[str, Cost], Facts]:
    """Capture to all raw, book and feature tables of a new home, hashed, on the disk, committed."""
    names = ("register", "raw_layer", "book_layer", "feature_layer")
    watches = {name: Stopwatch() for name in names}
    writer = _TimedWriter()
    rows: dict[str, int] = {}
    with (whole := Stopwatch()):
        store = Store.open(home, create=True)
        with watches["register"]:
            register(store, [path])
        (capture,) = store.ledger.captures()
        for day in days_of(capture):
            with watches["raw_layer"]:
                raw = materialise_raw(store, VENUE, [day])
            assert not raw.failed, raw.failed
            with watches["book_layer"]:
                book = materialise_book(store, VENUE, day)
                trade_gaps_task(store, VENUE, day).materialise(store)
            with watches["feature_layer"]:
                features = features_task(VENUE, day).materialise(store)
            for result in (*raw.partitions.values(), book, features):
                rows |= result.rows
    costs = {"to_tables": whole.cost, "write": writer.stop()}
    costs |= {name: watch.cost for name, watch in watches.items()}
    written = sum(file.stat().st_size for file in home.rglob("*.parquet"))
    return costs, {
        "rows": rows,
        "written_bytes": written,
        "quotes_compared": book.metadata["compared"],
        "quotes_mismatched": book.metadata["mismatched"],
    }


def with_tables(path: Path, short: Path) -> None:
    directory = Path(tempfile.mkdtemp(dir=path.parent))
    try:
        to_tables(short, directory / "short")
        costs, facts = to_tables(path, directory / "long")
        report(costs, **facts, peak_bytes=peak_bytes())
    finally:
        shutil.rmtree(directory)


JOBS = {"memory": in_memory, "features": in_memory_features, "tables": with_tables}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("capture", type=Path)
    parser.add_argument("short", type=Path)
    given = parser.parse_args()
    JOBS[given.job](given.capture, given.short)


if __name__ == "__main__":
    main()
