"""`make benchmark`: runs the benchmark and prints what it found."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.capture_to_features import (
    NOT_THE_SAME,
    PEER_PYTHON,
    REPOSITORY,
    Goal,
    Results,
    measure,
)

ORIGINAL = "captures/binance-202408/usdm/btcusdt_20240808.gz"

# rows of the table: what it is called, the name of its cost, what its rate is counted in
_OURS = (
    ("inflate (in turns with decoding)", "decompress"),
    ("decode (in turns, one thread)", "decode"),
    ("book alone, read every 100 ms", "book"),
    ("rebuild: states, flow, bands, bars", "rebuild"),
    ("features: bars of 100 ms to 5 min", "features"),
    ("write (hash, encode, to disk)", "write"),
    ("= capture to 100 ms bars, memory", "to_bars"),
    ("= capture to all features, memory", "to_features"),
    ("= capture to all tables, on disk", "to_tables"),
    ("    of it the raw layer", "raw_layer"),
    ("    of it the book layer", "book_layer"),
    ("    of it the feature layer", "feature_layer"),
)
_PEER = (
    ("conversion", "convert"),
    ("replay, vector book", "replay_vector"),
    ("replay, hash map book", "replay_map"),
)
_RATIOS = (
    ("its conversion / capture to 100 ms bars", "convert", "to_bars"),
    ("its conversion / capture to all features", "convert", "to_features"),
    ("its conversion / capture to all tables written", "convert", "to_tables"),
    ("its replay (vector) / the book alone, same work", "replay_vector", "book"),
    ("its replay (hash map) / the book alone", "replay_map", "book"),
    ("its replay (vector) / rebuild with all it makes", "replay_vector", "rebuild"),
    ("its replay (hash map) / rebuild with all it makes", "replay_map", "rebuild"),
    ("inflating / decoding", "decompress", "decode"),
)


def as_json(results: Results) -> dict[str, Any]:
    names = [name for rows in (_OURS, _PEER) for _, name in rows]
    return {
        "capture": results.capture,
        "stages": {name: vars(results.cost(name)) for name in names},
        "rounds": {name: [vars(c) for c in results.costs[name]] for name in names},
        "ratios": {f"{a}/{b}": vars(results.ratio(a, b)) for _, a, b in _RATIOS},
        "peak_bytes": {job: results.peak(job) for job in results.facts},
        "facts": results.facts,
        "load": results.load,
        "goals": [vars(goal) | {"met": goal.met} for goal in results.goals()],
    }


def print_report(results: Results) -> None:
    made = results.capture
    text, levels = made["text_bytes"], made["level_updates"]
    print(f"\n{made['repetitions']} × the capture: {made['messages']:,} messages, "
          f"{levels:,} level updates, {text / 1e6:,.0f} MB of text, "
          f"{made['file_bytes'] / 1e6:,.0f} MB gzipped")  # fmt: skip
    print(f"{len(results.load)} rounds in turn, medians; {os.cpu_count()} CPUs, load "
          + ", ".join(f"{load:.1f}" for load in results.load) + "\n")  # fmt: skip
    for title, rows in (("imbalance", _OURS), ("hftbacktest 2.4", _PEER)):
        print(f"{title:<36}{'wall s':>9}{'CPU s':>9}{'MB/s':>9}{'M levels/s':>12}")
        for label, name in rows:
            cost = results.cost(name)
            # a part of a run has no clock of its own on the wall that says much: rates are by CPU
            print(f"{label:<36}{cost.wall:>9.2f}{cost.cpu:>9.2f}{text / cost.cpu / 1e6:>9,.0f}"
                  f"{levels / cost.cpu / 1e6:>12.1f}")  # fmt: skip
        print()
    print("(rates per second of CPU; write counts the threads of the writers)\n")
    print(f"{'how many times faster':<52}{'wall':>9}{'CPU':>9}")
    for label, peer, ours in _RATIOS:
        ratio = results.ratio(peer, ours)
        print(f"{label:<52}{ratio.wall:>8.1f}×{ratio.cpu:>8.1f}×")
    print(f"\n{'peak memory':<52}{'MB':>9}")
    for label, job in (("capture to 100 ms bars, in memory", "memory"),
                       ("capture to all features, in memory", "features"),
                       ("capture to all tables, on disk", "tables"),
                       ("hftbacktest, conversion", "peer")):  # fmt: skip
        print(f"{label:<52}{results.peak(job) / 1e6:>9,.0f}")
    print()
    for line in NOT_THE_SAME:
        print(line)
    compared = results.facts["tables"]["quotes_compared"]
    print(f"\nChecked: every line decoded; {compared:,} best quotes equal to the rebuilt book, "
          "none different;\nthe closing books of both sides equal.\n")  # fmt: skip
    for goal in results.goals():
        print(_goal_line(goal))


def _goal_line(goal: Goal) -> str:
    bound = "under" if goal.at_most else "at least"
    verdict = "met" if goal.met else "MISSED"
    return (f"{verdict:<7} {goal.name}: {goal.value:.3g} {goal.unit} "
            f"(goal: {bound} {goal.wanted:g} {goal.unit})")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="make benchmark", description=__doc__)
    parser.add_argument("--captures", type=Path, default=REPOSITORY.parent / "shared",
                        help=f"directory that holds {ORIGINAL} (default: ../shared)")  # fmt: skip
    parser.add_argument("--levels", type=int, default=10_000_000, help="level updates at least")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print all figures as JSON instead")
    parser.add_argument("--check", action="store_true", help="end with 1 when a goal is missed")
    given = parser.parse_args()
    original = given.captures / ORIGINAL
    if not original.is_file():
        parser.error(f"there is no {original}: name the directory with --captures")
    if not PEER_PYTHON.exists():
        parser.error(f"there is no {PEER_PYTHON.parent.parent.name}: run `make benchmark`")
    results = measure(original.resolve(), given.levels, given.rounds)
    if given.json:
        print(json.dumps(as_json(results), indent=2))
    else:
        print_report(results)
    return 1 if given.check and not all(goal.met for goal in results.goals()) else 0


if __name__ == "__main__":
    sys.exit(main())
