import json

import numpy as np
import pytest

from imbalance.config import Config, StudiesConfig
from imbalance.errors import UserError
from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.studies.feedback.build import build
from imbalance.studies.feedback.study import (
    GRANGER_CAUSALITY,
    IMPULSE_RESPONSE,
    VECTOR_AUTOREGRESSION,
    FeedbackFamily,
)
from imbalance.studies.measures import IMAGE_FLOW
from imbalance.studies.registry import study as study_of
from imbalance.studies.rows import schema_of
from imbalance.studies.study_input import StudyInput
from imbalance.studies.tasks import study_task
from imbalance.tasks import read_current
from tests.studies.bar_store import write_day, write_derivatives

SPOT, PERPETUAL, ETHER = "binance:BTCUSDT", "binance-futures:BTCUSDT", "binance:ETHUSDT"
FLOW, RETURN = "order_flow_imbalance", "return_bps"
TABLES = {t.name: t for t in (VECTOR_AUTOREGRESSION, IMPULSE_RESPONSE, GRANGER_CAUSALITY)}
# Flow follows itself and the last return; return follows flow: a loop. Order: flow, return.
A = np.array([[[0.3, 0.2], [0.5, -0.1]]])
FACTOR = np.array([[1.0, 0.0], [0.6, 0.8]])


def family(**changes):
    return FeedbackFamily(**({"bar_sizes": ("1s",), "replications": 99, "horizon": 5,
                              "maximum_lag": 4, "systems": ("own",)} | changes))


def study(bars, *families):
    tables = build(StudyInput.of_bars({"1s": bars}, families, partition="2024-08-08"))
    assert list(tables) == list(TABLES)
    found = []
    for name, table in tables.items():
        assert table.schema.equals(schema_of(TABLES[name]))
        rows = table.to_pylist()
        keys = [tuple(row[part] for part in TABLES[name].key) for row in rows]
        assert len(set(keys)) == len(keys)
        for column in TABLES[name].columns:
            if column.allowed:
                values = {row[column.name] for row in rows} - {None}
                assert values <= set(column.allowed), column.name
        found.append(rows)
    return found


def loop(make_vector_series, seed, length=3_000):
    values = make_vector_series(np.random.default_rng(seed), A, FACTOR, length)
    return {FLOW: values[:, 0], RETURN: values[:, 1]}


def test_planted_loop_is_found_in_both_directions(make_bars, make_vector_series):
    fitted, responses, causality = study(make_bars({SPOT: loop(make_vector_series, 0)}), family())
    coefficients = {(r["measure_x"], r["measure_y"]): r for r in fitted
                    if r["estimator"] == "coefficient"}
    for (x, y), true in (((FLOW, RETURN), 0.5), ((RETURN, FLOW), 0.2), ((FLOW, FLOW), 0.3)):
        row = coefficients[x, y]
        assert abs(row["estimate"] - true) < 4 * row["standard_error"]
    (order,) = [r for r in fitted if r["estimator"] == "lag_order"]
    assert order["estimate"] == 1.0
    assert json.loads(order["parameters"])["order"] == [f"{SPOT}:{FLOW}", f"{SPOT}:{RETURN}"]
    tests = [r for r in causality if r["kind"] == "predictive"]
    assert {r["estimator"] for r in tests} == {"f", "wald_hc", "wald_hac"}
    assert len(tests) == 6
    assert all(r["q_value"] < 1e-6 for r in tests)
    now = [r for r in causality if r["kind"] == "contemporaneous"]
    assert {r["estimator"] for r in now} == {"instantaneous", "instantaneous_hc"}
    first = {(r["measure_x"], r["measure_y"], r["horizon"]): r for r in responses
             if r["estimator"] == "orthogonal"}
    impact = first[FLOW, RETURN, 0]
    assert abs(impact["estimate"] - 0.6) < 4 * impact["standard_error"]
    assert impact["interval_low"] < impact["estimate"] < impact["interval_high"]
    assert impact["kind"] == "contemporaneous"
    # Ordered after flow, a return shock cannot move flow within the bar.
    assert first[RETURN, FLOW, 0]["estimate"] == 0.0
    assert impact["seed"] == 20240808


def test_no_causality_where_none_is_planted(make_bars):
    generator = np.random.default_rng(1)
    bars = make_bars({SPOT: {FLOW: generator.standard_normal(2_000),
                             RETURN: generator.standard_normal(2_000)}})
    _, _, causality = study(bars, family())
    assert min(r["q_value"] for r in causality) > 0.05


def test_systems_across_instruments(make_bars, make_vector_series):
    lead = loop(make_vector_series, 2)
    follow = {name: np.concatenate([[0.0], 0.7 * values[:-1]]) for name, values in lead.items()}
    generator = np.random.default_rng(3)
    follow = {name: values + generator.standard_normal(3_000) for name, values in follow.items()}
    bars = make_bars({PERPETUAL: lead, SPOT: follow})
    fitted, _, causality = study(bars, family(systems=("across",)))
    (model,) = {r["model"] for r in fitted}
    assert model == f"across:{PERPETUAL},{SPOT}"
    order = json.loads(fitted[0]["parameters"])["order"]
    assert order == [f"{PERPETUAL}:{FLOW}", f"{SPOT}:{FLOW}",
                     f"{PERPETUAL}:{RETURN}", f"{SPOT}:{RETURN}"]
    q = {(r["instrument_x"], r["measure_x"], r["instrument_y"], r["measure_y"]): r["q_value"]
         for r in causality if r["estimator"] == "wald_hac"}
    assert q[PERPETUAL, RETURN, SPOT, RETURN] < 1e-6
    assert q[SPOT, RETURN, PERPETUAL, RETURN] > 0.05
    # The perpetual feeds the spot, not the other way round; flows feed returns and returns flows.
    for estimator in ("block_f", "block_wald_hac"):
        blocks = {(r["instrument_x"], r["measure_x"], r["instrument_y"], r["measure_y"]):
                  r["q_value"] for r in causality if r["estimator"] == estimator}
        assert len(blocks) == 6
        assert blocks[PERPETUAL, "*", "*", "*"] < 1e-6 < blocks["*", "*", PERPETUAL, "*"]
        assert blocks["*", "*", SPOT, "*"] < 1e-6 < blocks[SPOT, "*", "*", "*"]
        assert blocks["*", FLOW, "*", RETURN] < 1e-6
        assert blocks["*", RETURN, "*", FLOW] < 1e-6
    now = [r for r in causality if r["estimator"] == "block_instantaneous"]
    assert {r["kind"] for r in now} == {"contemporaneous"}
    assert len(now) == 3


def test_gaps_break_segments_and_are_counted(make_bars, make_vector_series):
    bars = make_bars({SPOT: loop(make_vector_series, 4)}, poisoned={SPOT: [1_000, 2_000, 2_001]})
    fitted, _, _ = study(bars, family(maximum_lag=1))
    # Order 1: the first bar, the three poisoned ones and the two after them explain nothing.
    assert {(r["n"], r["n_left_out"]) for r in fitted} == {(2_994, 6)}
    assert fitted[0]["coverage"] == pytest.approx(2_994 / 3_000)


def refusals(tables):
    return [{(row["model"], row["instrument_y"], row["reason"]) for row in rows}
            for rows in tables]


def test_instruments_that_cannot_be_studied_are_named(make_bars, make_vector_series):
    good = loop(make_vector_series, 5, 600)
    generator = np.random.default_rng(6)
    flat = {FLOW: good[FLOW], RETURN: np.zeros(600)}
    walk = {FLOW: generator.standard_normal(600).cumsum(), RETURN: good[RETURN]}
    tables = study(make_bars({"A": flat, "B": walk, "C": good}), family(systems=("own", "across")))
    for found in refusals(tables):
        assert ("A", "A", "constant_series") in found
        assert ("B", "B", "unit_root") in found
        assert ("across:", "*", "no_pair") in found
        assert ("C", SPOT, None) not in found
    assert any(row["model"] == "C" and row["estimate"] is not None for row in tables[1])


def test_collinear_and_short_systems_are_refused(make_bars, make_vector_series):
    good = loop(make_vector_series, 7, 600)
    twin = {FLOW: good[FLOW], RETURN: 3.0 * good[FLOW]}
    (fitted, responses, causality) = study(make_bars({"A": twin}), family())
    assert [r["reason"] for r in (*fitted, *responses, *causality)] == ["collinear"] * 3
    short = {name: values[:22] for name, values in good.items()}
    short[FLOW][10:12] = np.nan
    tables = study(make_bars({"A": short}), family())
    assert [[r["reason"] for r in rows] for rows in tables] == [["too_few_bars"]] * 3


def test_wide_systems_over_few_bars_are_refused(make_bars):
    """Six instruments are 12 variables: at lag 1 they need 75 bars, and a fit of 34 is singular."""
    generator = np.random.default_rng(15)
    short = {f"binance:{letter}USDT": {FLOW: generator.standard_normal(34),
                                       RETURN: generator.standard_normal(34)}
             for letter in "ABCDEF"}
    tables = study(make_bars(short), family(systems=("across",)))
    across = "across:" + ",".join(short)
    assert refusals(tables) == [{(across, "*", "too_few_bars")}] * 3
    assert [(row["estimate"], row["n_left_out"]) for rows in tables for row in rows] == (
        [(None, 34)] * 3)


@pytest.mark.parametrize(("count", "fitted"), [(75, False), (76, True)])
def test_three_bars_per_coefficient_and_variable_are_enough(make_bars, count, fitted):
    """12 variables at lag 1: 3 × (12 + 1 + 12) = 75 rows, each with a bar before it."""
    generator = np.random.default_rng(16)
    bars = {f"binance:{letter}USDT": {FLOW: generator.standard_normal(count),
                                      RETURN: generator.standard_normal(count)}
            for letter in "ABCDEF"}
    rows, responses, _ = study(make_bars(bars), family(systems=("across",)))
    assert {row["reason"] for row in rows} == ({None} if fitted else {"too_few_bars"})
    assert all(np.isfinite(row["estimate"]) for row in responses) if fitted else True


def test_explosive_systems_keep_the_fit_and_refuse_the_rest(make_bars):
    generator = np.random.default_rng(8)
    # Alternating and growing: no unit root in the autoregressive sum, but a root below −1.
    values = np.zeros((200, 2))
    for t in range(1, 200):
        values[t] = -1.02 * values[t - 1] + generator.standard_normal(2)
    fitted, responses, causality = study(
        make_bars({"A": {FLOW: values[:, 0], RETURN: values[:, 1]}}), family())
    assert max(r["estimate"] for r in fitted if r["estimator"] == "root_modulus") > 1.0
    assert [r["reason"] for r in (*responses, *causality)] == ["explosive"] * 2


def test_instruments_without_common_bars_and_beyond_the_limit(make_bars, make_vector_series):
    a, b, c = (loop(make_vector_series, seed, 400) for seed in (9, 10, 11))
    b = {name: np.where(np.arange(400) < 390, np.nan, values) for name, values in b.items()}
    b = {name: np.concatenate([values, loop(make_vector_series, 12, 100)[name]])
         for name, values in b.items()}
    tables = study(make_bars({"A": a, "B": b, "C": c}), family(systems=("across",)))
    for found in refusals(tables):
        assert ("across:A,C", "B", "no_common_bars") in found
    tables = study(make_bars({"A": a, "C": c, "D": loop(make_vector_series, 13, 400)}),
                   family(systems=("across",), largest_system=4))
    for found in refusals(tables):
        assert ("across:A,C", "D", "too_many_variables") in found


def test_no_bars():
    tables = build(StudyInput.of_bars({}, [family()], partition="2024-08-08"))
    for table in tables.values():
        (row,) = table.to_pylist()
        assert (row["reason"], row["n"], row["coverage"]) == ("no_bars", 0, None)


def test_two_runs_give_the_same_tables(make_bars, make_vector_series):
    bars = make_bars({SPOT: loop(make_vector_series, 14, 500)})
    first, second = (build(StudyInput.of_bars({"1s": bars}, [family()], partition="2024-08-08"))
                     for _ in range(2))
    assert all(first[name].equals(second[name]) for name in TABLES)


def test_the_time_of_day_and_slow_measures_are_taken_out(make_bars, make_vector_series):
    """A day of bars of 10 s with a wave of 24 hours and a rate that moves flow a bar later."""
    generator = np.random.default_rng(20)
    values = make_vector_series(generator, A, FACTOR, 8_000)
    hours = 2.0 * np.pi * np.arange(8_000) / 8_640
    rate = np.repeat(generator.standard_normal(80), 100)
    values[:, 0] += 2.0 * np.sin(hours)
    values[1:, 0] += 0.7 * rate[:-1]
    measures = {FLOW: values[:, 0], RETURN: values[:, 1], "funding_rate": rate}
    bars = make_bars({SPOT: measures}, bar_size="10s")
    given = StudyInput.of_bars({"10s": bars}, [family(bar_sizes=("10s",))], partition="2024-08-08")
    fitted = build(given)[VECTOR_AUTOREGRESSION.name].to_pylist()
    terms = {(r["measure_x"], r["measure_y"]): r for r in fitted if r["estimator"] == "exogenous"}
    assert terms["time_of_day_sine_24h", FLOW]["estimate"] > 0.5
    assert terms["time_of_day_sine_24h", FLOW]["p_value"] < 1e-6
    # Flow's own lag of 0.3 passes the slow rate on: 0.7 in all is 0.7 · (1 − 0.3) beside it.
    assert terms["funding_rate", FLOW]["estimate"] == pytest.approx(0.49 * rate.std(), abs=0.05)
    assert terms["funding_rate", FLOW]["q_value"] is None
    coefficient = next(r for r in fitted if r["estimator"] == "coefficient"
                       and (r["measure_x"], r["measure_y"], r["lag"]) == (FLOW, RETURN, 1))
    assert coefficient["estimate"] == pytest.approx(0.5, abs=0.05)


def test_an_hour_cannot_tell_a_wave_of_a_day_from_a_trend(make_bars, make_vector_series):
    measures = loop(make_vector_series, 21) | {"funding_rate": np.full(3_000, 1e-4)}
    fitted, _, _ = study(make_bars({SPOT: measures}), family())
    assert not [r for r in fitted if r["estimator"] == "exogenous"]
    told = json.loads(fitted[0]["parameters"])
    assert told["exogenous"] == []
    assert told["exogenous_left_out"] == {
        "time_of_day": "too_short", f"{SPOT}:funding_rate": "constant_series"}


@pytest.mark.parametrize(
    ("rate", "reason"),
    [(None, "no_such_measure"), (np.full(3_000, np.nan), "all_null"),
     (np.where(np.arange(3_000) < 2_000, np.nan, np.arange(3_000.0)), "too_few_bars")],
)
def test_a_rate_that_is_not_there_is_left_out_and_said_so(
    rate, reason, make_bars, make_vector_series
):
    measures = loop(make_vector_series, 22) | ({} if rate is None else {"funding_rate": rate})
    fitted, _, _ = study(make_bars({SPOT: measures}), family())
    told = json.loads(fitted[0]["parameters"])
    assert told["exogenous"] == []
    assert told["exogenous_left_out"][f"{SPOT}:funding_rate"] == reason


def left_out(fitted, model):
    return next(json.loads(r["parameters"])["exogenous_left_out"] for r in fitted
                if r["model"] == model and r["reason"] is None)


def test_rates_that_change_at_the_same_time_are_one_term(make_bars, make_vector_series):
    """The second tells nothing that the first does not: it is left out, and not the system."""
    rate = np.where(np.arange(3_000) < 1_200, 1e-4, 3e-4)
    bars = make_bars({name: loop(make_vector_series, seed) | {"funding_rate": scale * rate}
                      for name, seed, scale in ((PERPETUAL, 23, 1.0), (SPOT, 24, -2.0))})
    fitted, _, causality = study(bars, family(systems=("own", "across")))
    across = f"across:{PERPETUAL},{SPOT}"
    assert left_out(fitted, across)[f"{SPOT}:funding_rate"] == "collinear"
    assert f"{SPOT}:funding_rate" not in left_out(fitted, SPOT)
    assert {r["instrument_x"] for r in fitted if r["estimator"] == "exogenous"
            and r["model"] == across} == {PERPETUAL}
    assert all(r["reason"] is None for r in causality)


def test_a_rate_that_changes_before_the_first_bar_explained_is_constant(
    make_bars, make_vector_series
):
    rate = np.where(np.arange(3_000) < 2, 1e-4, 3e-4)
    fitted, _, _ = study(make_bars({SPOT: loop(make_vector_series, 25) | {"funding_rate": rate}}),
                         family())
    assert left_out(fitted, SPOT)[f"{SPOT}:funding_rate"] == "constant_series"
    assert {r["reason"] for r in fitted} == {None}


def test_rates_that_are_never_there_together_leave_one_out(make_bars, make_vector_series):
    """Each has 60 % of 150 bars; both together too few for a system of four variables."""
    steps = np.random.default_rng(26).standard_normal(150)
    first = np.where(np.arange(150) < 90, steps, np.nan)
    second = np.where(np.arange(150) >= 60, steps, np.nan)
    bars = make_bars({name: loop(make_vector_series, seed, 150) | {"funding_rate": rate}
                      for name, seed, rate in ((PERPETUAL, 27, first), (SPOT, 28, second))})
    fitted, _, _ = study(bars, family(systems=("across",)))
    across = f"across:{PERPETUAL},{SPOT}"
    assert left_out(fitted, across)[f"{SPOT}:funding_rate"] == "too_few_bars"
    assert {r["reason"] for r in fitted} == {None}


def test_a_few_minutes_of_a_long_capture_cannot_tell_the_time_of_day(make_bars, make_vector_series):
    """A capture of 14 hours of which all but 300 bars are poisoned."""
    values = loop(make_vector_series, 29, 5_040)
    bars = make_bars({SPOT: values}, bar_size="10s", poisoned={SPOT: np.arange(300, 5_040)})
    given = StudyInput.of_bars({"10s": bars}, [family(bar_sizes=("10s",))], partition="2024-08-08")
    fitted = build(given)[VECTOR_AUTOREGRESSION.name].to_pylist()
    assert left_out(fitted, SPOT)["time_of_day"] == "too_short"
    assert not [r for r in fitted if r["estimator"] == "exogenous"]


@pytest.mark.parametrize("wrong", [
    {"horizon": 0}, {"replications": 1}, {"exogenous": (RETURN,)}, {"variables": (FLOW,)},
])  # fmt: skip
def test_a_family_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UserError):
        family(**wrong)


def test_the_funding_rate_comes_from_the_derivative_bars(tmp_path):
    """A rate that steps each minute, of one of two instruments; rows of no bar are not joined."""
    config = Config(studies=StudiesConfig(
        bar_sizes=("1s",), replications=99, horizon=2, maximum_lag=1))
    store = Store(Home.open(tmp_path / "home", create=True), config)
    write_day(store, "2024-08-08", seed=1, seconds=600)
    feedback = study_of("feedback")
    without = study_task(feedback, store, "2024-08-08")
    rate = [1e-4 * (second // 60 % 4) for second in range(700)]
    day = int(np.datetime64("2024-08-08", "ns").astype(np.int64))
    late = [day + (second + 3) * 10**9 for second in range(700)]
    write_derivatives(store, "2024-08-08", "binance:A", funding_rate=rate, available_at=late)
    task = study_task(feedback, store, "2024-08-08")
    assert {*task.inputs} - {*without.inputs} == {("features.derivative_bars_1s", "2024-08-08")}
    task.materialise(store)
    fitted = read_current(store, VECTOR_AUTOREGRESSION.name, "2024-08-08").to_pylist()
    terms = {(r["model"], r["instrument_x"], r["measure_x"], r["n"]) for r in fitted
             if r["estimator"] == "exogenous"}
    assert {(model, x, name) for model, x, name, _ in terms} == {
        (model, "binance:A", "funding_rate")
        for model in ("binance:A", "across:binance:A,binance:B")}
    assert {row["available_at"].value for row in fitted} == {late[599]}, "known 2 s after its bar"
    assert {n for *_, n in terms} == {598}, "nothing is known before the first bar; and its lag"
    told = next(json.loads(r["parameters"]) for r in fitted if r["model"] == "binance:B")
    assert told["exogenous_left_out"]["binance:B:funding_rate"] == "all_null"


def test_a_feed_of_images_is_studied_by_the_flow_that_it_has(make_bars, make_vector_series):
    """A feed without changes has the generalised flow alone; one with both keeps its own."""
    images, changes = (loop(make_vector_series, seed, 600) for seed in (30, 31))
    images = {FLOW: np.full(600, np.nan), IMAGE_FLOW: images[FLOW], RETURN: images[RETURN]}
    changes = {FLOW: changes[FLOW], IMAGE_FLOW: np.arange(600.0), RETURN: changes[RETURN]}
    bars = make_bars({SPOT: images, PERPETUAL: changes})
    tables = study(bars, family(systems=("own", "across")))
    for rows in tables:
        named = {(r["instrument_x"], r["measure_x"]) for r in rows
                 if r["reason"] is None and "*" not in (r["instrument_x"], r["measure_x"])}
        assert named == {(SPOT, IMAGE_FLOW), (SPOT, RETURN), (PERPETUAL, FLOW),
                         (PERPETUAL, RETURN)}
        assert {r["model"] for r in rows if r["reason"] is None} == {
            SPOT, PERPETUAL, f"across:{PERPETUAL},{SPOT}"}
    (found,) = (r for r in tables[0] if r["model"] == SPOT and r["estimator"] == "coefficient"
                and (r["measure_x"], r["measure_y"], r["lag"]) == (IMAGE_FLOW, RETURN, 1))
    assert (found["hypothesis"], found["q_value"] < 1e-6) == ("ahead", True)


def test_where_there_is_no_flow_of_any_kind_the_refusal_names_the_one_declared(make_bars):
    bars = make_bars({SPOT: {FLOW: np.full(100, np.nan), IMAGE_FLOW: np.full(100, np.nan),
                             RETURN: np.random.default_rng(0).standard_normal(100)}})
    for rows in study(bars, family()):
        assert [(r["measure_y"], r["reason"]) for r in rows] == [(FLOW, "all_null")]
