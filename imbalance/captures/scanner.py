"""The fast path of decoding: one Numba scan from bytes to typed columns.

Understands the flat JSON of Binance's websocket messages (depthUpdate, bookTicker, trade and
aggTrade) whatever the order of their keys, and nothing else: any byte it does not expect makes
the line an exception (`KIND_OTHER`), which `venues/binance.py` decodes properly. So being fast
never means being lenient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures.columns import Columns
from imbalance.captures.text import (
    find_symbol,
    is_partial_depth,
    is_word,
    read_decimal,
    read_integer,
    read_levels,
    read_word,
)  # fmt: skip
from imbalance.kernels import jit, peek

KIND_OTHER, KIND_DIFF, KIND_QUOTE, KIND_TRADE, KIND_AGGREGATE, KIND_BLANK = range(6)

MARKET_SPOT, MARKET_LINEAR, MARKET_INVERSE = range(3)

SYMBOL_BYTES = 100
"""Longest symbol that is believed."""

FAR_MS = 300_000
"""No event is believed whose exchange times are further than this from its receipt."""

SCANNED, NEW_SYMBOL, FULL = range(3)
"""Why a scan returned: all done, an unknown symbol stands at `position`, the columns are full."""

# one bit per key of a message, to see that each comes once and all that are needed came
_E, _TYPE, _T, _SYMBOL, _PAIR, _FIRST, _LAST, _PREVIOUS = (1 << k for k in range(8))
_BIDS, _ASKS, _BID, _BID_SIZE, _ASK, _ASK_SIZE = (1 << k for k in range(8, 14))
_ID, _PRICE, _SIZE, _MAKER, _BEST_MATCH, _ORDER_TYPE, _AGG_ID, _FILL = (
    1 << k for k in range(14, 22)
)
_BUYER_ORDER = 1 << 22


_DEPTH = np.frombuffer(b"depthUpdate", np.uint8)
_TICKER = np.frombuffer(b"bookTicker", np.uint8)
_TRADE = np.frombuffer(b"trade", np.uint8)
_AGGREGATE = np.frombuffer(b"aggTrade", np.uint8)
_STREAM = np.frombuffer(b'{"stream":"', np.uint8)
_DATA = np.frombuffer(b',"data":{', np.uint8)


@jit
def scan(
    text: Any,
    start: int,
    stop: int,
    market: int,
    receive_digits: int,
    receive_scale: int,
    earliest: int,
    latest: int,
    symbols: Any,
    symbol_lengths: Any,
    symbol_count: int,
    out: Columns,
) -> tuple[int, int]:
    """Scan whole lines of `text[start:stop]` into `out`.

    Parameters
    ----------
    text : uint8 array; must be followed by a zero byte within its allocation.
    start, stop : the lines to scan; `stop` stands after a newline.
    market : `MARKET_SPOT`, `MARKET_LINEAR` or `MARKET_INVERSE`; a message with the marks of
        another market is an exception.
    receive_digits, receive_scale : digits of the receive time and nanoseconds per unit of it.
    earliest, latest : receive times that are believed, in the file's unit.
    symbols, symbol_lengths, symbol_count : uint8 (k, SYMBOL_BYTES) table of known symbols.
    out : columns to append to.

    Returns
    -------
    status, position : why it returned, and the first byte not scanned.
    """
    message, diff, quote, trade, bids, asks = out.used
    room = len(out.quote_id) - 1
    place = start
    status = SCANNED
    last_symbol = 0
    while place < stop:
        if message >= len(out.kind) or diff >= room or quote >= room or trade >= room:
            status = FULL
            break
        end = place
        kind = KIND_OTHER
        symbol = -1
        receive = exchange = transaction = -1
        first = last = previous = identity = -1
        bid = bid_size = ask = ask_size = price = size = -1.0
        maker = False
        seen = 0
        type_at = type_end = symbol_at = symbol_end = stream_at = stream_end = 0
        bid_count, ask_count = bids, asks
        good = False
        received, after = read_integer(text, place)
        while True:  # one turn; left by `break` as soon as something is unexpected
            if after - place != receive_digits or peek(text, after) != 32:
                break
            if received < earliest or received > latest:
                break
            receive = received * receive_scale
            after += 1
            expected = True
            for k in range(len(_STREAM)):
                if peek(text, after + k) != _STREAM[k]:
                    expected = False
                    break
            if not expected:
                break
            stream_at = after + len(_STREAM)
            stream_end = end = read_word(text, stream_at)
            if end < 0:
                break
            end += 1
            for k in range(len(_DATA)):
                if peek(text, end + k) != _DATA[k]:
                    expected = False
                    break
            if not expected:
                break
            end += len(_DATA)
            while True:  # one key and its value a turn
                if peek(text, end) != 34:
                    break
                key = np.int64(peek(text, end + 1))
                if peek(text, end + 2) == 34:
                    end += 3
                elif peek(text, end + 3) == 34 and key > 32:
                    key = key << 8 | np.int64(peek(text, end + 2))
                    end += 4
                else:
                    break
                if peek(text, end) != 58:
                    break
                end += 1
                lead = peek(text, end)
                bit = 0
                if lead == 34:  # a string
                    if key == 98 or key == 66 or key == 97 or key == 65 or key == 112 or key == 113:
                        number, end = read_decimal(text, end + 1)
                        if number < 0.0 or peek(text, end) != 34:
                            break
                        end += 1
                        if key == 98:
                            bit, bid = _BID, number
                        elif key == 66:
                            bit, bid_size = _BID_SIZE, number
                        elif key == 97:
                            bit, ask = _ASK, number
                        elif key == 65:
                            bit, ask_size = _ASK_SIZE, number
                        elif key == 112:
                            bit, price = _PRICE, number
                        else:
                            bit, size = _SIZE, number
                    else:
                        string = end + 1
                        end = read_word(text, string)
                        if end < 0:
                            break
                        if key == 101:
                            bit, type_at, type_end = _TYPE, string, end
                        elif key == 115:
                            bit, symbol_at, symbol_end = _SYMBOL, string, end
                        elif key == 0x7073:
                            bit = _PAIR
                        elif key == 88:
                            bit = _ORDER_TYPE
                        end += 1
                elif lead == 91:  # levels
                    if key == 98:
                        bit = _BIDS
                        end, bid_count = read_levels(
                            text, end, out.bid_price, out.bid_size, bid_count
                        )
                    elif key == 97:
                        bit = _ASKS
                        end, ask_count = read_levels(
                            text, end, out.ask_price, out.ask_size, ask_count
                        )
                    if end < 0:
                        break
                elif lead == 116 or lead == 102:  # true, false
                    if lead == 116:
                        if (
                            peek(text, end + 1) != 114
                            or peek(text, end + 2) != 117
                            or peek(text, end + 3) != 101
                        ):
                            break
                        end += 4
                    else:
                        if (
                            peek(text, end + 1) != 97
                            or peek(text, end + 2) != 108
                            or peek(text, end + 3) != 115
                            or peek(text, end + 4) != 101
                        ):
                            break
                        end += 5
                    if key == 109:
                        bit, maker = _MAKER, lead == 116
                    elif key == 77:
                        bit = _BEST_MATCH
                else:
                    whole, after = read_integer(text, end)
                    if whole < 0:
                        break
                    end = after
                    if key == 69:
                        bit, exchange = _E, whole
                    elif key == 84:
                        bit, transaction = _T, whole
                    elif key == 85:
                        bit, first = _FIRST, whole
                    elif key == 117:
                        bit, last = _LAST, whole
                    elif key == 0x7075:
                        bit, previous = _PREVIOUS, whole
                    elif key == 116:
                        bit, identity = _ID, whole
                    elif key == 97:
                        bit = _AGG_ID
                        if not seen & _ID:
                            identity = whole
                    elif key == 98:
                        bit = _BUYER_ORDER
                    elif key == 102:
                        bit = _FILL
                    elif key == 108:
                        bit = _FILL << 8
                if bit == 0 or seen & bit:
                    break
                seen |= bit
                follow = peek(text, end)
                if follow == 44:
                    end += 1
                    continue
                good = follow == 125 and peek(text, end + 1) == 125 and peek(text, end + 2) == 10
                end += 3
                break
            break
        if good:
            sent = receive // 1_000_000
            good = (
                0 < symbol_end - symbol_at <= SYMBOL_BYTES
                and (exchange < 0 or abs(exchange - sent) <= FAR_MS)
                and (transaction < 0 or abs(transaction - sent) <= FAR_MS)
            )
        if good:
            inverse = seen & _PAIR != 0
            if seen & _SYMBOL:
                symbol = find_symbol(
                    text, symbol_at, symbol_end, symbols, symbol_lengths, symbol_count, last_symbol
                )
            if not seen & _TYPE or is_word(text, type_at, type_end, _TICKER):
                needed = _LAST | _SYMBOL | _BID | _BID_SIZE | _ASK | _ASK_SIZE
                if market != MARKET_SPOT:
                    needed |= _TYPE | _E | _T
                if market == MARKET_INVERSE:
                    needed |= _PAIR
                if seen == needed and bid > 0.0 and ask > 0.0:
                    kind = KIND_QUOTE
            elif is_word(text, type_at, type_end, _DEPTH):
                needed = _TYPE | _E | _SYMBOL | _FIRST | _LAST | _BIDS | _ASKS
                if market != MARKET_SPOT:
                    needed |= _T | _PREVIOUS
                if market == MARKET_INVERSE:
                    needed |= _PAIR
                if (
                    seen == needed
                    and first <= last
                    and not is_partial_depth(text, stream_at, stream_end)
                ):
                    kind = KIND_DIFF
            elif is_word(text, type_at, type_end, _TRADE):
                needed = _TYPE | _E | _T | _SYMBOL | _ID | _PRICE | _SIZE | _MAKER
                optional = _ORDER_TYPE
                if market == MARKET_SPOT:
                    needed |= _BEST_MATCH
                    optional = _BUYER_ORDER | _AGG_ID
                if seen & needed == needed and seen & ~(needed | optional) == 0:
                    kind = KIND_TRADE
            elif is_word(text, type_at, type_end, _AGGREGATE):
                needed = _TYPE | _E | _T | _SYMBOL | _AGG_ID | _PRICE | _SIZE | _MAKER
                needed |= _FILL | _FILL << 8
                if market == MARKET_SPOT:
                    needed |= _BEST_MATCH
                if seen == needed and not inverse:
                    kind = KIND_AGGREGATE
            if (kind == KIND_TRADE or kind == KIND_AGGREGATE) and (price <= 0.0 or size <= 0.0):
                kind = KIND_OTHER
            if kind != KIND_OTHER and symbol < 0:
                status = NEW_SYMBOL
                break
        if kind == KIND_OTHER:
            end = place
            while end < stop and peek(text, end) != 10:
                end += 1
            end += 1
            if end - place == 1 or (end - place == 2 and peek(text, place) == 13):
                kind = KIND_BLANK
        elif kind == KIND_DIFF:
            out.update_ids[diff, 0] = first
            out.update_ids[diff, 1] = last
            out.update_ids[diff, 2] = previous
            out.level_counts[diff, 0] = bid_count - bids
            out.level_counts[diff, 1] = ask_count - asks
            bids, asks = bid_count, ask_count
            diff += 1
        elif kind == KIND_QUOTE:
            out.quote_id[quote] = last
            out.quotes[quote, 0] = bid
            out.quotes[quote, 1] = bid_size
            out.quotes[quote, 2] = ask
            out.quotes[quote, 3] = ask_size
            quote += 1
        else:
            out.trade_id[trade] = identity
            out.trades[trade, 0] = price
            out.trades[trade, 1] = size
            out.maker[trade] = maker
            trade += 1
        if symbol >= 0:
            last_symbol = symbol
        out.kind[message] = kind
        out.symbol[message] = symbol
        out.offset[message] = place
        out.length[message] = min(end, stop) - place
        out.receive[message] = receive
        out.exchange[message] = exchange * 1_000_000 if exchange >= 0 else -1
        out.transaction[message] = transaction * 1_000_000 if transaction >= 0 else -1
        message += 1
        place = end
    out.used[0] = message
    out.used[1] = diff
    out.used[2] = quote
    out.used[3] = trade
    out.used[4] = bids
    out.used[5] = asks
    return status, place
