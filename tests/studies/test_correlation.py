from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from imbalance.studies import prepared_series
from imbalance.studies.correlation.build import build
from imbalance.studies.correlation.study import (
    CORRELATION,
    CORRELATION_DIFFERENCE,
    CorrelationFamily,
)
from imbalance.studies.prepared_series import SeriesPool
from imbalance.studies.rows import schema_of
from imbalance.studies.study_input import StudyInput

SPOT, PERPETUAL = "binance:BTCUSDT", "binance-futures:BTCUSDT"
LAGS = (-4, -3, -2, -1, 0, 1, 2, 3, 4)


def family(**changes):
    settings = {
        "name": "f", "question": "?", "x_measures": ("x",), "y_measures": ("y",),
        "bar_sizes": ("1s",), "lags": LAGS, "estimators": ("pearson",),
    }
    return CorrelationFamily(**(settings | changes))


def correlations(bars, families, partition="2024-08-08"):
    return build(StudyInput.of_bars(bars, families, partition=partition))[CORRELATION.name]


def study(bars, *families):
    table = correlations({"1s": bars}, families)
    assert table.schema.equals(schema_of(CORRELATION))
    keys = [tuple(row[name] for name in CORRELATION.key) for row in table.to_pylist()]
    assert len(set(keys)) == len(keys)
    return table.to_pylist()


def lead(generator, length, lag, correlation=0.5):
    """x, and y whose value `lag` later goes with x."""
    x = generator.standard_normal(length)
    y = np.sqrt(1 - correlation**2) * generator.standard_normal(length)
    y[lag:] += correlation * x[:-lag]
    return x, y


def test_planted_lead_is_found_at_its_lag_with_its_size(make_bars):
    x, y = lead(np.random.default_rng(0), 5_000, 3)
    rows = study(make_bars({PERPETUAL: {"x": x, "y": x * 0 + np.arange(5_000) % 7},
                            SPOT: {"x": y * 0 + np.arange(5_000) % 5, "y": y}}),
                 family(pairs=("perpetual_to_spot",)))
    by_lag = {row["lag"]: row for row in rows}
    assert sorted(by_lag) == list(LAGS)
    best = max(rows, key=lambda row: abs(row["estimate"]))
    assert best["lag"] == 3
    assert best["interval_low"] < 0.5 < best["interval_high"]
    assert best["q_value"] < 1e-50
    assert best["kind"] == "predictive"
    assert by_lag[0]["kind"] == "contemporaneous"
    assert all(row["q_value"] > 0.05 for lag, row in by_lag.items() if lag != 3)


def test_own_and_cross_pairs_each_once(make_bars):
    generator = np.random.default_rng(1)
    bars = make_bars({name: {"x": generator.standard_normal(300)} for name in "ABC"})
    rows = study(bars, family(x_measures=("x",), y_measures=("x",)))
    own = [row for row in rows if row["instrument_x"] == row["instrument_y"]]
    cross = [row for row in rows if row["instrument_x"] != row["instrument_y"]]
    assert {row["lag"] for row in own} == {1, 2, 3, 4}
    assert len(own) == 3 * 4
    assert len(cross) == 3 * len(LAGS)


def test_interval_covers_the_truth_for_persistent_series(make_bars, make_autoregression):
    """AR(0.8) pairs that share a factor; the naive interval would cover about half of the time."""
    generator = np.random.default_rng(2)
    covered = narrow = 0
    for _ in range(200):
        common, one, other = make_autoregression(generator, 0.8, (3, 1_500))
        x, y = common + one, common + other
        (row,) = study(make_bars({"A": {"x": x, "y": y}}), family(pairs=("own",), lags=(0,)))
        covered += row["interval_low"] < 0.5 < row["interval_high"]
        narrow += abs(row["estimate"] - 0.5) < 1.96 * 0.75 / np.sqrt(1_500)
        assert row["n_effective"] < 600
    # 95 % less three binomial standard errors of 200.
    assert covered >= 0.904 * 200
    assert narrow < 0.75 * 200


def test_lags_never_bridge_a_gap(make_bars):
    """y repeats x 2 bars later, but for poisoned bars, which no pair may use."""
    generator = np.random.default_rng(3)
    x = generator.standard_normal(400)
    y = np.concatenate([[0.0, 0.0], x[:-2]])
    y[198:202] = -y[198:202] * 50
    bars = make_bars({"A": {"x": x, "y": y}}, poisoned={"A": np.arange(198, 202)})
    rows = {row["lag"]: row for row in study(bars, family(pairs=("own",), lags=(1, 2)))}
    # Bars 198 to 201 are poisoned: x there reaches pairs up to 203, y from 196 on.
    assert rows[2]["n"] == 400 - 2 - 4 - 2
    assert rows[2]["n_left_out"] == 6
    assert rows[2]["coverage"] == pytest.approx(392 / 398)
    assert rows[2]["reason"] == "collinear"


def test_bars_missing_altogether_are_a_gap_too(make_bars):
    """Rows taken out of the table: row i and row i+1 are then not one bar apart."""
    values = np.random.default_rng(14).standard_normal(300)
    full = make_bars({"A": {"x": values, "y": values**2}})
    keep = [i for i in range(300) if i % 2 == 0]
    rows = study(full.take(keep), family(pairs=("own",), lags=(1, 2)))
    by_lag = {row["lag"]: row for row in rows}
    assert by_lag[1]["n"] == 0
    assert by_lag[1]["reason"] == "too_few_bars"
    assert by_lag[2]["n"] == 149


def test_horizons_sum_y_strictly_after_x(make_bars):
    generator = np.random.default_rng(4)
    x = generator.standard_normal(3_000)
    y = generator.standard_normal(3_000)
    y[1:] += x[:-1]
    y[2:] += x[:-2]
    rows = study(make_bars({"A": {"x": x, "y": y}}),
                 family(pairs=("own",), lags=(-1, 0, 1, 2), horizons=(1, 2)))
    summed = {row["lag"]: row for row in rows if row["horizon"] == 2}
    assert sorted(summed) == [1, 2]
    # y_{t+1} + y_{t+2} holds x_t twice, variance 2·3 + 2·cov(y_t, y_{t+1}) = 8.
    assert summed[1]["estimate"] == pytest.approx(2 / np.sqrt(8), abs=0.04)


def test_overlapping_sums_are_not_taken_for_random_walks(make_bars):
    generator = np.random.default_rng(16)
    x, y = generator.standard_normal((2, 400))
    (row,) = study(make_bars({"A": {"x": x, "y": y}}),
                   family(pairs=("own",), lags=(1,), horizons=(30,)))
    assert row["reason"] is None
    assert abs(row["estimate"]) < 4 * row["standard_error"]


def test_regimes_differ_where_the_dependence_does(make_bars):
    generator = np.random.default_rng(5)
    depth = np.exp(generator.standard_normal(6_000))
    x = generator.standard_normal(6_000)
    y = generator.standard_normal(6_000)
    shallow = np.concatenate([[False], depth[:-1] <= np.quantile(depth, 1 / 3)])
    y += np.where(shallow, 1.0, 0.0) * x
    bars = make_bars({"A": {"x": x, "y": y, "depth_touch_mean": depth}})
    rows = study(bars, family(pairs=("own",), lags=(0,), regimes=("depth", "messages"),
                              regime_lags=(0,)))
    by_regime = {row["regime"]: row for row in rows}
    assert by_regime["depth_low"]["estimate"] == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert abs(by_regime["depth_high"]["estimate"]) < 0.08
    assert sum(by_regime[f"depth_{level}"]["n"] for level in ("low", "middle", "high")) == 5_999
    assert by_regime["messages_low"]["reason"] == "no_such_measure"


def test_series_without_room_are_made_ready_as_often_however_many_regimes_there_are(
    make_bars, monkeypatch
):
    generator = np.random.default_rng(6)
    names = [f"v:{k:02}" for k in range(40)]
    measures = ("x", "y", "depth_touch_mean", "realised_variance")
    bars = make_bars(
        {name: {m: generator.standard_normal(200) for m in measures} for name in names}
    )
    given = {"pairs": ("own",), "lags": (0,), "regime_lags": (0,), "most_instruments": 2}
    roomy = study(bars, family(regimes=("depth", "volatility"), **given))
    monkeypatch.setattr(prepared_series, "_ROOM", 0)
    prepare, made = SeriesPool._prepare, Counter()

    def counted(pool, key):
        made[key] += 1
        return prepare(pool, key)

    monkeypatch.setattr(SeriesPool, "_prepare", counted)
    counts = []
    for regimes in ((), ("depth",), ("depth", "volatility")):
        made.clear()
        rows = study(bars, family(regimes=regimes, **given))
        counts.append(max(made.values()))
    assert rows == roomy
    assert counts[0] == counts[1] == counts[2]


def test_spearman_sees_what_pearson_misses(make_bars):
    generator = np.random.default_rng(6)
    x = generator.standard_normal(500)
    y = np.exp(3 * x)
    rows = study(make_bars({"A": {"x": x, "y": y}}),
                 family(pairs=("own",), lags=(0,), estimators=("pearson", "spearman")))
    found = {row["estimator"]: row for row in rows}
    assert found["spearman"]["reason"] == "collinear"
    assert found["pearson"]["estimate"] < 0.8


REFUSED = {
    "too_few_bars": lambda g: np.where(np.arange(400) < 15, g.standard_normal(400), np.nan),
    "constant_series": lambda _: np.full(400, 3.0),
    "all_null": lambda _: np.full(400, np.nan),
    "unit_root": lambda g: g.standard_normal(400).cumsum(),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_pair_that_cannot_be_estimated_is_one_row_with_its_reason(make_bars, reason):
    generator = np.random.default_rng(0)
    bars = make_bars({"A": {"x": REFUSED[reason](generator), "y": generator.standard_normal(400)}})
    (row,) = study(bars, family(pairs=("own",)))
    assert row["reason"] == reason
    assert row["estimate"] is row["p_value"] is row["q_value"] is row["standard_error"] is None


@pytest.mark.parametrize("start", [4_000, 385, 330])
def test_a_pair_that_is_apart_is_one_row_and_one_that_meets_at_a_lag_is_not(make_bars, start):
    generator = np.random.default_rng(0)
    series = {name: dict(zip("xy", generator.standard_normal((2, 400)), strict=True))
              for name in "AB"}
    bars = pa.concat_tables([
        make_bars({"A": series["A"]}, start=0),
        make_bars({"B": series["B"]}, start=start * 1_000_000_000)])
    rows = [row for row in study(bars, family(regimes=("time",))) if {
        row["instrument_x"], row["instrument_y"]} == {"A", "B"}]
    if start == 330:
        assert {row["reason"] for row in rows if row["regime"] == "all"} == {None}
        return
    assert [(row["reason"], row["regime"], row["n"], row["n_left_out"]) for row in rows] == [
        ("no_common_bars", "all", max(400 - start, 0), 0)] * 2


def test_lags_beyond_the_bars_of_a_pair_that_is_apart(make_bars):
    """Of 44 slots each has half, and no lag joins 20 of them: lags reach to 64."""
    generator = np.random.default_rng(3)
    parts = []
    for name in "AB":
        whole = make_bars({name: dict(zip("xy", generator.standard_normal((2, 44)), strict=True))})
        parts.append(whole.take(np.sort(generator.choice(44, 22, replace=False))))
    rows = [
        row for row in study(pa.concat_tables(parts), family(lags=tuple(range(-64, 65))))
        if row["instrument_x"] != row["instrument_y"]
    ]
    assert [row["reason"] for row in rows] == ["no_common_bars"] * 2


def test_refusals_of_whole_families(make_bars):
    bars = make_bars({"A": {"x": np.arange(50.0) % 7}})
    (row,) = study(bars, family(pairs=("own",), y_measures=("y",)))
    assert row["reason"] == "no_such_measure"
    (row,) = study(bars, family(pairs=("perpetual_to_spot",)))
    assert (row["reason"], row["instrument_x"]) == ("no_pair", "*")
    (row,) = study(bars.slice(0, 0), family())
    assert (row["reason"], row["coverage"]) == ("no_bars", None)
    assert str(row["window_from"]) == "2024-08-08 00:00:00"
    empty = correlations({}, [family()], partition="all")
    assert empty.column("reason").to_pylist() == ["no_bars"]


def test_few_independent_pairs_are_refused(make_bars):
    """Means over 40 bars: 120 of them are worth under five, by Bartlett's formula."""
    reasons = []
    for seed in range(20):
        noise = np.random.default_rng(seed).standard_normal((2, 159))
        x, y = (np.convolve(values, np.ones(40) / 40, mode="valid") for values in noise)
        (row,) = study(make_bars({"A": {"x": x, "y": y}}), family(pairs=("own",), lags=(0,)))
        reasons.append(row["reason"])
    assert {*reasons} == {"too_persistent", "unit_root", None}
    # What a window does not show of its memory nobody can count: it is shown in most of them.
    assert reasons.count(None) <= 5


def test_ties_do_not_remember_one_another(make_bars):
    """Noise that is mostly 0, as trades of a quiet book: its ranks have no memory of their own."""
    x, y = np.random.default_rng(20).standard_normal((2, 3_600))
    x[np.random.default_rng(21).random(3_600) < 0.97] = 0.0
    y[np.random.default_rng(22).random(3_600) < 0.97] = 0.0
    y += x
    rows = study(make_bars({"A": {"x": x, "y": y}}),
                 family(pairs=("own",), lags=(0,), estimators=("spearman", "kendall")))
    assert len(rows) == 2
    for row in rows:
        assert row["n_effective"] > 500
        assert row["p_value"] < 1e-30


def test_correlations_of_two_values_have_one_test(make_bars, make_autoregression):
    """Of series of two values all three correlations are one, and so are their tests."""
    series = np.sign(make_autoregression(np.random.default_rng(23), 0.9, (2, 600)))
    rows = study(make_bars({"A": dict(zip("xy", series, strict=True))}),
                 family(pairs=("own",), lags=(0,), estimators=("pearson", "spearman", "kendall")))
    kendall, pearson, spearman = sorted(rows, key=lambda row: row["estimator"])
    assert pearson["n_effective"] < 300
    for row in (kendall, spearman):
        for name in ("estimate", "n_effective", "p_value"):
            assert row[name] == pytest.approx(pearson[name], rel=0.02)


def test_a_series_whose_one_change_is_in_no_pair_is_constant(make_bars):
    """What rounding leaves of sums over 86,400 bars is no correlation."""
    x, y = np.random.default_rng(2).standard_normal(86_400), np.full(86_400, 0.1)
    x[43_200], y[43_200] = np.nan, 1e6
    rows = study(make_bars({"A": {"x": x, "y": y}}), family(pairs=("own",), lags=(-1, 0, 1)))
    assert {row["lag"]: row["reason"] for row in rows} == {
        -1: None, 0: "constant_series", 1: None}


@pytest.mark.parametrize("lag", [45, -45])
def test_lags_longer_than_the_window_are_refused(make_bars, lag):
    x, y, depth = np.random.default_rng(25).standard_normal((3, 30))
    bars = make_bars({"A": {"x": x, "y": y, "depth_touch_mean": depth}})
    rows = study(bars, family(pairs=("own",), lags=(0, lag), costly_lags=(0, lag),
                              regimes=("depth",), regime_lags=(0, lag)))
    assert {row["reason"] for row in rows if row["lag"] == lag} == {"too_few_bars"}
    assert any(row["bootstrap_low"] is not None for row in rows)


def test_differences_count_the_pairs_that_the_lag_joins(make_bars):
    """A has a bar every even second and B every odd one: at lag 1, and at no other, they meet."""
    generator = np.random.default_rng(26)
    parts = []
    for name, first in (("A", 0), ("B", 1)):
        whole = make_bars({name: dict(zip("xy", generator.standard_normal((2, 400)), strict=True))},
                          poisoned={"A": np.arange(0, 100)})
        parts.append(whole.take(np.arange(first, 400, 2)))
    given = StudyInput.of_bars(
        {"1s": pa.concat_tables(parts)},
        [family(pairs=("cross",), lags=(0, 1), regimes=("time",), regime_lags=(1,))],
        partition="2024-08-08")
    rows = build(given)[CORRELATION_DIFFERENCE.name].to_pylist()
    (row,) = [row for row in rows if row["instrument_x"] == "A"]
    assert (row["n"], row["n_left_out"], row["coverage"]) == (150, 50, 0.75)


def test_q_values_are_over_the_family_and_all_its_bar_sizes(make_bars):
    generator = np.random.default_rng(7)
    bars = {size: make_bars({"A": {"x": generator.standard_normal(200),
                                   "y": generator.standard_normal(200)}}, size)
            for size in ("1s", "10s")}
    families = [family(pairs=("own",), bar_sizes=("1s", "10s")), family(name="g", lags=(0,))]
    rows = correlations(bars, families).to_pylist()
    tests = [row for row in rows if row["family"] == "f"]
    assert len(tests) == 2 * len(LAGS)
    smallest = min(tests, key=lambda row: row["p_value"])
    bound = smallest["p_value"] * len(tests)
    assert smallest["q_value"] <= min(bound, 1.0) + 1e-12
    (alone,) = [row for row in rows if row["family"] == "g"]
    assert alone["q_value"] == pytest.approx(alone["p_value"])


def test_no_row_is_called_whose_interval_holds_zero(make_bars, make_autoregression):
    generator = np.random.default_rng(15)
    values = make_autoregression(generator, 0.5, (12, 40)) + 0.7 * generator.standard_normal(40)
    bars = make_bars({f"S{i:02d}": {"x": one} for i, one in enumerate(values)})
    rows = study(bars, family(y_measures=("x",), estimators=("pearson", "spearman")))
    estimated = [row for row in rows if row["estimate"] is not None]
    assert len(estimated) > 500
    for row in estimated:
        holds_zero = row["interval_low"] <= 0.0 <= row["interval_high"]
        assert row["interval_low"] <= row["estimate"] <= row["interval_high"]
        assert not (holds_zero and row["p_value"] < 0.05 - 1e-9)


def test_two_runs_give_the_same_table(make_bars):
    generator = np.random.default_rng(8)
    bars = make_bars({name: {"x": generator.standard_normal(500),
                             "y": generator.standard_normal(500)} for name in "AB"})
    run = [correlations({"1s": bars}, [family(estimators=("pearson", "spearman"))])
           for _ in range(2)]
    assert run[0].equals(run[1])


def false_discoveries(make_bars, make_autoregression, seed, runs, series, length):
    """Share of panels of independent AR(1) series, φ ≤ 0.9, in which BH calls anything."""
    generator = np.random.default_rng(seed)
    called = 0
    for _ in range(runs):
        coefficients = generator.uniform(0, 0.9, series)
        values = make_autoregression(generator, coefficients, (series, length))
        bars = make_bars({f"S{i:03d}": {"x": values[i]} for i in range(series)})
        rows = study(bars, family(y_measures=("x",), pairs=("cross",), lags=(0,)))
        called += any(row["q_value"] is not None and row["q_value"] <= 0.05 for row in rows)
    return called / runs


def test_nothing_is_found_in_independent_panels(make_bars, make_autoregression):
    found = false_discoveries(make_bars, make_autoregression, 9, 20, 12, 3_600)
    assert found <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 20)


@pytest.mark.slow
@pytest.mark.oracle("Sim7", "correlation")
def test_nothing_is_found_in_independent_panels_of_ten_thousand_tests(
    make_bars, make_autoregression, oracle
):
    found = false_discoveries(make_bars, make_autoregression, 10, 60, 142, 3_600)
    most = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    oracle.lies("false discovery rate of correlations", found, 0.0, most)
    assert found <= most
