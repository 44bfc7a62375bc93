"""The study of correlation matrices from bars to rows: planted groups, gaps, degenerate series."""

import numpy as np
import pytest

from imbalance.errors import UserError
from imbalance.studies.columns import ANY
from imbalance.studies.correlation_matrix.build import build
from imbalance.studies.correlation_matrix.estimate import MatrixEstimate
from imbalance.studies.correlation_matrix.study import CORRELATION_MATRIX, MatrixFamily
from imbalance.studies.study_input import StudyInput
from tests.studies.conftest import bars_table

FAMILY = MatrixFamily(name="returns", question="?", measure="return_bps", bar_sizes=("1s",),
                      replications=99, seed=3)
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
    estimate = MatrixEstimate((rows - rows.mean(axis=0)) / rows.std(axis=0) * 7.0, 1500.0, 0.765)
    for name, shrunk in estimate.shrunk.items():
        row = select(found, estimator=f"intensity_{name}")[0]
        assert row["estimate"] == pytest.approx(shrunk.intensity, rel=1e-9)


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
    assert reasons <= {None, "no_common_bars"}


@pytest.mark.parametrize("setting", [
    {"bar_sizes": ()}, {"farthest": 0.0}, {"farthest": 2.5}, {"replications": 5},
])
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(UserError) as error:
        MatrixFamily(name="mine", question="?", measure="return_bps", **setting)
    assert error.value.where == "family mine"
