"""Correlations by class and state: planted ones come back, tails have the normal benchmark."""

import numpy as np
import pytest
from scipy import stats

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.diversification.build import asset_class, build
from imbalance.studies.diversification.moments import (
    by_state,
    diversification_ratio,
    in_a_tail,
    states,
)
from imbalance.studies.diversification.study import (
    DIVERSIFICATION,
    DiversificationFamily,
    families,
)
from imbalance.studies.rows import schema_of
from imbalance.studies.study_input import StudyInput

SPOTS = ("binance:BTCUSDT", "binance:ETHUSDT")
PERPETUALS = ("binance-futures:BTCUSDT", "binance-futures:ETHUSDT")
NAMES = (*SPOTS, *PERPETUALS)


def family(**changes):
    settings = {"name": "a", "question": "?", "bar_sizes": ("1s",), "replications": 199}
    return DiversificationFamily(**(settings | changes))


def study(bars, declared):
    given = StudyInput.of_bars({"1s": bars}, [declared], partition="2024-08-08")
    table = build(given)[DIVERSIFICATION.name]
    assert table.schema.equals(schema_of(DIVERSIFICATION))
    rows = table.to_pylist()
    keys = [tuple(row[part] for part in DIVERSIFICATION.key) for row in rows]
    assert len(set(keys)) == len(keys)
    assert all((row["estimate"] is None) == (row["reason"] is not None) for row in rows)
    return rows


def pick(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def one(rows, **wanted):
    (row,) = pick(rows, **wanted)
    return row


def equicorrelated(generator, rho, count, names=4):
    common, own = generator.standard_normal((count, 1)), generator.standard_normal((count, names))
    return np.sqrt(rho) * common + np.sqrt(1.0 - rho) * own


def episodes(generator, calm, stressed):
    """Stretches of 500 bars, every other three times as volatile, each with its correlation."""
    parts = [equicorrelated(generator, stressed if k % 2 else calm, 500) * (3.0 if k % 2 else 1.0)
             for k in range(12)]
    return np.concatenate(parts)


def bars_of(make_bars, returns, names=NAMES, **more):
    return make_bars({name: {"return_bps": column} for name, column in zip(
        names, returns.T, strict=True)}, **more)


def test_correlation_rises_in_stress_and_takes_diversification(make_bars):
    rows = study(bars_of(make_bars, episodes(np.random.default_rng(0), 0.2, 0.6)), family())
    risk = one(rows, estimator="correlation_risk", class_x="all")
    # A few bars at the turn of an episode are told apart by what was before.
    assert risk["estimate"] == pytest.approx(0.4, abs=0.06)
    assert risk["interval_low"] > 0.3
    assert risk["benchmark"] == pytest.approx(0.2, abs=0.05)
    assert risk["q_value"] < 1e-6
    lost = one(rows, estimator="diversification_lost")
    bets = [4.0 / (1.0 + 3.0 * rho) for rho in (0.2, 0.6)]
    assert lost["estimate"] == pytest.approx(1.0 - (bets[1] - 1.0) / (bets[0] - 1.0), abs=0.08)
    assert lost["interval_low"] > 0.5
    ratio = one(rows, estimator="diversification_ratio", regime="stressed")
    assert ratio["estimate"] == pytest.approx(np.sqrt(bets[1]), abs=0.05)


def test_nothing_changes_where_correlations_do_not(make_bars):
    rows = study(bars_of(make_bars, episodes(np.random.default_rng(1), 0.4, 0.4)), family())
    for row in pick(rows, estimator="correlation_risk"):
        assert abs(row["estimate"]) < 0.08
        assert row["q_value"] > 0.01
    lost = one(rows, estimator="diversification_lost")
    assert lost["interval_low"] < 0.0 < lost["interval_high"]


def test_classes_have_correlations_of_their_own(make_bars):
    generator = np.random.default_rng(2)
    spots, perpetuals = (equicorrelated(generator, rho, 4_000, 2) for rho in (0.8, 0.3))
    rows = study(bars_of(make_bars, np.column_stack([spots, perpetuals])), family())
    wanted = {("spot", "spot"): 0.8, ("perpetual", "perpetual"): 0.3, ("perpetual", "spot"): 0.0}
    for (x, y), rho in wanted.items():
        row = one(rows, estimator="mean_correlation", class_x=x, class_y=y, regime="all")
        assert row["estimate"] == pytest.approx(rho, abs=0.04)
        assert row["interval_low"] < row["estimate"] < row["interval_high"]
        assert row["pairs"] == (4 if x != y else 1)
    assert one(rows, estimator="mean_correlation", class_x="all", regime="all")["pairs"] == 6


def test_normal_returns_have_no_excess_in_tails(make_bars):
    rows = study(bars_of(make_bars, equicorrelated(np.random.default_rng(3), 0.5, 6_000)), family())
    for state in ("lower_tail", "upper_tail"):
        row = one(rows, estimator="tail_excess", class_x="all", regime=state)
        # Selection alone takes more than half of the correlation away.
        assert row["benchmark"] < 0.25
        assert row["interval_low"] < 0.0 < row["interval_high"]


def test_the_error_of_an_excess_is_its_spread_over_samples(make_bars):
    """The benchmark rises and falls with the correlation in the tail."""
    found = []
    for seed in range(60):
        returns = equicorrelated(np.random.default_rng(300 + seed), 0.5, 900)
        row = one(study(bars_of(make_bars, returns), family(replications=99)),
                  estimator="tail_excess", class_x="all", regime="lower_tail")
        found.append((row["estimate"], row["standard_error"]))
    estimates, errors = np.array(found).T
    # A standard deviation over 60 samples has a standard error of 9 %.
    assert errors.mean() == pytest.approx(estimates.std(ddof=1), rel=0.3)


def clustered(seed, count):
    """Equal correlations under a volatility that all share and that moves slowly: few blocks."""
    generator = np.random.default_rng(seed)
    size = 0.2 * generator.standard_normal(count)
    for t in range(1, count):
        size[t] += 0.98 * size[t - 1]
    return np.exp(size / 2.0)[:, None] * equicorrelated(generator, 0.5, count)


def test_few_blocks_are_allowed_for(make_bars):
    returns = clustered(1, 600)
    rows = study(bars_of(make_bars, returns), family())
    z = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    found = by_state(z, states(z.mean(axis=1), 10, 0.1), 20, 199, family().seed)
    calm, stressed = (found[state] for state in ("calm", "stressed"))
    assert calm.blocks < 30
    upper = np.triu_indices(4, 1)
    draws = (stressed.draws - calm.draws)[:, upper[0], upper[1]].mean(axis=1)
    row = one(rows, estimator="correlation_risk", class_x="all")
    degrees = calm.blocks - 1
    assert row["standard_error"] == pytest.approx(
        np.nanstd(draws, ddof=1) * np.sqrt(calm.blocks / degrees))
    assert row["p_value"] == pytest.approx(
        2.0 * stats.t.sf(abs(row["estimate"]) / row["standard_error"], degrees))


def test_draws_without_diversification_in_calm_do_not_blow_up_the_error(make_bars):
    """A replication in which calm has two bars has correlations of one, and nothing to lose."""
    rows = study(bars_of(make_bars, clustered(34, 200)), family())
    assert 0.0 < one(rows, estimator="diversification_lost")["standard_error"] < 5.0


def test_the_benchmark_of_a_tail_is_that_of_a_simulation():
    covariance = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.4], [0.2, 0.4, 1.0]])
    generator = np.random.default_rng(4)
    z = generator.standard_normal((1_000_000, 3)) @ np.linalg.cholesky(covariance).T
    market = z.mean(axis=1)
    tail = market <= np.quantile(market, 0.1)
    found = in_a_tail(covariance, market[tail].var() / market.var())
    np.testing.assert_allclose(found, np.corrcoef(z[tail].T), atol=0.01)


def test_independent_bets():
    assert diversification_ratio(np.ones((4, 4))) == pytest.approx(1.0)
    assert diversification_ratio(np.eye(4)) == pytest.approx(2.0)


def test_stress_is_told_by_what_was_before():
    market = np.ones(100)
    market[50] = 10.0
    market[70] = np.nan
    found = states(market, 10, 0.1)
    assert not found["stressed"][:51].any()
    assert found["stressed"][51:61].all()
    assert not found["stressed"][61:].any()
    assert not (found["calm"] | found["stressed"])[70:81].any()
    assert found["upper_tail"][50]
    assert not found["all"][70]


def test_intervals_cover(make_bars):
    """Of 60 windows with a mean correlation of 0.5, about 95 of 100 intervals hold it."""
    held = 0
    for seed in range(60):
        returns = equicorrelated(np.random.default_rng(100 + seed), 0.5, 600)
        rows = study(bars_of(make_bars, returns), family(replications=99))
        row = one(rows, estimator="mean_correlation", class_x="all", regime="all")
        held += row["interval_low"] <= 0.5 <= row["interval_high"]
    assert held >= 52


def test_classes_by_name():
    wanted = {"binance:BTCUSDT": "spot", "binance-futures:BTCUSDT": "perpetual",
              "binance-delivery:BTCUSD_PERP": "inverse", "binance-delivery:BTCUSD_240927": "future",
              "nasdaq:AMZN": "equity", "hyperliquid:BTC": "perpetual", "somewhere:X": "unknown"}
    assert {name: asset_class(name) for name in wanted} == wanted


def test_twins_gaps_and_refusals(make_bars):
    generator = np.random.default_rng(5)
    returns = equicorrelated(generator, 0.5, 400)
    twin = np.column_stack([returns[:, 0], returns[:, 0]])
    rows = study(bars_of(make_bars, twin, SPOTS), family())
    row = one(rows, estimator="mean_correlation", class_x="all", regime="all")
    assert row["estimate"] == pytest.approx(1.0)
    assert one(rows, estimator="diversification_lost")["reason"] == "collinear"
    opposite = study(bars_of(make_bars, twin * [1.0, -1.0], SPOTS), family())
    assert one(opposite, estimator="mean_correlation", class_x="all", regime="all")[
        "estimate"] == pytest.approx(-1.0)
    assert not pick(opposite, estimator="tail_excess")
    gapped = study(bars_of(make_bars, returns, poisoned={NAMES[1]: list(range(100, 150))}),
                   family())
    row = one(gapped, estimator="mean_correlation", class_x="all", regime="all")
    assert (row["n"], row["n_left_out"]) == (350, 50)
    reasons = {
        "too_few_instruments": bars_of(make_bars, returns[:, :1], NAMES[:1]),
        "too_few_bars": bars_of(make_bars, returns[:15]),
    }
    for reason, bars in reasons.items():
        assert [row["reason"] for row in study(bars, family())] == [reason]
    flat = np.column_stack([returns[:, 0], np.zeros(400)])
    assert study(bars_of(make_bars, flat, SPOTS), family())[0]["reason"] == "too_few_instruments"
    few = study(bars_of(make_bars, returns[:120]), family())
    thin = {row["regime"] for row in pick(few, reason="too_few_state_bars")}
    assert thin == {"lower_tail", "upper_tail"}
    nothing = StudyInput.of_bars({}, [family()], partition="2024-08-08")
    assert build(nothing)[DIVERSIFICATION.name].column("reason").to_pylist() == ["no_bars"]


def test_an_instrument_that_stands_still_in_a_state_has_no_correlation_there(make_bars):
    returns = episodes(np.random.default_rng(6), 0.4, 0.4)
    calm = (np.arange(len(returns)) // 500) % 2 == 0
    # It halts some bars before a calm stretch and stays so until some bars after it.
    returns[calm | np.roll(calm, 20) | np.roll(calm, -20), 3] = 0.0
    rows = study(bars_of(make_bars, returns), family())
    refused = one(rows, regime="calm")
    assert (refused["reason"], refused["n"]) == ("constant_series", 0)
    assert one(rows, estimator="mean_correlation", class_x="all", regime="stressed")["estimate"] > 0
    # Moves where another instrument has no bar do not count.
    still = np.column_stack([returns[:, 0], np.where(np.arange(6_000) < 100, 1.0, 0.0)])
    still[::2, 1] *= -1.0
    poisoned = {SPOTS[0]: list(range(100))}
    assert [row["reason"] for row in study(bars_of(
        make_bars, still, SPOTS, poisoned=poisoned), family())] == ["constant_series"]


def test_what_is_declared():
    (declared,) = families(StudiesConfig())
    assert declared.measures == ("return_bps",)
    for wrong in ({"tail": 0.6}, {"memory": 1}, {"maximum_instruments": 1}, {"replications": 9}):
        with pytest.raises(UserError):
            family(**wrong)
