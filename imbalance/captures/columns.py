"""The buffers which a scan fills: their layout and size. What goes into them is in `scanner`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Columns(NamedTuple):
    """Buffers a scan fills; `used` counts messages, diffs, quotes, trades, bid and ask levels."""

    used: Any
    kind: Any
    symbol: Any
    offset: Any
    length: Any
    receive: Any
    exchange: Any
    transaction: Any
    update_ids: Any
    level_counts: Any
    bid_price: Any
    bid_size: Any
    ask_price: Any
    ask_size: Any
    quote_id: Any
    quotes: Any
    trade_id: Any
    trades: Any
    maker: Any


def allocate(text_bytes: int) -> Columns:
    """Buffers large enough for any text of that many bytes (a message understood has at least 60,
    any other line one; a level at least 9). What is not used costs no memory.
    """
    messages, levels = text_bytes + 2, text_bytes // 9 + 2
    wanted = text_bytes // 60 + 2
    return Columns(
        used=np.zeros(6, np.int64),
        kind=np.empty(messages, np.uint8),
        symbol=np.empty(messages, np.int32),
        offset=np.empty(messages, np.int64),
        length=np.empty(messages, np.int64),
        receive=np.empty(messages, np.int64),
        exchange=np.empty(messages, np.int64),
        transaction=np.empty(messages, np.int64),
        update_ids=np.empty((wanted, 3), np.int64),
        level_counts=np.empty((wanted, 2), np.int64),
        bid_price=np.empty(levels),
        bid_size=np.empty(levels),
        ask_price=np.empty(levels),
        ask_size=np.empty(levels),
        quote_id=np.empty(wanted, np.int64),
        quotes=np.empty((wanted, 4)),
        trade_id=np.empty(wanted, np.int64),
        trades=np.empty((wanted, 2)),
        maker=np.empty(wanted, np.bool_),
    )
