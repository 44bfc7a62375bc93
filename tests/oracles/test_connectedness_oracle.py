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
def test_diebold_and_yilmaz_2012(volatilities, name, make):
    lagged, sigma, expected = volatilities
    wanted = expected[name]
    found = Connectedness(make(lagged, sigma, expected["H"]))
    for values, column in (
        (found.table, "table_pct"), (found.transmitted, "TO"), (found.received, "FROM"),
        (found.net, "NET"), (found.total, "TCI"), (found.corrected_total, "cTCI"),
    ):
        np.testing.assert_allclose(100.0 * values, wanted[column], rtol=0, atol=1e-9)
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(
        100.0 * found.pairwise_index[off], np.array(wanted["PCI"])[off], rtol=0, atol=1e-9
    )
    assert (found.net_pairwise > 0.0).sum(axis=1).tolist() == wanted["NPT"]


def test_the_system_behind_it(volatilities):
    lagged, sigma, expected = volatilities
    np.testing.assert_allclose(sigma, expected["Sigma_MLdivT"], rtol=0, atol=1e-9)
    found = lagged.transpose(1, 0, 2).reshape(4, -1)
    np.testing.assert_allclose(found, expected["B_no_intercept"], rtol=0, atol=1e-9)


def test_terms_are_counted_not_steps(volatilities):
    """C1b: what another package calls 9 and 10 steps ahead are 10 and 11 terms."""
    lagged, sigma, expected = volatilities
    for wanted in expected["frequencyConnectedness"]:
        terms = wanted["n_ahead"] + 1
        found = Connectedness(generalised_table(lagged, sigma, terms))
        assert 100.0 * found.total == pytest.approx(wanted["overall"], abs=1e-9)
        np.testing.assert_allclose(100.0 * found.table, wanted["table"], rtol=0, atol=1e-9)
        by_order = Connectedness(orthogonal_table(lagged, sigma, terms))
        assert 100.0 * by_order.total == pytest.approx(wanted["chol_overall"], abs=1e-9)


@pytest.mark.parametrize("correlated", [True, False])
def test_bands_of_barunik_and_krehlik(shared, volatilities, correlated):
    text = (shared / "oracles/connectedness/dy2012_BK_expected.json").read_text()
    wanted = json.loads(text)["res"]["nocorr_FALSE" if correlated else "nocorr_TRUE"]
    lagged, sigma, _ = volatilities
    used = sigma if correlated else np.diag(np.diag(sigma))
    # The edges π, π/4, π/20, 0; 100 steps ahead are 101 terms.
    found = Connectedness(band_tables(lagged, used, 101, (2.0, 8.0, 40.0, np.inf)))
    np.testing.assert_allclose(100.0 * found.table, wanted["tables_pct"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(100.0 * found.total, wanted["overall_abs"], rtol=0, atol=1e-9)
    within = found.total / found.table.mean(axis=-2).sum(axis=-1)
    np.testing.assert_allclose(100.0 * within, wanted["overall_within"], rtol=0, atol=1e-9)
    # The package divides TO and FROM of a band by the number of variables.
    for values, column in ((found.transmitted, "to_abs"), (found.received, "from_abs"),
                           (found.net, "net_abs")):
        np.testing.assert_allclose(25.0 * values, wanted[column], rtol=0, atol=1e-9)
    whole = Connectedness(generalised_table(lagged, used, 101))
    assert 100.0 * whole.total == pytest.approx(wanted["DY12_same_H"], abs=1e-9)
    np.testing.assert_allclose(found.table.sum(axis=0), whole.table, rtol=0, atol=1e-12)


def test_time_varying_of_gabauer_and_gupta_2018(shared):
    folder = shared / "oracles/connectedness"
    expected = json.loads((folder / "gg2018_tvpvar_expected.json").read_text())
    data = read(folder / "gg2018.csv")
    prior = least_squares_prior(data, expected["p"], 199)
    path = filter_path(data - data.mean(axis=0), prior, np.arange(len(data)),
                       forgetting=0.99, decay=0.99)
    found = Connectedness(generalised_table(path.lagged, path.sigma, expected["H"]))
    total = 100.0 * found.total
    assert total.mean() == pytest.approx(expected["TCI_mean"], abs=1e-6)
    at = [index - 1 for index in expected["TCI_idx"]]
    np.testing.assert_allclose(total[at], expected["TCI_at"], rtol=0, atol=1e-6)
    row = 100.0 * np.append(found.table.mean(axis=0)[0], found.received.mean(axis=0)[0])
    np.testing.assert_allclose(row, expected["published_row1"], rtol=0, atol=0.01)
    assert total.mean() == pytest.approx(expected["published_TCI"], abs=0.01)
    corrected = 100.0 * found.corrected_total.mean()
    assert corrected == pytest.approx(expected["published_cTCI"], abs=0.01)


def test_closed_form_of_a_first_order_system(shared):
    expected = json.loads((shared / "oracles/analytic/closed_forms.json").read_text())["VAR1_IRF"]
    found = Connectedness(
        generalised_table(np.array(expected["A"])[None], np.array(expected["Sigma"]), 10)
    )
    np.testing.assert_allclose(found.table, expected["gfevd_H10_rownorm"], rtol=0, atol=1e-9)
    assert 100.0 * found.total == pytest.approx(expected["TCI_pct"], abs=1e-9)
