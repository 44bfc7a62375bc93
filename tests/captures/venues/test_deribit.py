"""Deribit: options with volatilities, the chain of changes."""

import math

import pytest

from imbalance.captures.events import (
    BookUpdate,
    DerivativeTick,
    Liquidation,
    OptionTick,
    Rejected,
    Trade,
)
from imbalance.captures.venues.deribit import VENUE
from tests.captures.venues.recordings import (
    agreement,
    check_recording,
    positions,
    received,
    recorded,
    understood,
    unnoticed,
)

MS = 1_000_000


def told(channel, data):
    params = {"channel": channel, "data": data}
    return received({"jsonrpc": "2.0", "method": "subscription", "params": params})


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "DERIBIT.jsonl.zst"),
        decoded={"book": 46, "ticker": 89},
        ignored={"connected": 1, "reference:instruments": 4, "sent": 1, "subscribed": 1},
        events={"BookUpdate": 46, "OptionTick": 89, "Quote": 89, "book:diff": 36,
                "book:snapshot": 10},
    )  # fmt: skip
    assert agreement(taken.events) == (79, 79)
    for listed in taken.session.instruments():
        one = VENUE.instrument(listed.symbol)
        assert (one.kind, one.base, one.expiry) == (listed.kind, listed.base, listed.expiry)
        assert one.inverse == listed.inverse


def test_a_lost_change_breaks_the_chain(cryptofeed):
    records = recorded(cryptofeed / "v3" / "DERIBIT.jsonl.zst")[4:]
    places = positions(records, b'BTC-24SEP21-8000-P","change_id', every=1, skip=1)
    assert len(places) > 3
    assert unnoticed(VENUE, records, places) == []


def test_changes_of_a_book():
    data = {"type": "change", "timestamp": 3, "prev_change_id": 5, "change_id": 9,
            "instrument_name": "BTC-PERPETUAL", "bids": [["delete", 10.0, 0.0]],
            "asks": [["new", 11.0, 2.0]]}  # fmt: skip
    assert understood(VENUE, told("book.BTC-PERPETUAL.raw", data)).events == [
        BookUpdate(symbol="BTC-PERPETUAL", kind="diff", bids=([10.0], [0.0]), asks=([11.0], [2.0]),
                   last_id=9, previous_id=5, exchange_time=3 * MS)
    ]  # fmt: skip
    image = {"timestamp": 3, "change_id": 9, "instrument_name": "BTC-PERPETUAL",
             "bids": [[10.0, 1.0]], "asks": []}  # fmt: skip
    (event,) = understood(VENUE, told("book.BTC-PERPETUAL.none.10.100ms", image)).events
    assert (event.kind, event.bids) == ("image", ([10.0], [1.0]))


def test_options_quote_volatilities_as_fractions():
    data = {"instrument_name": "BTC-24SEP21-8000-P", "timestamp": 3, "best_bid_price": 0.0,
            "best_bid_amount": 0.0, "best_ask_price": 0.002, "best_ask_amount": 5.0,
            "mark_price": 0.001, "mark_iv": 120.5, "bid_iv": 0.0, "ask_iv": 130.0,
            "underlying_price": 2000.0, "underlying_index": "BTC-24SEP21", "open_interest": 4.0,
            "greeks": {"delta": -0.1, "gamma": 0.1, "vega": 0.2, "theta": -1.0, "rho": -0.01},
            }  # fmt: skip
    quote, option = understood(VENUE, told("ticker.BTC-24SEP21-8000-P.raw", data)).events
    assert math.isnan(quote.bid_price)
    assert math.isnan(quote.bid_size)
    assert quote.ask_price == 0.002
    assert option == OptionTick(
        symbol="BTC-24SEP21-8000-P", underlying="BTC-24SEP21", underlying_price=2000.0,
        mark_price=0.001, mark_volatility=1.205, ask_price=0.002, ask_size=5.0, ask_volatility=1.3,
        open_interest=4.0, delta=-0.1, gamma=0.1, vega=0.2, theta=-1.0, rho=-0.01,
        exchange_time=3 * MS,
    )  # fmt: skip


def test_perpetuals_and_liquidations():
    data = {"instrument_name": "BTC-PERPETUAL", "timestamp": 3, "best_bid_price": 1.0,
            "best_bid_amount": 2.0, "best_ask_price": 3.0, "best_ask_amount": 4.0,
            "mark_price": 2.0, "index_price": 2.1, "settlement_price": 1.9, "last_price": 2.2,
            "open_interest": 70.0, "current_funding": -1e-5}  # fmt: skip
    assert understood(VENUE, told("ticker.BTC-PERPETUAL.100ms", data)).events[1] == DerivativeTick(
        symbol="BTC-PERPETUAL", mark_price=2.0, index_price=2.1, settlement_price=1.9,
        last_price=2.2, open_interest=70.0, funding_rate=-1e-5, exchange_time=3 * MS,
    )  # fmt: skip
    trade = {"instrument_name": "BTC-PERPETUAL", "trade_seq": 8, "trade_id": "E-1", "timestamp": 3,
             "price": 2.0, "amount": 10.0, "direction": "buy", "liquidation": "M"}  # fmt: skip
    assert understood(VENUE, told("trades.BTC-PERPETUAL.raw", [trade])).events == [
        Trade(symbol="BTC-PERPETUAL", price=2.0, size=10.0, side="buy", trade_id=8,
              trade_key="E-1", exchange_time=3 * MS),
        Liquidation(symbol="BTC-PERPETUAL", price=2.0, size=10.0, side="sell",
                    liquidation_key="E-1", exchange_time=3 * MS),
    ]  # fmt: skip


def test_what_is_not_understood_has_a_reason():
    base = {"timestamp": 3, "change_id": 9, "instrument_name": "X", "bids": [], "asks": []}
    for message, reason in (
        (told("magic.X", {}), "unknown_message"),
        (told("book.X.raw", base | {"type": "change"}), "missing_field"),
        (told("book.X.raw", base | {"type": "dance"}), "unknown_message"),
        (told("book.X.raw", base | {"type": "snapshot", "bids": [["up", 1.0, 1.0]]}), "wrong_type"),
        (received({"method": "magic"}), "unknown_message"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, message)
        assert refused.value.reason == reason
