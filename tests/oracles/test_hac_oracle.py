"""H1: HAC and HC standard errors against the R package sandwich (1e-9, and 1e-9 of each)."""

import csv
import json

import numpy as np
import pytest

from imbalance.studies.covariance import (
    andrews_bandwidth,
    hac_covariance,
    hc_covariance,
    newey_west_bandwidth,
)

pytestmark = pytest.mark.oracle("H1", "correlation")

BOTH = {"atol": 1e-9, "rtol": 1e-9}

NO_INTERCEPT = np.array([0.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def investment(shared):
    with (shared / "oracles/hac/investment.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if "NA" not in row.values()]
    x = np.array([[1.0, float(row["RealGNP"]), float(row["RealInt"])] for row in rows])
    y = np.array([float(row["RealInv"]) for row in rows])
    expected = json.loads((shared / "oracles/hac/investment_expected.json").read_text())
    beta = np.linalg.lstsq(x, y, rcond=None)[0]
    np.testing.assert_allclose(beta, expected["coef"], rtol=1e-10)
    return x, y - x @ beta, expected


def errors(covariance):
    return np.sqrt(np.diag(covariance))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("NW_lag4_noprewhite_noadj", {"bandwidth": 4}),
        ("NW_lag4_noprewhite_adj", {"bandwidth": 4, "small_sample": True}),
        ("NW_auto_prewhite", {"prewhiten": True}),
    ],
)
def test_newey_west(investment, oracle, name, settings):
    x, u, expected = investment
    found = errors(hac_covariance(x, u, **settings))
    oracle.agrees(f"standard errors, {name}", found, expected[name], **BOTH)


def test_automatic_bandwidth_of_newey_and_west(investment, oracle):
    x, u, expected = investment
    wanted = expected["NW_auto_bw"]
    bandwidth = newey_west_bandwidth(x * u[:, None], NO_INTERCEPT)
    oracle.agrees("automatic bandwidth", bandwidth, wanted["bwNeweyWest"], **BOTH)
    found = errors(hac_covariance(x, u))
    oracle.agrees("standard errors at it", found, wanted["se"], **BOTH)


def test_quadratic_spectral_kernel_with_the_bandwidth_of_andrews(investment, oracle):
    x, u, expected = investment
    wanted = expected["Andrews_QS"]
    bandwidth = andrews_bandwidth(x * u[:, None], NO_INTERCEPT)
    oracle.agrees("bandwidth of Andrews", bandwidth, wanted["bw"], **BOTH)
    covariance = hac_covariance(x, u, kernel="quadratic_spectral", small_sample=True)
    oracle.agrees("standard errors, quadratic spectral", errors(covariance), wanted["se"],
                  **BOTH)


@pytest.mark.parametrize(("name", "kind"), [("HC0", "hc0"), ("HC3", "hc3")])
def test_heteroskedasticity_only(investment, oracle, name, kind):
    x, u, expected = investment
    found = errors(hc_covariance(x, u, kind))
    oracle.agrees(f"standard errors, {name}", found, expected[name], **BOTH)
