"""Which tests are corrected together: what holds by construction lends nothing to forecasts."""

import numpy as np
import pytest

from imbalance.studies.correlation.study import CORRELATION, CorrelationFamily
from imbalance.studies.families import declare, families_table
from imbalance.studies.hypotheses import HYPOTHESES, hypothesis_of
from imbalance.studies.multiple_testing import benjamini_hochberg
from imbalance.studies.registry import studies
from imbalance.studies.rows import Window, blank, to_arrow
from imbalance.studies.study import load
from imbalance.studies.study_input import StudyInput

WINDOW = Window("day", "1s", 0, 10**9, 10**9)
FLOW, RETURN = "order_flow_imbalance", "return_bps"


def row(kind, x, y, **more):
    return blank("correlation", "f", WINDOW, {}) | {
        "kind": kind, "instrument_x": x[0], "measure_x": x[1], "instrument_y": y[0],
        "measure_y": y[1], "estimator": "pearson", "estimate": 0.1, "coverage": 1.0} | more


@pytest.mark.parametrize(
    ("kind", "x", "y", "hypothesis"),
    [
        ("contemporaneous", ("A", FLOW), ("A", RETURN), "same_book"),
        ("contemporaneous", ("*", FLOW), ("*", RETURN), "same_book"),
        ("contemporaneous", ("A", FLOW), ("B", RETURN), "same_bar"),
        ("contemporaneous", ("A", "*"), ("*", "*"), "same_bar"),
        ("contemporaneous", ("*", RETURN), ("*", RETURN), "same_bar"),
        ("predictive", ("A", FLOW), ("A", RETURN), "ahead"),
        ("predictive", ("A", RETURN), ("B", RETURN), "ahead"),
        ("predictive", ("A", FLOW), ("A", FLOW), "own_past"),
        (None, ("A", RETURN), ("B", RETURN), "whole"),
    ],
)
def test_a_claim_is_of_the_kind_that_x_and_y_make_it(kind, x, y, hypothesis):
    assert hypothesis_of(row(kind, x, y)) == hypothesis


@pytest.mark.parametrize("estimator", ["high_less_low", "equality", "regime_difference"])
@pytest.mark.parametrize("kind", ["contemporaneous", "predictive", None])
def test_a_difference_between_regimes_is_about_the_window_in_every_study(estimator, kind):
    assert hypothesis_of(row(kind, ("A", FLOW), ("A", RETURN), estimator=estimator)) == "whole"


def test_a_flood_of_true_effects_of_the_bar_leaves_the_forecasts_as_they_are():
    generator = np.random.default_rng(1)
    forecasts = [row("predictive", ("A", FLOW), ("B", RETURN), lag=lag, p_value=p)
                 for lag, p in enumerate(generator.random(40) / 4, start=1)]
    flood = [row("contemporaneous", ("A", FLOW), ("A", RETURN), lag=0, horizon=h, p_value=1e-12)
             for h in range(400)]

    def q_values(rows):
        made = to_arrow([dict(one) for one in rows], CORRELATION).to_pylist()
        return {one["lag"]: one["q_value"] for one in made if one["hypothesis"] == "ahead"}

    alone = q_values(forecasts)
    assert q_values(forecasts + flood) == alone
    expected = benjamini_hochberg(np.array([one["p_value"] for one in forecasts]))
    assert list(alone.values()) == list(expected)
    together = benjamini_hochberg(np.array([one["p_value"] for one in forecasts + flood]))[:40]
    assert together.min() < 0.05 < min(alone.values()), "corrected together, noise is found"


def test_where_flow_is_the_return_of_its_bar_forecasts_are_corrected_among_themselves(make_bars):
    """Eight instruments whose return is mostly their flow, and nothing ahead."""
    family = CorrelationFamily(
        name="f", question="?", x_measures=(FLOW,), y_measures=(RETURN,), bar_sizes=("1s",),
        pairs=("own",), lags=(0, 1), estimators=("pearson",), costly_lags=())
    generator, build = np.random.default_rng(2), load("imbalance.studies.correlation.build:build")
    flows = generator.standard_normal((8, 400))
    bars = make_bars({f"binance:{i}": {FLOW: flow,
                                       RETURN: flow + 0.5 * generator.standard_normal(400)}
                      for i, flow in enumerate(flows)})
    rows = build(StudyInput.of_bars({"1s": bars}, [family], partition="2024-08-08"))[
        CORRELATION.name].to_pylist()
    found = {h: [r for r in rows if r["hypothesis"] == h] for h in ("same_book", "ahead")}
    assert [len(of) for of in found.values()] == [8, 8]
    for of in found.values():
        own = benjamini_hochberg(np.array([r["p_value"] for r in of]))
        assert [r["q_value"] for r in of] == list(own)
    assert max(r["q_value"] for r in found["same_book"]) < 1e-6
    assert min(r["q_value"] for r in found["ahead"]) > 0.05


def test_a_table_says_before_which_tests_it_makes():
    with pytest.raises(ValueError, match="declares no tests of whole"):
        to_arrow([row(None, ("A", FLOW), ("B", RETURN), p_value=0.5)], CORRELATION)
    for one in studies():
        for table in one.tables:
            assert set(table.column("hypothesis").allowed) <= set(HYPOTHESES)
    written = {r["study"]: r["hypotheses"] for r in families_table(declare()).to_pylist()}
    assert written["correlation"] == "same_book, same_bar, own_past, ahead, whole"
    assert written["correlation_matrix"] == "whole"


def test_what_is_not_tested_is_of_no_kind():
    untested = to_arrow([row("predictive", ("A", FLOW), ("B", RETURN), lag=1),
                         row("predictive", ("A", FLOW), ("B", RETURN), lag=2,
                             p_value=float("nan"))], CORRELATION).to_pylist()
    assert [(one["hypothesis"], one["q_value"]) for one in untested] == [(None, None)] * 2
