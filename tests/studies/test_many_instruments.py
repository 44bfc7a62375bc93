"""More instruments than are paired with one another: which are, and what is said of the others."""

import numpy as np
import pyarrow as pa
import pytest

from imbalance.contracts import Table
from imbalance.studies.coherence.build import build as build_coherence
from imbalance.studies.coherence.study import COHERENCE, CoherenceFamily
from imbalance.studies.correlation.build import build as build_correlation
from imbalance.studies.correlation.study import CORRELATION, CorrelationFamily
from imbalance.studies.dependence.build import build as build_dependence
from imbalance.studies.dependence.study import DEPENDENCE, DependenceFamily
from imbalance.studies.dynamics.build import build as build_dynamics
from imbalance.studies.dynamics.study import DYNAMICS, DynamicsFamily
from imbalance.studies.feedback_index.build import build as build_feedback_index
from imbalance.studies.feedback_index.study import FEEDBACK_INDEX, FeedbackIndexFamily
from imbalance.studies.pairs import richest, uncrossed
from imbalance.studies.rows import RowTable, blank, to_arrow
from imbalance.studies.study_input import StudyInput
from tests.studies.test_hypotheses import WINDOW

FLOW, RETURN = "order_flow_imbalance", "return_bps"
FIVE = {name: 240 - 10 * place for place, name in enumerate("CABED")}
"""Number of bars: C has the most."""

SERIES = {"x_measures": (FLOW,), "y_measures": (RETURN,), "regimes": ()}
STUDIES = [
    (build_correlation, CORRELATION,
     CorrelationFamily, SERIES | {"lags": (0,), "estimators": ("pearson",), "replications": 19}),
    (build_dependence, DEPENDENCE, DependenceFamily, SERIES | {"surrogates": 19}),
    (build_dynamics, DYNAMICS, DynamicsFamily, SERIES | {"windows": (60,), "points": 3}),
    (build_coherence, COHERENCE, CoherenceFamily, SERIES | {"surrogates": 19}),
    (build_feedback_index, FEEDBACK_INDEX, FeedbackIndexFamily,
     {"replications": 100, "regimes": (), "cross_regimes": (), "horizon": 5, "maximum_lag": 2}),
]


def test_the_richest_are_those_with_the_most_data_and_ties_go_by_name():
    assert richest({"B": 2, "A": 2, "C": 3, "D": 1}, 2) == ("A", "C")
    assert richest({"B": 2, "A": 2}, 5) == ("A", "B")


def test_nobody_is_left_out_of_a_relation_of_its_own():
    assert uncrossed(("own", "perpetual_to_spot"), "ABC", "A") == []
    assert uncrossed(("own", "cross"), "ABC", "A") == ["B", "C"]


@pytest.mark.parametrize(("build", "table", "family", "settings"), STUDIES,
                         ids=[table.name for _, table, _, _ in STUDIES])
def test_only_the_richest_are_crossed_and_the_others_are_named(
    make_bars, build, table: Table, family, settings
):
    generator = np.random.default_rng(1)
    bars = make_bars({name: dict(zip((FLOW, RETURN), generator.standard_normal((2, count)),
                                     strict=True)) for name, count in FIVE.items()})
    one = family(name="many", question="?", pairs=("own", "cross"), bar_sizes=("1s",),
                 most_instruments=3, **settings)
    rows = build(StudyInput.of_bars({"1s": bars}, [one], partition="2024-08-08"))[
        table.name].to_pylist()
    pairs = {(row["instrument_x"], row["instrument_y"]) for row in rows
             if row["reason"] != "too_many_instruments"}
    assert {(x, y) for x, y in pairs if x != y} == {
        (x, y) for x in "ABC" for y in "ABC" if x != y}
    assert {x for x, y in pairs if x == y} == set(FIVE)
    refused = [row for row in rows if row["reason"] == "too_many_instruments"]
    assert [(row["instrument_x"], row["instrument_y"]) for row in refused] == [
        ("D", "*"), ("E", "*")]
    assert "too_many_instruments" in table.column("reason").allowed


def test_rows_taken_in_pieces_are_those_taken_at_once():
    rows = [
        blank("correlation", "one", WINDOW, {"n": number % 3}) | {
            "estimator": "pearson", "instrument_x": f"I{number % 7}", "measure_x": FLOW,
            "instrument_y": "J", "measure_y": RETURN, "lag": number, "horizon": 1,
            "kind": "predictive", "estimate": np.inf if number == 5 else 0.1,
            "p_value": None if number == 7 else number / 100.0}
        for number in range(1, 60)
    ]
    pieces = RowTable(CORRELATION)
    for part in (rows[40:], rows[:40], []):
        pieces.extend(dict(row) for row in part)
    at_once = to_arrow([dict(row) for row in rows], CORRELATION)
    text = pa.schema(CORRELATION.arrow_schema())
    assert pieces.finish().cast(text).equals(at_once.cast(text))
    found = {row["lag"]: row for row in at_once.to_pylist()}
    assert found[5]["estimate"] is None
    assert found[7]["q_value"] is None
    # the k-th smallest of 58: p · 58/k, never above that of the next
    assert found[1]["q_value"] == pytest.approx(0.58)
    assert found[59]["q_value"] == pytest.approx(0.59)
