"""Kinds of messages that no recording at hand has, or has hardly any: any value of each comes to
the same with patterns and without.
"""

import pytest

from tests.captures.mutations import hostile
from tests.captures.patterns.both_ways import both
from tests.captures.patterns.planted import START, record


def ms(k):
    return START * 1000 + k


def levels(k, more=()):
    return [[f"{99.5 + k}", f"{1.25 + k}", *more], ["98.5", "0", *more], ["97", "3", *more]]


def okx(channel, *data, action=None):
    arg = {"channel": channel, "instId": "BTC-USDT"}
    return {"arg": arg, "data": list(data)} | ({"action": action} if action else {})


def bitget(channel, *data):
    arg = {"instType": "SPOT", "channel": channel, "instId": "BTCUSDT"}
    return {"action": "snapshot", "arg": arg, "data": list(data), "ts": ms(0)}


def deribit(channel, data):
    return {"jsonrpc": "2.0", "method": "subscription",
            "params": {"channel": channel, "data": data}}


def crypto_com(channel, *data):
    return {"id": -1, "code": 0, "method": "subscribe", "result": {
        "instrument_name": "ONE_USDT", "subscription": f"{channel}.ONE_USDT", "channel": channel,
        "data": list(data)}}


def gate(channel, result):
    return {"time": START, "channel": channel, "event": "update", "result": result}


def kucoin(topic, data, subject):
    return {"type": "message", "topic": topic, "subject": subject, "data": data}


PERPETUAL = {
    "state": "open", "settlement_price": 99.5, "open_interest": 5.0, "min_price": 1.0,
    "mark_price": 100.0, "last_price": 100.5, "instrument_name": "BTC-PERPETUAL",
    "index_price": 100.25, "stats": {"volume": 1.5, "price_change": -0.5, "low": 1.0},
    "current_funding": -0.001, "best_bid_price": 99.0, "best_bid_amount": 10.0,
    "best_ask_price": 101.0, "best_ask_amount": 20.0,
}  # fmt: skip
OPTION = "BTC-24SEP21-8000-P"

MESSAGES = {
    "okx trades": ("okex", lambda k: okx("trades", {
        "instId": "BTC-USDT", "tradeId": f"{100 + k}", "px": "99.5", "sz": f"{1 + k}",
        "side": "buy" if k % 2 else "sell", "ts": f"{ms(k)}", "count": "3"})),
    "okx best": ("okex", lambda k: okx("bbo-tbt", {
        "asks": [["101", f"{1 + k}", "0", "4"]], "bids": [["99", "2", "0", "5"]], "ts": f"{ms(k)}",
        "seqId": 10 + k})),
    "okx images": ("okex", lambda k: okx("books5", {
        "asks": levels(k, ("0", "1")), "bids": levels(k, ("0", "2")), "ts": f"{ms(k)}",
        "seqId": 10 + k, "instId": "BTC-USDT"})),
    "bitget trades": ("bitget", lambda k: bitget("trade", {
        "ts": f"{ms(k)}", "price": "99.5", "size": f"{1 + k}", "side": "buy" if k % 2 else "sell",
        "tradeId": f"{100 + k}"})),
    "bitget images": ("bitget", lambda k: bitget("books5", {
        "asks": levels(k), "bids": levels(k), "ts": f"{ms(k)}", "seq": 5 + k, "checksum": 0})),
    "deribit tickers": ("deribit", lambda k: deribit(
        "ticker.BTC-PERPETUAL.raw", {"timestamp": ms(k), **PERPETUAL})),
    "deribit trades": ("deribit", lambda k: deribit(f"trades.{OPTION}.raw", [{
        "instrument_name": OPTION, "trade_seq": 8 + k, "trade_id": f"E-{k}", "timestamp": ms(k),
        "price": 2.5, "amount": 10.0, "direction": "buy" if k % 2 else "sell", "iv": 80.5,
        "tick_direction": 1, "mark_price": 1.5, "index_price": 1.6}])),
    "deribit differences": ("deribit", lambda k: deribit(f"book.{OPTION}.raw", {
        "type": "change", "timestamp": ms(k), "prev_change_id": 5 + k, "change_id": 6 + k,
        "instrument_name": OPTION, "bids": [["new", 1.5, 2.5], ["delete", 1.4, 0.0]],
        "asks": [["change", 1.7, 2.5]]})),
    "kraken futures tickers": ("cryptofacilities", lambda k: {
        "feed": "ticker", "product_id": "PI_XBTUSD", "time": ms(k), "bid": 99.5, "ask": 100.5,
        "bid_size": 5.0, "ask_size": 6.0 + k, "volume": 1.5, "dtm": 0, "leverage": "50x",
        "index": 100.25, "premium": -0.5, "last": 100.0, "change": -1.5, "funding_rate": 1e-3,
        "suspended": False, "tag": "perpetual", "pair": "XBT:USD", "openInterest": 7.5,
        "markPrice": 100.5, "maturityTime": 0, "relative_funding_rate": -0.125,
        "next_funding_rate_time": ms(3_600_000)}),
    "crypto.com tickers": ("crypto-com", lambda k: crypto_com("ticker", {
        "i": "ONE_USDT", "b": 1.5, "k": 1.6, "bs": 5 + k, "ks": 6, "a": 1.55, "t": ms(k), "v": 7,
        "h": 1.7, "l": 1.4, "c": -0.01, "oi": 8.5})),
    "crypto.com differences": ("crypto-com", lambda k: crypto_com("book.update", {
        "update": {"bids": levels(k, ("2",)), "asks": []}, "t": ms(k), "tt": ms(k), "u": 5 + k,
        "pu": 4 + k, "cs": 3})),
    "gate trades": ("gate-io", lambda k: gate("spot.trades", {
        "id": 5 + k, "create_time": START, "create_time_ms": f"{ms(k)}.125", "side": "sell",
        "currency_pair": "NEO_BTC", "amount": "2.5", "price": "1.6", "range": "1,2"})),
    "gate quotes": ("gate-io", lambda k: gate("spot.book_ticker", {
        "t": ms(k), "u": 5 + k, "s": "NEO_BTC", "b": "1.5", "B": "2.5", "a": "1.6", "A": "3"})),
    "kucoin trades": ("kucoin", lambda k: kucoin("/market/match:SNX-BTC", {
        "symbol": "SNX-BTC", "sequence": f"{5 + k}", "side": "buy" if k % 2 else "sell",
        "size": "2", "price": "1.5", "time": f"{ms(k) * 10**6}", "tradeId": f"x{k}",
        "type": "match", "takerOrderId": f"ab{k}", "makerOrderId": "cd"}, "trade.l3match")),
    "binance trades": ("binance", lambda k: {"stream": "nknusdt@trade", "data": {
        "e": "trade", "E": ms(k), "s": "NKNUSDT", "t": 100 + k, "p": "1.5", "q": f"{1 + k}",
        "b": 5, "a": 6, "T": ms(k), "m": bool(k % 2), "M": True}}),
    "bithumb differences": ("bithumb", lambda k: {"type": "orderbookdepth", "content": {
        "list": [{"symbol": "BTC_KRW", "orderType": "ask" if k % 2 else "bid", "price": "99.5",
                  "quantity": f"{1 + k}", "total": "2"}], "datetime": f"{ms(k) * 1000}"}}),
    "bitstamp images": ("bitstamp", lambda k: {"event": "data", "channel": "order_book_btcusd",
        "data": {"timestamp": f"{START}", "microtimestamp": f"{ms(k) * 1000}",
                 "bids": levels(k), "asks": levels(k)}}),
    "bybit trades": ("bybit", lambda k: {
        "topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": ms(k), "data": [{
            "T": ms(k), "s": "BTCUSDT", "S": "Buy" if k % 2 else "Sell", "v": f"{1 + k}",
            "p": "99.5", "L": "PlusTick", "i": f"a-{k}", "BT": False, "seq": 5 + k}]}),
    "bybit tickers": ("bybit", lambda k: {
        "topic": "tickers.BTCUSDT", "type": "delta" if k else "snapshot", "cs": k, "ts": ms(k),
        "data": {"symbol": "BTCUSDT", "bid1Price": "99", "bid1Size": f"{1 + k}",
                 "ask1Price": "101", "ask1Size": "2", "lastPrice": "100", "markPrice": "100.5",
                 "fundingRate": "-0.0001", "nextFundingTime": f"{ms(3_600_000)}",
                 "openInterest": "7", "turnover24h": "5"}}),
    "gemini trades": ("gemini", lambda k: {
        "type": "trade", "symbol": "BTCUSD", "event_id": 50 + k, "tid": 9 + k, "timestamp": ms(k),
        "price": "99.5", "quantity": f"{1 + k}", "side": "buy" if k % 2 else "sell",
        "socket_sequence": k}),
}  # fmt: skip


def line(make, k):
    return record(make(k), START + k / 1000)


def test_every_kind_is_read_by_a_pattern(tmp_path):
    for name, (venue, make) in MESSAGES.items():
        path = tmp_path / "lines.jsonl"
        path.write_bytes(b"\n".join([*(line(make, k) for k in range(8)), b" " * 80, b""]))
        found, differences = both(path, venue)
        assert differences == [], name
        assert found.account.decoded.total() == 8, (name, found.account)
        assert found.alone <= 5, name


@pytest.mark.parametrize("name", MESSAGES)
def test_any_value_of_a_message_comes_to_the_same(tmp_path, name):
    venue, make = MESSAGES[name]
    plain = [line(make, k) for k in range(6)]
    odd = [other for one in plain[4:6] for other in hostile(one)]
    path = tmp_path / "lines.jsonl"
    after = [line(make, k) for k in range(6, 9)]
    path.write_bytes(b"\n".join([*plain, *odd, *after, b" " * 80, b""]))
    _, differences = both(path, venue)
    assert differences == []
