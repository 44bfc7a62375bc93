"""Binance messages as their websockets and REST send them: exact keys, key order and decimals.

Belongs here: text of a message from numbers, for spot, USD-M and COIN-M.
Not here: when messages are sent or received.

Key orders were taken from recordings of August 2024; those of `markPriceUpdate` from the
documentation of the two futures APIs ("Mark Price Stream").
"""

from __future__ import annotations

from collections.abc import Callable

from imbalance.simulate.orderbook import Levels
from imbalance.simulate.scenario import SimulatedInstrument

FOLDERS = {"binance": "spot", "binance-futures": "usdm", "binance-delivery": "cm"}


class Messages:
    """Text of one instrument's messages. Prices come in ticks, sizes in lots, times in ms."""

    def __init__(self, instrument: SimulatedInstrument) -> None:
        self._instrument = instrument
        self._symbol = instrument.symbol
        self._stream = instrument.symbol.lower()
        self._spot = instrument.venue == "binance"
        # COIN-M messages about the book name the pair too.
        self._inverse = instrument.venue == "binance-delivery"
        self._pair = instrument.symbol.split("_")[0]
        self._names = f'"s":"{self._symbol}"' + (f',"ps":"{self._pair}"' if self._inverse else "")
        self.price = _cached(instrument.tick, instrument.price_decimals)
        self.size = _cached(instrument.lot, instrument.size_decimals)

    def _levels(self, levels: Levels) -> str:
        price, size = self.price, self.size
        return ",".join([f'["{price(p)}","{size(q)}"]' for p, q in levels])

    def diff(
        self, sent: int, made: int, first: int, last: int, previous: int, bids: Levels, asks: Levels
    ) -> str:
        """A `depthUpdate`; bids and asks ascending by price as the futures APIs list them."""
        levels = f'"b":[{self._levels(sorted(bids))}],"a":[{self._levels(sorted(asks))}]'
        if self._spot:
            return (
                f'{{"stream":"{self._stream}@depth@100ms","data":{{"e":"depthUpdate","E":{sent},'
                f'{self._names},"U":{first},"u":{last},{levels}}}}}'
            )
        return (
            f'{{"stream":"{self._stream}@depth@0ms","data":{{"e":"depthUpdate","E":{sent},'
            f'"T":{made},{self._names},"U":{first},"u":{last},"pu":{previous},{levels}}}}}'
        )

    def snapshot(self, sent: int, made: int, last: int, bids: Levels, asks: Levels) -> str:
        """The answer of the REST depth endpoint, best levels first. Spot's has no time."""
        levels = f'"bids":[{self._levels(bids)}],"asks":[{self._levels(asks)}]'
        times = "" if self._spot else f'"E":{sent},"T":{made},'
        if self._inverse:
            times += f'"symbol":"{self._symbol}","pair":"{self._pair}",'
        return f'{{"lastUpdateId":{last},{times}{levels}}}'

    def quote(
        self, sent: int, made: int, update: int, bid: int, bid_size: int, ask: int, ask_size: int
    ) -> str:
        """A `bookTicker`. Spot's has no time and no event name."""
        best = (
            f'"b":"{self.price(bid)}","B":"{self.size(bid_size)}",'
            f'"a":"{self.price(ask)}","A":"{self.size(ask_size)}"'
        )
        if self._spot:
            body = f'"u":{update},{self._names},{best}'
        else:
            event, number = '"e":"bookTicker"', f'"u":{update}'
            head = f"{number},{event}" if self._inverse else f"{event},{number}"
            body = f'{head},{self._names},{best},"T":{made},"E":{sent}'
        return f'{{"stream":"{self._stream}@bookTicker","data":{{{body}}}}}'

    def trade(
        self, sent: int, made: int, number: int, price: int, size: int, seller_aggressor: bool
    ) -> str:
        """A `trade`; `m` is true where the buyer was the maker, so the seller the aggressor."""
        what = f'"t":{number},"p":"{self.price(price)}","q":"{self.size(size)}"'
        maker = f'"m":{"true" if seller_aggressor else "false"}'
        head = f'{{"stream":"{self._stream}@trade","data":{{"e":"trade","E":{sent},'
        if self._spot:
            return f'{head}"s":"{self._symbol}",{what},"T":{made},{maker},"M":true}}}}'
        return f'{head}"T":{made},"s":"{self._symbol}",{what},"X":"MARKET",{maker}}}}}'

    def mark_price(self, sent: int, mark: float, index: float, rate: float, funding: int) -> str:
        """A `markPriceUpdate`, whose `T` is the next funding time."""
        settlement = f'"P":"{mark:.8f}"'
        indexed = f'"i":"{index:.8f}"'
        order = f"{settlement},{indexed}" if self._inverse else f"{indexed},{settlement}"
        return (
            f'{{"stream":"{self._stream}@markPrice@1s","data":{{"e":"markPriceUpdate","E":{sent},'
            f'"s":"{self._symbol}","p":"{mark:.8f}",{order},"r":"{rate:.8f}","T":{funding}}}}}'
        )


def _cached(unit: float, decimals: int) -> Callable[[int], str]:
    """Decimal text of a multiple of `unit`, remembered: the same prices and sizes come again."""
    known: dict[int, str] = {}

    def text(count: int) -> str:
        found = known.get(count)
        if found is None:
            found = known[count] = f"{count * unit:.{decimals}f}"
        return found

    return text
