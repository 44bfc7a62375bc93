"""Sides that the venue does not say: the rules on small tables, and how often they are right."""

import random
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm

from imbalance.books.build import materialise_book
from imbalance.books.order_matching import WITHIN
from imbalance.books.tables import BOOK_STATES
from imbalance.captures.event_tables import ORDERS
from imbalance.captures.register import register
from imbalance.features import build
from imbalance.features.bars import Queries
from imbalance.features.build import bars_in_memory
from imbalance.features.side_tables import CLASSIFIED
from imbalance.features.sides import (
    ORDER_COLUMNS,
    QUOTE_COLUMNS,
    STATE_COLUMNS,
    TRADE_COLUMNS,
    bulk_volume,
    classified,
)
from imbalance.features.tasks import features_task
from imbalance.store import Store
from tests.captures.building import build_all
from tests.captures.whole import decode

S = 1_000_000_000


def without_side(trades):
    place = trades.schema.get_field_index("side")
    return trades.set_column(place, "side", pa.nulls(len(trades), pa.string()))


def state(market, nanoseconds, bid, ask, sequence=1, instrument="binance:A"):
    return {"instrument": instrument, "sequence": sequence, "event_time": market.day + nanoseconds,
            "available_at": market.day + nanoseconds, "bid_prices": [bid], "ask_prices": [ask]}


def found(market, trades, states=(), quotes=()):
    """Side and method by trade id, and the bars."""
    rows = market.trades(*trades)
    rows = rows.set_column(rows.schema.get_field_index("capture_id"), "capture_id",
                           pa.array(["x"] * len(rows)))
    rows = rows.set_column(rows.schema.get_field_index("line"), "line",
                           pa.array(range(1, len(rows) + 1), pa.int64()))
    made = bars_in_memory(
        market.book(*(market.book_row(k) for k in range(30))), rows, market.quotes(*quotes),
        states=market.rows(BOOK_STATES, states),
    )
    sides = made["features.classified_trades"].to_pylist()
    return {row["trade_id"]: (row["classified_side"], row["method"], row["mid_before"])
            for row in sides}, made


def test_above_and_below_the_mid_known_before_and_at_it_by_the_last_change(market):
    trades = [
        market.trade(1, None, 100.0, 1.0),  # nothing is known yet
        market.trade(10, None, 100.0, 1.0),  # of the same moment as the book: not before it
        market.trade(11, None, 100.5, 1.0), market.trade(12, None, 99.5, 2.0),
        market.trade(13, None, 100.0, 4.0), market.trade(14, None, 100.0, 8.0),
    ]
    sides, made = found(market, trades, [state(market, 10, 99.0, 101.0)])
    assert sides == {
        1: (None, None, None), 10: (None, None, None), 11: ("buy", "quote", 100.0),
        12: ("sell", "quote", 100.0), 13: ("buy", "tick", 100.0), 14: ("buy", "tick", 100.0),
    }
    bar = made["features.bars_100ms"].to_pylist()[0]
    assert bar["buy_volume"] is bar["classified_buy_volume"] is None, "two have no side at all"
    assert bar["inferred_volume"] == bar["traded_volume"] == 17.0


def test_the_latest_of_book_and_quotes_counts_and_neither_when_old_or_crossed(market):
    quote = market.quote(20) | {"bid_price": 89.0, "ask_price": 91.0, "line": 1}
    trades = [market.trade(k, None, 95.0, 1.0) for k in (15, 25, 35, 20 + 61 * S)]
    sides, _ = found(
        market, trades, [state(market, 10, 99.0, 101.0), state(market, 30, 97.0, 96.0, 2)], [quote]
    )
    assert [sides[k] for k in (15, 25, 35)] == [
        ("sell", "quote", 100.0), ("buy", "quote", 90.0), (None, None, None)
    ]
    assert sides[20 + 61 * S] == (None, None, None)


@pytest.mark.parametrize("gone", ["bid", "ask"])
def test_a_book_of_one_side_has_no_mid_and_gives_no_older_one(market, gone):
    one_sided = state(market, 1005 * S, 110.0, 110.5, 2)
    one_sided[f"{gone}_prices"] = []
    trade = market.trade(1010 * S, None, 105.0, 1.0)
    sides, _ = found(market, [trade], [state(market, 1 * S, 100.0, 101.0), one_sided])
    assert sides == {1010 * S: (None, None, None)}
    # nor within the minute, though the mid before it would do
    young = market.trade(20 * S, None, 105.0, 1.0)
    one_sided = state(market, 15 * S, 110.0, 110.5, 2) | {f"{gone}_prices": []}
    sides, _ = found(market, [young], [state(market, 10 * S, 100.0, 101.0), one_sided])
    assert sides == {20 * S: (None, None, None)}
    # of the same moment, what came last counts
    both = [state(market, 15 * S, 100.0, 101.0, 1), one_sided]
    assert found(market, [young], both)[0] == {20 * S: (None, None, None)}
    both = [one_sided, state(market, 15 * S, 100.0, 101.0, 3)]
    assert found(market, [young], both)[0] == {20 * S: ("buy", "quote", 100.5)}


def test_the_last_change_of_price_is_that_of_all_trades_of_the_kind(market):
    trades = [
        market.trade(1, None, 100.0, 1.0), market.trade(2, "buy", 101.0, 1.0),
        market.trade(3, None, 100.5, 1.0), market.trade(4, "sell", 102.0, 1.0),
        market.trade(5, "sell", 102.0, 1.0), market.trade(6, None, 102.0, 1.0),
        market.trade(7, "buy", 50.0, 1.0, "aggregate_trade"), market.trade(8, None, 102.0, 1.0),
    ]
    sides, _ = found(market, trades)
    assert sides == {1: (None, None, None), 3: ("sell", "tick", None), 6: ("buy", "tick", None),
                     8: ("buy", "tick", None)}


def test_fills_told_as_both_kinds_of_trades_are_counted_once(market):
    first = market.trade(0, "buy", 100.0, 1.0)
    single = [market.trade(S + 1, "buy", 101.0, 1.0), market.trade(S + 2, "sell", 100.0, 2.0)]
    aggregate = [row | {"kind": "aggregate_trade", "side": None} for row in single]
    names = ("traded_volume", "classified_buy_volume", "classified_sell_volume", "inferred_volume")
    for trades, expected in (([first, *single, *aggregate], [3.0, 1.0, 2.0, 0.0]),
                             ([*single, *aggregate], [3.0, 1.0, 2.0, 0.0])):
        _, made = found(market, trades, [state(market, 10, 100.0, 101.0)])
        bar = made["features.bars_100ms"].to_pylist()[10]
        assert [bar[name] for name in names] == expected
    # aggregate ones alone are the ones that count
    _, made = found(market, aggregate, [state(market, 10, 100.0, 101.0)])
    bar = made["features.bars_100ms"].to_pylist()[10]
    assert [bar[name] for name in names] == [3.0, 1.0, 2.0, 3.0]


def of_orders(market, trades, orders, states=()):
    """Rows of the classified trades of a feed that shows single orders: (time, key, side, what is
    left of it), of 5.0 at 100.0 each.
    """
    shown = [
        {"instrument": "binance:A", "action": "add" if left == 5.0 else "change", "order_key": key,
         "book_side": side, "price": 100.0, "size": left, "event_time": market.day + time,
         "available_at": market.day + time} for time, key, side, left in orders
    ]
    with duckdb.connect() as connection:
        rows = classified(
            Queries(connection), {"binance:A"},
            market.trades(*trades).select(TRADE_COLUMNS).to_batches(),
            market.rows(BOOK_STATES, states).select(STATE_COLUMNS).to_batches(), (),
            market.rows(ORDERS, shown).select(ORDER_COLUMNS).to_batches(),
        )
    return {row["trade_id"]: row for row in rows.to_pylist()}


def test_orders_tell_a_side_once_it_is_settled_which_of_them_met(market):
    orders = [(1 * S, "1", "ask", 5.0), (9 * S, "2", "bid", 5.0),
              (10 * S, "1", "ask", 4.0), (10 * S, "2", "bid", 4.0)]
    trades = [market.trade(t * S, None, 100.0, size)
              for t, size in ((10, 1.0), (20, 1.0), (12, 3.0))]
    rows = of_orders(market, trades, orders)
    assert {key // S: (row["classified_side"], row["method"],
                       (row["available_at"].value - market.day) / S)
            for key, row in rows.items()} == {
        10: ("buy", "orders", 15.0), 20: (None, None, 25.0), 12: (None, None, 17.0)}
    # a fill of the same size within 5 s may change who met: it is waited for
    more = [*orders, (12 * S, "3", "bid", 5.0), (14 * S, "3", "bid", 4.0)]
    row = of_orders(market, trades, more)[10 * S]
    assert (row["available_at"].value - market.day) / S == 19.0
    # where no orders are shown nothing is waited for
    row = of_orders(market, trades, [])[10 * S]
    assert (row["available_at"].value - market.day) / S == 10.0


@pytest.mark.parametrize("seed", range(3))
def test_what_comes_later_changes_no_side_that_was_available(market, seed):
    chance = random.Random(seed)
    left = {}
    orders, trades = [], []
    for k in range(150):
        time = round(chance.uniform(0, 300) * S)
        for side in ("bid", "ask") if chance.random() < 0.5 else (chance.choice(["bid", "ask"]),):
            key = str(chance.randrange(10**6))
            told = time + chance.randrange(6) * S
            left[key] = 5.0 - chance.choice([1.0, 1.0, 2.0])
            orders += [(told - S, key, side, 5.0), (told, key, side, left[key])]
        trades.append(market.trade(time + chance.randrange(4) * S + k, None,
                                   chance.choice([100.0, 100.0, 100.5]), 1.0))
    orders.sort()
    states = [state(market, k * 20 * S, 99.0 + k % 3, 100.5 + k % 3, k) for k in range(16)]
    whole = of_orders(market, trades, orders, states)
    compared = set()
    for _ in range(25):
        cut = market.day + round(chance.uniform(0, 310) * S)
        part = of_orders(
            market, [row for row in trades if row["available_at"] <= cut],
            [row for row in orders if market.day + row[0] <= cut],
            [row for row in states if row["available_at"] <= cut])
        for key, row in whole.items():
            if row["available_at"].value <= cut:
                assert part[key] == row
                compared.add(row["method"])
    assert compared >= {"orders", "quote"}


def test_the_version_changes_with_the_rules_by_which_orders_met(monkeypatch):
    before = build.definition_version.__wrapped__()
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, **more: read(path, **more) + (
        "#" if path.name == "order_matching.py" else ""))
    assert build.definition_version.__wrapped__() != before


def test_the_registry_names_how_far_a_trade_and_its_orders_may_be_apart():
    available = next(c for c in CLASSIFIED.columns if c.name == "available_at")
    assert f" {WITHIN // S} s after" in available.description


def test_bars_have_both_the_venue_s_word_and_the_rule_s(market):
    trades = [market.trade(1 * S, "buy", 100.5, 3.0), market.trade(S + 1, None, 100.5, 1.0),
              market.trade(S + 2, None, 99.5, 2.0)]
    sides, made = found(market, trades, [state(market, 10, 99.0, 101.0)])
    assert set(sides) == {S + 1, S + 2}, "a side that is told is not found again"
    bars = made["features.bars_100ms"].to_pylist()
    assert [bars[10][name] for name in (
        "buy_volume", "classified_buy_volume", "classified_sell_volume",
        "classified_trade_imbalance", "inferred_volume", "traded_volume",
    )] == [None, 4.0, 2.0, 2.0, 3.0, 6.0]
    assert (bars[11]["classified_buy_volume"], bars[11]["buy_volume"]) == (0.0, 0.0)
    second = made["features.bars_1s"].to_pylist()[1]
    assert (second["classified_buy_volume"], second["inferred_volume"]) == (4.0, 3.0)


def test_trades_of_one_line_are_told_apart(market):
    trades = market.trades(*(
        market.trade(k, None, 100.0 + k, 1.0) | {"capture_id": "x", "line": 7,
                                                 "event_time": market.day, "trade_id": None}
        for k in (1, 2, 3)
    ))
    made = bars_in_memory(market.book(market.book_row(0)), trades, market.quotes())
    rows = made[CLASSIFIED.name].to_pylist()
    assert [row["position"] for row in rows] == [1, 2, 3]
    assert len({tuple(row[name] for name in CLASSIFIED.key) for row in rows}) == 3


def test_bulk_volume_is_the_share_below_the_scaled_return(market):
    volume, scaled = np.array([2.0, 3.0, 5.0, 1.0]), np.array([-1.5, 0.0, 2.0, np.nan])
    bought, sold = bulk_volume(volume, scaled), bulk_volume(volume, -scaled)
    np.testing.assert_allclose(bought, volume * norm.cdf(scaled), rtol=1e-14)
    np.testing.assert_allclose(bought[:3] + sold[:3], volume[:3], rtol=1e-14)
    bars = bars_in_memory(market.random_book(400), market.random_trades(400),
                          market.quotes())["features.bars_100ms"]
    rows = bars.to_pandas()
    past = rows["return_bps"].where(rows["valid"])
    last = np.flatnonzero(past.notna().to_numpy())[-1]
    before = past.iloc[:last].dropna().iloc[-300:]
    expected = rows["traded_volume"].iloc[last] * norm.cdf(past.iloc[last] / before.std())
    assert rows["bulk_buy_volume"].iloc[last] == pytest.approx(expected, rel=1e-12)
    assert rows["bulk_buy_volume"].iloc[:15].isna().all()


def test_how_often_the_rule_is_right_where_the_venue_says(shared):
    """NEXOUSDT of 24 hours: the known sides are hidden and found again from the quotes."""
    held = decode(shared / "captures/binance-nexo/nexousdt_20240724.dat.gz").tables
    trades = held["raw.trades"]
    with duckdb.connect() as connection:
        rows = classified(
            Queries(connection), set(trades.column("instrument").to_pylist()),
            without_side(trades).select(TRADE_COLUMNS).to_batches(), (),
            held["raw.quotes"].select(QUOTE_COLUMNS).to_batches(), (),
        )
        right, share = connection.sql("""
            select avg((rows.classified_side = trades.side)::int),
                sum(trades.size_base) filter (rows.classified_side = trades.side)
                / sum(trades.size_base)
            from rows join trades using (instrument, kind, trade_id) where kind = 'trade'
        """).fetchone()
    assert len(rows) == len(trades)
    assert (right, share) == pytest.approx((0.9015, 0.8291), abs=1e-4)


def test_books_and_trades_of_separate_files_meet_at_their_time(shared, tmp_path):
    """StandX, an hour a file: each trade meets the book that was known just before it, and the
    rule says of nearly all what the book at the moment of the trade says.
    """
    store = Store.open(tmp_path / "home", create=True)
    register(store, [shared / "captures/standx-20260106"])
    build_all(store)
    materialise_book(store, "standx", "2026-01-06")
    features_task("standx", "2026-01-06").materialise(store)
    hours = store.session(described=False).sql("""
        select hour(trades.event_time), count(*), count(distinct mid_before),
            avg(case
                when price > mid then (classified_side = 'buy')::int
                when price < mid then (classified_side = 'sell')::int
            end),
            max(epoch_ns(trades.available_at) - epoch_ns(trades.event_time)) / 1e9
        from features.classified_trades as trades
        asof join (
            select instrument, event_time, (bid_prices[1] + ask_prices[1]) / 2 as mid
            from book.book_states
        ) as books
        on trades.instrument = books.instrument and trades.event_time > books.event_time
        group by all order by all
    """).fetchall()
    assert [(hour, count) for hour, count, *_ in hours] == [(13, 6719), (14, 11025), (19, 1859)]
    for _, _, mids, right, late in hours:
        assert mids > 300
        assert right > 0.99
        assert late < 5
