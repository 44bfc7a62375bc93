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

pytestmark = pytest.mark.oracle("V1", "feedback")


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


def test_canada_fit(canada, oracle):
    _, model, expected = canada
    found = np.column_stack([*model.coefficients, model.intercept])
    for what, got, name in (
        ("coefficients", found, "coef"), ("covariance", model.sigma, "Sigma_dfadj"),
        ("roots", model.root_moduli, "roots"), ("likelihood", model.log_likelihood, "logLik"),
    ):
        oracle.agrees(what, got, expected[name], atol=1e-7)


def test_canada_responses(canada, oracle):
    _, model, expected = canada
    phi = moving_average(model.coefficients, 10)
    by_order = orthogonal(phi, model.sigma)
    order_free = generalised(phi, model.sigma)
    shares = variance_shares(by_order)
    for j, name in enumerate(expected["cols"]):
        for what, got, wanted in (
            ("response, reduced form,", phi[:, :, j], expected["irf_nonorth"][name]),
            ("response, orthogonal,", by_order[:, :, j], expected["irf_orth"][name]),
            ("response, generalised,", order_free[:, :, j], expected["girf"][j]),
            ("variance shares of", shares[:10, j], expected["fevd"][name]),
        ):
            oracle.agrees(f"{what} {name}", got, wanted, atol=1e-7)


def test_canada_causality(canada, oracle):
    _, model, expected = canada
    for j, wanted in enumerate(expected["causality"]):
        rest = [i for i in range(4) if i != j]
        found = granger(model, [j], rest)
        name = f"{expected['cols'][j]} → rest"
        assert (found.df1, found.df2) == (wanted["df1"], wanted["df2"])
        oracle.agrees(f"Granger F, {name}", found.statistic, wanted["granger_F"], atol=1e-7)
        oracle.agrees(f"Granger p, {name}", found.p_value, wanted["p"], atol=1e-9)
        shocks = instantaneous(model, [j], rest)
        oracle.agrees(f"instantaneous χ², {name}", shocks.statistic, wanted["inst_chi2"],
                      atol=1e-7)
        oracle.agrees(f"instantaneous p, {name}", shocks.p_value, wanted["inst_p"], atol=1e-9)


def test_canada_causality_under_heteroskedasticity(canada, oracle):
    _, model, expected = canada
    found = granger(model, [0], [1, 2, 3], "hc3")
    oracle.agrees("Granger F with HC3", found.statistic, expected["granger_HC_F"], atol=1e-7)
    oracle.agrees("Granger p with HC3", found.p_value, expected["granger_HC_p"], atol=1e-7)


def test_canada_diagnostics(canada, oracle):
    _, model, expected = canada
    for name, found in (
        ("portmanteau16", portmanteau(model, 16)),
        ("jb", normality(model)),
        ("archlm5", arch(model, 5)),
    ):
        oracle.agrees(f"{name}, statistic", found.statistic, expected[name]["stat"], atol=1e-7)
        oracle.agrees(f"{name}, p", found.p_value, expected[name]["p"], atol=1e-7)
    assert portmanteau(model, 16).df1 == expected["portmanteau16"]["df"]


def test_canada_lag_selection(canada, oracle):
    data, _, expected = canada
    found = select_lag(data, 8)
    criteria = [found.aic, found.hq, found.bic, found.fpe]
    oracle.agrees("AIC, HQ, SC, FPE", criteria, expected["select"]["criteria"], atol=1e-7)
    chosen = [found.chosen(name) for name in ("aic", "hq", "bic", "fpe")]
    oracle.agrees("lags chosen by them", chosen, expected["select"]["chosen"])


def test_canada_forecasts(canada, oracle):
    """Forecasts follow from what the fit exposes: coefficients, constant, covariance."""
    data, model, expected = canada
    past = list(data[-model.lag :][::-1])
    phi = moving_average(model.coefficients, 7)
    variance = np.cumsum(np.diagonal(phi @ model.sigma @ phi.swapaxes(1, 2), axis1=1, axis2=2), 0)
    found = {name: [] for name in expected["cols"]}
    for h in range(8):
        terms = [a @ y for a, y in zip(model.coefficients, past, strict=False)]
        forecast = model.intercept + sum(terms)
        past.insert(0, forecast)
        for j, name in enumerate(expected["cols"]):
            half = 1.959963984540054 * np.sqrt(variance[h, j])
            found[name].append([forecast[j], forecast[j] - half, forecast[j] + half, half])
    for name, rows in found.items():
        oracle.agrees(f"forecasts and bands, {name}", rows, expected["forecast8"][name][:8],
                      rtol=1e-7)


@pytest.mark.oracle("V3", "feedback")
def test_luetkepohl(shared, oracle):
    expected = json.loads((shared / "oracles/var/lutkepohl_expected.json").read_text())
    model = fit(read(shared / "oracles/var/lutkepohl_e1_dlog_75.csv"), 2)
    assert model.n == expected["nobs_eff"] == 73
    found = np.column_stack([*model.coefficients, model.intercept])
    oracle.agrees("coefficients", found, expected["coef"], atol=1e-6)
    oracle.agrees("constants in print", model.intercept, [-0.017, 0.016, 0.013], atol=1e-3)
    oracle.agrees("first row of A₁ in print", model.coefficients[0, 0], [-0.320, 0.146, 0.961],
                  atol=1e-3)
    oracle.agrees("covariance × 1e4", model.sigma * 1e4, expected["Sigma_dfadj_x1e4"], atol=1e-6)
    causality = granger(model, [1, 2], [0], system_degrees=True)
    oracle.agrees("Granger F", causality.statistic, expected["granger_income_cons_to_invest_F"],
                  atol=1e-6)
    # Two decimals are printed.
    oracle.agrees("Granger F in print", causality.statistic, 1.59, atol=5e-3)
    oracle.agrees("Granger p", causality.p_value, expected["granger_p"], atol=1e-6)
    responses = orthogonal(moving_average(model.coefficients, 10), model.sigma)
    for j, name in enumerate(("invest", "income", "cons")):
        wanted = np.array(expected["irf_orth"][name])
        oracle.agrees(f"orthogonal response to {name}", responses[: len(wanted), :, j], wanted,
                      atol=1e-6)


@pytest.mark.oracle("G1", "feedback")
@pytest.mark.parametrize("order", range(1, 7))
def test_chickens_and_eggs(shared, oracle, order):
    expected = json.loads((shared / "oracles/granger/chickegg_expected.json").read_text())
    wanted = expected["orders"][order - 1]
    model = fit(read(shared / "oracles/granger/chickegg.csv", ["chicken", "egg"]), order)
    # `egg_on_chicken` is the regression of egg on chicken: does chicken cause egg?
    for cause, effect, name in ((0, 1, "egg_on_chicken"), (1, 0, "chicken_on_egg")):
        found = granger(model, [cause], [effect])
        oracle.agrees(f"F, p of {name}, order {order}", [found.statistic, found.p_value],
                      [wanted[f"{name}_F"], wanted[f"{name}_p"]], atol=1e-9)


@pytest.mark.oracle("G1", "feedback")
def test_chickens_and_eggs_under_heteroskedasticity(shared, oracle):
    expected = json.loads((shared / "oracles/granger/chickegg_expected.json").read_text())
    model = fit(read(shared / "oracles/granger/chickegg.csv", ["chicken", "egg"]), 3)
    found = granger(model, [1], [0], "hc3")
    wanted = expected["hc_order3_chicken_on_egg"]
    oracle.agrees("F, p with HC3, order 3", [found.statistic, found.p_value],
                  [wanted["F"], wanted["p"]], atol=1e-9)


@pytest.mark.oracle("A1", "feedback")
def test_closed_forms_of_a_first_order_system(shared, oracle):
    expected = json.loads((shared / "oracles/analytic/closed_forms.json").read_text())["VAR1_IRF"]
    a, sigma = np.array(expected["A"]), np.array(expected["Sigma"])
    phi = moving_average(a[None], 10)
    for found, name in (
        (orthogonal(phi, sigma), "orth_irf"),
        (generalised(phi, sigma), "girf_1sd"),
        # H = 10 is the number of terms: horizons 0 to 9.
        (generalised_variance_shares(phi, sigma)[9], "gfevd_H10_raw"),
    ):
        oracle.agrees(name, found, expected[name], atol=1e-9)
