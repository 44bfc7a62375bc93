"""V1, V3, G1 and the closed forms of A1: the feedback study against vars, lmtest and Lütkepohl."""

import csv
import json

import numpy as np
import pytest

from imbalance.studies.granger_causality import granger, instantaneous
from imbalance.studies.impulse_response import (
    generalised,
    generalised_variance_shares,
    moving_average,
    orthogonal,
    variance_shares,
)
from imbalance.studies.residual_diagnostics import arch, normality, portmanteau
from imbalance.studies.vector_autoregression import fit, select_lag


def read(path, columns=None):
    with path.open() as file:
        rows = list(csv.DictReader(file))
    names = columns or list(rows[0])
    return np.array([[float(row[name]) for name in names] for row in rows])


@pytest.fixture(scope="module")
def canada(shared):
    expected = json.loads((shared / "oracles/var/canada_expected.json").read_text())
    data = read(shared / "oracles/var/canada.csv", expected["cols"])
    return data, fit(data, expected["p"]), expected


def test_canada_fit(canada):
    _, model, expected = canada
    found = np.column_stack([*model.coefficients, model.intercept])
    np.testing.assert_allclose(found, expected["coef"], rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(model.sigma, expected["Sigma_dfadj"], atol=1e-7)
    np.testing.assert_allclose(model.root_moduli, expected["roots"], atol=1e-7)
    assert model.log_likelihood == pytest.approx(expected["logLik"], abs=1e-7)


def test_canada_responses(canada):
    _, model, expected = canada
    phi = moving_average(model.coefficients, 10)
    by_order = orthogonal(phi, model.sigma)
    order_free = generalised(phi, model.sigma)
    shares = variance_shares(by_order)
    for j, name in enumerate(expected["cols"]):
        np.testing.assert_allclose(phi[:, :, j], expected["irf_nonorth"][name], atol=1e-7)
        np.testing.assert_allclose(by_order[:, :, j], expected["irf_orth"][name], atol=1e-7)
        np.testing.assert_allclose(order_free[:, :, j], expected["girf"][j], atol=1e-7)
        np.testing.assert_allclose(shares[:10, j], expected["fevd"][name], atol=1e-7)


def test_canada_causality(canada):
    _, model, expected = canada
    for j, wanted in enumerate(expected["causality"]):
        rest = [i for i in range(4) if i != j]
        found = granger(model, [j], rest)
        assert found.statistic == pytest.approx(wanted["granger_F"], abs=1e-7)
        assert (found.df1, found.df2) == (wanted["df1"], wanted["df2"])
        assert found.p_value == pytest.approx(wanted["p"], abs=1e-9)
        shocks = instantaneous(model, [j], rest)
        assert shocks.statistic == pytest.approx(wanted["inst_chi2"], abs=1e-7)
        assert shocks.p_value == pytest.approx(wanted["inst_p"], abs=1e-9)


def test_canada_causality_under_heteroskedasticity(canada):
    _, model, expected = canada
    found = granger(model, [0], [1, 2, 3], "hc3")
    assert found.statistic == pytest.approx(expected["granger_HC_F"], abs=1e-7)
    assert found.p_value == pytest.approx(expected["granger_HC_p"], abs=1e-7)


def test_canada_diagnostics(canada):
    _, model, expected = canada
    for name, found in (
        ("portmanteau16", portmanteau(model, 16)),
        ("jb", normality(model)),
        ("archlm5", arch(model, 5)),
    ):
        assert found.statistic == pytest.approx(expected[name]["stat"], abs=1e-7)
        assert found.p_value == pytest.approx(expected[name]["p"], abs=1e-7)
    assert portmanteau(model, 16).df1 == expected["portmanteau16"]["df"]


def test_canada_lag_selection(canada):
    data, _, expected = canada
    found = select_lag(data, 8)
    np.testing.assert_allclose(
        [found.aic, found.hq, found.bic, found.fpe], expected["select"]["criteria"], atol=1e-7
    )
    chosen = [found.chosen(name) for name in ("aic", "hq", "bic", "fpe")]
    assert chosen == expected["select"]["chosen"]


def test_canada_forecasts(canada):
    """Forecasts follow from what the fit exposes: coefficients, constant, covariance."""
    data, model, expected = canada
    past = list(data[-model.lag :][::-1])
    phi = moving_average(model.coefficients, 7)
    variance = np.cumsum(np.diagonal(phi @ model.sigma @ phi.swapaxes(1, 2), axis1=1, axis2=2), 0)
    for h in range(8):
        terms = [a @ y for a, y in zip(model.coefficients, past, strict=False)]
        forecast = model.intercept + sum(terms)
        past.insert(0, forecast)
        for j, name in enumerate(expected["cols"]):
            wanted = expected["forecast8"][name][h]
            half = 1.959963984540054 * np.sqrt(variance[h, j])
            found = [forecast[j], forecast[j] - half, forecast[j] + half, half]
            np.testing.assert_allclose(found, wanted, rtol=1e-7)


def test_luetkepohl(shared):
    expected = json.loads((shared / "oracles/var/lutkepohl_expected.json").read_text())
    model = fit(read(shared / "oracles/var/lutkepohl_e1_dlog_75.csv"), 2)
    assert model.n == expected["nobs_eff"] == 73
    found = np.column_stack([*model.coefficients, model.intercept])
    np.testing.assert_allclose(found, expected["coef"], atol=1e-6)
    np.testing.assert_allclose(model.intercept, [-0.017, 0.016, 0.013], atol=1e-3)
    np.testing.assert_allclose(model.coefficients[0, 0], [-0.320, 0.146, 0.961], atol=1e-3)
    np.testing.assert_allclose(model.sigma * 1e4, expected["Sigma_dfadj_x1e4"], atol=1e-6)
    causality = granger(model, [1, 2], [0], system_degrees=True)
    assert causality.statistic == pytest.approx(
        expected["granger_income_cons_to_invest_F"], abs=1e-6
    )
    assert causality.statistic == pytest.approx(1.59, abs=5e-3)
    assert causality.p_value == pytest.approx(expected["granger_p"], abs=1e-6)
    responses = orthogonal(moving_average(model.coefficients, 10), model.sigma)
    for j, name in enumerate(("invest", "income", "cons")):
        wanted = np.array(expected["irf_orth"][name])
        np.testing.assert_allclose(responses[: len(wanted), :, j], wanted, atol=1e-6)


@pytest.mark.parametrize("order", range(1, 7))
def test_chickens_and_eggs(shared, order):
    expected = json.loads((shared / "oracles/granger/chickegg_expected.json").read_text())
    wanted = expected["orders"][order - 1]
    model = fit(read(shared / "oracles/granger/chickegg.csv", ["chicken", "egg"]), order)
    # `egg_on_chicken` is the regression of egg on chicken: does chicken cause egg?
    for cause, effect, name in ((0, 1, "egg_on_chicken"), (1, 0, "chicken_on_egg")):
        found = granger(model, [cause], [effect])
        assert found.statistic == pytest.approx(wanted[f"{name}_F"], abs=1e-9)
        assert found.p_value == pytest.approx(wanted[f"{name}_p"], abs=1e-9)


def test_chickens_and_eggs_under_heteroskedasticity(shared):
    expected = json.loads((shared / "oracles/granger/chickegg_expected.json").read_text())
    model = fit(read(shared / "oracles/granger/chickegg.csv", ["chicken", "egg"]), 3)
    found = granger(model, [1], [0], "hc3")
    wanted = expected["hc_order3_chicken_on_egg"]
    assert found.statistic == pytest.approx(wanted["F"], abs=1e-9)
    assert found.p_value == pytest.approx(wanted["p"], abs=1e-9)


def test_closed_forms_of_a_first_order_system(shared):
    expected = json.loads((shared / "oracles/analytic/closed_forms.json").read_text())["VAR1_IRF"]
    a, sigma = np.array(expected["A"]), np.array(expected["Sigma"])
    phi = moving_average(a[None], 10)
    for found, name in (
        (orthogonal(phi, sigma), "orth_irf"),
        (generalised(phi, sigma), "girf_1sd"),
    ):
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=1e-9)
    # H = 10 is the number of terms: horizons 0 to 9.
    shares = generalised_variance_shares(phi, sigma)[9]
    np.testing.assert_allclose(shares, expected["gfevd_H10_raw"], rtol=0, atol=1e-9)
