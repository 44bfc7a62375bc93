"""What no study may do: find something in noise, look ahead, use bad bars, answer without data.

F46 and F48 to F50 of the faults, Sim7 and Sim11 of the simulations, on the studies of bars.
"""

from collections import Counter

import numpy as np
import pytest

from imbalance.config import Config, StudiesConfig
from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.studies.correlation.study import CorrelationFamily
from imbalance.studies.feedback.study import FeedbackFamily
from imbalance.studies.registry import study
from imbalance.studies.study import load
from imbalance.studies.study_input import StudyInput
from imbalance.studies.tasks import study_task
from imbalance.studies.windows import SPAN
from imbalance.tasks import read_current
from tests.studies.bar_store import write_day

NANOSECONDS_OF_DAY = 86_400 * 10**9
MEASURES = ("order_flow_imbalance", "return_bps")
FAMILIES = {
    "correlation": CorrelationFamily(
        name="f", question="?", x_measures=MEASURES, y_measures=MEASURES, bar_sizes=("1s",),
        lags=(-2, -1, 0, 1, 2), replications=99, regimes=("depth",),
    ),
    "feedback": FeedbackFamily(bar_sizes=("1s",), replications=99, horizon=3, maximum_lag=2),
}


def estimated(bars, name, **changes):
    """Rows of all tables of a study."""
    family = FAMILIES[name]
    given = StudyInput.of_bars(
        {"1s": bars}, [type(family)(**(vars(family) | changes))], partition="2024-08-08")
    tables = load(study(name).build)(given)
    return [row for table in tables.values() for row in table.to_pylist()]


def noise(generator, length, instruments=3):
    return {
        f"binance:{i}": {name: generator.standard_t(4, length) for name in MEASURES}
        | {"depth_touch_mean": generator.random(length)}
        for i in range(instruments)
    }


def discoveries(make_bars, name, runs, length, seed):
    """Of panels of pure noise (Student's t with 4 degrees of freedom) the share with a discovery,
    by table and hypothesis: what is corrected together.
    """
    generator = np.random.default_rng(seed)
    called = Counter()
    for _ in range(runs):
        rows = estimated(make_bars(noise(generator, length)), name, minimum_bars=20)
        tested = [row for row in rows if row["q_value"] is not None]
        called.update(dict.fromkeys(((r["study"], r["hypothesis"]) for r in tested), 0))
        called.update({(r["study"], r["hypothesis"]) for r in tested if r["q_value"] <= 0.05})
    return {tests: count / runs for tests, count in called.items()}


@pytest.mark.parametrize("name", list(FAMILIES))
def test_noise_is_not_called_a_finding(name, make_bars):
    """F46: in a panel without any effect each discovery is false, so that their share is FDR."""
    runs = 25
    found = discoveries(make_bars, name, runs, 300, seed=1)
    assert {hypothesis for _, hypothesis in found} == set(study(name).hypotheses)
    assert max(found.values()) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs), found


@pytest.mark.slow
@pytest.mark.oracle("Sim7", "correlation")
def test_noise_is_not_called_a_finding_in_a_thousand_runs(make_bars, oracle):
    found = discoveries(make_bars, "correlation", 1_000, 300, seed=2)
    for (_, hypothesis), rate in found.items():
        oracle.lies(f"false discovery rate, {hypothesis}", rate, 0.0,
                    0.05 + 3 * np.sqrt(0.05 * 0.95 / 1_000))


def test_the_future_leaves_a_day_as_it_was(tmp_path):
    """F48: another next day neither changes a day's rows nor makes them out of date."""
    config = Config(studies=StudiesConfig(bar_sizes=("1s",), replications=99))
    store = Store(Home.open(tmp_path / "home", create=True), config)
    write_day(store, "2024-08-08", seed=1)
    write_day(store, "2024-08-09", seed=2)
    correlation = study("correlation")
    for partition in ("2024-08-08", SPAN):
        study_task(correlation, store, partition).materialise(store)
    before = read_current(store, "studies.correlation", "2024-08-08")
    write_day(store, "2024-08-09", seed=3)
    assert study_task(correlation, store, "2024-08-08").is_current(store)
    assert not study_task(correlation, store, SPAN).is_current(store)
    again = Store(Home.open(tmp_path / "again", create=True), config)
    write_day(again, "2024-08-08", seed=1)
    write_day(again, "2024-08-09", seed=3)
    study_task(correlation, again, "2024-08-08").materialise(again)
    assert read_current(again, "studies.correlation", "2024-08-08").equals(before)
    end = np.datetime64("2024-08-09", "ns")
    assert before.num_rows > 100
    assert (before.column("available_at").to_numpy() <= end).all()
    assert (before.column("window_to").to_numpy() <= end).all()
    versions = set(before.column("definition_version").to_pylist())
    assert versions == {study_task(correlation, again, SPAN).version}


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5])
def test_gaps_are_left_out_and_counted(share, make_bars):
    """F49: bars lost at random change neither what is found nor the account of them."""
    generator = np.random.default_rng(4)
    x = generator.standard_normal(4_000)
    series = {"binance:A": {"order_flow_imbalance": x,
                            "return_bps": 0.5 * x + generator.standard_normal(4_000),
                            "depth_touch_mean": generator.random(4_000)}}
    lost = np.flatnonzero(generator.random(4_000) < share)
    rows = estimated(make_bars(series, poisoned={"binance:A": lost}), "correlation",
                     pairs=("own",), x_measures=MEASURES[:1], y_measures=MEASURES[1:])
    (row,) = [r for r in rows if r["estimator"] == "pearson" and r["lag"] == 0
              and r["regime"] == "all"]
    assert (row["n"], row["n_left_out"]) == (4_000 - len(lost), len(lost))
    assert row["coverage"] == pytest.approx(1 - len(lost) / 4_000)
    assert row["interval_low"] < 0.5 / 1.25**0.5 < row["interval_high"]
    (lagged,) = [r for r in rows if r["estimator"] == "pearson" and r["lag"] == 1
                 and r["regime"] == "all"]
    there = np.ones(4_000, dtype=bool)
    there[lost] = False
    assert lagged["n"] == np.count_nonzero(there[1:] & there[:-1])
    responses = estimated(make_bars(series, poisoned={"binance:A": lost}), "feedback",
                          systems=("own",))
    assert all(row["n"] <= 4_000 - len(lost) for row in responses)
    assert all(row["n_left_out"] >= len(lost) for row in responses)


def test_nearly_all_gaps_is_a_refusal(make_bars):
    series = noise(np.random.default_rng(5), 500, instruments=1)
    lost = np.setdiff1d(np.arange(500), np.arange(0, 500, 30))
    for name, family in FAMILIES.items():
        rows = estimated(make_bars(series, poisoned={"binance:0": lost}), name)
        assert {row["reason"] for row in rows} <= {"too_few_bars", "no_pair"}, family
        assert all(row["estimate"] is None for row in rows)


@pytest.mark.parametrize("name", list(FAMILIES))
@pytest.mark.parametrize(
    ("spoil", "reasons"),
    [
        ("constant", {"constant_series"}),
        ("duplicate", {"collinear"}),
        ("null", {"all_null"}),
        ("walk", {"unit_root"}),
    ],
)
def test_series_that_cannot_be_used_are_refused_by_name(name, spoil, reasons, make_bars):
    """F50: a named refusal, and not a number that is none."""
    generator = np.random.default_rng(6)
    x, y = generator.standard_normal((2, 600))
    y = {"constant": np.full(600, 2.5), "duplicate": 3.0 * x, "null": np.full(600, np.nan),
         "walk": np.cumsum(y)}[spoil]
    bars = make_bars({"binance:A": {"order_flow_imbalance": x, "return_bps": y}})
    changes = {"pairs": ("own",), "x_measures": MEASURES[:1], "y_measures": MEASURES[1:],
               "lags": (0,), "regimes": ()} if name == "correlation" else {"systems": ("own",)}
    rows = estimated(bars, name, **changes)
    assert {row["reason"] for row in rows} == reasons
    assert all(row[figure] is None for row in rows
               for figure in ("estimate", "standard_error", "p_value", "q_value"))


@pytest.mark.oracle("Sim11", "correlation and feedback")
@pytest.mark.parametrize("name", list(FAMILIES))
def test_what_stands_in_poisoned_bars_is_never_used(name, make_bars, oracle):
    """Whatever is put into the poisoned bars, every row is the same."""
    generator = np.random.default_rng(7)
    series = noise(generator, 700, instruments=2)
    bad = {"binance:0": [50, 51, 52, 300], "binance:1": [299, 699]}
    clean = estimated(make_bars(series, poisoned=bad), name)
    for instrument, where in bad.items():
        for values in series[instrument].values():
            values[where] = 1e9 * generator.standard_normal(len(where))
    again = estimated(make_bars(series, poisoned=bad), name)
    changed = sum(before != after for before, after in zip(clean, again, strict=True))
    oracle.agrees(f"rows of {name} changed by poisoned bars, of {len(clean)}", changed, 0)
    assert any(row["estimate"] is not None for row in clean)
    assert all(row["n_left_out"] > 0 for row in clean if row["regime"] == "all")
