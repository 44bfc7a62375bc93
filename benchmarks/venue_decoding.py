"""`python -m benchmarks.venue_decoding CAPTURES`: what decoding costs, file by file, and DuckDB's.

Each capture under the directory is decoded to the rows of the raw tables, as an ingestion does, and
in the same process DuckDB's `read_ndjson` reads the same lines, decompressed beforehand, where they
are JSON. The rate is text per second of CPU, so that a busy machine does not show; the first file
of a format pays for no compilation, since all are decoded once before.
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

from benchmarks.measure import Cost, Stopwatch
from imbalance.captures.clocks import Clocks
from imbalance.captures.decoding import Context, Decoding
from imbalance.captures.formats.registry import formats
from imbalance.captures.framing import CaptureReader
from imbalance.captures.instruments import Contracts
from imbalance.captures.probe import IGNORED_NAMES, Probe, probe
from imbalance.config import Config

GOAL = 5.0
"""How many times DuckDB's rate a venue's decoding should reach."""


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

    @property
    def ratio(self) -> float | None:
        """Ours to DuckDB's."""
        return None if self.read_ndjson is None else self.decode / self.read_ndjson


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


def measured(path: Path, rounds: int) -> Measured | None:
    """The best of some rounds; None for a file that is no capture."""
    found = probe(path)
    if found.state == "refused":
        return None
    decoder, _ = decode(path, found)
    cost = min(decode(path, found)[1].cpu for _ in range(rounds))
    peer = [read_ndjson(path) for _ in range(rounds)] if path.suffix == ".zst" else []
    costs = [one.cpu for one in peer if one is not None]
    account, megabytes = decoder.account, found.text_bytes / 1e6
    return Measured(
        str(path), found.sniff.venue, found.sniff.format, account.lines_read,
        account.decoded.total(), account.ignored.total(), account.quarantined.total(),
        found.text_bytes, megabytes / max(cost, 1e-9),
        megabytes / min(costs) if costs else None,
    )  # fmt: skip


def run(directory: Path, rounds: int) -> Iterator[Measured]:
    """All captures of a directory, in order."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not IGNORED_NAMES.match(path.name):
            found = measured(path, rounds)
            if found is not None:
                yield found


def told(one: Measured) -> str:
    """A line of the table."""
    ratio = "" if one.ratio is None else f"{one.ratio:.2f} × DuckDB"
    return (f"{one.venue:<20}{Path(one.path).name[:38]:<40}{one.lines:>9,}"
            f"{one.text_bytes / 1e6:>9.1f}{one.decode:>9.1f}  {ratio}")  # fmt: skip


def main() -> int:
    """Measure, print a line a file, and say how many reach the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("captures", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write what was measured there")
    options = parser.parse_args()
    print(f"{'venue':<20}{'capture':<40}{'lines':>9}{'MB':>9}{'MB/s':>9}  of CPU")
    documents: list[dict[str, Any]] = []
    reached: Counter[bool] = Counter()
    for one in run(options.captures, options.rounds):
        print(told(one), flush=True)
        documents.append(asdict(one) | {"ratio": one.ratio})
        if one.ratio is not None:
            reached[one.ratio >= GOAL] += 1
    print(f"{reached[True]} of {reached.total()} captures of JSON lines at {GOAL:g} × DuckDB")
    if options.json:
        options.json.write_text(json.dumps(documents, indent=1))
    return 0 if reached[True] == reached.total() else 1


if __name__ == "__main__":
    sys.exit(main())
