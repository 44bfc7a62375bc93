"""P2: local projections with Newey–West errors against the R package lpirfs."""

import csv
import json

import numpy as np
import pytest

from imbalance.studies.local_projections.project import project, standard_errors
from imbalance.studies.vector_autoregression import fit

pytestmark = pytest.mark.oracle("P2", "local_projections")


@pytest.fixture(scope="module")
def interest(shared):
    expected = json.loads((shared / "oracles/lp/lp_lin_expected.json").read_text())
    with (shared / "oracles/lp/interest_rules.csv").open() as file:
        data = np.array([[float(v) for v in row.values()] for row in csv.DictReader(file)])
    return data, expected


def impulses(data, lag):
    """Columns of the Cholesky factor, each scaled to a diagonal of one and of the shock's s.d."""
    model = fit(data, lag)
    covariance = np.cov((model.residuals * model.scale).T)
    factor = np.linalg.cholesky(covariance)
    unit = factor / np.diag(factor)
    return unit, unit * np.sqrt(np.diag(covariance))


def test_responses_of_lpirfs(interest, oracle):
    data, expected = interest
    lag = expected["lags"]
    for shocks, name in zip(impulses(data, lag), ("irf_unit", "irf_sd"), strict=True):
        # Their horizon h starts at t − 1: a projection of h bars ahead on y_t and 3 lags.
        found = [shocks.T, *((project(data, lag - 1, h).coefficients @ shocks).T
                             for h in range(1, expected["hor"] + 1))]
        oracle.agrees(f"responses, {name}", np.dstack(found),
                      np.array(expected[name])[:, :, : len(found)], atol=1e-8)


def test_newey_west_bands_of_lpirfs(interest, oracle):
    """Their lower band is (B − 1 · s.e.) d with as many lags as bars ahead."""
    data, expected = interest
    _, shocks = impulses(data, expected["lags"])
    bands = {"low_sd": [], "up_sd": []}
    for h in range(1, expected["hor"] + 1):
        found = project(data, expected["lags"] - 1, h)
        errors = np.column_stack([
            standard_errors(found, unit, "hac", lags=h) for unit in np.eye(data.shape[1])
        ])
        for sign, band in zip((-1.0, 1.0), bands.values(), strict=True):
            band.append(((found.coefficients + sign * expected["confint"] * errors) @ shocks).T)
    for name, band in bands.items():
        oracle.agrees(f"Newey–West band, {name}", np.dstack(band),
                      np.array(expected[name])[:, :, 1 : len(band) + 1], atol=1e-8)
