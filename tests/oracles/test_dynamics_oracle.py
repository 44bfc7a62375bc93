"""D1, D2 and W1: GARCH, DCC and wavelet coherence against rugarch, rmgarch and a planted lag."""

import csv
import json

import numpy as np
import pytest

from imbalance.studies.coherence.wavelet import (
    first_autocorrelation,
    mean_over_time,
    surrogate_coherence,
    wavelet_coherence,
)
from imbalance.studies.dynamics.garch import fit_dcc, fit_garch


def read(path, columns):
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(row[name]) for name in columns] for row in rows])


@pytest.fixture(scope="module")
def expected(shared):
    return json.loads((shared / "oracles/garch/garch_dcc_expected.json").read_text())


@pytest.mark.oracle("D1", "dynamics")
def test_garch_benchmark(shared, expected, oracle):
    found = fit_garch(read(shared / "oracles/garch/dmbp.csv", ["ret"])[:, 0])
    wanted = expected["dmbp"]["FCP_benchmark"]
    for got, name in ((found.mean, "mu"), (found.omega, "omega"), (found.alpha, "alpha1"),
                      (found.beta, "beta1")):
        oracle.agrees(name, got, wanted[name], rtol=1e-3)


@pytest.mark.oracle("D2", "dynamics")
def test_conditional_correlations(shared, expected, oracle):
    """The reference starts its recursion otherwise: the first bar is left out."""
    wanted = expected["dcc"]
    returns = read(shared / "oracles/garch/dji30retw3_pct.csv", wanted["cols"])
    margins = [fit_garch(column) for column in returns.T]
    found = fit_dcc(np.column_stack([margin.standardised for margin in margins]))
    oracle.agrees("a", found.a, wanted["coef"]["[Joint]dcca1"], atol=1e-3)
    oracle.agrees("b", found.b, wanted["coef"]["[Joint]dccb1"], atol=1e-3)
    total = sum(margin.log_likelihood for margin in margins) + found.log_likelihood
    oracle.agrees("likelihood", total, wanted["loglik"], atol=0.05)
    at = np.array(wanted["R12_at"]["t"])[1:] - 1
    oracle.agrees("ρ of 1 and 2 at bars", found.path[at, 0, 1], wanted["R12_at"]["rho"][1:],
                  atol=5e-3)
    oracle.agrees("last ρ of 1 and 2 with 3", found.path[-1, :2, 2],
                  [wanted["R13_last"], wanted["R23_last"]], atol=5e-3)


@pytest.mark.oracle("W1", "coherence")
def test_wavelet_phase_of_a_planted_lag_and_no_coherence_without(shared, oracle):
    wanted = json.loads((shared / "oracles/wavelet/wavelet_expected.json").read_text())
    x, y = read(shared / "oracles/wavelet/wc.csv", ["x", "y"]).T
    found = wavelet_coherence(x, y, 4.0, 128.0)
    at = int(np.argmin(np.abs(found.periods - 32.0)))
    oracle.agrees("phase", found.phase[at, 64:192].mean(), wanted["phase_true"], atol=0.1)
    oracle.lies("coherence, coupled", found.coherence[at, 64:192].mean(), 0.95, 1.0)
    # By halves: the first is coupled, the second is not, and only surrogates can tell.
    for part, coupled in ((slice(0, 256), True), (slice(256, 512), False)):
        half = wavelet_coherence(x[part], y[part], 4.0, 64.0)
        at = int(np.argmin(np.abs(half.periods - 32.0)))
        drawn = surrogate_coherence(
            first_autocorrelation(x[part]), first_autocorrelation(y[part]), 256, 4.0, 64.0, 6,
            count=99, seed=1,
        )
        limit = np.quantile(drawn[:, at], 0.95)
        assert 0.2 < limit < 0.8
        name = f"coherence over the limit of surrogates, {'coupled' if coupled else 'independent'}"
        oracle.agrees(name, mean_over_time(half)[0][at] > limit, coupled)
