"""The fast path of decoding: one Numba scan from bytes to typed columns.

Understands the flat JSON of Binance's websocket messages (depthUpdate, bookTicker, trade and
aggTrade) whatever the order of their keys, and nothing else: any byte it does not expect makes
the line an exception (`KIND_OTHER`), which `venues/binance.py` decodes properly. So being fast
never means being lenient. A line understood here serves as a template for those of its stream
(`template`), and those with numbers as wide are read in a tenth of the time (`shapes`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures import template as at
from imbalance.captures.columns import Columns
from imbalance.captures.shapes import WHOLE, forget, learn, new_shapes, read_numbers, shape_of
from imbalance.captures.template import follow, new_templates, remember, settled_until, slot_of
from imbalance.captures.text import (
    find_symbol,
    is_partial_depth,
    is_word,
    read_decimal,
    read_integer,
    read_levels,
    read_truth,
    read_word,
)  # fmt: skip
from imbalance.kernels import bare, inline, jit, peek, poke

KIND_OTHER, KIND_DIFF, KIND_QUOTE, KIND_TRADE, KIND_AGGREGATE, KIND_BLANK = range(6)

MARKET_SPOT, MARKET_LINEAR, MARKET_INVERSE = range(3)

SYMBOL_BYTES = 100
"""Longest symbol that is believed."""

FAR_MS = 300_000
"""No event is believed whose exchange times are further than this from its receipt."""

SCANNED, NEW_SYMBOL, FULL = range(3)
"""Why a scan returned: all done, an unknown symbol stands at `position`, the columns are full."""

_UNKNOWN = -1

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


@bare
def _read_line(
    text: Any, place: int, market: int, whole: Any, real: Any, found: Any, out: Columns
) -> tuple[int, int, int, int, int]:
    """Understand the message that begins at `place`, byte by byte.

    Returns
    -------
    kind, end, symbol_at, symbol_end, fields : `KIND_OTHER` where anything is not as expected;
    `found` holds the fields of a template.
    """
    seen, fields = np.int64(0), 0
    type_at = type_end = symbol_at = symbol_end = 0
    for k in range(len(_STREAM)):
        if peek(text, place + k) != _STREAM[k]:
            return KIND_OTHER, place, 0, 0, 0
    stream_at = place + len(_STREAM)
    stream_end = end = read_word(text, stream_at)
    if end < 0:
        return KIND_OTHER, place, 0, 0, 0
    end += 1
    for k in range(len(_DATA)):
        if peek(text, end + k) != _DATA[k]:
            return KIND_OTHER, place, 0, 0, 0
    end += len(_DATA)
    while True:  # one key and its value a turn
        if peek(text, end) != 34:
            return KIND_OTHER, place, 0, 0, 0
        key = np.int64(peek(text, end + 1))
        # nothing is looked at beyond the byte after a newline
        if peek(text, end + 2) == 34:
            end += 3
        elif key > 32 and peek(text, end + 3) == 34:
            key = key << 8 | np.int64(peek(text, end + 2))
            end += 4
        else:
            return KIND_OTHER, place, 0, 0, 0
        if peek(text, end) != 58:
            return KIND_OTHER, place, 0, 0, 0
        end += 1
        lead = peek(text, end)
        begins = end
        what = meaning = -1
        bit = 0
        if lead == 34:  # a string
            begins = end + 1
            if key == 98:
                bit, meaning = _BID, at.BID
            elif key == 66:
                bit, meaning = _BID_SIZE, at.BID_SIZE
            elif key == 97:
                bit, meaning = _ASK, at.ASK
            elif key == 65:
                bit, meaning = _ASK_SIZE, at.ASK_SIZE
            elif key == 112:
                bit, meaning = _PRICE, at.PRICE
            elif key == 113:
                bit, meaning = _SIZE, at.SIZE
            if bit:
                what = at.DECIMAL
                real[meaning], end = read_decimal(text, begins)
                if real[meaning] < 0.0 or peek(text, end) != 34:
                    return KIND_OTHER, place, 0, 0, 0
            else:
                end = read_word(text, begins)
                if end < 0:
                    return KIND_OTHER, place, 0, 0, 0
                if key == 101:
                    bit, type_at, type_end = _TYPE, begins, end
                elif key == 115:
                    bit, symbol_at, symbol_end = _SYMBOL, begins, end
                elif key == 0x7073:
                    bit = _PAIR
                elif key == 88:
                    bit = _ORDER_TYPE
            after = end + 1
        elif lead == 91:  # levels
            begins = end + 1
            if key == 98:
                bit, what, meaning = _BIDS, at.BID_LEVELS, at.BIDS
                end, whole[at.BIDS] = read_levels(
                    text, end, out.bid_price, out.bid_size, whole[at.BIDS]
                )
            elif key == 97:
                bit, what, meaning = _ASKS, at.ASK_LEVELS, at.ASKS
                end, whole[at.ASKS] = read_levels(
                    text, end, out.ask_price, out.ask_size, whole[at.ASKS]
                )
            after = end
        elif lead == 116 or lead == 102:  # true, false
            end = read_truth(text, end)
            if key == 109:
                bit, what, meaning = _MAKER, at.TRUTH, at.MAKER
                whole[at.MAKER] = lead == 116
            elif key == 77:
                bit = _BEST_MATCH
            after = end
        else:
            number, end = read_integer(text, end)
            if number < 0:
                return KIND_OTHER, place, 0, 0, 0
            bit, meaning = _whole_number(key, seen)
            what = at.INTEGER
            whole[meaning] = number
            after = end
        if end < 0 or bit == 0 or seen & bit:
            return KIND_OTHER, place, 0, 0, 0
        seen |= bit
        if what >= 0 and fields < len(found):
            found[fields, 0], found[fields, 1] = what, meaning
            found[fields, 2], found[fields, 3] = begins, end
            fields += 1
        end = after
        if peek(text, end) == 44:
            end += 1
            continue
        if peek(text, end) != 125 or peek(text, end + 1) != 125 or peek(text, end + 2) != 10:
            return KIND_OTHER, place, 0, 0, 0
        kind = _kind_of(text, market, seen, type_at, type_end, stream_at, stream_end)
        if not 0 < symbol_end - symbol_at <= SYMBOL_BYTES:
            kind = KIND_OTHER
        return kind, end + 3, symbol_at, symbol_end, fields


@inline
def _whole_number(key: int, seen: int) -> tuple[int, int]:
    """Bit and meaning of a key with a whole number; bit 0 where none is expected."""
    if key == 69:
        return _E, at.EXCHANGE
    if key == 84:
        return _T, at.TRANSACTION
    if key == 85:
        return _FIRST, at.FIRST
    if key == 117:
        return _LAST, at.LAST
    if key == 0x7075:
        return _PREVIOUS, at.PREVIOUS
    if key == 116:
        return _ID, at.IDENTITY
    if key == 97:
        return _AGG_ID, at.UNUSED if seen & _ID else at.IDENTITY
    if key == 98:
        return _BUYER_ORDER, at.UNUSED
    if key == 102:
        return _FILL, at.UNUSED
    if key == 108:
        return _FILL << 8, at.UNUSED
    return 0, at.UNUSED


@inline
def _kind_of(
    text: Any, market: int, seen: int, type_at: int, type_end: int, stream_at: int, stream_end: int
) -> int:
    """Kind of a message by its type and keys, which must be those of its market."""
    if not seen & _TYPE or is_word(text, type_at, type_end, _TICKER):
        needed = _LAST | _SYMBOL | _BID | _BID_SIZE | _ASK | _ASK_SIZE
        if market != MARKET_SPOT:
            needed |= _TYPE | _E | _T
        if market == MARKET_INVERSE:
            needed |= _PAIR
        return KIND_QUOTE if seen == needed else KIND_OTHER
    if is_word(text, type_at, type_end, _DEPTH):
        needed = _TYPE | _E | _SYMBOL | _FIRST | _LAST | _BIDS | _ASKS
        if market != MARKET_SPOT:
            needed |= _T | _PREVIOUS
        if market == MARKET_INVERSE:
            needed |= _PAIR
        whole_book = not is_partial_depth(text, stream_at, stream_end)
        return KIND_DIFF if seen == needed and whole_book else KIND_OTHER
    if is_word(text, type_at, type_end, _TRADE):
        needed = _TYPE | _E | _T | _SYMBOL | _ID | _PRICE | _SIZE | _MAKER
        optional = _ORDER_TYPE
        if market == MARKET_SPOT:
            needed |= _BEST_MATCH
            optional = _BUYER_ORDER | _AGG_ID
        fits = seen & needed == needed and seen & ~(needed | optional) == 0
        return KIND_TRADE if fits else KIND_OTHER
    if is_word(text, type_at, type_end, _AGGREGATE):
        needed = _TYPE | _E | _T | _SYMBOL | _AGG_ID | _PRICE | _SIZE | _MAKER
        needed |= _FILL | _FILL << 8
        if market == MARKET_SPOT:
            needed |= _BEST_MATCH
        return KIND_AGGREGATE if seen == needed else KIND_OTHER
    return KIND_OTHER


@inline
def _believed(kind: int, receive: int, whole: Any, real: Any) -> bool:
    """Whether what an understood message says can be."""
    sent = receive // 1_000_000
    for k in (at.EXCHANGE, at.TRANSACTION):
        if whole[k] >= 0 and abs(whole[k] - sent) > FAR_MS:
            return False
    if kind == KIND_QUOTE:
        return real[at.BID] > 0.0 and real[at.ASK] > 0.0
    if kind == KIND_DIFF:
        return whole[at.FIRST] <= whole[at.LAST]
    return real[at.PRICE] > 0.0 and real[at.SIZE] > 0.0


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
    templates, shapes = new_templates(), new_shapes()
    whole, real = np.empty(at.MEANINGS, np.int64), np.empty(at.MEANINGS)
    found = np.empty((at.MOST_FIELDS, 4), np.int64)
    settled = settled_until(text, start, stop)
    place = start
    status = SCANNED
    last_symbol = np.int64(0)
    while place < stop:
        if message >= len(out.kind) or diff >= room or quote >= room or trade >= room:
            status = FULL
            break
        kind = KIND_OTHER
        end = place
        symbol = _UNKNOWN
        receive = -1
        whole[at.EXCHANGE] = whole[at.TRANSACTION] = whole[at.PREVIOUS] = -1
        whole[at.BIDS], whole[at.ASKS] = bids, asks
        quick = place < settled
        message_at = place + receive_digits + 1
        slot = slot_of(text, message_at) if quick else 0
        shape = shape_of(text, place, shapes, slot) if quick else -1
        first = 0
        if shape >= 0:
            read_numbers(text, place, shapes, shape, whole, real)
            received = whole[at.RECEIVE_UPPER] * 100_000_000 + whole[at.RECEIVE_LOWER]
            after, first = place + shapes.heads[shape, 0], shapes.heads[shape, 2]
            dated = True
        else:
            received, after = read_integer(text, place)
            dated = after + 1 == message_at and peek(text, after) == 32
            after += 1
        if dated and earliest <= received <= latest:
            receive = received * receive_scale
            end = -1
            if first == WHOLE:
                end = after
            elif quick and templates.heads[slot, 0] > 0:
                end = follow(text, after, first, templates, slot, whole, real, out)
                if end >= 0 and shape < 0:
                    learn(text, place, end, receive_digits, templates, slot, shapes)
            name = name_end = fields = np.int64(0)
            if end >= 0:
                kind, symbol = templates.heads[slot, 1], templates.heads[slot, 2]
            else:
                whole[at.EXCHANGE] = whole[at.TRANSACTION] = whole[at.PREVIOUS] = -1
                whole[at.BIDS], whole[at.ASKS] = bids, asks
                kind, end, name, name_end, fields = _read_line(
                    text, message_at, market, whole, real, found, out
                )
            if kind != KIND_OTHER and not _believed(kind, receive, whole, real):
                kind = KIND_OTHER
            if kind != KIND_OTHER and symbol < 0:
                symbol = find_symbol(
                    text, name, name_end, symbols, symbol_lengths, symbol_count, last_symbol
                )
                if symbol < 0:
                    status = NEW_SYMBOL
                    break
                last_symbol = symbol
                if quick and fields < at.MOST_FIELDS:
                    remember(templates, slot, message_at, end, found, fields, kind, symbol)
                    forget(shapes, slot)
        if kind == KIND_OTHER:
            symbol = _UNKNOWN
            end = place
            while end < stop and peek(text, end) != 10:
                end += 1
            end += 1
            if end - place == 1 or (end - place == 2 and peek(text, place) == 13):
                kind = KIND_BLANK
            whole[at.EXCHANGE] = whole[at.TRANSACTION] = -1
            out.offset[message] = place
            out.length[message] = min(end, stop) - place
        elif kind == KIND_DIFF:
            for k in range(3):
                poke(out.update_ids, 3 * diff + k, whole[at.FIRST + k])
            poke(out.level_counts, 2 * diff, whole[at.BIDS] - bids)
            poke(out.level_counts, 2 * diff + 1, whole[at.ASKS] - asks)
            bids, asks = whole[at.BIDS], whole[at.ASKS]
            diff += 1
        elif kind == KIND_QUOTE:
            poke(out.quote_id, quote, whole[at.LAST])
            for k in range(4):
                poke(out.quotes, 4 * quote + k, real[at.BID + k])
            quote += 1
        else:
            poke(out.trade_id, trade, whole[at.IDENTITY])
            poke(out.trades, 2 * trade, real[at.PRICE])
            poke(out.trades, 2 * trade + 1, real[at.SIZE])
            poke(out.maker, trade, whole[at.MAKER] != 0)
            trade += 1
        exchange, transaction = whole[at.EXCHANGE], whole[at.TRANSACTION]
        poke(out.kind, message, kind)
        poke(out.symbol, message, symbol)
        poke(out.receive, message, receive)
        poke(out.exchange, message, exchange * 1_000_000 if exchange >= 0 else -1)
        poke(out.transaction, message, transaction * 1_000_000 if transaction >= 0 else -1)
        message += 1
        place = end
    for k, used in enumerate((message, diff, quote, trade, bids, asks)):
        out.used[k] = used
    return status, place
