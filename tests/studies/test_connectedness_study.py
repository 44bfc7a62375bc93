import json

import numpy as np
import pytest

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.connectedness.build import build
from imbalance.studies.connectedness.measures import Connectedness, generalised_table
from imbalance.studies.connectedness.study import CONNECTEDNESS, ConnectednessFamily, families
from imbalance.studies.rows import schema_of
from imbalance.studies.study_input import StudyInput

NAMES = ("binance:BTCUSDT", "binance:ETHUSDT", "binance:SOLUSDT")
FLOW, RETURN = "order_flow_imbalance", "return_bps"
# The first moves the second, the second the third; nothing comes back.
A = np.array([[[0.2, 0.0, 0.0], [0.5, 0.1, 0.0], [0.0, 0.4, 0.1]]])


def family(**changes):
    settings = {"name": "returns", "question": "?", "variables": (RETURN,), "bar_sizes": ("1s",),
                "replications": 199, "path_replications": 19, "path_points": 6, "maximum_lag": 3}
    return ConnectednessFamily(**(settings | changes))


def study(bars, *declared):
    given = StudyInput.of_bars({"1s": bars}, declared, partition="2024-08-08")
    table = build(given)[CONNECTEDNESS.name]
    assert table.schema.equals(schema_of(CONNECTEDNESS))
    rows = table.to_pylist()
    keys = [tuple(row[part] for part in CONNECTEDNESS.key) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert (row["estimate"] is None) == (row["reason"] is not None)
        if row["estimate"] is not None:
            assert row["standard_error"] > 0.0
            assert row["interval_low"] < row["interval_high"]
    return rows


@pytest.fixture
def chain(make_vector_series):
    """1,200 bars of a chain of three, twenty of them missing."""
    values = make_vector_series(np.random.default_rng(0), A, np.eye(3), 1_200)
    values[600:620, 1] = np.nan
    return {name: {RETURN: values[:, i]} for i, name in enumerate(NAMES)}


@pytest.fixture
def rows(chain, make_bars):
    return study(make_bars(chain), family())


def pick(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def test_a_chain_is_seen_from_its_head_to_its_end(rows):
    true = Connectedness(generalised_table(A, np.eye(3), 10))
    (total,) = pick(rows, estimator="total", approach="generalised")
    assert total["interval_low"] <= true.total <= total["interval_high"]
    assert total["n"] == 1_200 - 20 - 2
    assert total["n_left_out"] == 22
    net = {r["instrument_x"]: r for r in pick(rows, estimator="net", approach="generalised")}
    for i, name in enumerate(NAMES):
        assert net[name]["interval_low"] <= true.net[i] <= net[name]["interval_high"]
    assert net[NAMES[0]]["estimate"] > 0.1
    assert net[NAMES[0]]["q_value"] < 0.05
    assert net[NAMES[2]]["estimate"] < -0.05
    (first,) = pick(rows, estimator="net_pairwise", approach="generalised",
                    instrument_x=NAMES[0], instrument_y=NAMES[1])
    shares = {(r["instrument_x"], r["instrument_y"]): r["estimate"]
              for r in pick(rows, estimator="share", approach="generalised")}
    # From x to y less from y to x: the sign says who moves whom.
    assert first["estimate"] == pytest.approx(
        shares[NAMES[0], NAMES[1]] - shares[NAMES[1], NAMES[0]])
    assert first["estimate"] > 0.1
    assert json.loads(first["parameters"])["order"] == [f"{name}:{RETURN}" for name in NAMES]


def test_decompositions_add_up(rows):
    for approach, part in {(r["approach"], r["part"]) for r in rows if r["approach"]
                           not in ("time_varying", "frequency") and r["reason"] is None}:
        shares = pick(rows, estimator="share", approach=approach, part=part)
        for name in NAMES:
            assert sum(r["estimate"] for r in shares if r["instrument_y"] == name) == (
                pytest.approx(1.0))
    bands = pick(rows, estimator="total", approach="frequency")
    assert [r["part"] for r in bands] == ["2 to 8 bars", "8 to 40 bars", "over 40 bars"]
    (whole,) = pick(rows, estimator="total", approach="generalised")
    assert sum(r["estimate"] for r in bands) == pytest.approx(whole["estimate"], abs=1e-3)
    (ordered,) = pick(rows, estimator="total", approach="orthogonal")
    low, high = ordered["lowest_order"] - 1e-12, ordered["highest_order"] + 1e-12
    assert low <= ordered["estimate"] <= high


def test_states_of_the_time_varying_system_have_their_times(rows):
    states = pick(rows, estimator="total", approach="time_varying")
    times = [int(r["state_at"].timestamp()) for r in states]
    assert len(times) == 6
    assert times == sorted(times)
    assert states[-1]["state_at"] == states[-1]["window_to"]
    assert all(r["lag"] == 1 and r["seed"] is not None for r in states)


def reasons(bars, **changes):
    return [row["reason"] for row in study(bars, family(**changes)) if row["reason"] is not None]


def test_refusals_say_why(chain, make_bars):
    first = chain[NAMES[0]][RETURN]
    walk = np.cumsum(np.random.default_rng(1).standard_normal(1_200))
    assert reasons(make_bars({NAMES[0]: {FLOW: first, RETURN: walk}}), systems=("own",),
                   variables=(FLOW, RETURN)) == ["unit_root"]
    assert reasons(make_bars({NAMES[0]: {RETURN: first}})) == ["no_pair"]
    twin = {NAMES[0]: {RETURN: first}, NAMES[1]: {RETURN: 2.0 * first}}
    assert reasons(make_bars(twin)) == ["collinear"]
    few = {name: {RETURN: chain[name][RETURN][:21]} for name in NAMES}
    assert reasons(make_bars(few)) == ["too_few_bars"]


def test_an_hour_without_a_move_does_not_end_the_study(make_bars):
    """Of two independent series one stands for 3,000 bars: no state connects them."""
    values = np.random.default_rng(2).standard_normal((6_000, 2))
    values[2_000:5_000, 0] = 0.0
    bars = make_bars({name: {RETURN: values[:, i]} for i, name in enumerate(NAMES[:2])})
    rows = study(bars, family(maximum_lag=1, path_points=12))
    states = pick(rows, estimator="total", approach="time_varying")
    assert len(states) == 12
    assert max(r["estimate"] for r in states) < 0.1
    assert json.loads(states[0]["parameters"])["longest_stillness"] == 100


def test_the_time_varying_system_has_refusals_of_its_own(chain, make_bars):
    short = {name: {RETURN: chain[name][RETURN][:70]} for name in NAMES}
    for bars, changes, reason in ((make_bars(short), {"minimum_bars": 40}, "too_few_bars"),
                                  (make_bars(chain), {"largest_path": 2}, "too_many_variables")):
        rows = study(bars, family(**changes))
        assert [r["reason"] for r in rows if r["approach"] == "time_varying"] == [reason]
        assert pick(rows, estimator="total", approach="generalised")[0]["reason"] is None


def test_a_quantile_that_too_few_bars_are_near_is_refused_alone(make_bars):
    """Of a price that mostly stands, what is near the median does not tell coefficients apart."""
    random = np.random.default_rng(1)
    values = random.standard_normal((600, 2))
    values[random.random((600, 2)) > 0.2] = 0.0
    bars = make_bars({name: {RETURN: values[:, i]} for i, name in enumerate(NAMES[:2])})
    rows = pick(study(bars, family(quantiles=(0.05, 0.5), criterion="bic", maximum_lag=1)),
                approach="quantile", estimator="total")
    assert {row["part"]: row["reason"] for row in rows} == {
        "quantile 0.05": None, "quantile 0.5": "too_few_bars"}


def test_no_bars_at_all():
    given = StudyInput.of_bars({}, [family()], partition="2024-08-08")
    rows = build(given)[CONNECTEDNESS.name].to_pylist()
    assert [row["reason"] for row in rows] == ["no_bars"]


def test_what_is_declared_by_default():
    names = [one.name for one in families(StudiesConfig())]
    assert names == ["returns", "order_flow", "flow_and_return"]


@pytest.mark.parametrize("changes", [
    {"periods": (3.0, 8.0)}, {"periods": (2.0, 8.0, 4.0)}, {"quantiles": (0.0,)},
    {"forgetting": 1.0}, {"systems": ("all",)}, {"criterion": "cp"}, {"n_terms": 1},
    {"frequency_terms": 79}, {"replications": 1}, {"path_replications": 1}, {"path_points": 0},
    {"variables": ()}, {"variables": (RETURN, RETURN)}, {"systems": ("own",)},
])  # fmt: skip
def test_a_family_that_makes_no_sense_is_refused(changes):
    with pytest.raises(UserError):
        family(**changes)
