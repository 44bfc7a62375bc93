"""K1 and the closed forms of A1: Hawkes likelihood, estimates and stationary rates."""

import csv
import json

import numpy as np
import pytest

from imbalance.studies.hawkes.estimate import expect_and_maximise, log_likelihood, maximise
from imbalance.studies.hawkes.process import Events, Hawkes

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


def test_likelihood_of_one_kind_to_the_end_of_the_window_and_to_the_last_event(expected, recorded):
    case = expected["uni"]
    norm = np.array([[[case["alpha"] / case["beta"]]]])
    process = Hawkes(np.array([case["beta"]]), CONSTANT, np.array([[case["mu"]]]), norm)
    for end, name in ((3600.0, "loglik_T3600"), (None, "loglik_Tlast")):
        events = recorded("hawkes_uni.csv", end)
        assert len(events.times) == case["n"]
        assert log_likelihood(events, process).value == pytest.approx(case[name], abs=1e-6)


@pytest.mark.parametrize("estimator", [maximise, expect_and_maximise])
def test_estimates_of_one_kind(expected, recorded, estimator):
    case = expected["uni"]
    settings = {} if estimator is maximise else {"steps": 2_000, "tolerance": 1e-12}
    found = estimator(recorded("hawkes_uni.csv", None), np.array([1.0]), CONSTANT, **settings)
    process = found.process
    alpha = float((process.norms * process.decays).sum())
    estimates = [float(process.baseline[0, 0]), alpha, float(process.decays[0])]
    np.testing.assert_allclose(estimates, case["mle_NM_pkg"], atol=1e-3)
    assert found.log_likelihood == pytest.approx(-case["mle_negLL"], abs=1e-5)


def test_likelihood_of_two_kinds(expected, recorded):
    case = expected["biv"]
    norms = (np.array(case["alpha"]) / case["beta"][0])[:, :, None]
    process = Hawkes(np.array(case["beta"][:1]), CONSTANT, np.array(case["mu"])[:, None],
                     np.ascontiguousarray(norms))
    events = recorded("hawkes_biv.csv", 3600.0)
    assert events.counts.tolist() == case["n"]
    value = log_likelihood(events, process).value
    assert value == pytest.approx(case["loglik_T3600"], abs=1e-6)
    assert process.spectral_radius == pytest.approx(case["spectral_radius"], abs=1e-12)


def test_stationary_shares_in_closed_form(shared):
    case = json.loads((shared / "oracles/analytic/closed_forms.json").read_text())
    case = case["hawkes_stationary"]
    norms = (np.array(case["alpha"]) / case["beta"])[:, :, None]
    np.testing.assert_allclose(norms[:, :, 0], case["kernel_norm"], atol=1e-12)
    process = Hawkes(np.array([case["beta"]]), CONSTANT, np.array(case["mu"])[:, None], norms)
    assert process.spectral_radius == pytest.approx(case["spectral_radius"], abs=1e-12)
    rates = np.linalg.solve(np.eye(2) - process.branching, process.baseline[:, 0])
    np.testing.assert_allclose(rates, case["rates"], atol=1e-9)
    # A window in which each kind occurs as often as its stationary rate says.
    duration = 1e9
    counts = np.round(rates * duration).astype(int)
    kinds = np.repeat([0, 1], [3, 4])
    events = Events(np.arange(7.0), kinds, 2, np.array([0.0]), np.array([duration]))
    events.__dict__["counts"] = counts
    np.testing.assert_allclose(process.exogenous_share(events), case["exogenous_share"], atol=1e-6)
