"""J1 and the closed forms of A1: price discovery against the R package urca and by hand."""

import csv
import json

import numpy as np
import pytest

from imbalance.studies.price_discovery.error_correction import johansen
from imbalance.studies.price_discovery.information_shares import information_shares


@pytest.fixture(scope="module")
def johansen_case(shared):
    oracles = shared / "oracles"
    expected = json.loads((oracles / "pricedisc/johansen_canada_none_expected.json").read_text())
    columns = json.loads((oracles / "var/canada_expected.json").read_text())["cols"]
    with (oracles / "var/canada.csv").open() as file:
        data = np.array([[float(row[name]) for name in columns] for row in csv.DictReader(file)])
    return johansen(data, expected["K"] - 1), expected


@pytest.mark.oracle("J1", "price_discovery")
def test_eigenvalues_and_both_statistics_of_johansen(johansen_case, oracle):
    found, expected = johansen_case
    oracle.agrees("eigenvalues", found.eigenvalues, expected["lambda"], atol=1e-8)
    oracle.agrees("trace", found.trace[::-1], expected["trace_stat_r3_to_r0"], atol=1e-8)
    oracle.agrees("largest root", found.largest_root[::-1], expected["maxeig_r3_to_r0"], atol=1e-8)


@pytest.mark.oracle("A1", "price_discovery")
def test_shares_of_two_markets_in_closed_form(shared, oracle):
    closed = json.loads((shared / "oracles/analytic/closed_forms.json").read_text())
    case = closed["information_share"]
    # The file's difference is that of the first price from the second: the opposite of ours.
    alpha = -np.array(case["alpha"])[:, None]
    found = information_shares(alpha, np.array(case["Omega"]))
    low, high = case["IS_market1_bounds"]
    for what, got, wanted in (
        ("least information share", found.hasbrouck_low, [low, 1 - high]),
        ("greatest information share", found.hasbrouck_high, [high, 1 - low]),
        ("middle of information shares", found.hasbrouck_mid, case["IS_mid"]),
        ("share of Gonzalo and Granger", found.gonzalo_granger, case["gonzalo_granger"]),
        ("modified information share", found.modified, case["MIS_LienShrestha"]),
    ):
        oracle.agrees(what, got, wanted, atol=1e-9)
