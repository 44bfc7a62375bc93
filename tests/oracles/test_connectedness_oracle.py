"""C1, C1b, C3, C5 and the closed form of A1: connectedness against the R packages and in print."""

import csv
import json

import numpy as np
import pytest

from imbalance.studies.connectedness.frequency import band_tables
from imbalance.studies.connectedness.measures import (
    Connectedness,
    generalised_table,
    orthogonal_table,
)
from imbalance.studies.connectedness.time_varying import filter_path, least_squares_prior
from imbalance.studies.vector_autoregression import fit

pytestmark = pytest.mark.oracle("C1", "connectedness")


def read(path):
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(v) for name, v in row.items() if name != "date"] for row in rows])


@pytest.fixture(scope="module")
def volatilities(shared):
    folder = shared / "oracles/connectedness"
    expected = json.loads((folder / "dy2012_expected.json").read_text())
    data = read(folder / "dy2012.csv")
    model = fit(data, expected["p"])
    return model.coefficients, model.sigma * (model.degrees / model.n), expected


@pytest.mark.parametrize(
    ("name", "make"), [("generalized", generalised_table), ("cholesky", orthogonal_table)]
)
def test_diebold_and_yilmaz_2012(volatilities, oracle, name, make):
    lagged, sigma, expected = volatilities
    wanted = expected[name]
    found = Connectedness(make(lagged, sigma, expected["H"]))
    for values, column in (
        (found.table, "table_pct"), (found.transmitted, "TO"), (found.received, "FROM"),
        (found.net, "NET"), (found.total, "TCI"), (found.corrected_total, "cTCI"),
    ):
        oracle.agrees(f"{name} {column}", 100.0 * values, wanted[column], atol=1e-9)
    off = ~np.eye(4, dtype=bool)
    oracle.agrees(f"{name} PCI", 100.0 * found.pairwise_index[off],
                  np.array(wanted["PCI"])[off], atol=1e-9)
    oracle.agrees(f"{name} NPT", (found.net_pairwise > 0.0).sum(axis=1), wanted["NPT"])


def test_the_system_behind_it(volatilities, oracle):
    lagged, sigma, expected = volatilities
    oracle.agrees("covariance", sigma, expected["Sigma_MLdivT"], atol=1e-9)
    found = lagged.transpose(1, 0, 2).reshape(4, -1)
    oracle.agrees("coefficients", found, expected["B_no_intercept"], atol=1e-9)


@pytest.mark.oracle("C1b", "connectedness")
def test_terms_are_counted_not_steps(volatilities, oracle):
    """C1b: what another package calls 9 and 10 steps ahead are 10 and 11 terms."""
    lagged, sigma, expected = volatilities
    for wanted in expected["frequencyConnectedness"]:
        terms = wanted["n_ahead"] + 1
        found = Connectedness(generalised_table(lagged, sigma, terms))
        by_order = Connectedness(orthogonal_table(lagged, sigma, terms))
        for what, got, column in (("total", found.total, "overall"),
                                  ("table", found.table, "table"),
                                  ("orthogonal total", by_order.total, "chol_overall")):
            oracle.agrees(f"{what} of {terms} terms", 100.0 * got, wanted[column], atol=1e-9)


@pytest.mark.oracle("C3", "connectedness")
@pytest.mark.parametrize("correlated", [True, False])
def test_bands_of_barunik_and_krehlik(shared, volatilities, oracle, correlated):
    text = (shared / "oracles/connectedness/dy2012_BK_expected.json").read_text()
    wanted = json.loads(text)["res"]["nocorr_FALSE" if correlated else "nocorr_TRUE"]
    lagged, sigma, _ = volatilities
    used = sigma if correlated else np.diag(np.diag(sigma))
    # The edges π, π/4, π/20, 0; 100 steps ahead are 101 terms.
    found = Connectedness(band_tables(lagged, used, 101, (2.0, 8.0, 40.0, np.inf)))
    within = found.total / found.table.mean(axis=-2).sum(axis=-1)
    whole = Connectedness(generalised_table(lagged, used, 101))
    # The package divides TO and FROM of a band by the number of variables.
    for values, column in (
        (100.0 * found.table, "tables_pct"), (100.0 * found.total, "overall_abs"),
        (100.0 * within, "overall_within"), (25.0 * found.transmitted, "to_abs"),
        (25.0 * found.received, "from_abs"), (25.0 * found.net, "net_abs"),
        (100.0 * whole.total, "DY12_same_H"),
    ):
        shocks = "correlated" if correlated else "uncorrelated"
        oracle.agrees(f"{column}, {shocks} shocks", values, wanted[column], atol=1e-9)
    np.testing.assert_allclose(found.table.sum(axis=0), whole.table, rtol=0, atol=1e-12)


@pytest.mark.oracle("C5", "connectedness")
def test_time_varying_of_gabauer_and_gupta_2018(shared, oracle):
    folder = shared / "oracles/connectedness"
    expected = json.loads((folder / "gg2018_tvpvar_expected.json").read_text())
    data = read(folder / "gg2018.csv")
    prior = least_squares_prior(data, expected["p"], 199)
    path = filter_path(data - data.mean(axis=0), prior, np.arange(len(data)),
                       forgetting=0.99, decay=0.99)
    found = Connectedness(generalised_table(path.lagged, path.sigma, expected["H"]))
    total = 100.0 * found.total
    oracle.agrees("mean total", total.mean(), expected["TCI_mean"], atol=1e-6)
    at = [index - 1 for index in expected["TCI_idx"]]
    oracle.agrees("total at days", total[at], expected["TCI_at"], atol=1e-6)
    row = 100.0 * np.append(found.table.mean(axis=0)[0], found.received.mean(axis=0)[0])
    oracle.agrees("first row in print", row, expected["published_row1"], atol=0.01)
    oracle.agrees("total in print", total.mean(), expected["published_TCI"], atol=0.01)
    corrected = 100.0 * found.corrected_total.mean()
    oracle.agrees("corrected total in print", corrected, expected["published_cTCI"], atol=0.01)


@pytest.mark.oracle("A1", "connectedness")
def test_closed_form_of_a_first_order_system(shared, oracle):
    expected = json.loads((shared / "oracles/analytic/closed_forms.json").read_text())["VAR1_IRF"]
    found = Connectedness(
        generalised_table(np.array(expected["A"])[None], np.array(expected["Sigma"]), 10)
    )
    oracle.agrees("generalised shares", found.table, expected["gfevd_H10_rownorm"], atol=1e-9)
    oracle.agrees("total", 100.0 * found.total, expected["TCI_pct"], atol=1e-9)
