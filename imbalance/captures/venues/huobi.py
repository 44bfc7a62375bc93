"""Huobi (HTX): spot, and perpetual swaps of both margins, in gzip frames.

`depth.step0` is the whole book again and again; `mbp` and `high_freq` depth are chained. Spot and
swaps write symbols in ways of their own (`btcusdt`, `BTC-USDT`), so that one session reads all.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import (
    CANDLES,
    HEARTBEAT,
    INSTRUMENTS,
    SECOND_BOOK,
    SUBSCRIBED,
    Feed,
    known,
    split_pair,
)
from imbalance.captures.venues.reading import (
    MS,
    Level,
    Message,
    Millis,
    Price,
    Reader,
    Signed,
    Size,
    Text,
    Whole,
    aggressor,
    names,
)
from imbalance.captures.venues.venue import Continuity, Instrument, Venue

BOTH_SIDES = 2
COUNTING_BOTH_SIDES = ("huobi-dm-swap", "huobi-dm-linear-swap")
"""What was bought and what was sold are added up in a trade of swaps (Huobi swap API: "sum of both
buy and sell sides"): the book loses half of it. By Tardis' names of these markets."""


class _Envelope(Message):
    ch: str | None = None
    rep: str | None = None
    ts: Millis | None = None
    tick: msgspec.Raw = msgspec.Raw(b"{}")
    data: msgspec.Raw = msgspec.Raw(b"{}")
    ping: int | None = None
    op: str | None = None
    topic: str = ""
    subbed: str | None = None
    status: str | None = None
    unused = names("id err-code err-msg unsubbed cid event uid")


class _Book(Message):
    bids: list[Level] | None
    asks: list[Level] | None
    ts: Millis | None = None
    version: Whole | None = None
    event: str | None = None
    seqNum: Whole | None = None
    prevSeqNum: Whole | None = None
    unused = names("mrid id ch")


class _Trade(Message):
    amount: Size
    price: Price
    direction: str
    ts: Millis
    id: int
    tradeId: Whole | None = None
    unused = names("quantity trade_turnover trade-id")


class _Trades(Message):
    data: list[_Trade]
    unused = names("id ts")


class _Best(Message):
    ask: Price
    askSize: Size
    bid: Price
    bidSize: Size
    quoteTime: Millis
    seqId: Whole | None = None
    unused = names("symbol")


class _SwapBest(Message):
    ask: Level
    bid: Level
    ts: Millis
    version: Whole | None = None
    unused = names("mrid id ch")


class _Funding(Message):
    contract_code: Text
    funding_rate: Signed
    funding_time: Millis
    unused = names("symbol fee_asset estimated_rate settlement_time realized_rate")


class _Forced(Message):
    contract_code: Text
    direction: str
    volume: Size
    price: Price
    created_at: Millis
    unused = names("symbol offset amount trade_turnover business_type pair contract_type")


class _Symbol(msgspec.Struct):
    symbol: Text
    base: str = msgspec.field(name="base-currency")
    quote: str = msgspec.field(name="quote-currency")
    price_digits: int = msgspec.field(name="price-precision")
    size_digits: int = msgspec.field(name="amount-precision")


class _Symbols(msgspec.Struct):
    data: list[_Symbol]


class _Contract(msgspec.Struct):
    symbol: Text
    contract_code: Text
    contract_size: Price
    price_tick: Price


class _Contracts(msgspec.Struct):
    data: list[_Contract]


_envelope, _book, _trades = Reader(_Envelope), Reader(_Book), Reader(_Trades)
_best, _swap_best = Reader(_Best), Reader(_SwapBest)
_fundings, _forced = Reader(list[_Funding]), Reader(list[_Forced])
_symbols, _contracts = Reader(_Symbols), Reader(_Contracts)


class _Session(Feed):
    sides_counted: ClassVar[int] = 1

    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if found.ping is not None or found.op in ("ping", "pong"):
            return HEARTBEAT
        if found.op == "notify":
            return self._notified(found)
        if found.ch is not None:
            return self._told(found, found.ch, found.tick, record)
        if found.rep is not None and ".mbp." in found.rep:
            # the whole book on request, from which the chain of differences starts
            return self._told(found, found.rep, found.data, record)
        if found.subbed is not None or found.op in ("sub", "unsub"):
            return SUBSCRIBED
        if found.status == "error":
            return Ignored("refused_subscription")
        raise Rejected("unknown_message", "neither ch nor subbed")

    def answered(self, record: Record) -> Decoded | Ignored:
        if record.address.endswith("/common/symbols"):
            for one in self.read(_symbols, record.payload).data:
                self.fact(one.symbol, **_spot(one))
            return INSTRUMENTS
        if record.address.endswith("/swap_contract_info"):
            for contract in self.read(_contracts, record.payload).data:
                self.fact(contract.contract_code, **_swap(contract))
            return INSTRUMENTS
        return super().answered(record)

    def _told(
        self, found: _Envelope, channel: str, data: msgspec.Raw, record: Record
    ) -> Decoded | Ignored:
        parts = channel.split(".")
        if len(parts) < 3 or parts[0] != "market":
            raise Rejected("unknown_message", f"channel {channel[:80]!r}")
        symbol, kind = parts[1], parts[2]
        at = None if found.ts is None else found.ts * MS
        if kind in ("depth", "mbp"):
            if not self.owns(symbol, channel):
                return SECOND_BOOK
            asked = found.rep is not None
            return Decoded(kind, [self._book(data, symbol, parts[3:], at, asked=asked)])
        if kind == "trade":
            trades = self.read(_trades, data).data
            made = [_trade(one, symbol, self.sides_counted) for one in reversed(trades)]
            return Decoded("trade", made)
        if kind == "bbo":
            return Decoded("bbo", [self._quote(data, symbol, at, record)])
        if kind == "kline":
            return CANDLES
        if kind in ("detail", "ticker"):
            return Ignored("unused:ticker")
        raise Rejected("unknown_message", f"channel {channel[:80]!r}")

    def _book(
        self, data: msgspec.Raw, symbol: str, rest: list[str], at: int | None, *, asked: bool
    ) -> Event:
        one = self.read(_book, data)
        kind: events.BookKind = "image"
        first, last, previous = None, None, None
        if asked:
            kind, last = "snapshot", one.seqNum
        elif one.prevSeqNum is not None and "refresh" not in rest:
            kind, last, previous = "diff", one.seqNum, one.prevSeqNum
        elif one.event is not None:
            if one.event not in ("snapshot", "update"):
                raise Rejected("unknown_message", f"event {one.event[:40]!r}")
            kind, last = "diff" if one.event == "update" else "snapshot", one.version
            first = last if kind == "diff" else None
        return events.BookUpdate(
            symbol=symbol, kind=kind, bids=reading.sides(one.bids or []),
            asks=reading.sides(one.asks or []), first_id=first, last_id=last,
            previous_id=previous, exchange_time=at,
            transaction_time=None if one.ts is None else one.ts * MS,
        )  # fmt: skip

    def _quote(self, data: msgspec.Raw, symbol: str, at: int | None, record: Record) -> Event:
        if b'"askSize"' in record.payload:
            one = self.read(_best, data)
            return events.Quote(
                symbol=symbol, bid_price=one.bid, bid_size=one.bidSize, ask_price=one.ask,
                ask_size=one.askSize, update_id=one.seqId, exchange_time=at,
                transaction_time=one.quoteTime * MS,
            )  # fmt: skip
        swap = self.read(_swap_best, data)
        return events.Quote(
            symbol=symbol, bid_price=swap.bid[0], bid_size=swap.bid[1], ask_price=swap.ask[0],
            ask_size=swap.ask[1], update_id=swap.version, exchange_time=at,
            transaction_time=swap.ts * MS,
        )  # fmt: skip

    def _notified(self, found: _Envelope) -> Decoded | Ignored:
        kind = found.topic.rpartition(".")[2]
        at = None if found.ts is None else found.ts * MS
        if kind == "funding_rate":
            return Decoded(kind, [
                events.DerivativeTick(
                    symbol=one.contract_code, funding_rate=one.funding_rate,
                    next_funding_time=one.funding_time * MS, exchange_time=at,
                )
                for one in self.read(_fundings, found.data)
            ])  # fmt: skip
        if kind == "liquidation_orders":
            return Decoded(kind, [
                events.Liquidation(
                    symbol=one.contract_code, price=one.price, size=one.volume,
                    side=aggressor(one.direction), exchange_time=one.created_at * MS,
                )
                for one in self.read(_forced, found.data)
            ])  # fmt: skip
        raise Rejected("unknown_message", f"topic {found.topic[:80]!r}")


class _SwapSession(_Session):
    sides_counted = BOTH_SIDES


def _trade(one: _Trade, symbol: str, sides_counted: int) -> Event:
    fits = 0 <= one.id < 2**63
    identity = one.tradeId if one.tradeId is not None else one.id if fits else None
    return events.Trade(
        symbol=symbol, price=one.price, size=one.amount / sides_counted,
        side=aggressor(one.direction), trade_id=identity, trade_key=None if fits else str(one.id),
        exchange_time=one.ts * MS,
    )  # fmt: skip


def _spot(one: _Symbol) -> dict[str, Any]:
    digits = (one.price_digits, one.size_digits)
    tick, lot = (float(f"1e-{n}") if 0 <= n <= 18 else None for n in digits)
    return {"kind": "spot", "base": one.base, "quote": one.quote, "tick": tick, "lot": lot,
            "asset_class": "crypto"}  # fmt: skip


def _swap(one: _Contract) -> dict[str, Any]:
    quote = one.contract_code.rpartition("-")[2]
    return {
        "kind": "perpetual", "base": one.symbol, "quote": quote, "underlying": one.contract_code,
        "tick": one.price_tick, "lot": 1.0, "multiplier": one.contract_size,
        "inverse": quote == "USD", "asset_class": "crypto",
    }  # fmt: skip


def spot_instrument(symbol: str) -> Instrument:
    """`btcusdt`: base and quote currency joined."""
    base, quote = split_pair(symbol, "usdt usdc usdd husd btc eth trx ht eur euroc brl try uah")
    return known(symbol, "symbol", kind="spot", base=base, quote=quote, asset_class="crypto")


def swap_instrument(symbol: str) -> Instrument:
    """`BTC-USD` has coins for margin and is inverse, `BTC-USDT` is linear."""
    base, _, quote = symbol.partition("-")
    return known(
        symbol, "symbol", kind="perpetual", base=base, quote=quote or None, underlying=symbol,
        inverse=quote == "USD" if quote else None, asset_class="crypto",
    )


_CHANNELS = {
    "depth": "book images; snapshot and differences for `high_freq` depth",
    "mbp": "book differences, snapshots by request; images for `refresh`",
    "trade": "trades",
    "bbo": "quotes",
}
_PROOFS = (
    Continuity("depth.step0, mbp.refresh", "nothing", "any loss: each message is whole"),
    Continuity(
        "mbp", "chained_ids", "nothing", source="Huobi spot API, market by price: prevSeqNum"
    ),
    Continuity("trade", "nothing", "any loss: ids leap"),
)

VENUES = {
    "huobi": Venue(
        "huobi", "Huobi spot", ("api.huobi.pro", "api-aws.huobi.pro"), ("HUOBI",), _Session,
        _CHANNELS, _PROOFS, spot_instrument,
    ),
    "huobi-dm-swap": Venue(
        "huobi-dm-swap", "Huobi perpetual swaps", ("api.hbdm.com", "api.hbdm.vn"),
        ("HUOBI_SWAP",), _SwapSession,
        _CHANNELS | {"trade": "trades; sizes are half of what is sent, which counts both sides",
                     "funding_rate": "funding", "liquidation_orders": "liquidations"},
        (
            *_PROOFS,
            Continuity(
                "depth.size_20.high_freq, depth.size_150.high_freq", "counter", "nothing",
                source="Huobi swap API, incremental depth: version goes up by one",
            ),
        ),
        swap_instrument,
    ),
}  # fmt: skip
