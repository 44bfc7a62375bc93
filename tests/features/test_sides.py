"""Sides that the venue does not say: the rules on small tables, and how often they are right."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm

from imbalance.books.build import materialise_book
from imbalance.books.tables import BOOK_STATES
from imbalance.captures.register import register
from imbalance.features.bars import Queries
from imbalance.features.build import bars_in_memory
from imbalance.features.side_tables import CLASSIFIED
from imbalance.features.sides import QUOTE_COLUMNS, TRADE_COLUMNS, bulk_volume, classified
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
