"""Imbalance that moves later volatility is found where it was planted, and nowhere else."""

import numpy as np
import pytest

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.rows import schema_of
from imbalance.studies.study_input import StudyInput
from imbalance.studies.volatility.build import build
from imbalance.studies.volatility.heterogeneous import ahead, in_sample, means, out_of_sample, terms
from imbalance.studies.volatility.study import VOLATILITY, VolatilityFamily, families
from imbalance.studies.walk_forward import Step

SPOT, PERPETUAL = "binance:BTCUSDT", "binance-futures:BTCUSDT"
FLOW = "order_flow_imbalance"


def family(**changes):
    settings = {"name": "a", "question": "?", "bar_sizes": ("1s",), "replications": 99,
                "response_horizons": (1, 3), "horizons": (1,), "regimes": ("depth",),
                "relations": ("perpetual_to_spot", "spot_to_perpetual")}
    return VolatilityFamily(**(settings | changes))


def study(bars, declared):
    given = StudyInput.of_bars({"1s": bars}, [declared], partition="2024-08-08")
    table = build(given)[VOLATILITY.name]
    assert table.schema.equals(schema_of(VOLATILITY))
    rows = table.to_pylist()
    keys = [tuple(row[part] for part in VOLATILITY.key) for row in rows]
    assert len(set(keys)) == len(keys)
    assert all((row["estimate"] is None) == (row["reason"] is not None) for row in rows)
    return rows


def pick(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def markets(seed=0, count=5_400, thin_only=False):
    """|flow| of the perpetual raises the spot's volatility in the next bar by 0.4 of a unit."""
    generator = np.random.default_rng(seed)
    flow, other, depth = generator.standard_normal((3, count))
    size = np.abs(flow)
    memory = np.zeros(count)
    noise = generator.standard_normal(count)
    for t in range(1, count):
        memory[t] = 0.6 * memory[t - 1] + 0.3 * noise[t]
    effect = np.where(depth < np.quantile(depth, 1 / 3), 1.0, 0.0) if thin_only else np.ones(count)
    # The regime of a bar is the depth of the bar before it.
    push = np.concatenate([[0.0], effect[:-1]]) * size
    volatility = 5.0 + memory + 0.4 * np.concatenate([[0.0], push[:-1]])
    quiet = 5.0 + 0.5 * generator.standard_normal(count)
    return {
        PERPETUAL: {FLOW: flow, "realised_variance": quiet**2, "depth_touch_mean": depth},
        SPOT: {FLOW: other, "realised_variance": volatility**2, "depth_touch_mean": depth},
    }


@pytest.fixture(scope="module")
def planted():
    from tests.studies.conftest import bars_table

    return study(bars_table(markets()), family())


def test_planted_effect_is_found_at_its_horizon(planted):
    forward = {"instrument_x": PERPETUAL, "instrument_y": SPOT, "regime": "all"}
    now, later = (pick(planted, estimator="local_projection", horizon=h, **forward)[0]
                  for h in (1, 3))
    # One standard deviation of |f| is √(1 − 2/π).
    assert now["estimate"] == pytest.approx(0.4 * np.sqrt(1 - 2 / np.pi), abs=0.03)
    assert now["interval_low"] > 0.2
    assert now["q_value"] < 1e-6
    assert now["measure_x"] == f"absolute({FLOW})"
    # What is left of it two bars later is the autoregression's share.
    assert abs(later["estimate"]) < 0.05
    (inside,) = pick(planted, estimator="partial_r_squared", **forward)
    (gain,) = pick(planted, estimator="gain", **forward)
    assert inside["estimate"] == pytest.approx(0.36 * 0.16 / (0.36 * 0.16 + 0.09), abs=0.05)
    assert inside["q_value"] < 1e-6
    assert gain["interval_low"] > 0.1
    assert gain["q_value"] < 1e-6


def test_nothing_is_found_where_nothing_is(planted):
    back = pick(planted, estimator="local_projection", instrument_x=SPOT, instrument_y=PERPETUAL,
                measure_x="realised_volatility", regime="all")
    none = pick(planted, estimator="gain", instrument_x=SPOT, instrument_y=PERPETUAL)
    assert len(back) == 2
    assert all(row["q_value"] > 0.01 for row in (*back, *none))
    assert none[0]["estimate"] < 0.005
    assert pick(planted, estimator="local_projection", instrument_x=SPOT, instrument_y=PERPETUAL,
                measure_y="realised_volatility", regime="all")[0]["p_value"] > 0.001


def test_an_effect_of_thin_books(make_bars):
    rows = study(make_bars(markets(1, thin_only=True)), family())
    place = {"instrument_x": PERPETUAL, "instrument_y": SPOT, "horizon": 1}
    thin, deep = (pick(rows, estimator="partial_r_squared", regime=f"depth_{level}", **place)[0]
                  for level in ("low", "high"))
    assert thin["estimate"] > 0.2
    assert deep["estimate"] < 0.02
    (difference,) = pick(rows, estimator="regime_difference", regime="depth_high",
                         measure_x=f"absolute({FLOW})", **place)
    assert difference["estimate"] == pytest.approx(-0.4 * np.sqrt(1 - 2 / np.pi), abs=0.06)
    assert difference["q_value"] < 1e-6


def test_a_regime_whose_measure_the_bars_lack_is_refused(make_bars):
    rows = study(make_bars(markets(count=600)), family(regimes=("depth", "messages")))
    missing = pick(rows, reason="no_such_measure")
    assert {(r["instrument_x"], r["regime"]) for r in missing} == {
        (x, f"messages_{level}") for x in (PERPETUAL, SPOT) for level in ("low", "middle", "high")}
    assert len(missing) == 6


def test_all_imbalances_race_for_one_volatility(make_bars):
    rows = study(make_bars(markets()), family(relations=("own", "perpetual_to_spot"), regimes=()))
    (outcome,) = pick(rows, estimator="model_race")
    assert (outcome["instrument_x"], outcome["instrument_y"]) == (PERPETUAL, SPOT)
    assert outcome["p_value"] < 0.02
    assert outcome["estimate"] > 0.1


def test_no_target_is_known_before_it_is_over():
    """A jump in the targets of the last bars before a stretch changes no forecast of it."""
    generator = np.random.default_rng(2)
    small, extra = generator.standard_normal((2, 200, 1))
    y = generator.standard_normal(200)
    steps = [Step(slice(0, 150), slice(150, 200))]
    jumped = y.copy()
    jumped[145:150] = 100.0
    one, two = (out_of_sample(small, extra, values, steps, 5) for values in (y, jumped))
    np.testing.assert_array_equal(one.large, two.large)
    np.testing.assert_array_equal(one.mean, two.mean)
    three = out_of_sample(small, extra, jumped, steps, 4)
    assert not np.array_equal(one.large, three.large)


def test_means_end_where_a_bar_is_missing():
    series = np.array([1.0, 2.0, 3.0, np.nan, 5.0, 6.0, 7.0])
    np.testing.assert_array_equal(means(series, 2), [np.nan, 1.5, 2.5, np.nan, np.nan, 5.5, 6.5])
    np.testing.assert_array_equal(ahead(series, 2), [2.5, np.nan, np.nan, 5.5, 6.5, np.nan, np.nan])
    assert terms(series, (1, 3)).shape == (7, 2)
    assert np.isnan(means(series, 9)).all()
    assert np.isnan(ahead(series, 9)).all()


def test_the_wald_test_is_that_of_statsmodels():
    import statsmodels.api as sm
    from scipy.stats import f as f_distribution

    generator = np.random.default_rng(3)
    small, extra = generator.standard_normal((2, 400, 2))
    y = small @ [1.0, 0.5] + extra @ [0.1, 0.0] + generator.standard_normal(400)
    found = in_sample(small, extra, y, 40)
    model = sm.OLS(y, sm.add_constant(np.column_stack([small, extra]))).fit(
        cov_type="HAC", cov_kwds={"maxlags": 40, "use_correction": True})
    wald = model.wald_test(np.eye(5)[3:], scalar=True, use_f=False)
    # A mean over the bandwidth counts as one observation.
    assert found.p_value == pytest.approx(
        float(f_distribution.sf(wald.statistic / 2, 2, 400 / 41 - 5)), rel=1e-6)
    assert found.large == pytest.approx(model.rsquared, rel=1e-9)
    assert in_sample(small, small, y, 1) is None


def test_the_wald_test_holds_its_size_at_the_fewest_bars():
    """Of tests of nothing at 5 %, 7 in 100 reject; without regard to the bandwidth 10 do."""
    generator, horizon, count = np.random.default_rng(4), 1, 280
    rejected = 0
    for _ in range(600):
        volatility, flow = np.abs(generator.standard_normal((2, count + 21 + horizon)))
        past, extra = (terms(one, (1, 5, 22)) for one in (volatility, flow))
        target = ahead(volatility, horizon)
        rows = np.isfinite(np.column_stack([past, extra, target])).all(axis=1)
        assert rows.sum() == count
        rejected += in_sample(past[rows], extra[rows], target[rows], horizon).p_value < 0.05
    assert rejected < 600 * 0.085


def test_too_few_bars_for_the_wald_test(make_bars):
    rows = study(make_bars(markets(count=1_000)), family(horizons=(1, 5), regimes=()))
    tested = {row["horizon"]: row["reason"] for row in pick(
        rows, instrument_x=PERPETUAL, instrument_y=SPOT, estimator="partial_r_squared")}
    assert tested == {1: None, 5: "too_few_bars"}


@pytest.mark.parametrize("still", ["flow", "volatility"])
def test_an_instrument_that_halts_ends_nothing(make_bars, still):
    """Its regime of few messages holds the halt alone."""
    bars = markets()
    for one in bars.values():
        one["messages_per_second"] = np.linspace(100.0, 0.0, 5_400)
    column = FLOW if still == "flow" else "realised_variance"
    bars[PERPETUAL][column][3_000:] = 0.0 if still == "flow" else 9.0
    rows = study(make_bars(bars), family(regimes=("messages",), relations=("own",)))
    found = {row["regime"]: row["reason"] for row in pick(
        rows, instrument_x=PERPETUAL, estimator="partial_r_squared")}
    assert found == {"all": None, "messages_low": "constant_series", "messages_middle": None,
                     "messages_high": None}


def test_a_target_given_exactly_is_refused():
    small, extra = np.random.default_rng(5).standard_normal((2, 400, 1))
    assert in_sample(small, extra, small[:, 0], 1) is None
    assert in_sample(small, extra, small[:, 0] + extra[:, 0], 1) is None


def test_a_race_is_over_the_bars_that_all_candidates_have(make_bars):
    bars = markets()
    rows = study(make_bars(bars, poisoned={PERPETUAL: list(range(4_000, 4_100))}),
                 family(relations=("own", "perpetual_to_spot"), regimes=()))
    (outcome,) = pick(rows, estimator="model_race", instrument_y=SPOT)
    (gain,) = pick(rows, estimator="gain", instrument_x=PERPETUAL, instrument_y=SPOT)
    assert outcome["instrument_x"] == PERPETUAL
    assert outcome["n"] == gain["n"]
    assert outcome["n"] + outcome["n_left_out"] == 5_400
    assert outcome["coverage"] == outcome["n"] / 5_400
    apart = study(make_bars(bars, poisoned={PERPETUAL: list(range(3_600, 5_400)),
                                            SPOT: []}),
                  family(relations=("own", "perpetual_to_spot"), regimes=()))
    (refused,) = pick(apart, estimator="model_race", instrument_y=SPOT)
    assert refused["reason"] == "no_common_bars"


def test_refusals_say_why(make_bars):
    whole = markets(count=400)
    few = {name: {key: values[:15] for key, values in one.items()} for name, one in whole.items()}
    assert {row["reason"] for row in study(make_bars(few), family())} == {"no_common_bars"}
    flat = {name: one | {"realised_variance": np.ones(400)} for name, one in whole.items()}
    assert {row["reason"] for row in study(make_bars(flat), family())} == {"constant_series"}
    alone = study(make_bars({SPOT: whole[SPOT]}), family())
    assert [row["reason"] for row in alone] == ["no_pair"]
    still = {name: one | {FLOW: np.full(400, np.nan)} for name, one in whole.items()}
    assert {row["reason"] for row in study(make_bars(still), family())} == {"all_null"}
    gapped = {SPOT: list(range(100, 200))}
    rows = study(make_bars(whole, poisoned=gapped), family())
    (row,) = pick(rows, estimator="local_projection", horizon=1, regime="all",
                  instrument_x=PERPETUAL, measure_y="realised_volatility")
    assert (row["n"], row["n_left_out"]) == (300 - 2 * 5, 110)
    nothing = StudyInput.of_bars({}, [family()], partition="2024-08-08")
    assert build(nothing)[VOLATILITY.name].column("reason").to_pylist() == ["no_bars"]


def test_what_is_declared():
    (one,) = families(StudiesConfig())
    assert one.measures[:2] == ("realised_variance", FLOW)
    for wrong in ({"relations": ("left",)}, {"regimes": ("weather",)}, {"components": (0,)},
                  {"lags": -1}, {"horizons": (5, 5)}):
        with pytest.raises(UserError):
            family(**wrong)
