"""Bars on tiny inputs against expected rows: formulas, nulls, zeros, poison, feeds."""

import math

import numpy as np
import pytest

from imbalance.features import stretches
from imbalance.features.build import bars_in_memory
from imbalance.features.tables import BAR_COLUMNS

S = 1_000_000_000


def bars(market, book=None, trades=None, quotes=None, size="100ms"):
    made = bars_in_memory(
        market.book() if book is None else book,
        market.trades() if trades is None else trades,
        market.quotes() if quotes is None else quotes,
    )
    return made[f"features.bars_{size}"].to_pylist()


def nanoseconds(time):
    return time.value if hasattr(time, "value") else int(time.timestamp() * 1e9)


@pytest.fixture(scope="module")
def row(market):
    """One bar in which everything has its own value."""
    values = {
        "mid_open": 100.0, "mid_high": 101.5, "mid_low": 99.5, "mid_close": 101.0,
        "mid_mean": 100.4, "bid_price": 100.5, "ask_price": 101.5, "bid_size": 6.0,
        "ask_size": 2.0, "spread_mean": 0.8, "queue_imbalance_mean": 0.25,
        "depth_touch_mean": 4.5, "bid_depth_5": 30.0, "ask_depth_5": 10.0, "bid_depth_10": 60.0,
        "ask_depth_10": 60.0, "bid_depth_5bps": 0.0, "ask_depth_5bps": 0.0,
        "bid_depth_10bps": 0.0, "ask_depth_10bps": 5.0, "bid_depth_25bps": 9.0,
        "ask_depth_25bps": 1.0, "bid_depth_50bps": 20.0, "ask_depth_50bps": 60.0,
        "bid_depth_100bps": 7.0, "ask_depth_100bps": 1.0, "bid_depth_200bps": 3.0,
        "ask_depth_200bps": 5.0, "bid_depth_weighted_10bps": 1.5,
        "ask_depth_weighted_10bps": 0.5, "bid_reach_bps": 60.0, "ask_reach_bps": 100.0,
        **{f"order_flow_imbalance_level_{m}": float(m) for m in range(1, 11)},
        "order_flow_imbalance_no_price_change": -2.0, "level_depth_sum": 12.0, "book_events": 3,
        "book_messages": 4, "level_updates": 9, "level_additions": 5, "level_cancellations": 6,
        "available_at": market.day + 130_000_000,
    }
    trades = market.trades(
        market.trade(0, "buy", 101.0, 3.0), market.trade(99_999_999, "sell", 100.0, 1.0,
                                                         lag=50_000_000),
        market.trade(100_000_000, "buy", 101.0, 50.0),
    )
    quotes = market.quotes(market.quote(10), market.quote(20), market.quote(30, lag=200_000_000))
    rows = bars(market, market.book(market.book_row(0, **values)), trades, quotes)
    assert [r["poisoned"] for r in rows] == [False, True]
    return rows[0]


EXPECTED = {
    "instrument": "binance:A", "coverage": 1.0, "poisoned": False, "valid": True,
    "book_feed": "events", "generalised_order_flow_imbalance": None,
    "mid_open": 100.0, "mid_high": 101.5, "mid_low": 99.5, "mid_close": 101.0, "mid_mean": 100.4,
    "return_bps": math.log(1.01) * 1e4, "realised_variance": (math.log(1.01) * 1e4) ** 2,
    "bid_price": 100.5, "ask_price": 101.5, "spread": 1.0, "spread_bps": 1 / 101 * 1e4,
    "spread_mean": 0.8, "spread_bps_mean": 0.8 / 100.4 * 1e4,
    "weighted_mid": 101.0 + 0.5 * 0.5, "microprice": None,
    "bid_size": 6.0, "ask_size": 2.0, "queue_imbalance": 0.5, "queue_imbalance_mean": 0.25,
    "volume_imbalance": 4.0, "depth_touch_mean": 4.5, "bid_depth_5": 30.0, "ask_depth_5": 10.0,
    "depth_imbalance_5": 0.5, "bid_depth_10": 60.0, "ask_depth_10": 60.0, "depth_imbalance_10": 0.0,
    "bid_depth_5bps": 0.0, "ask_depth_5bps": 0.0, "depth_imbalance_5bps": None,
    "depth_truncated_5bps": False, "bid_depth_10bps": 0.0, "ask_depth_10bps": 5.0,
    "depth_imbalance_10bps": -1.0, "depth_truncated_10bps": False, "bid_depth_25bps": 9.0,
    "ask_depth_25bps": 1.0, "depth_imbalance_25bps": 0.8, "depth_truncated_25bps": False,
    "bid_depth_50bps": 20.0, "ask_depth_50bps": 60.0, "depth_imbalance_50bps": -0.5,
    "depth_truncated_50bps": False, "bid_depth_100bps": 7.0, "ask_depth_100bps": 1.0,
    "depth_imbalance_100bps": 0.75, "depth_truncated_100bps": True, "bid_depth_200bps": 3.0,
    "ask_depth_200bps": 5.0, "depth_imbalance_200bps": -0.25, "depth_truncated_200bps": True,
    "bid_depth_weighted_10bps": 1.5, "ask_depth_weighted_10bps": 0.5,
    "depth_imbalance_weighted_10bps": 0.5, "bid_reach_bps": 60.0, "ask_reach_bps": 100.0,
    "order_flow_imbalance": 1.0,
    **{f"order_flow_imbalance_level_{m}": float(m) for m in range(1, 11)},
    "order_flow_imbalance_no_price_change": -2.0, "level_depth_mean": 4.0,
    "order_flow_imbalance_depth_scaled": 0.25, "order_flow_imbalance_integrated": None,
    "order_flow_imbalance_integrated_reason": "no_past_weights",
    "order_flow_imbalance_volatility_scaled": None, "order_flow_imbalance_rank": None,
    "buy_volume": 3.0, "sell_volume": 1.0, "trade_notional": 403.0, "buy_count": 1,
    "sell_count": 1, "trade_count": 2, "trade_imbalance": 2.0, "trade_imbalance_normalised": 0.5,
    "trade_imbalance_depth_scaled": 0.5, "trade_imbalance_volatility_scaled": None,
    "trade_imbalance_rank": None, "vwap": 100.75, "traded_volume": 4.0,
    "classified_buy_volume": 3.0, "classified_sell_volume": 1.0,
    "classified_trade_imbalance": 2.0, "inferred_volume": 0.0, "bulk_buy_volume": None,
    "bulk_sell_volume": None, "book_event_count": 3, "level_depth_sum": 12.0,
    "book_update_count": 4, "level_update_count": 9, "level_addition_count": 5,
    "level_cancellation_count": 6, "quote_count": 3, "fleeting_quote_count": 0,
    "fleeting_order_count": None, "cancellation_to_trade_ratio": 3.0,
    "messages_per_second": 90.0, "message_dispersion": None,
}


@pytest.mark.parametrize(("name", "value"), EXPECTED.items())
def test_every_column_of_a_bar(row, name, value):
    assert row[name] == (pytest.approx(value) if isinstance(value, float) else value)


def test_times_of_a_bar(row, market):
    assert nanoseconds(row["bar_start"]) == market.day
    assert nanoseconds(row["bar_end"]) == market.day + 100_000_000
    # The latest arrival is a quote's, 200 ms after the third quote's time.
    assert nanoseconds(row["available_at"]) == market.day + 200_000_030
    times = {"bar_start", "bar_end", "available_at"}
    assert set(EXPECTED) | times == {column.name for column in BAR_COLUMNS}


def test_available_at_never_falls(market):
    book = market.book(
        market.book_row(0, available_at=market.day + 900_000_000), market.book_row(1)
    )
    arrived = [nanoseconds(r["available_at"]) - market.day for r in bars(market, book)]
    assert arrived == [900_000_000, 900_000_000]


def test_nothing_happened_is_zero_and_its_ratios_are_null(market):
    trades = market.trades(market.trade(0, "buy", 100.0, 1.0))
    quotes = market.quotes(market.quote(0))
    quiet = bars(market, market.book(market.book_row(0), market.book_row(1)), trades, quotes)[1]
    zeros = ("order_flow_imbalance", "buy_volume", "trade_imbalance", "trade_count",
             "quote_count", "book_update_count", "messages_per_second", "return_bps",
             "realised_variance", "level_cancellation_count")
    assert {name: quiet[name] for name in zeros} == dict.fromkeys(zeros, 0)
    nulls = ("trade_imbalance_normalised", "vwap", "cancellation_to_trade_ratio",
             "level_depth_mean", "order_flow_imbalance_depth_scaled")
    assert {name: quiet[name] for name in nulls} == dict.fromkeys(nulls)
    assert quiet["order_flow_imbalance_integrated_reason"] == "no_events"


def test_without_a_feed_its_columns_are_null_not_zero(market):
    row = bars(market, market.book(market.book_row(0, book_messages=2)))[0]
    names = ("buy_volume", "sell_volume", "trade_count", "trade_imbalance", "trade_imbalance_rank",
             "vwap", "trade_notional", "quote_count", "cancellation_to_trade_ratio")
    assert {name: row[name] for name in names} == dict.fromkeys(names)
    assert row["messages_per_second"] == 20.0


FLOWS = [
    c.name for c in BAR_COLUMNS
    if c.nullable and ("poisoned" in c.null_meaning) and "reason" not in c.name
]


def test_poisoned_bar_keeps_states_and_loses_flows(market):
    book = market.book(market.book_row(0, poisoned=True, coverage=0.4, book_messages=3))
    row = bars(market, book, market.trades(market.trade(5, "buy", 100.0, 1.0)))[0]
    assert len(FLOWS) > 35
    assert {name: row[name] for name in FLOWS} == dict.fromkeys(FLOWS)
    assert row["order_flow_imbalance_integrated_reason"] == "poisoned"
    assert (row["mid_close"], row["coverage"], row["valid"]) == (100.0, 0.4, False)


def test_trades_without_a_book_make_a_poisoned_bar(market):
    rows = bars(market, None, market.trades(market.trade(5, "buy", 100.0, 1.0)))
    assert len(rows) == 1
    present = {name for name, value in rows[0].items() if value is not None}
    assert present == {"instrument", "bar_start", "bar_end", "available_at", "coverage",
                       "poisoned", "valid", "order_flow_imbalance_integrated_reason"}
    assert (rows[0]["coverage"], rows[0]["poisoned"]) == (0.0, True)


def test_no_valid_book_is_null_not_zero(market):
    row = bars(market, market.book(market.missing_row(0)))[0]
    assert row["mid_close"] is row["depth_imbalance_5"] is row["depth_truncated_5bps"] is None
    assert row["queue_imbalance_mean"] is row["queue_imbalance"] is None


def test_an_empty_touch_has_no_imbalance(market):
    row = bars(market, market.book(market.book_row(0, bid_size=0.0, ask_size=0.0)))[0]
    assert row["queue_imbalance"] is row["weighted_mid"] is None
    assert row["volume_imbalance"] == 0.0


def test_single_trades_are_never_counted_with_aggregates(market):
    rows = market.trades(
        market.trade(1, "buy", 100.0, 1.0), market.trade(2, "buy", 100.0, 9.0, "aggregate_trade"),
        market.trade(3, "sell", 100.0, 7.0, "aggregate_trade", instrument="binance:B"),
    )
    book = market.book(market.book_row(0), market.book_row(0, instrument="binance:B"))
    first, second = bars(market, book, rows)
    assert (first["buy_volume"], first["trade_count"]) == (1.0, 1)
    assert (second["sell_volume"], second["instrument"]) == (7.0, "binance:B")


def test_a_bar_is_closed_at_its_start_and_open_at_its_end(market):
    book = market.book(*(market.book_row(k) for k in range(20)))
    trades = market.trades(
        market.trade(S, "buy", 100.0, 1.0), market.trade(S - 1, "buy", 1.0, 5.0),
        market.trade(0, "sell", 1.0, 5.0),
    )
    rows = bars(market, book, trades, size="1s")
    assert [r["buy_volume"] for r in rows] == [5.0, 1.0]


def test_coarse_bar_lacking_a_finer_one_is_poisoned(market):
    book = market.book(*(market.book_row(k) for k in range(20) if k not in (3, 19)))
    first, second = bars(market, book, size="1s")
    assert first["poisoned"]
    assert first["coverage"] == pytest.approx(0.9)
    assert (first["mid_open"], first["mid_close"]) == (100.0, 100.0)
    assert first["order_flow_imbalance"] is None
    # The state at the end is not known when the last bar is not there.
    assert second["poisoned"]
    assert second["mid_close"] is second["bid_size"] is None


SUMS = {
    **{f"order_flow_imbalance_level_{m}": f"order_flow_imbalance_level_{m}" for m in range(1, 11)},
    "order_flow_imbalance_no_price_change": "order_flow_imbalance_no_price_change",
    "level_depth_sum": "level_depth_sum", "book_events": "book_event_count",
    "book_messages": "book_update_count", "level_updates": "level_update_count",
    "level_additions": "level_addition_count", "level_cancellations": "level_cancellation_count",
}


@pytest.mark.parametrize(("given", "column"), SUMS.items())
def test_a_coarser_sum_is_null_unless_all_finer_bars_have_it(market, given, column):
    book = [market.book_row(k, **dict.fromkeys(SUMS, 1)) for k in range(100)]
    book[3] |= {given: None}
    made = bars_in_memory(market.book(*book), market.trades(), market.quotes())
    first, second, *_ = made["features.bars_1s"].to_pylist()
    expected = dict.fromkeys(SUMS.values(), 10)
    assert first["valid"]
    assert {name: second[name] for name in expected} == expected
    assert {name: first[name] for name in expected} == expected | {column: None}
    (whole,) = made["features.bars_10s"].to_pylist()
    expected = dict.fromkeys(SUMS.values(), 100)
    assert whole["valid"]
    assert {name: whole[name] for name in expected} == expected | {column: None}


def counted(market, messages, *, trades=(), quotes=(), size="1s", **more):
    """Bars of a book with so many messages in each 100 ms."""
    book = [market.book_row(k, book_messages=n, **more.get(f"bar_{k}", {}))
            for k, n in enumerate(messages)]
    return bars(market, market.book(*book),
                market.trades(*(market.trade(t, "buy", 100.0, 1.0) for t in trades)),
                market.quotes(*(market.quote(t) for t in quotes)), size=size)


def test_bursts_are_told_by_the_dispersion_of_messages(market):
    """Ten at once, one after the other, and as a Poisson process would send them."""
    burst, steady, random = ([0] * 9 + [10], [1] * 10, [2, 0, 1, 1, 0, 3, 1, 0, 1, 1])
    rows = counted(market, [*burst, *steady, *random])
    assert [row["message_dispersion"] for row in rows] == pytest.approx(
        [np.var(one, ddof=1) / np.mean(one) for one in (burst, steady, random)], abs=1e-12)
    assert [row["message_dispersion"] for row in rows][:2] == [10.0, 0.0]
    (whole,) = counted(market, [*burst, *steady] * 5, size="10s")
    assert whole["message_dispersion"] == pytest.approx(
        np.var([*burst, *steady] * 5, ddof=1), rel=1e-12)


def test_bursts_are_of_all_feeds_known_by_then(market):
    millisecond = 1_000_000
    (row,) = counted(market, [1] * 10, trades=[k * 100 * millisecond for k in range(10)],
                     quotes=[0, 5 * millisecond, 50 * millisecond])
    per_stretch = [5] + [2] * 9
    assert row["message_dispersion"] == pytest.approx(
        np.var(per_stretch, ddof=1) / np.mean(per_stretch), rel=1e-12)
    # Without trades and quotes the book's own messages tell.
    (row,) = counted(market, [3, 1] * 5)
    assert row["message_dispersion"] == pytest.approx(np.var([3, 1] * 5, ddof=1) / 2.0, rel=1e-12)


@pytest.mark.parametrize("changed", [
    {"bar_4": {"poisoned": True}}, {"bar_4": {"book_messages": None}},
    {f"bar_{k}": {"book_messages": 0} for k in range(10)},
])
def test_bursts_are_null_where_messages_are_not_known_or_none(market, changed):
    book = [market.book_row(k, **{"book_messages": 2} | changed.get(f"bar_{k}", {}))
            for k in range(10)]
    (row,) = bars(market, market.book(*book), size="1s")
    assert row["message_dispersion"] is None
    assert {row["message_dispersion"] for row in bars(market, market.book(*book))} == {None}


def of_a_second(market, book, orders=None, **feeds):
    tables = {"trades": market.trades(*feeds.get("trades", ())), "quotes": market.quotes()}
    made = bars_in_memory(market.book(*book), **tables, orders=orders)
    return made["features.bars_100ms"].to_pylist(), made["features.bars_1s"].to_pylist()


def withdrawing_book(market):
    bids, asks = {3: 2, 4: 2, 6: 2}, {3: 1, 8: 1}
    return [market.book_row(k, bid_withdrawals=bids.get(k, 0), ask_withdrawals=asks.get(k, 0))
            for k in range(10)]


def withdrawing(market, trades=(), feed=True):
    """Bids withdrawn in bars 3, 4 and 6, asks in bars 3 and 8."""
    book = withdrawing_book(market)
    # A trade at the very start makes the feed known.
    start = [market.trade(0, "buy", 100.0, 1.0)] if feed else []
    fine, (whole,) = of_a_second(market, book, trades=[*start, *trades])
    return [row["fleeting_quote_count"] for row in fine], whole["fleeting_quote_count"]


def test_quotes_are_fleeting_where_nobody_traded_them_away(market):
    bars_of = [0, 0, 0, 3, 2, 0, 2, 0, 1, 0]
    assert withdrawing(market) == (bars_of, 8)
    # A sale in bar 3 may have taken its bids, and those that the book tells of in bar 4.
    sale = market.trade(300_000_000, "sell", 99.5, 1.0)
    assert withdrawing(market, [sale]) == ([0, 0, 0, 1, 0, 0, 2, 0, 1, 0], 4)
    purchase = market.trade(799_999_999, "buy", 100.5, 1.0)
    assert withdrawing(market, [purchase]) == ([0, 0, 0, 3, 2, 0, 2, 0, 0, 0], 7)
    # Who bought and who sold is not known: neither side is clear.
    unknown = market.trade(350_000_000, None, 100.0, 1.0) | {"capture_id": "x", "line": 1}
    assert withdrawing(market, [unknown]) == ([0, 0, 0, 0, 0, 0, 2, 0, 1, 0], 3)
    assert withdrawing(market, feed=False) == ([None] * 10, None)


def test_a_trade_before_a_stretch_counts_in_it(market, monkeypatch):
    """Bars are made stretch by stretch; the 100 ms before the first are of the one before."""
    sale = market.trade(299_999_999, "sell", 99.5, 1.0)
    expected = withdrawing(market, [sale])
    assert expected[0][3] == 1
    monkeypatch.setattr(stretches, "STRETCH", 300_000_000)
    monkeypatch.setattr(stretches, "AT_ONCE", 1)
    book = withdrawing_book(market)
    fine, _ = of_a_second(market, book,
                          trades=[market.trade(0, "buy", 100.0, 1.0), sale])
    assert [row["fleeting_quote_count"] for row in fine] == expected[0]


def test_orders_are_fleeting_that_were_cancelled_whole_within_a_second(market):
    second = S
    events = [
        (-1, "first", "snapshot", 5),
        (1 * second, "soon", "add", 5), (2 * second, "soon", "delete", 5),
        (1 * second, "late", "add", 5), (2 * second + 1, "late", "delete", 5),
        (1 * second, "filled", "add", 5), (1 * second + 5, "filled", "fill", 2),
        (1 * second + 9, "filled", "delete", 3),
        (1 * second, "taken", "add", 5), (1 * second + 9, "taken", "delete", 0),
        (1 * second, "smaller", "add", 5), (1 * second + 2, "smaller", "change", 4),
        (1 * second + 9, "smaller", "delete", 4),
        (1 * second + 7, "first", "delete", 5),
        (1 * second + 3, "twice", "add", 1), (2 * second + 40_000_000, "twice", "delete", 1),
        (1 * second + 3, "now", "add", 1), (1 * second + 3, "now", "delete", 1),
    ]
    book = [market.book_row(k) for k in range(30)]
    orders = market.orders(*sorted(events, key=lambda event: event[0]))
    fine, coarse = of_a_second(market, book, orders)
    # Bar 10 has what was placed and cancelled at once, bar 20 what was cancelled after a second;
    # before the first second is over a life may have begun unseen.
    counts = [row["fleeting_order_count"] for row in fine]
    assert counts[:10] == [None] * 10
    assert {k: n for k, n in enumerate(counts) if n} == {10: 1, 20: 1}
    assert [row["fleeting_order_count"] for row in coarse] == [None, 1, 1]
    fine, _ = of_a_second(market, book)
    assert {row["fleeting_order_count"] for row in fine} == {None}


def test_what_is_told_of_an_order_later_changes_no_count(market):
    events = [(-1, "first", "snapshot", 5), (S, "a", "add", 1), (S + 5, "a", "delete", 1)]
    book = [market.book_row(k) for k in range(30)]
    for later in ([], [(2 * S, "a", "add", 2), (2 * S + 7, "a", "fill", 1)]):
        fine, _ = of_a_second(market, book, market.orders(*events, *later))
        assert fine[10]["fleeting_order_count"] == 1


def test_fleeting_orders_are_null_in_a_poisoned_bar(market):
    book = [market.book_row(k, poisoned=k == 12) for k in range(20)]
    fine, (_, second) = of_a_second(
        market, book, market.orders((0, "a", "add", 1), (5, "a", "delete", 1)),
        trades=[market.trade(0, "buy", 100.0, 1.0)])
    for name in ("fleeting_order_count", "fleeting_quote_count"):
        assert fine[12][name] is None
        assert fine[13][name] == 0
        assert second[name] is None


def test_book_bars_must_be_in_order(market):
    book = market.book(market.book_row(200_000), market.book_row(0))
    with pytest.raises(ValueError, match="out of order"):
        bars(market, book)


def test_nothing_gives_empty_tables(market):
    assert bars(market) == []


def test_trades_of_unknown_size_are_counted_and_not_summed(market):
    known, unknown = market.trade(0, "buy", 100.0, 3.0), market.trade(1, "sell", 100.0, 2.0)
    later = market.trade(150_000_000, None, 100.0, 1.0) | {"capture_id": "c", "line": 1}
    trades = market.trades(known, unknown | {"size_base": None}, later | {"size_base": None})
    found = bars(market, market.book(*(market.book_row(k) for k in range(3))), trades)
    sums = ("buy_volume", "sell_volume", "traded_volume", "trade_notional", "trade_imbalance",
            "classified_buy_volume", "vwap")
    for bar in found[:2]:
        assert {bar[name] for name in sums} == {None}
    assert [bar["trade_count"] for bar in found] == [2, 1, 0]
    assert found[0]["sell_count"] == 1
    assert [found[k]["inferred_volume"] for k in range(3)] == [0.0, None, 0.0]
    assert [found[2][name] for name in sums[:6]] == [0.0] * 6
    assert all(bar["valid"] for bar in found)
