"""`python -m benchmarks.venue_decoding CAPTURES`: what decoding costs, file by file, and DuckDB's.

Each capture under the directory is decoded to the rows of the raw tables, as an ingestion does:
text inflated, messages understood and checked, numbers in strings read, checksums and sequences
proved, rows of all tables made with their clocks. In the same process DuckDB works on the same
lines, decompressed beforehand, where they are JSON, and does less in both of its parts:

lines : `read_ndjson` of the lines. A message is one text to it, which it does not look into. The
    goal is held against this.
messages : the lines, then `from_json` of every message of a socket into its structure, so that the
    values of messages are typed columns. What DuckDB cannot do is done for it and not counted: the
    structure is found beforehand (`json_group_structure`), binary frames are inflated. Numbers in
    strings stay text, arrays of several types stay JSON, and so do answers to requests, some of
    which have a field for every instrument; nothing is checked, and no rows of levels, trades or
    quotes are made.

The rate is text per second of CPU, so that a busy machine does not show; the first file of a format
pays for no compilation, since all are decoded once before.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.measure import Cost, Stopwatch
from imbalance.captures.clocks import Clocks
from imbalance.captures.decoding import Context, Decoding
from imbalance.captures.events import Rejected
from imbalance.captures.formats.registry import formats
from imbalance.captures.framing import CaptureReader
from imbalance.captures.instruments import Contracts
from imbalance.captures.probe import IGNORED_NAMES, Probe, probe
from imbalance.captures.records import Record, parse_record
from imbalance.config import Config

GOAL = 5.0
"""How many times DuckDB's rate for the lines a venue's decoding should reach."""

_LINES = (
    "create table {} as from read_ndjson(?, columns = {{t: 'varchar', conn: 'varchar', "
    "addr: 'varchar', ts: 'bigint', data: 'varchar'}})"
)


@dataclass(frozen=True)
class Measured:
    """One capture: MB of its text per second of CPU, ours and DuckDB's (None: no JSON lines)."""

    path: str
    venue: str
    format: str
    lines: int
    decoded: int
    ignored: int
    quarantined: int
    text_bytes: int
    decode: float
    read_ndjson: float | None
    read_messages: float | None

    @property
    def ratio(self) -> float | None:
        """Ours to DuckDB's of the lines alone."""
        return None if self.read_ndjson is None else self.decode / self.read_ndjson

    @property
    def ratio_of_messages(self) -> float | None:
        """Ours to DuckDB's of the lines and their messages."""
        return None if self.read_messages is None else self.decode / self.read_messages


def decoder_of(path: Path, found: Probe) -> Decoding:
    """A fresh decoder of a capture."""
    context = Context(
        found.capture_id, path, found.sniff.venue, Contracts(Config()),
        clocks=Clocks(None, found.sniff.first_difference),
    )
    return formats()[found.sniff.format].decoder(context, found.sniff)


def decode(path: Path, found: Probe) -> tuple[Decoding, Cost]:
    """Decode once."""
    decoder, watch = decoder_of(path, found), Stopwatch()
    with watch:
        for _ in decoder:
            pass
    return decoder, watch.cost


def read_ndjson(path: Path) -> Cost | None:
    """What DuckDB takes for the file's lines; None where it does not read them."""
    import duckdb

    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as directory, duckdb.connect() as connection:
        plain = Path(directory) / "lines.json"
        with plain.open("wb") as target:
            for block in CaptureReader(path):
                target.write(block.data)
        try:
            with watch:
                connection.execute(
                    "create table read as from read_ndjson(?, sample_size = -1)", [str(plain)]
                )
        except duckdb.Error:
            return None
    return watch.cost


def write_messages(path: Path, target: Path) -> None:
    """The records of a capture as lines of JSON whose messages are texts, frames inflated."""
    with target.open("wb") as file:
        for block in CaptureReader(path):
            for line in block.data.splitlines():
                record = parse_record(line)
                if isinstance(record, Record):
                    file.write(msgspec.json.encode({
                        "t": record.kind, "conn": record.connection, "addr": record.address,
                        "ts": record.receive_time, "data": record.payload.decode(),
                    }) + b"\n")  # fmt: skip


def read_messages(path: Path) -> Cost | None:
    """What DuckDB takes for the file's lines and their messages; None where it does not."""
    import duckdb

    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as directory, duckdb.connect() as connection:
        plain = Path(directory) / "lines.json"
        try:
            write_messages(path, plain)
            connection.execute(_LINES.format("known"), [str(plain)])
            found = connection.execute(
                "select json_group_structure(data::json) from known "
                "where t = 'recv' and json_valid(data)"
            ).fetchone()
            with watch:
                connection.execute(_LINES.format("lines"), [str(plain)])
                connection.execute(
                    "create table messages as select * exclude (data), from_json(data, ?) as "
                    "message from lines where t = 'recv' and json_valid(data)", found,
                )
        except (duckdb.Error, Rejected, UnicodeDecodeError):
            return None
    return watch.cost


def measured(path: Path, rounds: int) -> Measured | None:
    """The best of some rounds; None for a file that is no capture."""
    found = probe(path)
    if found.state == "refused":
        return None
    decoder, _ = decode(path, found)
    cost = min(decode(path, found)[1].cpu for _ in range(rounds))
    json_lines = path.suffix == ".zst"
    rates = [
        megabytes_a_second(found, [peer(path) for _ in range(rounds)]) if json_lines else None
        for peer in (read_ndjson, read_messages)
    ]
    account = decoder.account
    return Measured(
        str(path), found.sniff.venue, found.sniff.format, account.lines_read,
        account.decoded.total(), account.ignored.total(), account.quarantined.total(),
        found.text_bytes, found.text_bytes / 1e6 / max(cost, 1e-9), *rates,
    )  # fmt: skip


def megabytes_a_second(found: Probe, costs: list[Cost | None]) -> float | None:
    """The rate of the best round of a peer; None where it could not do it."""
    known = [one.cpu for one in costs if one is not None]
    return found.text_bytes / 1e6 / min(known) if known else None


def run(directory: Path, rounds: int) -> Iterator[Measured]:
    """All captures of a directory, in order."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not IGNORED_NAMES.match(path.name):
            found = measured(path, rounds)
            if found is not None:
                yield found


def told(one: Measured) -> str:
    """A line of the table."""
    ratios = "".join(
        f"{'' if ratio is None else f'{ratio:.2f} ×':>12}"
        for ratio in (one.ratio, one.ratio_of_messages)
    )
    return (f"{one.venue:<20}{Path(one.path).name[:38]:<40}{one.lines:>9,}"
            f"{one.text_bytes / 1e6:>9.1f}{one.decode:>9.1f}{ratios}")  # fmt: skip


def main() -> int:
    """Measure, print a line a file, and say how many reach the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("captures", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write what was measured there")
    options = parser.parse_args()
    print(f"{'venue':<20}{'capture':<40}{'lines':>9}{'MB':>9}{'MB/s':>9}"
          f"{'lines':>12}{'messages':>12}   of DuckDB, by CPU")
    documents: list[dict[str, Any]] = []
    reached: Counter[bool] = Counter()
    for one in run(options.captures, options.rounds):
        print(told(one), flush=True)
        documents.append(asdict(one) | {
            "ratio": one.ratio, "ratio_of_messages": one.ratio_of_messages,
        })
        if one.ratio is not None:
            reached[one.ratio >= GOAL] += 1
    print(f"{reached[True]} of {reached.total()} captures of JSON lines at {GOAL:g} × DuckDB "
          "(lines)")
    if options.json:
        options.json.write_text(json.dumps(documents, indent=1))
    return 0 if reached[True] == reached.total() else 1


if __name__ == "__main__":
    sys.exit(main())
