"""Kendall's correlation, bootstrap intervals, and differences between regimes."""

import numpy as np
import pytest

from imbalance.studies.correlation.build import build
from imbalance.studies.correlation.by_level import correlation_at
from imbalance.studies.correlation.estimators import pearson_influence, rank_influence
from imbalance.studies.correlation.intervals import bootstrap_interval
from imbalance.studies.correlation.study import (
    CORRELATION,
    CORRELATION_DIFFERENCE,
    CorrelationFamily,
)
from imbalance.studies.levels import at_levels
from imbalance.studies.rows import schema_of
from imbalance.studies.study_input import StudyInput


def family(**changes):
    settings = {
        "name": "f", "question": "?", "x_measures": ("x",), "y_measures": ("y",),
        "bar_sizes": ("1s",), "lags": (-1, 0, 1), "pairs": ("own",), "replications": 199,
    }
    return CorrelationFamily(**(settings | changes))


def tables(bars, *families):
    found = build(StudyInput.of_bars({"1s": bars}, families, partition="2024-08-08"))
    for table in (CORRELATION, CORRELATION_DIFFERENCE):
        rows = found[table.name].to_pylist()
        assert found[table.name].schema.equals(schema_of(table))
        assert len({tuple(row[name] for name in table.key) for row in rows}) == len(rows)
        assert all((row["estimate"] is None) != (row["reason"] is None) for row in rows)
    return (found[CORRELATION.name].to_pylist(), found[CORRELATION_DIFFERENCE.name].to_pylist())


@pytest.mark.parametrize("ties", [0, 1, 2])
def test_kendall_is_that_of_scipy(ties):
    from scipy.stats import kendalltau

    x, y = np.random.default_rng(1).standard_normal((2, 250))
    y = y + 0.5 * x
    x, y = (np.round(x) if ties else x), (np.round(y) if ties > 1 else y)
    x[17] = y[40] = np.nan
    both = np.isfinite(x) & np.isfinite(y)
    tau, psi = rank_influence("kendall", x, y)
    assert tau == pytest.approx(kendalltau(x[both], y[both]).statistic, abs=1e-12)
    assert np.nanmean(psi) == pytest.approx(0.0, abs=1e-12)
    assert np.isfinite(psi).sum() == 248


@pytest.mark.parametrize("estimator", ["pearson", "spearman", "kendall"])
def test_the_influence_gives_the_standard_error(estimator):
    """Of 400 samples with ties: standard deviation of the estimates, mean of the errors."""
    generator = np.random.default_rng(2)
    estimates, errors = [], []
    for _ in range(400):
        x, y = generator.standard_normal((2, 200))
        x, y = np.round(2 * x), np.round(y + 0.6 * x)
        r, psi = (pearson_influence(x, y) if estimator == "pearson"
                  else rank_influence(estimator, x, y))
        estimates.append(r)
        errors.append(psi.std() / np.sqrt(200))
    assert np.mean(errors) == pytest.approx(np.std(estimates), rel=0.12)


def test_kendall_is_estimated_at_the_costly_lags_with_its_lag_and_sign(make_bars):
    generator = np.random.default_rng(3)
    x = generator.standard_normal(600)
    y = -np.concatenate([[0.0], x[:-1]]) + 0.8 * generator.standard_normal(600)
    rows, _ = tables(make_bars({"A": {"x": x, "y": y}}),
                     family(lags=(-8, -1, 0, 1, 8), costly_lags=(-1, 0, 1)))
    found = {row["lag"]: row for row in rows if row["estimator"] == "kendall"}
    assert set(found) == {-1, 0, 1}
    # τ = 2/π · arcsin ρ, ρ = −1/√1.64.
    assert found[1]["estimate"] == pytest.approx(2 / np.pi * np.arcsin(-1 / 1.64**0.5), abs=0.05)
    assert found[1]["p_value"] < 1e-12
    assert found[1]["interval_low"] < found[1]["estimate"] < found[1]["interval_high"]
    assert abs(found[0]["estimate"]) < 0.1
    assert found[0]["n_effective"] <= found[0]["n"] == 600


def test_p_values_of_kendall_are_honest_for_persistent_series(make_bars, make_autoregression):
    """Independent AR(1) of φ = 0.8: 5 % are called, give or take; iid errors would call 25 %."""
    generator = np.random.default_rng(4)
    values = make_autoregression(generator, 0.8, (60, 500))
    bars = make_bars({f"S{i:02d}": {"x": values[2 * i], "y": values[2 * i + 1]}
                      for i in range(30)})
    rows, _ = tables(bars, family(estimators=("kendall",), pairs=("own", "cross"), lags=(0,)))
    called = np.mean([row["p_value"] <= 0.05 for row in rows if row["p_value"] is not None])
    assert len(rows) == 900
    assert called <= 0.08


@pytest.mark.parametrize("estimator", ["pearson", "spearman", "kendall"])
def test_bootstrap_intervals_cover_the_planted_value(estimator, make_autoregression):
    """AR(1) series of φ = 0.6 with correlation ½; intervals of iid draws would cover some 80 %."""
    truth = {"pearson": 0.5, "spearman": 6 / np.pi * np.arcsin(0.25), "kendall": 1 / 3}[estimator]
    generator = np.random.default_rng(5)
    covered = 0
    for run in range(120):
        common, own = make_autoregression(generator, 0.6, (2, 500))
        interval = bootstrap_interval(
            estimator, common, 0.5 * common + 0.75**0.5 * own, replications=199, seed=run,
            significance=0.05,
        )
        covered += interval.low <= truth <= interval.high
    assert 0.87 <= covered / 120 <= 0.99


def test_bootstrap_intervals_of_rare_moves_stay_within_one():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, y = (np.where(rng.random(24) < 0.12, rng.normal(size=24) * scale, 0.0)
                for scale in (1e3, 1.0))
        x += 1e-3 * (seed % 2)
        most = np.abs(x).argmax()
        y[most] = x[most] / 2
        interval = bootstrap_interval(
            "pearson", x, y, replications=99, seed=1, significance=0.05)
        assert interval is None or -1.0 <= interval.low <= interval.high <= 1.0, seed


def test_bootstrap_intervals_stand_beside_the_others(make_bars):
    generator = np.random.default_rng(6)
    x = generator.standard_normal(2_000)
    bars = make_bars({"A": {"x": x, "y": x + generator.standard_normal(2_000)}},
                     poisoned={"A": list(range(500, 600))})
    rows, _ = tables(bars, family(lags=(0, 1, 2), costly_lags=(0, 1)))
    for row in rows:
        given = row["bootstrap_low"] is not None
        assert given == (row["lag"] in (0, 1)), row
        assert (row["seed"] is not None) == given
        if given:
            assert row["block_length"] >= 1900 ** (1 / 3) - 1
            width = row["interval_high"] - row["interval_low"]
            assert row["bootstrap_high"] - row["bootstrap_low"] == pytest.approx(width, rel=0.3)


def test_both_corrections_are_given(make_bars):
    generator = np.random.default_rng(7)
    bars = make_bars({"A": {"x": generator.standard_normal(300),
                            "y": generator.standard_normal(300)}})
    rows, _ = tables(bars, family(estimators=("pearson",)))
    for hypothesis, harmonic in (("same_book", 1.0), ("ahead", 1 + 1 / 2)):
        of = [row for row in rows if row["hypothesis"] == hypothesis]
        q = np.array([row["q_value"] for row in of])
        assert len(q) == (1 if hypothesis == "same_book" else 2)
        assert np.allclose([row["q_value_any_dependence"] for row in of],
                           np.minimum(q * harmonic, 1.0)) or (q >= 1.0).any()


def by_depth(generator, length, low, high):
    """Correlation `low` after thin bars and `high` after deep ones."""
    depth = 1.0 + generator.random(length)
    before = np.concatenate([[0.0], depth[:-1]])
    strength = np.where(before > 1.0 + 2 / 3, high, low)
    x, noise = generator.standard_normal((2, length))
    return {"x": x, "y": strength * x + np.sqrt(1 - strength**2) * noise,
            "depth_touch_mean": depth}


def test_a_difference_between_regimes_is_found_with_its_sign(make_bars):
    series = by_depth(np.random.default_rng(8), 3_000, 0.1, 0.6)
    _, rows = tables(make_bars({"A": series}), family(regimes=("depth",), regime_lags=(0, 1)))
    found = {(row["estimator"], row["lag"]): row for row in rows}
    assert set(found) == {(e, lag) for e in ("equality", "high_less_low") for lag in (0, 1)}
    same_bar = found["high_less_low", 0]
    assert same_bar["estimate"] == pytest.approx(0.5, abs=0.1)
    assert same_bar["interval_low"] > 0.35
    assert same_bar["q_value"] < 1e-6
    assert found["equality", 0]["q_value"] < 1e-6
    assert found["high_less_low", 1]["p_value"] > 0.01
    assert same_bar["n"] + same_bar["n_left_out"] == 3_000


def test_differences_are_not_invented(make_bars, make_autoregression):
    """One correlation at all depths, persistent series, persistent depth: 5 % are called."""
    generator = np.random.default_rng(9)
    called = []
    for _ in range(60):
        x, noise, depth = make_autoregression(generator, 0.5, (3, 900))
        bars = make_bars({"A": {"x": x, "y": 0.4 * x + noise, "depth_touch_mean": 9 + depth}})
        _, rows = tables(bars, family(regimes=("depth",), regime_lags=(0,), lags=(0,),
                                      estimators=("pearson",), costly_lags=(9,)))
        called += [row["p_value"] <= 0.05 for row in rows]
    assert len(called) == 120
    assert np.mean(called) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)


def test_differences_that_cannot_be_tested_say_why(make_bars):
    generator = np.random.default_rng(10)
    x, y = generator.standard_normal((2, 300))
    bars = make_bars({"A": {"x": x, "y": y, "spread_bps_mean": np.ones(300)}})
    _, rows = tables(bars, family(regimes=("depth", "spread", "time"), regime_lags=(0,)))
    assert {row["regime"]: row["reason"] for row in rows} == {
        "depth": "no_such_measure", "spread": "too_few_bars", "time": "one_level",
    }


def test_hours_are_compared_where_the_window_has_several(make_bars):
    generator = np.random.default_rng(11)
    x, noise = generator.standard_normal((2, 8_640))
    strength = np.where(np.arange(8_640) < 4_320, 0.0, 0.5)
    bars = make_bars({"A": {"x": x, "y": strength * x + noise}}, "10s")
    found = build(StudyInput.of_bars(
        {"10s": bars}, [family(bar_sizes=("10s",), regimes=("time",), regime_lags=(0,))],
        partition="2024-08-08"))
    rows = found[CORRELATION.name].to_pylist()
    by_hour = {row["regime"]: row["estimate"] for row in rows
               if row["estimator"] == "pearson" and row["lag"] == 0}
    assert by_hour["time_00"] == pytest.approx(0.0, abs=0.08)
    assert by_hour["time_18"] == pytest.approx(0.5 / 1.25**0.5, abs=0.08)
    (test,) = found[CORRELATION_DIFFERENCE.name].to_pylist()
    assert (test["estimator"], test["regime"]) == ("equality", "time")
    assert test["p_value"] < 1e-6


def test_what_a_bar_adds_is_what_leaving_it_out_takes_away():
    x, y = np.random.default_rng(12).standard_normal((2, 50))
    y[3] = np.nan
    mask = np.arange(50) % 3 > 0
    found = correlation_at(x, y, 20)(mask)
    used = np.flatnonzero(mask & np.isfinite(y))
    assert found.value == pytest.approx(np.corrcoef(x[used], y[used])[0, 1])
    for bar in used:
        rest = used[used != bar]
        taken = found.value - np.corrcoef(x[rest], y[rest])[0, 1]
        assert found.influence[bar] == pytest.approx((len(used) - 1) * taken)
    assert np.isnan(found.influence[3])
    one_move = np.zeros(50)
    one_move[4] = 1.0
    assert correlation_at(one_move, y, 20)(mask) == "constant_series"


def test_levels_of_few_bars_and_heavy_tails_are_seldom_told_apart():
    generator, rejected = np.random.default_rng(13), []
    for _ in range(500):
        x, y = generator.standard_t(4, (2, 300))
        level = np.argsort(generator.random(300)) % 3
        masks = {name: level == number for number, name in enumerate("abc")}
        found = at_levels("any", masks, np.ones(300, bool), correlation_at(x, y, 20))
        rejected.append(found.equality()[1] < 0.05)
    assert np.mean(rejected) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)
