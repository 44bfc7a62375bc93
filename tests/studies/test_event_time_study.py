"""The study of impact in event time, from stored events to rows."""

import numpy as np
import pytest

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.studies.event_time.series import read_mids, read_trades
from imbalance.studies.event_time.study import EVENT_TIME, STUDY, EventTimeFamily, families
from imbalance.studies.events import Events
from imbalance.studies.rows import schema_of
from imbalance.tasks import Task
from tests.studies.event_store import (
    DAY,
    HEALTH,
    START,
    STATES,
    TRADES,
    health,
    rows,
    run_study,
    states,
)

SECOND = 1_000_000_000
QUOTED, REBUILT, MUTE, FEW = "binance:AUSDT", "binance:BUSDT", "binance:CUSDT", "binance:DUSDT"
QUOTES = "raw.quotes"
B0, B1 = 2.0, 1.0
FAMILY = EventTimeFamily(name="sign", question="?", replications=99, horizon=10, maximum_lag=4,
                         seed=1)


def market(seed, count=1_500):
    """A trade a second; half a second after it the mid moves by 2 bps with its side, and by 1 bp
    with the side before it.
    """
    generator = np.random.default_rng(seed)
    side = np.where(generator.random(count) < 0.5, 1.0, -1.0)
    steps = B0 * side + 0.5 * generator.standard_normal(count)
    steps[1:] += B1 * side[:-1]
    times = np.arange(1, count + 1) * SECOND
    mids = 10_000.0 * np.exp(np.concatenate([[0.0], np.cumsum(steps)]) / 1e4)
    return side, times, np.concatenate([[0], times + SECOND // 2]), mids


def sided(instrument, side, times, **more):
    when = START + times
    return rows(TRADES, {
        "instrument": [instrument] * len(when), "kind": ["trade"] * len(when),
        "trade_id": np.arange(len(when)), "event_time": when, "available_at": when + 5,
        "side": [None if s == 0 else "buy" if s > 0 else "sell" for s in side],
        "size_base": np.full(len(when), 4.0), **more,
    })


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    first, second = market(0), market(1)
    day = (0, 3_000 * SECOND, "valid")
    tables = {
        TRADES: [sided(QUOTED, first[0], first[1]), sided(REBUILT, second[0], second[1]),
                 sided(MUTE, np.zeros(50), np.arange(1, 51) * SECOND),
                 sided(FEW, np.ones(50), np.arange(1, 51) * SECOND)],
        QUOTES: [rows(QUOTES, {
            "instrument": [name] * len(quoted[2]), "update_id": np.arange(len(quoted[2])),
            "bid_price": quoted[3] - 1.0, "ask_price": quoted[3] + 1.0,
            "event_time": START + quoted[2], "available_at": START + quoted[2] + 9,
        }) for name, quoted in ((QUOTED, first), (FEW, first))],
        STATES: [states(REBUILT, second[2], second[3])],
        HEALTH: [health(name, day) for name in (REBUILT, MUTE, FEW)]
        # A gap between the 1,000th trade and the next.
        + [health(QUOTED, (0, 1_000 * SECOND + 1, "valid"),
                  (1_000 * SECOND + 2, 3_000 * SECOND, "valid"))],
    }
    made = run_study(tmp_path_factory.mktemp("home"), STUDY, [FAMILY], tables)[EVENT_TIME.name]
    assert made.schema.equals(schema_of(EVENT_TIME))
    table = made.to_pylist()
    keys = [tuple(row[part] for part in EVENT_TIME.key) for row in table]
    assert len(set(keys)) == len(keys)
    assert all((row["estimate"] is None) == (row["reason"] is not None) for row in table)
    return table


def pick(found, **wanted):
    return [row for row in found if all(row[name] == value for name, value in wanted.items())]


@pytest.mark.parametrize(("instrument", "source", "n"), [
    (QUOTED, QUOTES, 1_500 - 2 - 2), (REBUILT, STATES, 1_500 - 1 - 1),
])  # fmt: skip
def test_planted_impact_comes_back(found, instrument, source, n):
    mine = {"instrument_x": instrument}
    now = pick(found, estimator="price_impact", horizon=0, **mine)[0]
    assert now["estimate"] == pytest.approx(B0, abs=0.1)
    assert now["kind"] == "contemporaneous"
    (rest,) = pick(found, estimator="permanent_impact", **mine)
    assert rest["interval_low"] < B0 + B1 < rest["interval_high"]
    assert rest["q_value"] < 0.001
    assert f'"mid": "{source}"' in rest["parameters"]
    assert rest["n"] == n
    assert rest["n"] + rest["n_left_out"] == 1_500
    (share,) = pick(found, estimator="share_of_trades", **mine)
    assert share["estimate"] == pytest.approx(9.0 / 9.25, abs=0.03)
    (back,) = pick(found, estimator="wald_hac", measure_x="return_bps", **mine)
    (forth,) = pick(found, estimator="wald_hac", measure_y="return_bps", **mine)
    assert forth["q_value"] < 0.001 < back["p_value"]
    orders = {row["estimator"]: row["estimate"]
              for row in pick(found, instrument_y=instrument, instrument_x="*")}
    assert orders["lag_order_bic"] == 1.0
    assert {"lag_order_aic", "lag_order_hq", "lag_order_fpe", "portmanteau"} <= set(orders)


def test_refusals_say_why(found, tmp_path):
    assert [r["reason"] for r in pick(found, instrument_y=MUTE)] == ["no_aggressor"]
    assert [r["reason"] for r in pick(found, instrument_y=FEW)] == ["too_few_bars"]
    nothing = run_study(tmp_path, STUDY, [FAMILY], {})[EVENT_TIME.name].to_pylist()
    assert [r["reason"] for r in nothing] == ["no_events"]


def read(directory, tables):
    """Trades and mids of an instrument, as they are read."""
    store, made = Store(Home.open(directory, create=True)), []
    partition = f"{DAY}|binance"
    Task(tuple(tables), partition, (), "1", lambda context: [
        context.writer(name).write(of) for name, of in tables.items()] and None).materialise(store)
    inputs = tuple((name, partition) for name in tables)

    def build(context):
        events = Events(context, inputs)
        made.append((read_trades(events, QUOTED), read_mids(events, QUOTED)))

    Task(("studies.families",), "all", inputs, "1", build).materialise(store)
    return made[0]


def test_an_order_of_no_size_is_none_and_a_crossed_market_has_no_mid(tmp_path):
    times = np.arange(1, 5) * SECOND
    trades, mids = read(tmp_path, {
        TRADES: sided(QUOTED, [1, -1, 1, 1], times, size_base=[4.0, 0.0, 4.0, None],
                      price=[10.0, 11.0, 12.0, 13.0]),
        QUOTES: rows(QUOTES, {
            "instrument": [QUOTED] * 4, "update_id": np.arange(4),
            "bid_price": [10.0, 14.0, 12.0, None], "ask_price": [11.0, 13.0, 12.0, 13.0],
            "event_time": START + times, "available_at": START + times}),
        HEALTH: health(QUOTED, (0, 10 * SECOND, "valid")),
    })
    assert (trades.times - START).tolist() == [SECOND, 3 * SECOND]
    assert trades.prices.tolist() == [10.0, 12.0]
    assert trades.unsigned == 0
    # A locked market has one.
    assert (mids.times - START).tolist() == [SECOND, 3 * SECOND]
    assert mids.prices.tolist() == [10.5, 12.0]


def test_trades_without_a_mid_are_not_refused_for_those_without_a_side(tmp_path):
    times = np.arange(1, 5) * SECOND
    found = run_study(tmp_path, STUDY, [FAMILY], {
        TRADES: [sided(MUTE, [1, -1, 0, 1], times)],
        HEALTH: [health(MUTE, (0, 10 * SECOND, "valid"))]})[EVENT_TIME.name].to_pylist()
    assert [row["reason"] for row in found] == ["no_events"]


def test_what_is_declared():
    assert [one.flow for one in families(StudiesConfig())] == ["sign", "signed_root_size"]
    with pytest.raises(UserError):
        EventTimeFamily(name="x", question="?", flow="volume")
    with pytest.raises(UserError):
        EventTimeFamily(name="x", question="?", most_trades=10)
