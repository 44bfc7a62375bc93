"""K1 and the closed forms of A1: Hawkes likelihood, estimates and stationary rates."""

import csv
import json

import numpy as np
import pytest

from imbalance.studies.hawkes.estimate import expect_and_maximise, log_likelihood, maximise
from imbalance.studies.hawkes.process import Events, Hawkes

pytestmark = pytest.mark.oracle("K1", "hawkes")

CONSTANT = np.array([0.0])


@pytest.fixture(scope="module")
def expected(shared):
    return json.loads((shared / "oracles/hawkes/hawkes_expected.json").read_text())


@pytest.fixture(scope="module")
def recorded(shared):
    def read(name, end):
        with (shared / "oracles/hawkes" / name).open() as file:
            rows = list(csv.DictReader(file))
        times = np.array([float(row["t"]) for row in rows])
        kinds = np.array([int(row.get("k", 1)) - 1 for row in rows])
        last = end or float(np.nextafter(times[-1], np.inf))
        return Events.within(times, kinds, int(kinds.max()) + 1, [(0.0, last)])

    return read


def test_likelihood_of_one_kind_to_the_end_of_the_window_and_to_the_last_event(
    expected, recorded, oracle
):
    case = expected["uni"]
    norm = np.array([[[case["alpha"] / case["beta"]]]])
    process = Hawkes(np.array([case["beta"]]), CONSTANT, np.array([[case["mu"]]]), norm)
    for end, name in ((3600.0, "loglik_T3600"), (None, "loglik_Tlast")):
        events = recorded("hawkes_uni.csv", end)
        assert len(events.times) == case["n"]
        value = log_likelihood(events, process).value
        oracle.agrees(f"one kind, {name}", value, case[name], atol=1e-6)


@pytest.mark.parametrize("estimator", [maximise, expect_and_maximise])
def test_estimates_of_one_kind(expected, recorded, oracle, estimator):
    case = expected["uni"]
    settings = {} if estimator is maximise else {"steps": 2_000, "tolerance": 1e-12}
    found = estimator(recorded("hawkes_uni.csv", None), np.array([1.0]), CONSTANT, **settings)
    process = found.process
    alpha = float((process.norms * process.decays).sum())
    estimates = [float(process.baseline[0, 0]), alpha, float(process.decays[0])]
    name = estimator.__name__
    oracle.agrees(f"μ, α, β by {name}", estimates, case["mle_NM_pkg"], atol=1e-3)
    oracle.agrees(f"likelihood by {name}", found.log_likelihood, -case["mle_negLL"], atol=1e-6)


def test_likelihood_of_two_kinds(expected, recorded, oracle):
    case = expected["biv"]
    norms = (np.array(case["alpha"]) / case["beta"][0])[:, :, None]
    process = Hawkes(np.array(case["beta"][:1]), CONSTANT, np.array(case["mu"])[:, None],
                     np.ascontiguousarray(norms))
    events = recorded("hawkes_biv.csv", 3600.0)
    assert events.counts.tolist() == case["n"]
    value = log_likelihood(events, process).value
    oracle.agrees("two kinds, loglik_T3600", value, case["loglik_T3600"], atol=1e-6)
    oracle.agrees("spectral radius", process.spectral_radius, case["spectral_radius"], atol=1e-12)


@pytest.mark.oracle("A1", "hawkes")
def test_stationary_shares_in_closed_form(shared, oracle):
    case = json.loads((shared / "oracles/analytic/closed_forms.json").read_text())
    case = case["hawkes_stationary"]
    norms = (np.array(case["alpha"]) / case["beta"])[:, :, None]
    oracle.agrees("norms of the kernels", norms[:, :, 0], case["kernel_norm"], atol=1e-12)
    process = Hawkes(np.array([case["beta"]]), CONSTANT, np.array(case["mu"])[:, None], norms)
    oracle.agrees("spectral radius", process.spectral_radius, case["spectral_radius"], atol=1e-12)
    rates = np.linalg.solve(np.eye(2) - process.branching, process.baseline[:, 0])
    oracle.agrees("stationary rates", rates, case["rates"], atol=1e-9)
    # A window in which each kind occurs as often as its stationary rate says.
    duration = 1e12
    counts = np.round(rates * duration).astype(int)
    kinds = np.repeat([0, 1], [3, 4])
    events = Events(np.arange(7.0), kinds, 2, np.array([0.0]), np.array([duration]))
    events.__dict__["counts"] = counts
    share = process.exogenous_share(events)
    oracle.agrees("exogenous share", share, case["exogenous_share"], atol=1e-9)
