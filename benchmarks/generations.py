"""Ten thousand generations listed, against reading each one's manifest: `python -m
benchmarks.generations`.

The manifests are written as a publication writes them, of twenty tables; the files they name are
not made, since no list looks at them. What is compared is the same list, made from the index and
without it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.measure import Cost, Stopwatch, median
from imbalance.store import Home
from imbalance.store.generations import list_generations
from imbalance.store.manifest import MANIFEST_NAME, Manifest, Released
from imbalance.store.publishing import reindex

TABLES = 20
DAYS = 3
GOAL = 0.1


def make(home: Home, count: int) -> None:
    """So many generations in the home, and their index."""
    for number in range(1, count + 1):
        tables = {
            f"features.table_{table:02d}": {
                f"day=2024-08-0{day + 1}/venue=binance": Released(
                    file=f"features/table_{table:02d}/{number:06d}-{day}.parquet",
                    sha256=f"{number * table:064x}", rows_hash=f"{number:016x}",
                    row_count=number + table + day, recorded_at=number, sequence=number,
                    rules=f"{table:016x}",
                )
                for day in range(DAYS)
            }
            for table in range(TABLES)
        }
        manifest = Manifest(number=number, created_at="2024-08-09T00:00:00Z",
                            ledger_sequence=number, tables=tables, definitions={}, validation={},
                            captures={}, files={})  # fmt: skip
        directory = home.generations_dir / f"{number:06d}-{number:08x}"
        directory.mkdir(parents=True)
        (directory / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    reindex(home)


def measure(count: int, rounds: int) -> dict[str, Cost]:
    """What a list costs with the index, the median of the rounds, and once without it."""
    with tempfile.TemporaryDirectory() as directory:
        home = Home.open(Path(directory), create=True)
        make(home, count)
        listed = []
        for _ in range(rounds):
            stopwatch = Stopwatch()
            with stopwatch:
                from_index = list_generations(home)
            listed.append(stopwatch.cost)
        (home.generations_dir / "index.jsonl").unlink()
        stopwatch = Stopwatch()
        with stopwatch:
            from_manifests = list_generations(home)
        if from_index != from_manifests or len(from_index) != count:
            raise AssertionError("the index and the manifests tell different things")
        return {"from the index": median(listed), "from the manifests": stopwatch.cost}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generations", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="generations")
    parser.add_argument("--rounds", type=int, default=9, help="lists; the median is told")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead")
    given = parser.parse_args()
    costs = measure(given.count, given.rounds)
    if given.json:
        print(json.dumps({name: vars(cost) for name, cost in costs.items()}, indent=2))
        return
    print(f"{given.count:,} generations of {TABLES} tables listed{'wall s':>14}{'CPU s':>10}")
    for name, cost in costs.items():
        print(f"  {name:<42}{cost.wall:>10.3f}{cost.cpu:>10.3f}")
    ratio = costs["from the manifests"] / costs["from the index"]
    print(f"  {'times faster from the index':<42}{ratio.wall:>9.0f}×{ratio.cpu:>9.0f}×")
    if given.count == 10_000:
        met = "met" if costs["from the index"].wall < GOAL else "MISSED"
        print(f"\n{met}: goal under {GOAL} s")


if __name__ == "__main__":
    main()
