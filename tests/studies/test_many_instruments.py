"""More instruments than are paired with one another: which are, and what is said of the others."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from imbalance.contracts import Table
from imbalance.studies.alignment import align
from imbalance.studies.bars import TableBars
from imbalance.studies.coherence.build import build as build_coherence
from imbalance.studies.coherence.study import COHERENCE, CoherenceFamily
from imbalance.studies.correlation.build import build as build_correlation
from imbalance.studies.correlation.study import CORRELATION, CorrelationFamily
from imbalance.studies.dependence.build import build as build_dependence
from imbalance.studies.dependence.study import DEPENDENCE, DependenceFamily
from imbalance.studies.dynamics.build import build as build_dynamics
from imbalance.studies.dynamics.study import DYNAMICS, DynamicsFamily
from imbalance.studies.epps.study import EPPS, REALISED_VARIANCE, EppsFamily
from imbalance.studies.epps.study import STUDY as EPPS_STUDY
from imbalance.studies.feedback_index.build import build as build_feedback_index
from imbalance.studies.feedback_index.study import FEEDBACK_INDEX, FeedbackIndexFamily
from imbalance.studies.lead_lag.study import LEAD_LAG, LeadLagFamily
from imbalance.studies.lead_lag.study import STUDY as LEAD_LAG_STUDY
from imbalance.studies.pairs import richest, uncrossed
from imbalance.studies.price_impact.build import build as build_price_impact
from imbalance.studies.price_impact.study import CROSS_IMPACT, PriceImpactFamily
from imbalance.studies.rows import RowTable, blank, to_arrow
from imbalance.studies.study_input import StudyInput
from tests.studies.event_store import HEALTH, TRADES, health, run_study, trades
from tests.studies.test_hypotheses import WINDOW

FLOW, RETURN = "order_flow_imbalance", "return_bps"
FIVE = {name: 200 - 10 * place for place, name in enumerate("CABED")}
"""Number of bars: C has the most."""

SERIES = {"x_measures": (FLOW,), "y_measures": (RETURN,), "regimes": ()}
STUDIES = [
    (build_correlation, CORRELATION,
     CorrelationFamily, SERIES | {"lags": (0,), "estimators": ("pearson",), "replications": 99}),
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
    data = {"A": 3, "C": 2, "B": 0}
    assert uncrossed(("own", "perpetual_to_spot"), data, "A") == []
    assert [(row["instrument_x"], row["n_left_out"], row["coverage"])
            for row in uncrossed(("own", "cross"), data, "A")] == [("B", 0, None), ("C", 2, 0.0)]


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
    assert [(row["instrument_x"], row["instrument_y"], row["n_left_out"]) for row in refused] == [
        ("D", "*", FIVE["D"]), ("E", "*", FIVE["E"])]
    assert "too_many_instruments" in table.column("reason").allowed


def test_flows_of_all_explain_the_returns_of_the_richest_alone_and_own_flows_all(make_bars):
    generator = np.random.default_rng(4)
    columns = (FLOW, RETURN, "depth_touch_mean")
    bars = make_bars({name: dict(zip(columns, generator.random((3, count)) + 1.0, strict=True))
                      for name, count in FIVE.items()})
    one = PriceImpactFamily(name="many", question="?", bar_sizes=("1s",), most_instruments=3,
                            lags=(1,), folds=2, regimes=(), replications=99)
    rows = build_price_impact(StudyInput.of_bars({"1s": bars}, [one], partition="2024-08-08"))[
        CROSS_IMPACT.name].to_pylist()
    told = {name: {(row["instrument_x"], row["instrument_y"]) for row in rows
                   if row["estimator"] == name and row["estimate"] is not None}
            for name in ("coefficient", "r_squared_out")}
    assert told["coefficient"] == {(x, y) for x in "ABC" for y in "ABC"}
    assert {y for x, y in told["r_squared_out"] if x == "*"} == set("ABC")
    assert {y for x, y in told["r_squared_out"] if x == y} == set(FIVE)
    assert [(row["instrument_x"], row["n_left_out"]) for row in rows
            if row["reason"] == "too_many_instruments"] == [("D", FIVE["D"]), ("E", FIVE["E"])]


def test_a_market_that_stands_still_is_not_crossed_before_one_that_moves(make_bars):
    generator = np.random.default_rng(2)
    moving = dict(zip((FLOW, RETURN), generator.standard_normal((2, 150)), strict=True))
    still = dict.fromkeys((FLOW, RETURN), np.zeros(300))
    lost = dict.fromkeys((FLOW, RETURN), np.full(300, np.nan))
    panel = align(TableBars(make_bars({"A": still, "B": lost, "Y": moving, "Z": moving})), "1s",
                  (FLOW, RETURN), 1)
    assert panel.crossed(2) == ("Y", "Z")
    assert panel.bars == {"A": 300, "B": 300, "Y": 150, "Z": 150}


@pytest.mark.parametrize(("study", "table", "family"), [
    (EPPS_STUDY, EPPS, EppsFamily(
        name="many", question="?", prices=("trade_price",), steps_ms=(500,), most_instruments=2)),
    (LEAD_LAG_STUDY, LEAD_LAG, LeadLagFamily(
        name="many", question="?", prices=("trade_price",), replications=99, regimes=(),
        most_instruments=2)),
], ids=["epps", "lead_lag"])
def test_those_with_the_most_ticks_are_paired(tmp_path, study, table, family):
    generator = np.random.default_rng(3)
    counts = {"v:C": 900, "v:A": 800, "v:B": 700, "v:D": 600}
    found = run_study(tmp_path, study, [family], {
        TRADES: [
            trades(name, np.sort(generator.choice(900, count, replace=False)) * 1_000_000_000,
                   100.0 + np.cumsum(generator.standard_normal(count)) / 100.0)
            for name, count in counts.items()
        ],
        HEALTH: [health(name, (0, 900 * 1_000_000_000, "valid")) for name in counts],
    })
    rows = found[table.name].to_pylist()
    assert {(row["instrument_x"], row["instrument_y"]) for row in rows
            if "*" not in (row["instrument_x"], row["instrument_y"])} == {("v:A", "v:C")}
    refused = {row["instrument_x"]: row["n_left_out"] for row in rows
               if row["reason"] == "too_many_instruments"}
    assert set(refused) == {"v:B", "v:D"}
    assert 650 < refused["v:B"] <= 700
    if table is EPPS:
        alone = found[REALISED_VARIANCE.name].to_pylist()
        said = Counter(row["instrument_x"] for row in alone if row["estimate"] is not None)
        assert len(set(said.values())) == 1
        assert set(said) == set(counts)


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
