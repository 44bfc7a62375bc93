"""Features joined as known at each moment, against polars and pandas: `python -m
benchmarks.point_in_time`.

2 M rows of a spine, 1 M bars of 10 instruments, five features, in memory, results in the order of
the spine. The peers join on one clock by the last row whose time has come, which is the same only
while bars become known in their order: that is how these are made, and the answers must agree.
Beside that ours sorts out bars that come late or together, keeps its age, and says why none was
found; what the reasons cost is its own row.
"""

from __future__ import annotations

import argparse
import json

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from benchmarks.measure import Cost, Stopwatch, median
from imbalance.store.macros import create_macros

INSTRUMENTS = 10
FEATURES = ("a", "b", "c", "d", "e")
SECOND = 1_000_000_000


def make(rows: int, bars: int) -> tuple[pa.Table, pa.Table]:
    """A spine in random order and bars of a second, known up to a second after their end."""
    rng = np.random.default_rng(0)
    per = bars // INSTRUMENTS
    names = np.array([f"venue:I{k}" for k in range(INSTRUMENTS)])
    starts = np.tile(np.arange(per) * SECOND, INSTRUMENTS)
    known = starts + SECOND + rng.integers(1, SECOND - 1, len(starts))
    table = {
        "instrument": np.repeat(names, per),
        "bar_start": starts.astype("datetime64[ns]"),
        "bar_end": (starts + SECOND).astype("datetime64[ns]"),
        "available_at": known.astype("datetime64[ns]"),
        "poisoned": np.zeros(len(starts), bool),
        **{name: rng.standard_normal(len(starts)) for name in FEATURES},
    }
    spine = {
        "row_id": np.arange(rows),
        "instrument": names[rng.integers(0, INSTRUMENTS, rows)],
        "time": rng.integers(2 * SECOND, per * SECOND, rows).astype("datetime64[ns]"),
    }
    return pa.table(spine), pa.table(table)


class Ours:
    """The macro in DuckDB, over native tables, without and with the reasons for nulls."""

    def __init__(self, spine: pa.Table, bars: pa.Table) -> None:
        self._connection = duckdb.connect()
        create_macros(self._connection)
        for name, rows in (("spine", spine), ("bars", bars)):
            self._connection.register("given", rows)
            self._connection.execute(f"create table {name} as from given")

    def join(self) -> np.ndarray:
        columns = ", ".join(FEATURES)
        found = self._connection.execute(
            f"select {columns} from point_in_time('spine', 'bars', interval 1 minute) "  # noqa: S608
            "order by row_id"
        ).to_arrow_table()
        return found["a"].to_numpy()

    def reasons(self) -> int:
        (row,) = self._connection.execute(
            "select count(reason) from why_missing('spine', 'bars', interval 1 minute)").fetchall()
        return int(row[0])


class Polars:
    """`join_asof`, which wants both sides in the order of time."""

    def __init__(self, spine: pa.Table, bars: pa.Table) -> None:
        self._spine, self._bars = pl.from_arrow(spine), pl.from_arrow(bars)

    def join(self) -> np.ndarray:
        joined = self._spine.sort("time").join_asof(
            self._bars.sort("available_at"), left_on="time", right_on="available_at",
            by="instrument", check_sortedness=False,
        ).sort("row_id")
        return joined["a"].to_numpy()


class Pandas:
    """`merge_asof`, likewise."""

    def __init__(self, spine: pa.Table, bars: pa.Table) -> None:
        self._spine, self._bars = spine.to_pandas(), bars.to_pandas()

    def join(self) -> np.ndarray:
        joined = pd.merge_asof(
            self._spine.sort_values("time"), self._bars.sort_values("available_at"),
            left_on="time", right_on="available_at", by="instrument",
        ).sort_values("row_id")
        return joined["a"].to_numpy()


def measure(rows: int, bars: int, rounds: int) -> dict[str, Cost]:
    """Median cost of each, run in turn; all must find the same values."""
    spine, table = make(rows, bars)
    contenders = {"imbalance": Ours(spine, table), "polars join_asof": Polars(spine, table),
                  "pandas merge_asof": Pandas(spine, table)}
    costs: dict[str, list[Cost]] = {}
    for _ in range(rounds):
        answers = []
        for name, contender in contenders.items():
            watch = Stopwatch()
            with watch:
                answers.append(contender.join())
            costs.setdefault(name, []).append(watch.cost)
        assert all(np.array_equal(answers[0], one, equal_nan=True) for one in answers[1:])
        watch = Stopwatch()
        with watch:
            contenders["imbalance"].reasons()
        costs.setdefault("imbalance, reasons for all rows", []).append(watch.cost)
    return {name: median(found) for name, found in costs.items()}


def main() -> None:
    options = argparse.ArgumentParser(description="Point-in-time joins against named peers.")
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--bars", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    costs = measure(given.rows, given.bars, given.rounds)
    if given.json:
        print(json.dumps({name: vars(cost) for name, cost in costs.items()}))
        return
    print(f"{given.rows:,} rows × {given.bars:,} bars, {given.rounds} rounds in turn, medians\n")
    print(f"{'':<36}{'wall s':>9}{'CPU s':>9}{'ours / its, CPU':>17}")
    for name, cost in costs.items():
        ratio = costs["imbalance"].cpu / cost.cpu
        print(f"{name:<36}{cost.wall:>9.2f}{cost.cpu:>9.2f}{ratio:>17.2f}")


if __name__ == "__main__":
    main()
