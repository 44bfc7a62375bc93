"""The dependence study from bars to rows: planted, refused, repeatable."""

import json

import numpy as np
import pytest

from imbalance.errors import UserError
from imbalance.studies.alignment import align
from imbalance.studies.bars import TableBars
from imbalance.studies.dependence.build import build
from imbalance.studies.dependence.regimes import regime_rows
from imbalance.studies.dependence.study import (
    DEPENDENCE,
    DEPENDENCE_DIFFERENCE,
    DependenceFamily,
    families,
)
from imbalance.studies.prepared_series import SeriesPool, prepare_pair
from imbalance.studies.rows import Window, schema_of
from imbalance.studies.study_input import StudyInput

SPOT, PERPETUAL = "binance:BTCUSDT", "binance-futures:BTCUSDT"
FLOW, RETURN = "order_flow_imbalance", "return_bps"


def family(**changes):
    return DependenceFamily(**({
        "name": "planted", "question": "?", "x_measures": (FLOW,), "y_measures": (RETURN,),
        "pairs": ("own",), "bar_sizes": ("1s",), "surrogates": 100, "regimes": ()} | changes))


def study(bars, **changes):
    tables = build(StudyInput.of_bars({"1s": bars}, [family(**changes)], partition="2024-08-08"))
    table = tables[DEPENDENCE.name]
    assert table.schema.equals(schema_of(DEPENDENCE))
    rows = table.to_pylist()
    keys = [tuple(row[part] for part in DEPENDENCE.key) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert (row["estimate"] is None) == (row["reason"] is not None)
        assert row["q_value"] is None or row["q_value"] >= row["p_value"]
        for column in DEPENDENCE.columns:
            assert not column.allowed or row[column.name] in {*column.allowed, None}
    return rows


def pick(rows, estimator, level=0.0, x=FLOW):
    found = [r for r in rows if r["estimator"] == estimator and r["level"] == level
             and r["measure_x"] == x]
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def planted():
    """A return that is the square of the flow before it, with a gap and poisoned bars."""
    generator = np.random.default_rng(1)
    flow = generator.standard_normal(600)
    ret = np.concatenate([[0.0], flow[:-1] ** 2]) + 0.3 * generator.standard_normal(600)
    return flow, ret


def test_a_square_a_bar_ago_is_seen_by_entropy_alone(make_bars, planted):
    flow, ret = planted
    poisoned = {SPOT: list(range(100, 120))}
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: ret}}, poisoned=poisoned))
    assert pick(rows, "transfer_entropy")["p_value"] < 0.02
    assert pick(rows, "transfer_entropy")["q_value"] < 0.1
    assert pick(rows, "effective_transfer_entropy")["estimate"] > 0.2
    assert pick(rows, "effective_transfer_entropy")["interval_low"] > 0.0
    assert pick(rows, "gaussian_transfer_entropy")["p_value"] > 0.05
    assert pick(rows, "transfer_entropy", x=RETURN)["p_value"] > 0.05
    assert pick(rows, "distance_correlation")["p_value"] > 0.02
    whole = pick(rows, "distance_correlation")
    assert (whole["n"], whole["n_left_out"]) == (580, 20)
    assert whole["coverage"] == pytest.approx(580 / 600)
    # Bars 100 … 120 have no past or no present.
    assert pick(rows, "transfer_entropy")["n"] == 599 - 21
    assert pick(rows, "transfer_entropy")["kind"] == "predictive"
    assert pick(rows, "distance_correlation")["seed"] == family().seed


def test_dependence_in_the_bar_and_its_tails(make_bars):
    generator = np.random.default_rng(2)
    common = generator.standard_t(3, 1_500)
    flow = common + 0.4 * generator.standard_normal(1_500)
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: common}}))
    for estimator in ("distance_correlation", "mutual_information"):
        assert pick(rows, estimator)["q_value"] < 0.01
        assert "Pareto" in json.loads(pick(rows, estimator)["parameters"])["surrogates"]
    lower = pick(rows, "lower_tail_dependence", 0.05)
    assert lower["interval_low"] > 0.3 > lower["surrogate_mean"]
    assert lower["p_value"] < 0.002
    assert pick(rows, "quantilogram", 0.5)["interval_low"] > 0.3
    fits = [pick(rows, name) for name in ("student_tail", "clayton_lower_tail",
                                          "gumbel_upper_tail")]
    best = min(fits, key=lambda row: row["aic"])
    assert best["estimator"] == "student_tail"
    assert json.loads(best["parameters"])["best_by_aic"] is True
    assert pick(rows, "lower_tail_dependence", 0.01)["n"] == 1_500


def test_the_same_bars_give_the_same_rows(make_bars, planted):
    flow, ret = planted
    bars = make_bars({SPOT: {FLOW: flow, RETURN: ret}})
    assert study(bars) == study(bars)


def test_longer_windows_are_thinned_and_say_so(make_bars, planted):
    flow, ret = planted
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: ret}}), largest_sample=200)
    row = pick(rows, "mutual_information")
    assert (row["n"], row["n_left_out"]) == (200, 400)
    assert json.loads(row["parameters"])["thinned"] == "every 3"


@pytest.mark.parametrize(("change", "reason"), [
    (lambda x: np.full(len(x), np.nan), "all_null"),
    (lambda x: np.zeros(len(x)), "constant_series"),
    (lambda x: np.where(np.arange(len(x)) < 90, x, np.nan), "too_few_bars"),
    (np.cumsum, "unit_root"),
])
def test_what_cannot_be_estimated_is_one_row_with_its_reason(make_bars, planted, change, reason):
    flow, ret = planted
    rows = study(make_bars({SPOT: {FLOW: change(flow), RETURN: ret}}))
    assert [row["reason"] for row in rows] == [reason]


def test_the_same_series_twice_is_refused(make_bars, planted):
    flow, _ = planted
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: -2.0 * flow}}))
    assert [row["reason"] for row in rows] == ["collinear"]


def test_no_bars_no_pair_no_measure(make_bars, planted):
    flow, _ = planted
    empty = build(StudyInput.of_bars({}, [family()], partition="2024-08-08"))
    assert empty[DEPENDENCE.name].column("reason").to_pylist() == ["no_bars"]
    bars = make_bars({SPOT: {FLOW: flow}})
    assert [r["reason"] for r in study(bars)] == ["no_such_measure"]
    assert [r["reason"] for r in study(bars, pairs=("perpetual_to_spot",))] == ["no_pair"]


def test_heavy_ties_are_counted_and_refused_where_they_leave_no_tail(make_bars):
    generator = np.random.default_rng(3)
    flow = np.round(generator.standard_normal(600))
    ret = np.where(generator.random(600) < 0.6, 0.0, flow)
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: ret}}))
    assert pick(rows, "mutual_information")["estimate"] > 0.1
    assert json.loads(pick(rows, "mutual_information")["parameters"])["tied_share"] == [1.0, 1.0]
    assert pick(rows, "student_tail")["reason"] == "heavily_tied"
    assert pick(rows, "lower_tail_dependence", 0.025)["reason"] == "heavily_tied"
    assert pick(rows, "lower_tail_dependence", 0.01)["reason"] == "too_few_tail_bars"


def test_a_series_that_hardly_ever_moves_has_its_reason_in_every_row(make_bars):
    generator = np.random.default_rng(3)
    flow, ret = np.zeros(600), generator.standard_normal(600)
    flow[[100, 400]] = -1.0, 1.0
    rows, differences = between_depths(make_bars({SPOT: {
        FLOW: flow, RETURN: ret, "depth_touch_mean": np.arange(600) % 3 + 1.0}}))
    of = "distance_correlation_bias_corrected"
    reasons = {r["reason"] for r in rows if r["estimator"] == of}
    assert reasons == {"heavily_tied", "constant_series"}
    assert all(r["estimate"] is None for r in differences if r["of"] == of)
    whole = study(make_bars({SPOT: {FLOW: flow, RETURN: ret}}))
    assert pick(whole, of)["reason"] == "heavily_tied"
    assert pick(whole, "distance_correlation")["estimate"] > 0.0


def test_a_series_of_which_thinning_leaves_one_value_is_refused_where_it_is_thinned(make_bars):
    flow, ret = np.zeros(4_000), np.random.default_rng(3).standard_normal(4_000)
    flow[[101, 503, 1307, 2001, 3003]] = 1.0, -1.0, 2.0, 1.0, -3.0
    for first, second in ((flow, ret), (ret, flow)):
        rows = study(make_bars({SPOT: {FLOW: first, RETURN: second}}), largest_sample=200)
        for estimator in ("distance_correlation", "student_tail"):
            assert pick(rows, estimator)["reason"] == "heavily_tied"
        for x in (FLOW, RETURN):
            transfer = pick(rows, "transfer_entropy", x=x)
            assert (transfer["reason"], transfer["n"]) == ("heavily_tied", 200)
        assert all(row["estimate"] is None for row in rows)


def test_the_interval_of_series_of_the_same_ranks_is_in_order(make_bars):
    flow = np.random.default_rng(2).standard_normal(1_500)
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: np.exp(flow)}}))
    same = [r["estimate"] for r in rows if r["estimator"] == "quantilogram"]
    assert same == pytest.approx([1.0] * 5, abs=1e-12)
    for row in rows:
        if row["interval_low"] is not None:
            assert row["interval_low"] <= row["estimate"] <= row["interval_high"]


def test_pairs_of_returns_stand_once_and_transfers_in_both_directions(make_bars, planted):
    flow, ret = planted
    rows = study(make_bars({SPOT: {RETURN: flow}, PERPETUAL: {RETURN: ret}}),
                 x_measures=(RETURN,), pairs=("cross",))
    assert len([r for r in rows if r["estimator"] == "distance_correlation"]) == 1
    directions = [(r["instrument_x"], r["p_value"] < 0.05) for r in rows
                  if r["estimator"] == "transfer_entropy"]
    assert sorted(directions) == [(PERPETUAL, False), (SPOT, True)]


@pytest.mark.parametrize("change", [
    {"levels": (0.0,)}, {"surrogates": 5}, {"minimum_bars": 50}, {"neighbours": 0},
    {"pairs": ("crosss",)}, {"x_measures": ()}, {"largest_sample": 50}])
def test_a_family_that_makes_no_sense_is_refused(change):
    with pytest.raises(UserError, match="planted"):
        family(**change)


def test_default_families_are_declared_under_the_configuration():
    from imbalance.config import StudiesConfig

    found = families(StudiesConfig(bar_sizes=("1s",), seed=7))
    assert {one.bar_sizes for one in found} == {("1s",)}
    assert {one.seed for one in found} == {7}


def by_depth(generator, length, low, high):
    """Flow and return that are correlated `low` after thin bars and `high` after deep ones."""
    depth = 1.0 + generator.random(length)
    before = np.concatenate([[0.0], depth[:-1]])
    strength = np.where(before > 1.0 + 2 / 3, high, low)
    flow, noise = generator.standard_normal((2, length))
    return {FLOW: flow, RETURN: strength * flow + np.sqrt(1 - strength**2) * noise,
            "depth_touch_mean": depth}


def between_depths(bars, **changes):
    """Rows by level and rows of differences, by estimator."""
    tables = build(StudyInput.of_bars({"1s": bars}, [
        family(regimes=("depth", "spread"), surrogates=19, **changes)], partition="2024-08-08"))
    for table in (DEPENDENCE, DEPENDENCE_DIFFERENCE):
        rows = tables[table.name].to_pylist()
        assert len({tuple(row[part] for part in table.key) for row in rows}) == len(rows)
        assert all((row["estimate"] is None) == (row["reason"] is not None) for row in rows)
    rows = [r for r in tables[DEPENDENCE.name].to_pylist() if r["regime"].startswith("depth")]
    differences = tables[DEPENDENCE_DIFFERENCE.name].to_pylist()
    return rows, differences


def test_dependence_that_a_regime_changes_is_found(make_bars):
    rows, differences = between_depths(make_bars({SPOT: by_depth(
        np.random.default_rng(3), 1_500, 0.1, 0.8)}))
    found = {(r["of"], r["estimator"]): r for r in differences if r["regime"] == "depth"
             and r["measure_x"] == FLOW}
    for of in ("distance_correlation_bias_corrected", "mutual_information"):
        ends, equal = found[of, "high_less_low"], found[of, "equality"]
        assert ends["interval_low"] > 0.05
        assert max(ends["q_value"], equal["q_value"]) < 1e-4
        assert (ends["hypothesis"], ends["kind"]) == ("whole", "contemporaneous")
        levels = {r["regime"]: r for r in rows if r["estimator"] == of}
        assert levels["depth_high"]["estimate"] - levels["depth_low"]["estimate"] == (
            pytest.approx(ends["estimate"]))
        assert sum(r["n"] for r in levels.values()) == 1_499
    assert found["upper_tail_dependence", "high_less_low"]["level"] == 0.05
    assert found["transfer_entropy", "high_less_low"]["p_value"] > 0.01
    missing = [r for r in differences if r["regime"] == "spread"]
    assert {(r["estimator"], r["reason"]) for r in missing} == {("equality", "no_such_measure")}


def test_dependence_that_is_the_same_everywhere_differs_nowhere(make_bars, make_autoregression):
    """Forty markets of one dependence, persistent: no more than 5 % are called, but for chance."""
    generator, called = np.random.default_rng(4), []
    for _ in range(40):
        flow, noise, depth = make_autoregression(generator, 0.5, (3, 600))
        panel = align(TableBars(make_bars({SPOT: {
            FLOW: flow, RETURN: 0.5 * flow + noise, "depth_touch_mean": 9 + depth}})), "1s",
            (FLOW, RETURN, "depth_touch_mean"), 1)
        x, y = (SPOT, FLOW), (SPOT, RETURN)
        pair = prepare_pair(SeriesPool(panel, 100, ranked=False), x, y)
        _, differences = regime_rows(
            panel, family(regimes=("depth",)), Window.of(panel, "day", "1s"), x, y, pair)
        called += [r["p_value"] <= 0.05 for r in differences if r.get("p_value") is not None]
    assert len(called) > 320
    assert np.mean(called) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 320)


def test_transfer_entropy_is_of_the_regime_before_the_source(make_bars):
    """Flow goes before the return where the book was deep a bar before the flow."""
    generator = np.random.default_rng(6)
    depth = 1.0 + generator.random(1_500)
    flow, noise = generator.standard_normal((2, 1_500))
    strength = np.where(depth > 1.0 + 2 / 3, 0.9, 0.0)[:-2]
    noise[2:] = strength * flow[1:-1] + np.sqrt(1 - strength**2) * noise[2:]
    rows, _ = between_depths(make_bars({SPOT: {
        FLOW: flow, RETURN: noise, "depth_touch_mean": depth}}))
    levels = {r["regime"]: r["estimate"] for r in rows
              if r["estimator"] == "transfer_entropy" and r["measure_x"] == FLOW}
    assert levels["depth_high"] > 0.3
    assert max(levels["depth_low"], levels["depth_middle"]) < 0.1


def test_regimes_are_of_the_bars_that_are_declared_for_them(make_bars):
    series = by_depth(np.random.default_rng(5), 600, 0.1, 0.1)
    rows, differences = between_depths(make_bars({SPOT: series}), regime_bar_sizes=("10s",))
    assert (rows, differences) == ([], [])
