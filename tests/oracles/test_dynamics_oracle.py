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


def test_garch_benchmark(shared, expected):
    found = fit_garch(read(shared / "oracles/garch/dmbp.csv", ["ret"])[:, 0])
    wanted = expected["dmbp"]["FCP_benchmark"]
    assert found.mean == pytest.approx(wanted["mu"], rel=1e-3)
    assert found.omega == pytest.approx(wanted["omega"], rel=1e-3)
    assert found.alpha == pytest.approx(wanted["alpha1"], rel=1e-3)
    assert found.beta == pytest.approx(wanted["beta1"], rel=1e-3)


def test_conditional_correlations(shared, expected):
    """The reference starts its recursion otherwise: the first bar is left out."""
    wanted = expected["dcc"]
    returns = read(shared / "oracles/garch/dji30retw3_pct.csv", wanted["cols"])
    margins = [fit_garch(column) for column in returns.T]
    found = fit_dcc(np.column_stack([margin.standardised for margin in margins]))
    assert found.a == pytest.approx(wanted["coef"]["[Joint]dcca1"], abs=1e-3)
    assert found.b == pytest.approx(wanted["coef"]["[Joint]dccb1"], abs=1e-3)
    total = sum(margin.log_likelihood for margin in margins) + found.log_likelihood
    assert total == pytest.approx(wanted["loglik"], abs=0.05)
    for t, rho in list(zip(wanted["R12_at"]["t"], wanted["R12_at"]["rho"], strict=True))[1:]:
        assert found.path[t - 1, 0, 1] == pytest.approx(rho, abs=5e-3)
    assert found.path[-1, 0, 2] == pytest.approx(wanted["R13_last"], abs=5e-3)
    assert found.path[-1, 1, 2] == pytest.approx(wanted["R23_last"], abs=5e-3)


def test_wavelet_phase_of_a_planted_lag_and_no_coherence_without(shared):
    wanted = json.loads((shared / "oracles/wavelet/wavelet_expected.json").read_text())
    x, y = read(shared / "oracles/wavelet/wc.csv", ["x", "y"]).T
    found = wavelet_coherence(x, y, 4.0, 128.0)
    at = int(np.argmin(np.abs(found.periods - 32.0)))
    assert found.phase[at, 64:192].mean() == pytest.approx(wanted["phase_true"], abs=0.1)
    assert found.coherence[at, 64:192].mean() > 0.95
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
        assert (mean_over_time(half)[0][at] > limit) == coupled
