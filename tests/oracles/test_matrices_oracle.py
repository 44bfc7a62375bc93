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


BOTH = {"atol": 1e-10, "rtol": 1e-10}


@pytest.mark.oracle("S1", "correlation_matrix")
def test_shrinkage(returns, markets, expected, oracle):
    for rows, name in ((returns, "dji30retw3_pct"), (markets[:60] * 100.0, "dy2009_x100_first60")):
        wanted = expected[name]
        assert rows.shape == (wanted["n"], wanted["p"])
        found = ledoit_wolf(rows)
        oracle.agrees("intensity of Ledoit and Wolf", found.intensity, wanted["lw_shrinkage"],
                      **BOTH)
        oracle.agrees("covariances of Ledoit and Wolf", found.covariance[0, :2],
                      [wanted["lw_cov_00"], wanted["lw_cov_01"]], **BOTH)
        oracle.agrees("mean variance", np.trace(found.covariance) / wanted["p"], wanted["mu"],
                      **BOTH)
        oracle.agrees("oracle approximating intensity", oracle_approximating(rows).intensity,
                      wanted["oas_shrinkage"], **BOTH)


@pytest.mark.oracle("S1", "correlation_matrix")
def test_clipping(markets, expected, oracle):
    wanted = expected["rmt_clip_dy2009"]
    assert markets.shape == (wanted["T"], wanted["N"])
    correlation = np.corrcoef(markets.T)
    upper = marchenko_pastur_edges(wanted["N"], wanted["T"])[1]
    oracle.agrees("upper edge", upper, wanted["lambda_plus"], **BOTH)
    values = spectrum(correlation).values
    oracle.agrees("eigenvalues", [*values[:5], values[-1]],
                  [*wanted["eig_top5"], wanted["eig_min"]], **BOTH)
    oracle.agrees("eigenvalues above the edge", (values > upper).sum(), wanted["n_above"])
    cleaned = clip(correlation, upper)
    oracle.agrees("correlation, raw and clipped", [correlation[0, 1], cleaned[0, 1]],
                  [wanted["raw_01"], wanted["clean_01"]], **BOTH)
    oracle.agrees("trace", np.trace(cleaned), wanted["trace_preserved"], atol=1e-12, rtol=1e-12)
    oracle.agrees("absorption ratio", absorption_ratio(values), wanted["absorption_top1"],
                  **BOTH)


@pytest.mark.oracle("A1", "correlation_matrix")
def test_marchenko_pastur_edges(shared, oracle):
    wanted = json.loads((shared / "oracles/analytic/closed_forms.json").read_text())
    for name, edges in wanted["marchenko_pastur"].items():
        series, rows = (int(part.split("=")[1]) for part in name.split(","))
        oracle.agrees(f"edges of Marchenko and Pastur, {name}",
                      marchenko_pastur_edges(series, rows),
                      [edges["lam_minus"], edges["lam_plus"]], atol=1e-9)
