"""The coherence study from bars to rows: a planted delay, gaps, refusals."""

import numpy as np
import pytest

from imbalance.errors import UserError
from imbalance.studies.alignment import align
from imbalance.studies.bars import TableBars
from imbalance.studies.coherence.build import build
from imbalance.studies.coherence.estimate import longest_stretch
from imbalance.studies.coherence.multitaper import spectra
from imbalance.studies.coherence.regimes import coherence_at, regime_rows
from imbalance.studies.coherence.study import (
    COHERENCE,
    COHERENCE_DIFFERENCE,
    CoherenceFamily,
)
from imbalance.studies.levels import at_levels
from imbalance.studies.prepared_series import SeriesPool, prepare_pair
from imbalance.studies.rows import Window, schema_of
from imbalance.studies.stretches import stretch_masks
from imbalance.studies.study_input import StudyInput

SPOT, PERPETUAL = "binance:BTCUSDT", "binance-futures:BTCUSDT"
FLOW, RETURN = "order_flow_imbalance", "return_bps"


def family(**changes):
    return CoherenceFamily(**({
        "name": "planted", "question": "?", "x_measures": (FLOW,), "y_measures": (RETURN,),
        "pairs": ("own",), "bar_sizes": ("1s",), "surrogates": 19, "longest_stretch": 256,
        "regimes": ()}
        | changes))


def study(bars, **changes):
    table = build(StudyInput.of_bars({"1s": bars}, [family(**changes)], partition="2024-08-08"))
    table = table[COHERENCE.name]
    assert table.schema.equals(schema_of(COHERENCE))
    rows = table.to_pylist()
    keys = [tuple(row[part] for part in COHERENCE.key) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert (row["estimate"] is None) == (row["reason"] is not None)
        for column in COHERENCE.columns:
            assert not column.allowed or row[column.name] in {*column.allowed, None}
    return rows


@pytest.fixture(scope="module")
def delayed():
    """The return follows the flow after two bars."""
    generator = np.random.default_rng(1)
    flow = generator.standard_normal(1_200)
    return flow, np.roll(flow, 2) + 0.5 * generator.standard_normal(1_200)


def test_a_delay_comes_back_at_every_period(make_bars, delayed):
    flow, ret = delayed
    bars = make_bars({SPOT: {FLOW: flow, RETURN: ret}}, poisoned={SPOT: [600]})
    rows = study(bars)
    tapered = [r for r in rows if r["estimator"] == "multitaper"]
    assert [round(r["period"]) for r in tapered] == [4, 8, 16, 32]
    for row in tapered[1:]:
        assert row["q_value"] < 0.01
        error = row["phase_error"] * row["period"] / (2 * np.pi)
        assert abs(row["delay"] - 2.0) < 4.0 * error < 1.5
        # 8 stretches of 128 bars, none over the gap.
        assert (row["n"], row["n_left_out"], row["n_effective"]) == (1_024, 176, 56.0)
    waves = [r for r in rows if r["estimator"] == "wavelet"]
    assert [r["period"] for r in waves] == [4.0, 8.0, 16.0, 32.0]
    for row in waves:
        assert row["n"] == 256
        assert row["surrogate_mean"] < row["surrogate_limit"] < row["estimate"]
    assert waves[1]["delay"] == pytest.approx(2.0, abs=0.3)
    assert study(bars) == rows


def test_independent_series_share_no_rhythm(make_bars, delayed):
    flow, _ = delayed
    other = np.random.default_rng(2).standard_normal(1_200)
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: other}}))
    assert len(rows) == 8
    assert all(row["q_value"] > 0.05 for row in rows)


def test_gaps_shorten_the_stretches_and_refuse_wavelets(make_bars, delayed):
    flow, ret = delayed
    holes = list(range(0, 1_200, 100))
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: ret}}, poisoned={SPOT: holes}))
    assert [r["reason"] for r in rows if r["estimator"] == "wavelet"] == ["no_unbroken_stretch"]
    tapered = [r for r in rows if r["estimator"] == "multitaper"]
    assert {r["n"] for r in tapered} == {12 * 64}
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: ret}},
                           poisoned={SPOT: list(range(0, 1_200, 50))}))
    assert {r["reason"] for r in rows} == {"no_unbroken_stretch"}


@pytest.mark.parametrize(("change", "reason"), [
    (lambda x: np.full(len(x), np.nan), "all_null"),
    (lambda x: np.full(len(x), 0.1), "constant_series"),
    (lambda x: np.where(np.arange(len(x)) < 120, x, np.nan), "too_few_bars"),
    (np.cumsum, "unit_root"),
])
def test_what_cannot_be_estimated_is_one_row_with_its_reason(make_bars, delayed, change, reason):
    flow, ret = delayed
    rows = study(make_bars({SPOT: {FLOW: change(flow), RETURN: ret}}))
    assert [row["reason"] for row in rows] == [reason]


def test_twice_the_same_no_pair_no_bars(make_bars, delayed):
    flow, _ = delayed
    bars = make_bars({SPOT: {FLOW: flow, RETURN: 3.0 * flow}})
    assert [row["reason"] for row in study(bars)] == ["collinear"]
    assert [row["reason"] for row in study(bars, pairs=("cross",))] == ["no_pair"]
    empty = build(StudyInput.of_bars({}, [family()], partition="2024-08-08"))
    assert empty[COHERENCE.name].column("reason").to_pylist() == ["no_bars"]


def test_ties_do_no_harm(make_bars):
    generator = np.random.default_rng(3)
    flow = np.where(generator.random(600) < 0.7, 0.0, np.round(generator.standard_normal(600)))
    rows = study(make_bars({SPOT: {FLOW: flow, RETURN: np.roll(flow, 1)}}))
    assert all(np.isfinite(row["estimate"]) for row in rows)


def test_the_longest_stretch():
    assert longest_stretch(np.array([1, 0, 1, 1, 0, 1, 1], dtype=bool)) == (2, 4)
    assert longest_stretch(np.zeros(5, dtype=bool)) == (0, 0)
    assert longest_stretch(np.ones(5, dtype=bool)) == (0, 5)


@pytest.mark.parametrize("change", [
    {"periods": (2.0, 4.0)}, {"longest_segment": 100}, {"surrogates": 5}, {"minimum_bars": 64},
    {"pairs": ("crosss",)}, {"y_measures": ()}, {"longest_stretch": 100}])
def test_a_family_that_makes_no_sense_is_refused(change):
    with pytest.raises(UserError):
        family(**change)


def by_depth(generator, minutes, low, high):
    """Flow and return, correlated `low` or `high` by the depth, which changes by the minute."""
    depth = np.repeat(generator.choice([1.0, 2.0, 3.0], minutes), 64)
    before = np.concatenate([depth[:64], depth[:-64]])
    strength = np.where(before > 2.5, high, low)
    flow, noise = generator.standard_normal((2, len(depth)))
    return {FLOW: flow, RETURN: strength * flow + np.sqrt(1 - strength**2) * noise,
            "depth_touch_mean": depth + 0.01 * generator.random(len(depth))}


def test_coherence_that_a_regime_changes_is_found(make_bars):
    bars = make_bars({SPOT: by_depth(np.random.default_rng(5), 60, 0.2, 0.9)})
    tables = build(StudyInput.of_bars({"1s": bars}, [family(regimes=("depth", "spread"))],
                                      partition="2024-08-08"))
    differences = tables[COHERENCE_DIFFERENCE.name].to_pylist()
    keys = [tuple(row[part] for part in COHERENCE_DIFFERENCE.key) for row in differences]
    assert len(set(keys)) == len(keys)
    ends = [r for r in differences if r["estimator"] == "high_less_low"]
    assert [r["period"] for r in ends] == [4.0, 8.0, 16.0]
    for row in ends:
        assert row["interval_low"] > 0.3
        assert row["q_value"] < 0.02
        levels = {r["regime"]: r for r in tables[COHERENCE.name].to_pylist()
                  if r["regime"] != "all" and r["period"] == row["period"]}
        high, low = levels["depth_high"], levels["depth_low"]
        assert high["interval_low"] < 0.81 < high["interval_high"] + 0.1
        assert row["estimate"] == pytest.approx(
            np.arctanh(np.sqrt(high["estimate"])) - np.arctanh(np.sqrt(low["estimate"])))
        assert high["n"] % 64 == 0
        assert levels["spread_low"]["reason"] == "no_such_measure"


def test_the_error_of_a_level_is_the_jackknifes():
    generator = np.random.default_rng(9)
    x = generator.standard_normal(6 * 64)
    found = spectra(x, x + generator.standard_normal(6 * 64), list(range(0, 6 * 64, 64)), 64, (8,))
    (level,) = at_levels("depth", {"depth_low": np.ones(6, dtype=bool)}, np.ones(6, dtype=np.intp),
                         coherence_at(found, 0), bandwidth=0.0).levels
    cross, own, other = found.cross[:, 0], found.x[:, 0], found.y[:, 0]
    without = np.arctanh(np.abs(cross.sum() - cross) / np.sqrt(
        (own.sum() - own) * (other.sum() - other)))
    assert level.error == pytest.approx(np.sqrt(5.0 * np.var(without)), rel=1e-9)


def test_one_coherence_is_not_told_apart(make_bars):
    generator, called = np.random.default_rng(6), []
    for _ in range(40):
        panel = align(TableBars(make_bars({SPOT: by_depth(generator, 60, 0.6, 0.6)})), "1s",
                      (FLOW, RETURN, "depth_touch_mean"), 1)
        x, y = (SPOT, FLOW), (SPOT, RETURN)
        pair = prepare_pair(SeriesPool(panel, 128, ranked=False), x, y)
        _, differences = regime_rows(panel, family(regimes=("depth",)),
                                     Window.of(panel, "day", "1s"), x, y, pair)
        called += [r["p_value"] <= 0.05 for r in differences]
    assert len(called) == 40 * 6
    assert np.mean(called) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 240)


def test_bars_between_stretches_are_counted_as_left_out(make_bars):
    series = by_depth(np.random.default_rng(8), 60, 0.2, 0.9)
    series[FLOW][[1_000, 2_000]] = np.nan
    panel = align(TableBars(make_bars({SPOT: series})), "1s", (FLOW, RETURN, "depth_touch_mean"), 1)
    x, y = (SPOT, FLOW), (SPOT, RETURN)
    pair = prepare_pair(SeriesPool(panel, 128, ranked=False), x, y)
    rows, differences = regime_rows(panel, family(regimes=("depth",)),
                                    Window.of(panel, "day", "1s"), x, y, pair)
    levels = [r for r in rows if r["period"] == 8.0]
    # 15 + 15 + 28 stretches of 64; the first of all has nothing before it.
    assert sum(r["n"] for r in levels) == 57 * 64
    assert sum(r["n_left_out"] for r in levels) == 60 * 64 - 58 * 64
    assert {(r["n"], r["n_left_out"]) for r in differences} == {(57 * 64, 60 * 64 - 57 * 64)}


def test_a_stretch_is_of_the_level_that_was_there_before_it(make_bars):
    """Depth rises every four bars; most of the first four are missing."""
    depth = np.repeat([9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 4)
    depth[:3] = np.nan
    panel = align(TableBars(make_bars({SPOT: {"depth_touch_mean": depth}})), "1s",
                  ("depth_touch_mean",), 1)
    found = stretch_masks(panel, SPOT, "depth", np.arange(0, 28, 4), 4)
    assert np.flatnonzero(found["depth_low"]).tolist() == [2, 3]
    assert np.flatnonzero(found["depth_middle"]).tolist() == [4]
    assert np.flatnonzero(found["depth_high"]).tolist() == [5, 6]
    assert set(stretch_masks(panel, SPOT, "spread", np.arange(2), 4).values()) == {None}
    assert list(stretch_masks(panel, SPOT, "time", np.arange(2), 4)) == ["time_00"]


def test_a_short_window_has_the_shortest_stretches_and_levels_of_six_at_least(make_bars):
    for minutes, reason in ((24, None), (12, "too_few_stretches")):
        bars = make_bars({SPOT: by_depth(np.random.default_rng(7), minutes, 0.2, 0.9)})
        tables = build(StudyInput.of_bars({"1s": bars}, [family(regimes=("depth",))],
                                          partition="2024-08-08"))
        rows = tables[COHERENCE_DIFFERENCE.name].to_pylist()
        assert {row["reason"] for row in rows} == {reason}
