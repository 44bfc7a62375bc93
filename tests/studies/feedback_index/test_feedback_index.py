import json

import numpy as np
import pytest

from imbalance.report.studies.feedback_index import Index, sentence
from imbalance.studies.alignment import align
from imbalance.studies.bars import TableBars
from imbalance.studies.feedback_index.build import build
from imbalance.studies.feedback_index.parts import HALF_HOUR, calm_and_stressed, half_hours
from imbalance.studies.feedback_index.study import FEEDBACK_INDEX, FeedbackIndexFamily
from imbalance.studies.rows import schema_of
from imbalance.studies.study_input import StudyInput

SPOT, ETHER = "binance:BTCUSDT", "binance:ETHUSDT"
DAY = int(np.datetime64("2024-08-08", "ns").astype(np.int64))


def study(bars, **changes):
    family = FeedbackIndexFamily(**({
        "name": "flow_and_return", "question": "How much?", "bar_sizes": ("1s",), "maximum_lag": 3,
        "horizon": 20, "replications": 199, "regimes": ("depth",)} | changes))
    tables = build(StudyInput.of_bars({"1s": bars}, [family], partition="2024-08-08"))
    (table,) = tables.values()
    assert table.schema.equals(schema_of(FEEDBACK_INDEX))
    rows = table.to_pylist()
    keys = [tuple(row[part] for part in FEEDBACK_INDEX.key) for row in rows]
    assert len(set(keys)) == len(keys)
    assert all((row["estimate"] is None) == (row["reason"] is not None) for row in rows)
    return rows


def loop(seed, length, gain=0.4, quiet=None):
    """Flow in 1,000 units and return in bps with a loop; the gain is 0 where `quiet`."""
    noise = np.random.default_rng(seed).standard_normal((length, 2))
    flow, returns = np.zeros(length), np.zeros(length)
    for t in range(1, length):
        c = 0.0 if quiet is not None and quiet[t] else gain * 1.1 * 0.7 / 0.6
        flow[t] = c * returns[t - 1] + 0.3 * flow[t - 1] + noise[t, 0]
        returns[t] = -0.1 * returns[t - 1] + 0.6 * flow[t] + noise[t, 1]
    level = np.ones(length) if quiet is None else np.where(quiet, 1.0, 3.0)
    depth = 10.0 + np.random.default_rng(seed + 1).standard_normal(length)
    return {"order_flow_imbalance": 1_000.0 * flow, "return_bps": returns,
            "realised_variance": level, "depth_touch_mean": depth}


def one(rows, **wanted):
    (row,) = [r for r in rows if all(r[name] == value for name, value in wanted.items())]
    return row


def test_a_planted_loop_becomes_a_row_that_reads_as_a_sentence(make_bars):
    rows = study(make_bars({SPOT: loop(0, 3_000)}))
    row = one(rows, estimator="loop_gain", regime="all")
    assert row["interval_low"] < 0.4 < row["interval_high"]
    assert row["p_value"] < 1e-6
    assert row["flow_to_return_low"] < 0.6 / 1.1 / 1_000 < row["flow_to_return_high"]
    assert row["return_to_flow_low"] < 0.4 * 1.1 / 0.6 * 1_000 < row["return_to_flow_high"]
    assert row["flow_deviation"] == pytest.approx(1_000.0, rel=0.05)
    # Impact of 1,000 units: 0.6/1.1 · 1/0.7 · 1/0.6.
    assert row["impact_bps_low"] < 0.6 / 1.1 / 0.7 / 0.6 < row["impact_bps_high"]
    assert 1.0 < row["half_life_seconds"] < 3.0
    assert json.loads(row["parameters"])["order"] == 1
    fields = {name: row.get(name) for name in Index.__dataclass_fields__}
    told = sentence(Index(**fields | {
        "flow": row["measure_x"], "gain": row["estimate"], "gain_low": row["interval_low"],
        "gain_high": row["interval_high"]}))
    assert told.startswith(f"A buy imbalance of one standard deviation in {SPOT} moves its price")
    assert "comes back as flow" in told
    assert "half of that within" in told


def test_without_a_loop_there_is_no_half_life(make_bars):
    row = one(study(make_bars({SPOT: loop(1, 3_000, gain=0.0)})), estimator="loop_gain",
              regime="all")
    assert row["p_value"] > 0.05
    assert row["half_life_seconds"] is None
    # The flow still moves the price.
    assert 0.0 <= row["impact_seconds"] < 5.0
    assert "loop" not in FEEDBACK_INDEX.column("impact_seconds").null_meaning
    assert row["interval_low"] < 0.0 < row["interval_high"]
    assert row["return_to_flow_p_value"] == row["p_value"]
    assert row["flow_to_return_p_value"] < 1e-6


def test_regimes_and_half_hours_partition_the_bars(make_bars):
    rows = study(make_bars({SPOT: loop(2, 4_500)}))
    whole = one(rows, estimator="loop_gain", regime="all")
    regimes = [r for r in rows if r["regime"].startswith("depth")]
    assert sum(r["n"] for r in regimes) == whole["n"]
    assert all(abs(r["estimate"] - 0.4) < 0.15 for r in regimes)
    rolling = [r for r in rows if r["estimator"] == "rolling_loop_gain"]
    assert [r["part_from"].value for r in rolling] == [DAY + n * HALF_HOUR for n in range(3)]
    assert sum(r["n"] for r in rolling) == whole["n"]
    assert one(rows, estimator="break")["p_value"] > 0.01


def test_stressed_half_hours_are_told_from_calm_ones(make_bars):
    # Four half-hours; the loop is there in the second and the fourth, in which variance is high.
    quiet = (np.arange(7_200) // 1_800) % 2 == 0
    rows = study(make_bars({SPOT: loop(3, 7_200, quiet=quiet)}))
    difference = one(rows, estimator="stress_difference")
    assert difference["interval_low"] < 0.4 < difference["interval_high"]
    assert difference["p_value"] < 1e-6
    assert abs(one(rows, estimator="loop_gain", regime="calm")["estimate"]) < 0.1
    assert one(rows, estimator="loop_gain", regime="stressed")["estimate"] > 0.25


def test_a_loop_that_ends_is_a_break(make_bars):
    quiet = np.arange(5_000) >= 3_000
    row = one(study(make_bars({SPOT: loop(4, 5_000, quiet=quiet)})), estimator="break")
    assert row["q_value"] < 0.01
    assert abs(row["part_from"].value - DAY - 3_000 * 10**9) < 500 * 10**9


def test_flow_of_one_and_return_of_another(make_bars):
    first, second = loop(5, 3_000), loop(6, 3_000)
    rows = study(make_bars({SPOT: first, ETHER: second}))
    cross = one(rows, instrument_x=SPOT, instrument_y=ETHER, regime="all")
    assert cross["p_value"] > 0.01
    assert abs(cross["estimate"]) < 0.1


def test_two_instruments_have_the_loop_by_the_regime_of_the_flow(make_bars):
    """The flow of one and the return of the other, in whose loop only thin books take part."""
    first, second = loop(5, 4_500), loop(6, 4_500)
    thin = np.arange(4_500) % 90 < 30
    for t in range(1, 4_500):
        second["return_bps"][t] += 0.9 * thin[t - 1] * first["order_flow_imbalance"][t] / 1_000.0
    first["depth_touch_mean"] = np.where(thin, 1.0, 10.0) + 0.1 * np.arange(4_500) / 4_500
    rows = study(make_bars({SPOT: first, ETHER: second}), cross_regimes=("depth",))
    levels = {level: one(rows, instrument_x=SPOT, instrument_y=ETHER, regime=f"depth_{level}")
              for level in ("low", "middle", "high")}
    whole = one(rows, instrument_x=SPOT, instrument_y=ETHER, regime="all")
    assert sum(row["n"] for row in levels.values()) == whole["n"]
    assert levels["low"]["flow_to_return_low"] * 1_000.0 > 0.6
    assert abs(levels["high"]["flow_to_return"]) * 1_000.0 < 0.3
    assert levels["low"]["flow_to_return_p_value"] < 1e-6
    estimators = {row["estimator"] for row in rows if row["instrument_x"] != row["instrument_y"]}
    assert estimators == {"loop_gain"}


def test_what_cannot_be_studied_says_why(make_bars):
    short = {name: values[:80] for name, values in loop(7, 200).items()}
    rows = study(make_bars({SPOT: short}), pairs=("own",))
    assert {row["reason"] for row in rows} == {"too_few_bars"}
    constant = loop(8, 500) | {"order_flow_imbalance": np.ones(500)}
    assert {r["reason"] for r in study(make_bars({SPOT: constant}))} == {"constant_series"}
    walk = loop(9, 2_000)
    walk["return_bps"] = np.cumsum(walk["return_bps"])
    assert {r["reason"] for r in study(make_bars({SPOT: walk}))} == {"unit_root"}
    nothing = make_bars({SPOT: loop(10, 200)}).slice(0, 0)
    assert {r["reason"] for r in study(nothing)} == {"no_bars"}
    alone = make_bars({SPOT: loop(10, 200)})
    assert {r["reason"] for r in study(alone, pairs=("cross",))} == {"no_pair"}
    rows = study(make_bars({SPOT: loop(11, 1_000)}))
    assert one(rows, estimator="stress_difference")["reason"] == "too_few_parts"


def test_no_poisoned_bar_is_used(make_bars):
    series = loop(12, 2_000)
    bars = make_bars({SPOT: series}, poisoned={SPOT: slice(500, 600)})
    wild = {name: values.copy() for name, values in series.items()}
    wild["order_flow_imbalance"][500:600] = 1e9
    worse = make_bars({SPOT: wild}, poisoned={SPOT: slice(500, 600)})
    assert study(bars) == study(worse)


def test_thirds_are_of_the_half_hours_with_enough_bars(make_bars):
    panel = align(TableBars(make_bars({SPOT: loop(13, 5_450)})), "1s", ["realised_variance"], 10)
    parts = half_hours(panel)
    assert [int(part.where.sum()) for part in parts] == [1_800, 1_800, 1_800, 50]
    stress = np.repeat([3.0, 1.0, 2.0, 9.0], [1_800, 1_800, 1_800, 50])
    calm, stressed = calm_and_stressed(parts, stress, 100)
    assert (calm == parts[1].where).all()
    assert (stressed == parts[0].where).all()
    assert calm_and_stressed(parts[:2], stress, 100) is None
