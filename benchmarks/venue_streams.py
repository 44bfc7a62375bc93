"""`python -m benchmarks.venue_streams RECORDINGS`: long recordings of venues, ours against DuckDB.

What a venue's socket sent in a short recording is repeated to a long one (compressed with a window
of 128 KB, so that the repetition does not show), which both read from the same file, in turns. By
CPU, inflating included:

ours : to the rows of all raw tables, as an ingestion does, with all checks.
lines : DuckDB's `read_ndjson`. A message is one text to it, which it does not look into. The goal
    of 5 × is held against this.
levels : the same work for books alone: `read_ndjson`, `from_json` of the messages about books into
    the structure that it is told, then a table of messages and one of their levels, as numbers.
    Trades, quotes and all other messages, clocks, and checks are not asked of it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import zstandard

from benchmarks.measure import Cost, Stopwatch
from benchmarks.venue_decoding import decode
from imbalance.captures.probe import probe

GOAL = 5.0
"""How many times the rate of DuckDB's reading of lines a venue's decoding should reach."""

_WINDOW_LOG = 17
_COUNTER = re.compile(rb'(\\"sequence_num\\":)\d+')
_LINES = (
    "create table lines as select data from read_ndjson(?, compression = 'zstd', columns = {t: "
    "'varchar', conn: 'varchar', ts: 'double', data: 'varchar'}) where t = 'recv'"
)


@dataclass(frozen=True)
class Books:
    """What DuckDB is told of a venue's messages about books.

    `begins` is a condition on the text of a message, `structure` that of its JSON, `levels` lists
    of levels, `price` and `size` what is a level's, as SQL.
    """

    begins: str
    structure: object
    levels: tuple[str, ...]
    price: str = "level[1]"
    size: str = "level[2]"


_PAIRS = [["VARCHAR"]]
_NUMBERS = "BIGINT"
PEERS = {
    "BINANCE_FUTURES": Books(
        "contains(data, '\"depthUpdate\"')",
        {"data": {"E": _NUMBERS, "T": _NUMBERS, "s": "VARCHAR", "U": _NUMBERS, "u": _NUMBERS,
                  "pu": _NUMBERS, "b": _PAIRS, "a": _PAIRS}},
        ("data.b", "data.a"),
    ),
    "BYBIT": Books(
        "starts_with(data, '{\"topic\":\"orderbook')",
        {"type": "VARCHAR", "ts": _NUMBERS, "cts": _NUMBERS,
         "data": {"s": "VARCHAR", "b": _PAIRS, "a": _PAIRS, "u": _NUMBERS}},
        ("data.b", "data.a"),
    ),
    "COINBASE": Books(
        "starts_with(data, '{\"channel\":\"l2_data')",
        {"timestamp": "TIMESTAMP", "sequence_num": _NUMBERS,
         "events": [{"type": "VARCHAR", "product_id": "VARCHAR", "updates": [
             {"side": "VARCHAR", "price_level": "VARCHAR", "new_quantity": "VARCHAR"}]}]},
        ("events[1].updates",), "level.price_level", "level.new_quantity",
    ),
    "CRYPTO.COM": Books(
        "contains(data, '\"channel\":\"book')",
        {"result": {"instrument_name": "VARCHAR", "data": [
            {"t": _NUMBERS, "bids": _PAIRS, "asks": _PAIRS}]}},
        ("result.data[1].bids", "result.data[1].asks"),
    ),
    "DERIBIT": Books(
        "contains(data, '\"channel\":\"book')",
        {"params": {"data": {"timestamp": _NUMBERS, "change_id": _NUMBERS,
                             "prev_change_id": _NUMBERS, "instrument_name": "VARCHAR",
                             "bids": _PAIRS, "asks": _PAIRS}}},
        ("params.data.bids", "params.data.asks"), "level[2]", "level[3]",
    ),
    "GATEIO_FUTURES": Books(
        "contains(data, '\"futures.order_book_update\"')",
        {"time": _NUMBERS, "result": {"t": _NUMBERS, "s": "VARCHAR", "U": _NUMBERS, "u": _NUMBERS,
                                      "b": [{"p": "VARCHAR", "s": "DOUBLE"}],
                                      "a": [{"p": "VARCHAR", "s": "DOUBLE"}]}},
        ("result.b", "result.a"), "level.p", "level.s",
    ),
    "KRAKEN_FUTURES": Books(
        "starts_with(data, '{\"feed\":\"book\"')",
        {"product_id": "VARCHAR", "side": "VARCHAR", "seq": _NUMBERS, "price": "DOUBLE",
         "qty": "DOUBLE", "timestamp": _NUMBERS},
        ("[{'p': price, 's': qty}]",), "level.p", "level.s",
    ),
    "KUCOIN": Books(
        "contains(data, '/market/level2:')",
        {"data": {"sequenceStart": _NUMBERS, "sequenceEnd": _NUMBERS, "symbol": "VARCHAR",
                  "changes": {"asks": _PAIRS, "bids": _PAIRS}}},
        ("data.changes.asks", "data.changes.bids"),
    ),
}  # fmt: skip


def lengthened(source: Path, target: Path, megabytes: float) -> None:
    """Repeat what a recording's sockets received, behind all else."""
    content = zstandard.ZstdDecompressor().stream_reader(source.read_bytes()).read()
    lines = [line for line in content.split(b"\n") if line]
    received = [line for line in lines if b'"t":"recv"' in line[:200]]
    others = [line for line in lines if b'"t":"recv"' not in line[:200]]
    # snapshots stand at the start of a real day, and are not repeated
    most = 4 * sum(map(len, received)) // len(received)
    repeated = [line for line in received if len(line) <= max(most, 4096)]
    times = int(megabytes * 1e6 / sum(len(line) + 1 for line in repeated)) + 1
    text = b"\n".join(repeated) + b"\n"
    count = itertools.count(10**9)  # what counts messages goes on
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=_WINDOW_LOG)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    with target.open("wb") as file, compressor.stream_writer(file) as writer:
        writer.write(b"\n".join([*others, *received]) + b"\n")
        for _ in range(times):
            writer.write(_COUNTER.sub(lambda found: found[1] + b"%d" % next(count), text))


def lines(path: Path) -> Cost:
    """What DuckDB takes for the lines."""
    import duckdb

    watch = Stopwatch()
    with duckdb.connect(config={"threads": 1}) as connection, watch:
        connection.execute(
            "create table read as from read_ndjson(?, compression = 'zstd', sample_size = -1)",
            [str(path)],
        )
    return watch.cost


def levels(path: Path, books: Books) -> Cost:
    """What DuckDB takes for the messages about books and their levels."""
    import duckdb

    each = " union all ".join(
        f"select id, {side} as side, unnest({column}) as level from messages"  # noqa: S608
        for side, column in enumerate(books.levels)
    )
    watch = Stopwatch()
    with duckdb.connect(config={"threads": 1}) as connection, watch:
        connection.execute(_LINES, [str(path)])
        connection.execute(
            "create table messages as select row_number() over () as id, "  # noqa: S608
            f"unnest(from_json(data, ?)) from lines where {books.begins}",
            [json.dumps(books.structure)],
        )
        connection.execute(
            f"create table levels as select id, side, ({books.price})::double as price, "  # noqa: S608
            f"({books.size})::double as size from ({each})"
        )
    return watch.cost


def measured(source: Path, directory: Path, megabytes: float, rounds: int) -> tuple[str, bool]:
    """A line of the table, and whether the goal is reached."""
    path = directory / source.name
    lengthened(source, path, megabytes)
    found = probe(path)
    decode(path, found)  # compiles
    books = PEERS[source.name.split(".jsonl")[0]]
    jobs: dict[str, Callable[[], Cost]] = {
        "ours": lambda: decode(path, found)[1], "lines": lambda: lines(path),
        "levels": lambda: levels(path, books),
    }  # fmt: skip
    rates: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            rates[name].append(found.text_bytes / 1e6 / job().cpu)
    ours, read, same = (statistics.median(rates[name]) for name in jobs)
    name = source.name.removesuffix(".jsonl.zst")
    line = (f"{name:<18}{found.text_bytes / 1e6:>8.0f}{ours:>8.0f}{read:>8.0f}{same:>8.0f}"
            f"{ours / read:>10.2f} ×{ours / same:>10.2f} ×")  # fmt: skip
    return line, ours / read >= GOAL


def main() -> int:
    """Measure, print a line a venue, and say how many reach the goal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--megabytes", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{'MB/s by CPU, of':<18}{'MB':>8}{'ours':>8}{'lines':>8}{'levels':>8}"
          f"{'lines':>12}{'levels':>12}   of DuckDB")
    reached = 0
    for name in PEERS:
        source = options.recordings / f"{name}.jsonl.zst"
        with tempfile.TemporaryDirectory() as directory:
            line, is_reached = measured(
                source, Path(directory), options.megabytes, options.rounds
            )
        print(line, flush=True)
        reached += is_reached
    print(f"{reached} of {len(PEERS)} at {GOAL:g} × DuckDB (lines)")
    return 0 if reached == len(PEERS) else 1


if __name__ == "__main__":
    sys.exit(main())
