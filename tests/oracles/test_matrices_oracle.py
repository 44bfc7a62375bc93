"""S1 and A1: shrinkage against scikit-learn, clipping and the Marchenko–Pastur edges (1e-10)."""

import csv
import json

import numpy as np
import pytest

from imbalance.studies.correlation_matrix.shrinkage import ledoit_wolf, oracle_approximating
from imbalance.studies.correlation_matrix.spectrum import (
    absorption_ratio,
    clip,
    marchenko_pastur_edges,
    spectrum,
)


@pytest.fixture(scope="module")
def expected(shared):
    return json.loads((shared / "oracles/cov/shrinkage_rmt_expected.json").read_text())


def numbers(path):
    with path.open() as file:
        found = list(csv.reader(file))
    kept = []
    for row in found[1:]:
        try:
            kept.append([float(cell) for cell in row])
        except ValueError:
            kept.append([float(cell) for cell in row[1:]])
    return np.array(kept)


@pytest.fixture(scope="module")
def returns(shared):
    return numbers(shared / "oracles/garch/dji30retw3_pct.csv")


@pytest.fixture(scope="module")
def markets(shared):
    return numbers(shared / "oracles/connectedness/dy2009.csv")


def test_shrinkage(returns, markets, expected):
    for rows, name in ((returns, "dji30retw3_pct"), (markets[:60] * 100.0, "dy2009_x100_first60")):
        wanted = expected[name]
        assert rows.shape == (wanted["n"], wanted["p"])
        found = ledoit_wolf(rows)
        assert found.intensity == pytest.approx(wanted["lw_shrinkage"], rel=1e-10)
        assert found.covariance[0, 0] == pytest.approx(wanted["lw_cov_00"], rel=1e-10)
        assert found.covariance[0, 1] == pytest.approx(wanted["lw_cov_01"], rel=1e-10)
        assert np.trace(found.covariance) / wanted["p"] == pytest.approx(wanted["mu"], rel=1e-10)
        oas = oracle_approximating(rows)
        assert oas.intensity == pytest.approx(wanted["oas_shrinkage"], rel=1e-10)


def test_clipping(markets, expected):
    wanted = expected["rmt_clip_dy2009"]
    assert markets.shape == (wanted["T"], wanted["N"])
    correlation = np.corrcoef(markets.T)
    upper = marchenko_pastur_edges(wanted["N"], wanted["T"])[1]
    assert upper == pytest.approx(wanted["lambda_plus"], rel=1e-10)
    values = spectrum(correlation).values
    np.testing.assert_allclose(values[:5], wanted["eig_top5"], rtol=1e-10)
    assert values[-1] == pytest.approx(wanted["eig_min"], rel=1e-10)
    assert (values > upper).sum() == wanted["n_above"]
    cleaned = clip(correlation, upper)
    assert correlation[0, 1] == pytest.approx(wanted["raw_01"], rel=1e-10)
    assert cleaned[0, 1] == pytest.approx(wanted["clean_01"], rel=1e-10)
    assert np.trace(cleaned) == pytest.approx(wanted["trace_preserved"], rel=1e-12)
    assert absorption_ratio(values) == pytest.approx(wanted["absorption_top1"], rel=1e-10)


def test_marchenko_pastur_edges(shared):
    wanted = json.loads((shared / "oracles/analytic/closed_forms.json").read_text())
    for name, edges in wanted["marchenko_pastur"].items():
        series, rows = (int(part.split("=")[1]) for part in name.split(","))
        low, high = marchenko_pastur_edges(series, rows)
        assert low == pytest.approx(edges["lam_minus"], abs=1e-9)
        assert high == pytest.approx(edges["lam_plus"], abs=1e-9)
