"""Poisoned bars (Sim11) and series that cannot be used: what every study of bars does with them.

Belongs here: what holds for all of them alike. Not here: gaps in the events, by study.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from imbalance.config import StudiesConfig
from imbalance.studies.registry import studies
from imbalance.studies.study import load
from imbalance.studies.study_input import StudyInput
from imbalance.studies.vector_autoregression import CollinearError, fit

BARS = 800
OF_BARS = [one.name for one in studies() if not one.events]
PLACES = ("binance:BTCUSDT", "binance-futures:BTCUSDT", "binance:ETHUSDT")


def families(name):
    """Those of a fresh configuration, on bars of 1 s."""
    (found,) = (one for one in studies() if one.name == name)
    declared = found.families(StudiesConfig(bar_sizes=("1s",), replications=199))
    return found, [replace(family, bar_sizes=("1s",)) for family in declared]


def market(measures):
    """Prices that follow one another, and noise for all else."""
    generator = np.random.default_rng(1)
    shocks = generator.standard_normal((len(PLACES), BARS))
    returns = shocks + 0.5 * np.roll(shocks[0], 1)
    known = dict(zip(PLACES, returns, strict=True))
    series = {}
    for place in PLACES:
        path = 100.0 * np.exp(1e-4 * (np.cumsum(returns[0]) + known[place]))
        series[place] = {
            measure: path if measure.startswith("mid") else known[place]
            if measure == "return_bps" else generator.gamma(2.0, size=BARS)
            if "variance" in measure or "depth" in measure else generator.standard_normal(BARS)
            for measure in measures
        }
    return series


def rows(found, declared, bars):
    tables = load(found.build)(StudyInput.of_bars({"1s": bars}, declared, partition="2024-08-08"))
    return [row for table in tables.values() for row in table.to_pylist()]


@pytest.mark.slow
@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.oracle("Sim11", name)) for name in OF_BARS])
def test_no_row_uses_a_poisoned_bar(name, make_bars, oracle):
    found, declared = families(name)
    series = market(sorted({measure for family in declared for measure in family.measures}))
    bad = {PLACES[0]: [90, 91, 400], PLACES[1]: [399, 799]}
    clean = rows(found, declared, make_bars(series, poisoned=bad))
    generator = np.random.default_rng(2)
    for place, where in bad.items():
        for values in series[place].values():
            values[where] = 1e6 * generator.standard_normal(len(where))
    spoilt = rows(found, declared, make_bars(series, poisoned=bad))
    assert sum(row["estimate"] is not None for row in clean) > 10
    changed = sum(json.dumps(before, default=str) != json.dumps(after, default=str)
                  for before, after in zip(clean, spoilt, strict=True))
    oracle.agrees(f"rows that poisoned bars change, of {len(clean)}", changed, 0)


def spoiled(kind):
    """Flow and return of which the return, or both, cannot be used."""
    generator = np.random.default_rng(3)
    flow, change = generator.standard_normal((2, 300))
    growing = np.zeros((2, 200))
    for t in range(1, 200):
        growing[:, t] = -1.02 * growing[:, t - 1] + generator.standard_normal(2)
    return {
        "all_null": (flow, np.full(300, np.nan)), "constant_series": (flow, np.full(300, 2.5)),
        "collinear": (flow, 3.0 * flow), "unit_root": (flow, np.cumsum(change)),
        "explosive": growing, "too_few_bars": (flow[:15], change[:15]),
    }[kind]


@pytest.mark.parametrize("name", [
    "feedback", "local_projections", "connectedness", "feedback_index"])
@pytest.mark.parametrize("kind", [
    "all_null", "constant_series", "collinear", "unit_root", "explosive", "too_few_bars"])
def test_studies_of_the_loop_refuse_bad_series_by_name(name, kind, make_bars):
    found, declared = families(name)
    family = declared[-1 if name == "connectedness" else 0]
    flow, change = spoiled(kind)
    bars = make_bars({PLACES[0]: {"order_flow_imbalance": flow, "return_bps": change}})
    made = rows(found, [family], bars)
    # An explosive fit is shown, and no response is made of it.
    refused = [row for row in made if row["study"] != "vector_autoregression" or
               kind != "explosive"]
    assert all(row["estimate"] is None for row in refused)
    # One instrument has no other to be in a system with, and these bars have no regimes.
    assert {row["reason"] for row in refused} - {"no_pair", "no_such_measure"} == {kind}


@pytest.mark.parametrize("turns", [(1.0,), (1.0, -1.0)])
@pytest.mark.parametrize("name", ["feedback", "feedback_index", "dynamics"])
def test_series_that_hardly_ever_move_have_an_estimate_or_a_reason(name, turns, make_bars):
    """Covariances of such series are singular in part: those rows say so, the others stand."""
    found, declared = families(name)
    generator = np.random.default_rng(5)
    series = market(sorted({measure for family in declared for measure in family.measures}))
    for measure in series[PLACES[0]]:
        still = np.zeros(BARS)
        still[generator.permutation(BARS)[:len(turns)]] = turns
        series[PLACES[0]][measure] = still
    made = rows(found, declared, make_bars({PLACES[0]: series[PLACES[0]]}))
    assert {row["reason"] for row in made if row["estimate"] is not None} <= {None}
    assert None not in {row["reason"] for row in made if row["estimate"] is None}


@pytest.mark.parametrize("at", [100, 500, 700])
def test_a_variable_of_which_nothing_is_left_unexplained_is_refused(at):
    """The flow of a bar is the return of the next: rounding would decide what tests say of it."""
    flow, change = np.zeros((2, BARS))
    flow[at], change[at + 1] = 1.0, 1.0
    with pytest.raises(CollinearError, match="nothing is left"):
        fit(np.column_stack([flow, change]), 1)


def test_a_variable_that_gaps_leave_still_is_refused():
    """It moves once, in a bar that no other follows closely enough to be explained."""
    generator = np.random.default_rng(6)
    flow, change = generator.standard_normal(60), np.zeros(60)
    change[30], flow[[29, 31]] = 1.0, np.nan
    with pytest.raises(CollinearError, match="explained"):
        fit(np.column_stack([flow, change]), 1)
    change[10] = 2.0
    assert np.isfinite(fit(np.column_stack([flow, change]), 1).r_squared).all()
