"""The dynamics study from bars to rows: breaks, paths known when they say, refusals."""

import json

import numpy as np
import pyarrow as pa
import pytest

from imbalance.errors import UserError
from imbalance.studies.alignment import align
from imbalance.studies.bars import TableBars
from imbalance.studies.dynamics.build import build
from imbalance.studies.dynamics.regimes import regime_rows
from imbalance.studies.dynamics.study import DYNAMICS, DYNAMICS_DIFFERENCE, DynamicsFamily
from imbalance.studies.prepared_series import SeriesPool, prepare_pair
from imbalance.studies.rows import Window, schema_of
from imbalance.studies.study_input import StudyInput

SPOT, PERPETUAL = "binance:BTCUSDT", "binance-futures:BTCUSDT"
FLOW, RETURN = "order_flow_imbalance", "return_bps"
SECOND = 1_000_000_000


def family(**changes):
    return DynamicsFamily(**({
        "name": "planted", "question": "?", "x_measures": (FLOW,), "y_measures": (RETURN,),
        "pairs": ("own",), "bar_sizes": ("1s",), "points": 10, "regimes": ()} | changes))


def study(bars, **changes):
    table = build(StudyInput.of_bars({"1s": bars}, [family(**changes)], partition="2024-08-08"))
    table = table[DYNAMICS.name]
    assert table.schema.equals(schema_of(DYNAMICS))
    rows = table.to_pylist()
    keys = [tuple(row[part] for part in DYNAMICS.key) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert (row["estimate"] is None) == (row["reason"] is not None)
        for column in DYNAMICS.columns:
            assert not column.allowed or row[column.name] in {*column.allowed, None}
    return rows


def pick(rows, estimator, **where):
    return [r for r in rows if r["estimator"] == estimator
            and all(r[name] == value for name, value in where.items())]


def nanoseconds(moment):
    return int(np.datetime64(moment, "ns").astype(int))


@pytest.fixture(scope="module")
def broken():
    """Correlation 0.1, then 0.8; volatility 1, then 3."""
    generator = np.random.default_rng(1)
    rho, scale = np.repeat([0.1, 0.8], 400), np.repeat([1.0, 3.0], 400)
    x, noise = generator.standard_normal((2, 800))
    return scale * x, scale * (rho * x + np.sqrt(1 - rho**2) * noise)


def test_a_break_is_found_with_its_size_and_moment(make_bars, broken):
    flow, ret = broken
    bars = make_bars({SPOT: {FLOW: flow, RETURN: ret}}, poisoned={SPOT: list(range(100, 110))})
    rows = study(bars)
    start = nanoseconds(bars.column("bar_start")[0].as_py())
    (test,) = pick(rows, "constancy")
    assert test["p_value"] < 1e-4
    assert test["q_value"] == test["p_value"]
    assert (test["n"], test["n_left_out"]) == (790, 10)
    (one,) = pick(rows, "change_point")
    assert abs(nanoseconds(one["moment"]) - start - 400 * SECOND) < 60 * SECOND
    assert one["interval_low"] < 0.7 < one["interval_high"]
    assert one["q_value"] is None
    assert one["available_at"] == test["available_at"]
    (count,) = pick(rows, "regime_count")
    assert count["estimate"] == 2.0
    calm, wild = pick(rows, "regime_correlation")
    assert calm["interval_low"] < 0.15
    assert wild["interval_high"] > 0.7
    assert calm["share"] + wild["share"] == pytest.approx(1.0)
    stormy = [row["estimate"] for row in pick(rows, "regime_probability")]
    assert len(stormy) == 10
    assert np.mean(stormy[:4]) < 0.3
    assert np.mean(stormy[6:]) > 0.7


def test_moving_rows_are_those_of_their_bars_and_available_with_them(make_bars, broken):
    flow, ret = broken
    bars = make_bars({SPOT: {FLOW: flow, RETURN: ret}})
    start = nanoseconds(bars.column("bar_start")[0].as_py())
    rows = study(bars)
    for row in pick(rows, "rolling", span=60):
        last = (nanoseconds(row["moment"]) - start) // SECOND
        inside = slice(last - 60, last)
        wanted = np.corrcoef(flow[max(inside.start, 0) : last], ret[max(inside.start, 0) : last])
        assert row["estimate"] == pytest.approx(wanted[0, 1], abs=1e-12)
        assert row["interval_low"] < row["estimate"] < row["interval_high"]
        # Known a microsecond after the bar ends, in these bars.
        assert nanoseconds(row["available_at"]) == nanoseconds(row["moment"]) + 1_000
    # What comes later changes nothing of what was said before: only which moments are kept.
    shorter = study(make_bars({SPOT: {FLOW: flow[:500], RETURN: ret[:500]}}), points=1_000)
    longer = study(bars, points=1_000)
    for estimator, span in (("rolling", 60), ("rolling", 300), ("exponentially_weighted", 60)):
        before, after = ({r["moment"]: r for r in pick(rows, estimator, span=span)}
                         for rows in (shorter, longer))
        assert len(before) > 200
        for moment, row in before.items():
            for name in ("estimate", "standard_error", "interval_low", "interval_high", "n",
                         "n_effective", "n_left_out", "coverage"):
                assert after[moment][name] == pytest.approx(row[name], abs=1e-9)


def test_moving_rows_count_the_pairs_behind_them(make_bars, broken):
    flow, ret = broken
    bars = make_bars({SPOT: {FLOW: flow, RETURN: ret}}, poisoned={SPOT: list(range(770, 780))})
    rows = study(bars)
    assert [(r["n"], r["n_left_out"]) for r in pick(rows, "rolling", span=60)][-1] == (50, 10)
    assert [(r["n"], r["n_left_out"]) for r in pick(rows, "rolling", span=300)][-1] == (290, 10)
    assert [(r["n"], r["n_left_out"])
            for r in pick(rows, "exponentially_weighted")][-1] == (790, 10)
    for row in pick(rows, "rolling") + pick(rows, "exponentially_weighted"):
        assert row["n_effective"] <= row["n"] * (1 + 1e-12)


def test_a_break_in_a_gap_is_at_the_first_bar_after_it(make_bars):
    generator = np.random.default_rng(0)
    x, noise = generator.standard_normal((2, 800))
    rho = np.repeat([-0.9, 0.9], 400)
    y = rho * x + np.sqrt(1 - rho**2) * noise
    start = nanoseconds("2024-08-08")
    parts = [make_bars({SPOT: {FLOW: x[at], RETURN: y[at]}}, start=start + later * SECOND)
             for at, later in ((slice(0, 400), 0), (slice(400, 800), 4_000))]
    (one,) = pick(study(pa.concat_tables(parts), states=1), "change_point")
    assert nanoseconds(one["moment"]) == start + 4_000 * SECOND
    # Bars that are there and must not be used are no part of the new regime either.
    whole = make_bars({SPOT: {FLOW: np.insert(x, 400, np.zeros(60)),
                              RETURN: np.insert(y, 400, np.zeros(60))}},
                      poisoned={SPOT: list(range(400, 460))})
    (one,) = pick(study(whole, states=1), "change_point")
    assert nanoseconds(one["moment"]) == start + 460 * SECOND


def test_a_weight_is_gone_after_a_long_gap(make_bars):
    """Correlated −0.9 before two hours without a bar, 0.9 after: the half-life is 20 minutes."""
    generator = np.random.default_rng(6)
    x, noise = generator.standard_normal((2, 2_200))
    y = np.repeat([-0.9, 0.9], [2_000, 200]) * x + np.sqrt(0.19) * noise
    start = nanoseconds("2024-08-08")
    parts = [make_bars({SPOT: {FLOW: x[at], RETURN: y[at]}}, start=start + later * SECOND)
             for at, later in ((slice(0, 2_000), 0), (slice(2_000, 2_200), 14_000))]
    rows = study(pa.concat_tables(parts), states=1, half_life=1_200)
    last = pick(rows, "exponentially_weighted")[-1]
    assert last["estimate"] == pytest.approx(
        np.corrcoef(x[2_000:], y[2_000:])[0, 1], abs=0.03)


def test_one_point_is_the_last(make_bars, broken):
    flow, ret = broken
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: ret}}), points=1)
    start = nanoseconds(rows[0]["window_from"])
    for estimator in ("rolling", "exponentially_weighted", "regime_probability"):
        assert {nanoseconds(row["moment"]) for row in pick(rows, estimator)} == {
            start + 800 * SECOND}


def test_bars_that_hidden_regimes_do_not_reach_are_left_out(make_bars, broken):
    flow, ret = broken
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: ret}}), longest_series=300)
    (count,) = pick(rows, "regime_count")
    assert (count["n"], count["n_left_out"], count["coverage"]) == (300, 500, 0.375)


def test_conditional_correlations_have_parameters_and_a_path(make_bars):
    generator = np.random.default_rng(2)
    rho = 0.5 + 0.4 * np.sin(np.arange(2_000) / 150.0)
    x, noise = generator.standard_normal((2, 2_000))
    bars = make_bars({SPOT: {FLOW: x, RETURN: rho * x + np.sqrt(1 - rho**2) * noise}})
    rows = study(bars, points=50)
    (a,), (b,) = pick(rows, "dcc_a"), pick(rows, "dcc_b")
    assert 0.01 < a["estimate"] < 0.2
    assert 0.9 < a["estimate"] + b["estimate"] < 1.0
    path = pick(rows, "conditional")
    start = nanoseconds(bars.column("bar_start")[0].as_py())
    truth = [rho[(nanoseconds(r["moment"]) - start) // SECOND] for r in path]
    assert np.corrcoef(truth, [r["estimate"] for r in path])[0, 1] > 0.7
    assert {(r["horizon"], r["kind"]) for r in path} == {(1, "predictive")}
    assert all(r["available_at"] == a["available_at"] for r in path)
    assert set(json.loads(a["parameters"])["garch"][0]) == {"omega", "alpha", "beta"}


@pytest.mark.parametrize(("change", "reason"), [
    (lambda x: np.full(len(x), np.nan), "all_null"),
    (lambda x: np.zeros(len(x)), "constant_series"),
    (lambda x: np.where(np.arange(len(x)) < 90, x, np.nan), "too_few_bars"),
    (np.cumsum, "unit_root"),
])
def test_what_cannot_be_estimated_is_one_row_with_its_reason(make_bars, broken, change, reason):
    flow, ret = broken
    rows = study(make_bars({SPOT: {FLOW: change(flow), RETURN: ret}}))
    assert [row["reason"] for row in rows] == [reason]


def test_twice_the_same_no_pair_no_bars(make_bars, broken):
    flow, _ = broken
    bars = make_bars({SPOT: {FLOW: flow, RETURN: 3.0 * flow}})
    assert [row["reason"] for row in study(bars)] == ["collinear"]
    assert [row["reason"] for row in study(bars, pairs=("cross",))] == ["no_pair"]
    empty = build(StudyInput.of_bars({}, [family()], partition="2024-08-08"))
    assert empty[DYNAMICS.name].column("reason").to_pylist() == ["no_bars"]


def test_ties_and_gaps_leave_every_row_finite(make_bars):
    generator = np.random.default_rng(3)
    flow = np.round(generator.standard_normal(600))
    ret = np.where(generator.random(600) < 0.7, 0.0, np.round(flow + generator.normal(size=600)))
    holes = list(range(50, 600, 7)) + list(range(200, 290))
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: ret}}, poisoned={SPOT: holes}))
    estimated = [row for row in rows if row["reason"] is None]
    assert {row["estimator"] for row in estimated} >= {
        "rolling", "exponentially_weighted", "conditional", "constancy", "regime_count"}
    for row in estimated:
        assert np.isfinite(row["estimate"])
    assert study(make_bars({SPOT: {FLOW: flow, RETURN: ret}}, poisoned={SPOT: holes})) == rows


@pytest.mark.parametrize("change", [
    {"windows": (5,)}, {"half_life": 3}, {"points": 0}, {"states": 9}, {"minimum_bars": 20},
    {"pairs": ("crosss",)}, {"windows": ()}, {"longest_series": 10}])
def test_a_family_that_makes_no_sense_is_refused(change):
    with pytest.raises(UserError):
        family(**change)


def by_depth(generator, windows, low, high, bars=60):
    """Flow and return, correlated `low` or `high` by the depth of the window before."""
    depth = np.repeat(generator.permutation(np.resize([1.0, 2.0, 3.0], windows)), bars)
    before = np.concatenate([depth[:bars], depth[:-bars]])
    strength = np.where(before > 2.5, high, low)
    flow, noise = generator.standard_normal((2, len(depth)))
    return {FLOW: flow, RETURN: strength * flow + np.sqrt(1 - strength**2) * noise,
            "depth_touch_mean": depth + 0.01 * generator.random(len(depth))}


def between_depths(make_bars, series, windows):
    panel = align(TableBars(make_bars({SPOT: series})), "1s", (FLOW, RETURN, "depth_touch_mean"), 1)
    x, y = (SPOT, FLOW), (SPOT, RETURN)
    pair = prepare_pair(SeriesPool(panel, 100, ranked=False), x, y)
    return regime_rows(panel, family(regimes=("depth", "messages"), windows=windows),
                       Window.of(panel, "day", "1s"), x, y, pair)


def test_a_rolling_correlation_that_follows_a_regime_is_found(make_bars):
    rows, differences = between_depths(
        make_bars, by_depth(np.random.default_rng(3), 60, 0.1, 0.7), (60,))
    (ends,) = pick(differences, "high_less_low")
    assert ends["interval_low"] < 0.6 < ends["interval_high"] + 0.1
    assert ends["p_value"] < 1e-6
    levels = {row["regime"]: row for row in rows}
    assert levels["depth_high"]["estimate"] == pytest.approx(0.7, abs=0.1)
    assert levels["depth_low"]["estimate"] == pytest.approx(0.1, abs=0.1)
    # The first window has nothing before it.
    assert sum(levels[f"depth_{one}"]["n"] for one in ("low", "middle", "high")) == 59 * 60
    assert levels["messages_high"]["reason"] == "no_such_measure"
    _, short = between_depths(make_bars, by_depth(np.random.default_rng(3), 12, 0.1, 0.7), (60,))
    assert {row["reason"] for row in short} == {"too_few_stretches", "no_such_measure"}


def test_one_rolling_correlation_is_not_told_apart(make_bars):
    generator, called = np.random.default_rng(4), []
    for _ in range(200):
        _, differences = between_depths(make_bars, by_depth(generator, 24, 0.4, 0.4, 30), (30,))
        called.append([row["p_value"] <= 0.05 for row in differences
                       if row.get("p_value") is not None])
    assert np.shape(called) == (200, 2)
    assert (np.mean(called, axis=0) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)).all()


def test_what_windows_do_not_use_is_counted(make_bars):
    """Flow is missing in a third of the bars, and in most of the 20th window."""
    series = by_depth(np.random.default_rng(6), 30, 0.1, 0.7)
    series[FLOW][::3] = np.nan
    series[FLOW][19 * 60 : 19 * 60 + 40] = np.nan
    rows, differences = between_depths(make_bars, series, (60,))
    levels = [row for row in rows if row["regime"].startswith("depth")]
    assert sum(row["n"] for row in levels) == 28 * 40
    assert sum(row["n_left_out"] for row in levels) == 28 * 20 + 60
    assert {(row["n"], row["n_left_out"]) for row in differences
            if row["regime"] == "depth"} == {(28 * 40, 30 * 60 - 28 * 40)}


def test_differences_have_a_table_of_their_own(make_bars):
    bars = make_bars({SPOT: by_depth(np.random.default_rng(5), 30, 0.1, 0.7)})
    tables = build(StudyInput.of_bars({"1s": bars}, [family(
        regimes=("depth",), states=1)], partition="2024-08-08"))
    rows = tables[DYNAMICS_DIFFERENCE.name].to_pylist()
    assert {(row["estimator"], row["span"], row["hypothesis"]) for row in rows
            if row["reason"] is None} == {
        ("equality", 60, "whole"), ("high_less_low", 60, "whole")}
    assert {row["reason"] for row in rows if row["span"] == 300} == {"too_few_stretches"}
