"""Huobi spot and swaps: images in the recordings, chained books by hand."""

import pytest

from imbalance.captures.events import (
    BookUpdate,
    DerivativeTick,
    Ignored,
    Liquidation,
    Quote,
    Rejected,
    Trade,
)
from imbalance.captures.venues.huobi import VENUES
from tests.captures.venues.recordings import (
    check_recording,
    received,
    recorded,
    same_events,
    take,
    understood,
)

SPOT, SWAP = VENUES["huobi"], VENUES["huobi-dm-swap"]
MS = 1_000_000


def test_a_recording_of_spot(cryptofeed):
    taken = check_recording(
        SPOT,
        recorded(cryptofeed / "v3" / "HUOBI.jsonl.zst"),
        decoded={"depth": 292, "trade": 44},
        ignored={"connected": 1, "heartbeat": 6, "reference:instruments": 1, "sent": 26,
                 "subscribed": 20},
        events={"BookUpdate": 292, "Trade": 73, "book:image": 292},
    )  # fmt: skip
    for symbol in {event.symbol for event in taken.events}:
        listed = next(one for one in taken.session.instruments() if one.symbol == symbol)
        told = SPOT.instrument(symbol)
        assert (told.base, told.quote) == (listed.base, listed.quote)


def test_both_encodings_give_the_same_events(cryptofeed):
    assert same_events(SPOT, cryptofeed, "HUOBI", "HUOBI.ws.44.0") == 365


def test_a_recording_of_swaps(cryptofeed):
    taken = check_recording(
        SWAP,
        recorded(cryptofeed / "v3" / "HUOBI_SWAP.jsonl.zst"),
        decoded={"depth": 2862, "trade": 19},
        ignored={"connected": 2, "heartbeat": 12, "reference:instruments": 2, "sent": 32,
                 "subscribed": 20},
        events={"BookUpdate": 2862, "Trade": 25, "book:image": 2862},
    )  # fmt: skip
    facts = {one.symbol: one for one in taken.session.instruments()}
    # what was bought and sold is added up: 212 for a bid of 106 that is gone
    sold = [e for e in taken.events if isinstance(e, Trade) and e.symbol == "SNX-USDT"]
    assert next(e.size for e in sold if e.price == 4.3318) == 106.0
    assert (facts["ATOM-USD"].inverse, facts["ATOM-USD"].multiplier) == (True, 10.0)
    assert (facts["GRT-USDT"].inverse, facts["GRT-USDT"].multiplier) == (False, 10.0)


def test_images_and_trades():
    tick = {"bids": [[1.0, 2.0]], "asks": [[3.0, 4.0]], "version": 9, "ts": 6}
    message = {"ch": "market.btcusdt.depth.step0", "ts": 7, "tick": tick}
    assert understood(SPOT, received(message)).events == [
        BookUpdate(symbol="btcusdt", kind="image", bids=([1.0], [2.0]), asks=([3.0], [4.0]),
                   exchange_time=7 * MS, transaction_time=6 * MS)
    ]  # fmt: skip
    long = 100182534526255757567432481
    rows = [{"id": long, "ts": 5, "tradeId": 8, "amount": 2.0, "price": 9.2e-7, "direction": "buy"},
            {"id": 3, "ts": 5, "amount": 1.0, "price": 9.2e-7, "direction": "sell"}]  # fmt: skip
    tick = {"id": 1, "ts": 5, "data": rows}
    message = {"ch": "market.trioeth.trade.detail", "ts": 7, "tick": tick}
    assert understood(SPOT, received(message)).events == [
        Trade(symbol="trioeth", price=9.2e-7, size=1.0, side="sell", trade_id=3,
              exchange_time=5 * MS),
        Trade(symbol="trioeth", price=9.2e-7, size=2.0, side="buy", trade_id=8,
              trade_key=str(long), exchange_time=5 * MS),
    ]  # fmt: skip


def test_chained_books():
    """Market by price: the whole book on request, then differences that name the one before."""
    whole = received({"id": "1", "rep": "market.btcusdt.mbp.400", "status": "ok", "ts": 7,
                      "data": {"seqNum": 10, "bids": [[1, 2]], "asks": []}})  # fmt: skip
    tick = {"seqNum": 12, "prevSeqNum": 10, "bids": [[1, 0]], "asks": []}
    change = received({"ch": "market.btcusdt.mbp.400", "ts": 8, "tick": tick})
    # the channel of the request is the one of the differences
    kinds = [(e.kind, e.last_id, e.previous_id) for e in take(SPOT, [whole, change]).events]
    assert kinds == [("snapshot", 10, None), ("diff", 12, 10)]
    rows = [("snapshot", 5), ("update", 6)]
    deep = [
        received({"ch": "market.BTC-USD.depth.size_20.high_freq", "ts": 8,
                  "tick": {"event": event, "version": n, "bids": [], "asks": [], "ts": 7}})
        for event, n in rows
    ]  # fmt: skip
    kinds = [(e.kind, e.first_id, e.last_id) for e in take(SWAP, deep).events]
    assert kinds == [("snapshot", None, 5), ("diff", 6, 6)]


def test_quotes_funding_and_liquidations():
    spot = {"ask": 2.0, "askSize": 3.0, "bid": 1.0, "bidSize": 4.0, "quoteTime": 6, "seqId": 9,
            "symbol": "btcusdt"}  # fmt: skip
    best = received({"ch": "market.btcusdt.bbo", "ts": 7, "tick": spot})
    assert understood(SPOT, best).events == [
        Quote(symbol="btcusdt", bid_price=1.0, bid_size=4.0, ask_price=2.0, ask_size=3.0,
              update_id=9, exchange_time=7 * MS, transaction_time=6 * MS)
    ]  # fmt: skip
    swap = {"ask": [2.0, 3], "bid": [1.0, 4], "ts": 6, "version": 9, "mrid": 1, "id": 1, "ch": "x"}
    best = received({"ch": "market.BTC-USD.bbo", "ts": 7, "tick": swap})
    (quote,) = understood(SWAP, best).events
    assert (quote.bid_size, quote.ask_price) == (4.0, 2.0)
    rate = [{"contract_code": "BTC-USD", "funding_rate": "-0.0001", "funding_time": "9"}]
    notice = {"op": "notify", "topic": "public.BTC-USD.funding_rate", "ts": 7, "data": rate}
    assert understood(SWAP, received(notice)).events == [
        DerivativeTick(symbol="BTC-USD", funding_rate=-0.0001, next_funding_time=9 * MS,
                       exchange_time=7 * MS)
    ]  # fmt: skip
    order = [{"contract_code": "BTC-USD", "direction": "sell", "offset": "close", "volume": 5,
              "price": 10.0, "created_at": 6}]  # fmt: skip
    notice = {"op": "notify", "topic": "public.BTC-USD.liquidation_orders", "ts": 7, "data": order}
    assert understood(SWAP, received(notice)).events == [
        Liquidation(symbol="BTC-USD", price=10.0, size=5.0, side="sell", exchange_time=6 * MS)
    ]


def test_other_messages():
    assert understood(SPOT, received({"ping": 5})) == Ignored("heartbeat")
    for message in ({"ch": "magic"}, {"ch": "market.x.magic"}, {"nothing": 1},
                    {"op": "notify", "topic": "magic"}):  # fmt: skip
        with pytest.raises(Rejected) as refused:
            understood(SPOT, received(message))
        assert refused.value.reason == "unknown_message"
