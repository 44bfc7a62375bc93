"""Trade and quote feeds that start late, stop or go on over midnight: null, not zero."""

import pytest

from imbalance.books.health_table import TRADE_GAPS
from imbalance.features.build import bars_in_memory

S = 1_000_000_000
TRADES = ("buy_volume", "sell_volume", "trade_notional", "buy_count", "sell_count", "trade_count",
          "trade_imbalance")


def made(market, seconds, trades=(), quotes=(), **before):
    book = market.book(*(market.book_row(k) for k in range(seconds * 10)))
    return bars_in_memory(book, market.trades(*trades), market.quotes(*quotes), **before)


def known(tables, column, size="100ms"):
    """Index of each bar whose value is there, and the values."""
    values = tables[f"features.bars_{size}"].column(column).to_pylist()
    return {k: value for k, value in enumerate(values) if value is not None}


@pytest.fixture(scope="module")
def late(market):
    """A book of half a minute; trades and quotes from the 12th second, and only there."""
    return made(
        market, 30, [market.trade(12 * S + 50, "buy", 100.0, 3.0)], [market.quote(12 * S + 60)]
    )


@pytest.mark.parametrize("column", TRADES)
def test_before_the_first_trade_is_null_and_after_it_zero(late, column):
    found = known(late, column)
    assert list(found) == list(range(120, 300))
    nothing = {k: value for k, value in found.items() if value == 0}
    expected = list(range(121, 300)) if not column.startswith("sell") else list(range(120, 300))
    assert list(nothing) == expected


def test_before_the_first_quote_is_null_and_after_it_zero(late):
    assert known(late, "quote_count") == {120: 1} | dict.fromkeys(range(121, 300), 0)


def test_a_coarser_bar_with_part_of_a_feed_does_not_know_it(late):
    assert known(late, "buy_volume", "1s") == {12: 3.0} | dict.fromkeys(range(13, 30), 0.0)
    # The second bar of ten seconds has the trade, but not the two seconds before it.
    assert known(late, "buy_volume", "10s") == {2: 0.0}
    assert known(late, "quote_count", "10s") == {2: 0}
    assert known(late, "trade_imbalance_normalised", "10s") == {}


def test_a_later_trade_changes_nothing_before_it(market, late):
    """The null does not tell whether a trade is to come, and neither does the zero."""
    without = made(market, 30)
    for column in (*TRADES, "quote_count"):
        assert known(without, column) == {}
        assert {k for k in known(late, column) if k < 120} == set()
    twice = made(market, 30, [
        market.trade(12 * S + 50, "buy", 100.0, 3.0), market.trade(20 * S, "buy", 100.0, 1.0),
    ])
    for column in TRADES:
        first, second = known(late, column), known(twice, column)
        assert {k: first[k] for k in first if k < 200} == {k: second[k] for k in second if k < 200}


def test_the_day_before_vouches_for_a_minute(market):
    """A trade 48 s before midnight: known for 12 s; a bar that ends later is not."""
    yesterday = market.trades(
        market.trade(-48 * S + 50, "sell", 100.0, 9.0), market.trade(-90 * S, "buy", 100.0, 9.0),
        market.trade(-1, "buy", 100.0, 1.0, instrument="binance:B"),
    )
    tables = made(market, 30, [market.trade(20 * S, "buy", 100.0, 2.0)],
                  previous_trades=yesterday,
                  previous_quotes=market.quotes(market.quote(-50 * S)))
    expected = dict.fromkeys(range(120), 0.0) | {200: 2.0} | dict.fromkeys(range(201, 300), 0.0)
    assert known(tables, "buy_volume") == expected
    assert known(tables, "quote_count") == dict.fromkeys(range(100), 0)
    assert known(tables, "buy_volume", "10s") == {0: 0.0, 2: 2.0}


def test_a_feed_that_ended_yesterday_is_not_zero_today(market):
    """Whether a trade comes later today must not matter: a minute is all that is vouched for."""
    tables = made(market, 70, previous_trades=market.trades(market.trade(-1, "buy", 100.0, 1.0)))
    assert list(known(tables, "trade_count")) == list(range(599))


def test_single_trades_that_start_late_leave_null_before(market):
    """Aggregates before them are of the feed that is not used that day."""
    tables = made(market, 3, [
        market.trade(0, "buy", 100.0, 9.0, "aggregate_trade"),
        market.trade(2 * S, "buy", 100.0, 1.0),
    ])
    assert known(tables, "buy_volume") == {20: 1.0} | dict.fromkeys(range(21, 30), 0.0)


def test_lives_of_orders_are_known_a_second_after_the_first_event_not_its_bar(market):
    """The feed begins at 0.05 s: an order cancelled at 1.02 s may be of 0.03 s."""
    orders = market.orders((S // 20, "a", "add", 1), (S + S // 50, "before", "delete", 1))
    assert known(made(market, 2, orders=orders), "fleeting_order_count") == (
        dict.fromkeys(range(11, 20), 0))


def gap(market, first, last):
    """A row of book.trade_gaps, from and to in ns of the day."""
    return market.rows(TRADE_GAPS, [{"instrument": "binance:A", "missing_from": market.day + first,
                                     "missing_to": market.day + last,
                                     "available_at": market.day + last + S // 10}])


def test_bars_that_touch_a_gap_do_not_know_their_trades(market):
    """Last trade before it at 5.05 s, first after it at 7.35 s: bars 50 to 73."""
    tape = [market.trade(0, "buy", 100.0, 1.0), market.trade(5 * S + 50_000_000, "buy", 100.0, 2.0),
            market.trade(7 * S + 350_000_000, "sell", 100.0, 4.0),
            market.trade(8 * S, "sell", 100.0, 3.0)]
    quotes = [market.quote(k * S // 10) for k in range(300)]
    whole = made(market, 30, tape, quotes)
    tables = made(market, 30, tape, quotes,
                  trade_gaps=gap(market, 5 * S + 50_000_000, 7 * S + 350_000_000))
    touched = set(range(50, 74))
    for column in (*TRADES, "messages_per_second", "traded_volume", "classified_buy_volume"):
        before, after = known(whole, column), known(tables, column)
        assert len(before) == 300
        assert after == {k: value for k, value in before.items() if k not in touched}
    # a quote of bar 74 may have been traded away in the bar before, which nobody saw
    assert set(range(300)) - set(known(tables, "fleeting_quote_count")) == touched | {74}
    # as none of it could be known before the trade after the gap was there, nothing is available
    times = dict(zip(range(300), tables["features.bars_100ms"]["available_at"].to_pylist(),
                     strict=True))  # fmt: skip
    told = market.day + 7 * S + 450_000_000
    assert {times[k].value for k in range(50, 74)} == {told}
    assert times[49].value == market.day + 5 * S
    assert times[74].value == market.day + 7 * S + 500_000_000
    # what is no matter of trades is all there
    for column in ("quote_count", "book_update_count", "mid_close", "order_flow_imbalance"):
        assert known(tables, column) == known(whole, column)
    for size, lost in (("1s", {5, 6, 7}), ("10s", {0})):
        for column in (*TRADES, "messages_per_second", "message_dispersion"):
            before = known(whole, column, size)
            assert lost <= set(before)
            assert known(tables, column, size) == {
                k: value for k, value in before.items() if k not in lost}
    assert tables["features.bars_1s"]["valid"].to_pylist() == (
        whole["features.bars_1s"]["valid"].to_pylist())


def test_a_gap_to_the_end_of_the_day_and_one_over_two_stretches(market):
    hours = 2 * 3600 * S
    book = market.book(*(market.book_row(k) for k in range(71_990, 72_010)))
    tape = market.trades(market.trade(0, "buy", 100.0, 1.0))
    for last in (hours + 350_000_000, 24 * 3600 * S):
        tables = bars_in_memory(book, tape, market.quotes(),
                                trade_gaps=gap(market, hours - 250_000_000, last))
        counts = tables["features.bars_100ms"]["trade_count"].to_pylist()
        # the bar of the trade itself comes first: there is no book then
        known_bars = [value is not None for value in counts[-20:]]
        after = [False] * 4 + [True] * 6 if last < hours + S else [False] * 10
        assert known_bars == [True] * 7 + [False] * 3 + after


def test_images_of_a_book_tell_of_no_changes_which_is_not_that_there_were_none(market):
    """A second of images, one of changes; the bar of ten seconds is of both."""
    changes = {"level_updates": 9, "level_additions": 5, "level_cancellations": 4}
    images = {"book_feed": "images", "generalised_order_flow_imbalance": 0.0, "book_messages": 1}
    book = market.book(*(
        market.book_row(k, **(images if k < 10 else changes)) for k in range(100)))
    trades = market.trades(*(market.trade(k * S // 10, "buy", 100.0, 1.0) for k in range(100)))
    tables = bars_in_memory(book, trades, market.quotes())
    counts = {"level_update_count": 9, "level_addition_count": 5, "level_cancellation_count": 4}
    for name, value in counts.items():
        assert known(tables, name) == dict.fromkeys(range(10, 100), value)
        assert known(tables, name, "1s") == dict.fromkeys(range(1, 10), 10 * value)
        assert known(tables, name, "10s") == {}
    ratio = "cancellation_to_trade_ratio"
    assert known(tables, ratio, "1s") == dict.fromkeys(range(1, 10), 4.0)
    assert known(tables, ratio, "10s") == {}
    assert known(tables, "book_update_count", "1s")[0] == 10
