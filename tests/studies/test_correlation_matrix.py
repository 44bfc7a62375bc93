"""The study of correlation matrices from bars to rows: planted groups, gaps, degenerate series."""

from dataclasses import replace

import numpy as np
import pytest

from imbalance.errors import UserError
from imbalance.studies.alignment import align
from imbalance.studies.bars import TableBars
from imbalance.studies.columns import ANY
from imbalance.studies.correlation_matrix.build import build
from imbalance.studies.correlation_matrix.estimate import MatrixEstimate
from imbalance.studies.correlation_matrix.regimes import (
    absorption_weights,
    by_regime,
    figure_at,
    mean_weights,
)
from imbalance.studies.correlation_matrix.study import (
    CORRELATION_MATRIX,
    CORRELATION_MATRIX_DIFFERENCE,
    MatrixFamily,
)
from imbalance.studies.levels import at_levels, difference_rows
from imbalance.studies.rows import Window, blank
from imbalance.studies.study_input import StudyInput
from tests.studies.conftest import autoregression, bars_table

FAMILY = MatrixFamily(name="returns", question="?", measure="return_bps", bar_sizes=("1s",),
                      replications=99, seed=3, regimes=())
NAMES = [f"binance:{name}USDT" for name in "ABCDEF"]


def groups(seed, rows=1500):
    """Six series; the first three and the last three share a factor: ρ = 1/(1 + 0.25) = 0.8."""
    generator = np.random.default_rng(seed)
    factors = np.repeat(generator.normal(size=(rows, 2)), 3, axis=1)
    return factors + 0.5 * generator.normal(size=(rows, 6))


def made(series, family=FAMILY, **more):
    bars = {"1s": bars_table({name: {"return_bps": values} for name, values in series.items()},
                             **more)}
    return build(StudyInput.of_bars(bars, [family], partition="2024-08-08"))


def select(found, **wanted):
    rows = found[CORRELATION_MATRIX.name].to_pylist()
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


@pytest.fixture(scope="module")
def found():
    return made(dict(zip(NAMES, groups(1).T, strict=True)))


@pytest.mark.parametrize("estimator",
                         ["sample", "ledoit_wolf", "oracle_approximating", "clipped"])
def test_planted_correlations_come_back(found, estimator):
    rows = select(found, estimator=estimator)
    assert len(rows) == 15
    for row in rows:
        same = (row["instrument_x"][8] < "D") == (row["instrument_y"][8] < "D")
        assert row["estimate"] == pytest.approx(0.8 if same else 0.0, abs=0.08)
        assert row["interval_low"] <= row["estimate"] <= row["interval_high"]
        assert row["n"] == 1500


def test_two_eigenvalues_stand_out_of_the_noise(found):
    rows = select(found, estimator="eigenvalue")
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    edge = select(found, estimator="noise_edge")[0]["estimate"]
    assert [row["estimate"] > edge for row in rows] == [True] * 2 + [False] * 4
    assert [row["support"] for row in rows] == [1.0] * 2 + [0.0] * 4
    assert sum(row["estimate"] for row in rows) == pytest.approx(6.0)
    assert rows[0]["estimate"] == pytest.approx(1.0 + 2 * 0.8, abs=0.15)
    absorbed = select(found, estimator="absorption_ratio")[0]
    assert absorbed["estimate"] == pytest.approx(rows[0]["estimate"] / 6.0, rel=1e-12)
    effective = select(found, estimator="effective_observations")[0]
    assert effective["estimate"] == effective["n_effective"]
    assert 1400 <= effective["estimate"] <= 1500
    assert edge == pytest.approx((1.0 + np.sqrt(6.0 / effective["estimate"])) ** 2, rel=1e-12)


def test_persistent_rows_count_for_less_at_the_edge_of_noise():
    """AR(0.7): (1 − 0.49)/(1 + 0.49) of the rows."""
    generator = np.random.default_rng(7)
    rows = generator.normal(size=(1200, 4))
    for t in range(1, 1200):
        rows[t] += 0.7 * rows[t - 1]
    found = made(dict(zip(NAMES[:4], rows.T, strict=True)))
    effective = select(found, estimator="effective_observations")[0]["estimate"]
    assert effective == pytest.approx(1200 * 0.51 / 1.49, rel=0.2)
    edge = select(found, estimator="noise_edge")[0]["estimate"]
    assert edge == pytest.approx((1.0 + np.sqrt(4.0 / effective)) ** 2, rel=1e-12)


def test_correlations_that_move_slowly_have_wider_intervals():
    """Returns that remember nothing, with correlations of 0.07 and 0.93 for 300 bars in turn: 12
    spells, whose mean is known to 0.43/√12 = 0.12; bar by bar it would seem known to 0.01.
    """
    generator = np.random.default_rng(4)
    weight = np.repeat([0.07, 0.93] * 6, 300)[:, None]
    common, own = generator.normal(size=(3_600, 1)), generator.normal(size=(3_600, 4))
    values = np.sqrt(weight) * common + np.sqrt(1.0 - weight) * own
    (row,) = select(made(dict(zip(NAMES, values.T, strict=False))), estimator="mean_correlation")
    assert row["estimate"] == pytest.approx(0.5, abs=0.03)
    assert row["standard_error"] > 0.05


def test_clusters_and_tree_are_the_groups(found):
    labels = {row["instrument_x"]: row["estimate"] for row in select(found, estimator="cluster")}
    assert [labels[name] for name in NAMES] == [1.0] * 3 + [2.0] * 3
    assert all(row["support"] == 1.0 and row["instrument_y"] == ANY
               for row in select(found, estimator="cluster"))
    edges = select(found, estimator="tree_edge")
    assert len(edges) == 5
    across = [e for e in edges if (e["instrument_x"][8] < "D") != (e["instrument_y"][8] < "D")]
    assert len(across) == 1
    assert across[0]["support"] < 0.9
    for edge in edges:
        sample = select(found, estimator="sample", instrument_x=edge["instrument_x"],
                        instrument_y=edge["instrument_y"])[0]["estimate"]
        assert edge["estimate"] == pytest.approx(np.sqrt(2.0 * (1.0 - sample)), rel=1e-12)


def test_intensities_are_those_of_the_standardised_rows(found):
    rows = groups(1)
    estimate = MatrixEstimate.of((rows - rows.mean(axis=0)) / rows.std(axis=0) * 7.0, 1500.0, 0.765)
    for name, intensity in estimate.intensities.items():
        row = select(found, estimator=f"intensity_{name}")[0]
        assert row["estimate"] == pytest.approx(intensity, rel=1e-9)


def test_keys_are_unique_and_the_seed_decides(found):
    table = found[CORRELATION_MATRIX.name]
    keys = list(zip(*(table.column(k).to_pylist() for k in CORRELATION_MATRIX.key), strict=True))
    assert len(set(keys)) == len(keys)
    again = made(dict(zip(NAMES, groups(1).T, strict=True)))
    assert again[CORRELATION_MATRIX.name].equals(table)


def test_bars_that_a_gap_has_poisoned_are_not_used():
    rows = groups(2, 400)
    rows[100:120, 0] = 1e6
    series = dict(zip(NAMES, rows.T, strict=True))
    poisoned = np.zeros(400, dtype=bool)
    poisoned[100:120] = True
    found = made(series, poisoned={NAMES[0]: poisoned})
    row = select(found, estimator="sample", instrument_x=NAMES[0], instrument_y=NAMES[1])[0]
    assert (row["n"], row["n_left_out"], row["coverage"]) == (380, 20, 0.95)
    assert row["estimate"] == pytest.approx(0.8, abs=0.1)


def test_what_cannot_be_used_is_left_out_and_said():
    rows = groups(3, 300)
    series = dict(zip(NAMES, rows.T, strict=True))
    series["binance:CONSTUSDT"] = np.zeros(300)
    series["binance:NULLUSDT"] = np.full(300, np.nan)
    series["binance:WALKUSDT"] = np.cumsum(rows[:, 0])
    found = made(series)
    refused = {row["instrument_x"]: row["reason"] for row in select(found, estimator="cluster")
               if row["reason"]}
    assert refused == {"binance:CONSTUSDT": "constant_series", "binance:NULLUSDT": "all_null",
                       "binance:WALKUSDT": "unit_root"}
    assert len(select(found, estimator="eigenvalue")) == 6
    for row in found[CORRELATION_MATRIX.name].to_pylist():
        assert (row["estimate"] is None) == (row["reason"] is not None)


def test_a_series_twice_and_its_opposite():
    base = groups(4, 300)[:, 0]
    found = made({"binance:A": base, "binance:B": base, "binance:C": -base})
    sample = {(r["instrument_x"], r["instrument_y"]): r["estimate"]
              for r in select(found, estimator="sample")}
    assert sample["binance:A", "binance:B"] == pytest.approx(1.0)
    assert sample["binance:A", "binance:C"] == pytest.approx(-1.0)
    assert select(found, estimator="absorption_ratio")[0]["estimate"] == pytest.approx(1.0)


def test_too_little_is_refused():
    rows = groups(5, 60)
    one = made({NAMES[0]: rows[:, 0]})
    assert [row["reason"] for row in one[CORRELATION_MATRIX.name].to_pylist()] == ["too_few_series"]
    apart = rows[:, :2].copy()
    apart[:30, 0] = np.nan
    apart[30:, 1] = np.nan
    found = made(dict(zip(NAMES[:2], apart.T, strict=True)))
    assert [row["reason"] for row in select(found, estimator="sample")] == ["no_common_bars"]
    nothing = build(StudyInput.of_bars({}, [FAMILY], partition="2024-08-08"))
    assert [row["reason"] for row in nothing[CORRELATION_MATRIX.name].to_pylist()] == ["no_bars"]
    short = made(dict(zip(NAMES, rows[:12].T, strict=True)))
    assert {row["reason"] for row in select(short, estimator="cluster")} == {"too_few_bars"}


def test_replications_in_which_a_series_stands_still_are_left_out():
    """Off zero by the mean, what stands still has a standard deviation of rounding."""
    rows = groups(7, 200)
    rows[:, 0] = np.where(np.arange(200) % 50 == 7, rows[:, 0], 0.0)
    found = made(dict(zip(NAMES, rows.T, strict=True)))
    named = [row for row in select(found, estimator="sample") if row["instrument_x"] == NAMES[0]]
    assert len(named) == 5
    assert all(row["standard_error"] > 0.0 for row in named)
    rows[:, 0] = np.where(np.arange(200) == 7, 1.0, 0.0)
    found = made(dict(zip(NAMES, rows.T, strict=True)))
    reasons = {row["reason"] for row in select(found, estimator="sample")}
    assert reasons <= {None, "constant_series"}


def depths(generator, length, weight_of):
    """Four series behind one factor, whose weight is of the depth of all books a bar before."""
    depth = autoregression(generator, 0.5, (length,))
    before = np.concatenate([[0.0], depth[:-1]])
    weight = weight_of(before > np.quantile(depth, 2 / 3))
    values = autoregression(generator, 0.5, (4, length)) + weight * generator.normal(size=length)
    return {name: {"return_bps": one, "depth_touch_mean": np.exp(depth)}
            for name, one in zip(NAMES, values, strict=False)}


def by_depth(series, **changes):
    """Rows of differences by what is compared and the test; and the table by level."""
    family = replace(FAMILY, regimes=("depth", "time"), **changes)
    found = build(StudyInput.of_bars({"1s": bars_table(series)}, [family],
                                     partition="2024-08-08"))
    differences = found[CORRELATION_MATRIX_DIFFERENCE.name].to_pylist()
    keys = [tuple(row[part] for part in CORRELATION_MATRIX_DIFFERENCE.key) for row in differences]
    assert len(set(keys)) == len(keys)
    return found, {(r["of"], r["estimator"]): r for r in differences if r["regime"] == "depth"
                   and r["instrument_y"] in {ANY, NAMES[1]}}


def test_a_matrix_that_a_regime_changes_is_told():
    series = depths(np.random.default_rng(11), 1_500, lambda deep: np.where(deep, 1.5, 0.3))
    found, tests = by_depth(series)
    for of in ("sample", "mean_correlation", "absorption_ratio"):
        ends = tests[of, "high_less_low"]
        assert ends["interval_low"] > 0.1
        assert max(ends["q_value"], tests[of, "equality"]["q_value"]) < 1e-4
        assert ends["hypothesis"] == "whole"
        levels = {r["regime"]: r["estimate"] for r in select(
            found, estimator=of, instrument_y=ends["instrument_y"],
            instrument_x=ends["instrument_x"])}
        assert levels["depth_high"] - levels["depth_low"] == pytest.approx(ends["estimate"])
    mean = [r["estimate"] for r in select(found, regime="depth_high", estimator="sample")]
    (whole,) = select(found, regime="depth_high", estimator="mean_correlation")
    assert whole["estimate"] == pytest.approx(np.mean(mean), rel=1e-12)
    one_level = {r["reason"] for r in found[CORRELATION_MATRIX_DIFFERENCE.name].to_pylist()
                 if r["regime"] == "time"}
    assert one_level == {"one_level"}
    found, _ = by_depth(series, paired_by_regime=3)
    assert {r["of"] for r in found[CORRELATION_MATRIX_DIFFERENCE.name].to_pylist()} == {
        "mean_correlation", "absorption_ratio"}


def test_the_absorption_of_a_level_is_that_of_its_eigenvalues():
    values = groups(12, 300)[:, :4]
    mask = np.arange(300) < 200
    found = figure_at(values, absorption_weights, 20)(mask)
    whole = MatrixEstimate.of(values[:200], 200.0, 0.765)
    assert found.value == pytest.approx(whole.absorption, rel=1e-12)
    assert np.isfinite(found.influence).sum() == 200
    # Eigenvectors are held, so that leaving a bar out changes about what the influence says.
    for bar in (3, 77, 150):
        without = MatrixEstimate.of(np.delete(values[:200], bar, axis=0), 199.0, 0.765).absorption
        assert found.influence[bar] / 199 == pytest.approx(found.value - without, rel=0.1, abs=2e-6)


@pytest.mark.parametrize("weights_of", [mean_weights, absorption_weights])
def test_a_bar_adds_what_leaving_it_out_takes_away(weights_of):
    values = np.random.default_rng(15).standard_t(4, (60, 5)) + np.linspace(0, 9, 5)
    mask = np.arange(60) % 3 > 0
    held = weights_of(np.corrcoef(values[mask].T))
    found = figure_at(values, weights_of, 20)(mask)
    assert found.value == pytest.approx((held * np.corrcoef(values[mask].T)).sum(), rel=1e-12)
    rest = [(held * np.corrcoef(np.delete(values[mask], bar, axis=0).T)).sum() for bar in range(40)]
    assert found.influence[mask] == pytest.approx(39 * (found.value - np.array(rest)), abs=1e-10)
    assert np.isnan(found.influence[~mask]).all()
    values[mask, 2] = np.where(np.arange(40) == 7, 1.0, 0.0)
    assert figure_at(values, weights_of, 20)(mask) == "constant_series"


def test_heavy_tails_do_not_make_levels_differ():
    """A hundred bars a level of Student's t with four degrees of freedom: a derivative fails."""
    generator, called = np.random.default_rng(16), []
    masks = {f"depth_{name}": np.arange(300) % 3 == place
             for place, name in enumerate(("low", "middle", "high"))}
    for _ in range(400):
        values = generator.standard_t(4, (300, 4)) + 0.8 * generator.standard_t(4, (300, 1))
        found = at_levels("depth", masks, np.ones(300, bool), figure_at(values, mean_weights, 20))
        called.append([row["p_value"] <= 0.05 for row in difference_rows(found, 300, 0.05)])
    assert (np.mean(called, axis=0) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)).all()


def test_eigenvalues_of_levels_of_unequal_size_are_not_compared():
    """The mean of correlations is, and both are of each level."""
    generator = np.random.default_rng(17)
    series = {name: {"return_bps": generator.normal(size=1_200)} for name in NAMES}
    bars = bars_table(series, start=(6 * 3_600 - 300) * 10**9)
    found = build(StudyInput.of_bars({"1s": bars}, [replace(FAMILY, regimes=("time",))],
                                     partition="2024-08-08"))
    told = {r["of"]: r for r in found[CORRELATION_MATRIX_DIFFERENCE.name].to_pylist()
            if r["estimator"] == "equality"}
    assert told["absorption_ratio"]["reason"] == "unequal_levels"
    assert told["mean_correlation"]["p_value"] > 0.0
    sizes = {r["regime"]: r["n"] for r in select(found, estimator="absorption_ratio")}
    assert sizes == {"all": 1_200, "time_00": 300, "time_06": 900}


def test_matrices_that_do_not_differ_are_not_told_apart():
    generator, called = np.random.default_rng(13), []
    for _ in range(30):
        series = depths(generator, 600, lambda deep: np.full(len(deep), 0.8))
        panel = align(TableBars(bars_table(series)), "1s", ("return_bps", "depth_touch_mean"), 1)
        names = [(name, "return_bps") for name in panel.instruments]
        values = np.column_stack([panel.series(*one) for one in names])
        window = Window.of(panel, "day", "1s")
        template = blank("correlation_matrix", "returns", window, {})
        _, differences = by_regime(panel, replace(FAMILY, regimes=("depth",)), window, names,
                                   values, template)
        called += [r["p_value"] <= 0.05 for r in differences]
    assert np.mean(called) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)


def test_images_of_the_book_have_the_flow_that_they_allow():
    flows = groups(14, 300)
    family = replace(FAMILY, name="order_flow", measure="order_flow_imbalance")
    bars = {"1s": bars_table({name: {
        "order_flow_imbalance": np.full(300, np.nan), "generalised_order_flow_imbalance": values}
        for name, values in zip(NAMES, flows.T, strict=True)})}
    found = build(StudyInput.of_bars(bars, [family], partition="2024-08-08"))
    rows = found[CORRELATION_MATRIX.name].to_pylist()
    assert {row["measure_x"] for row in rows} == {"generalised_order_flow_imbalance"}
    assert len(select(found, estimator="sample")) == 15
    assert {row["reason"] for row in rows} == {None}


@pytest.mark.parametrize("setting", [
    {"bar_sizes": ()}, {"farthest": 0.0}, {"farthest": 2.5}, {"replications": 5},
])
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(UserError) as error:
        MatrixFamily(name="mine", question="?", measure="return_bps", **setting)
    assert error.value.where == "family mine"
