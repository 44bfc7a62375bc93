"""From the decoder's columns to Arrow batches in the schemas of the raw tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.chunks import Chunk, Times
from imbalance.captures.clocks import NO_TIME, SOURCES
from imbalance.captures.rows import (
    Contract,
    id_column,
    in_base,
    number_column,
    time_column,
    word_column,
)
from imbalance.store.texts import same_word


class Batches:
    """Makes batches of one capture's chunks.

    Parameters
    ----------
    capture_id : the capture.
    instruments : the decoder's list, which grows while it decodes.
    contracts : by instrument; one that is not there is sized in base units.
    """

    def __init__(
        self, capture_id: str, instruments: list[str], contracts: Mapping[str, Contract]
    ) -> None:
        self._capture_id = capture_id
        self._instruments = instruments
        self._contracts = contracts

    def tables(self, chunk: Chunk) -> dict[str, tuple[Any, pa.Table]]:
        """By table: the event times (int64 ns) and the rows of a chunk; of tables with rows."""
        makers = {
            "raw.book_updates": (self._books, chunk.books),
            "raw.trades": (self._trades, chunk.trades),
            "raw.quotes": (self._quotes, chunk.quotes),
            "raw.derivative_ticks": (self._marks, chunk.marks),
        }
        return {name: make(events) for name, (make, events) in makers.items() if len(events[0])}

    def _common(self, times: Times) -> tuple[dict[str, Any], dict[str, Any]]:
        head = {"instrument": word_column(self._instruments, times.instrument)}
        tail = {
            "exchange_time": time_column(times.exchange),
            "transaction_time": time_column(times.transaction),
            "receive_time": time_column(times.receive),
            "event_time": time_column(times.event),
            "time_source": word_column(SOURCES, times.source),
            "available_at": time_column(times.available),
            "capture_id": same_word(self._capture_id, len(times)),
            "line": pa.array(times.line),
        }
        return head, tail

    def _books(self, books: tuple[Any, ...]) -> tuple[Any, pa.Table]:
        times, snapshot, ids, bid_offsets, ask_offsets, *levels = books
        head, tail = self._common(times)
        bids = pa.array(bid_offsets.astype(np.int32))
        asks = pa.array(ask_offsets.astype(np.int32))
        lists = [
            pa.ListArray.from_arrays(offsets, pa.array(values))
            for offsets, values in zip((bids, bids, asks, asks), levels, strict=True)
        ]
        return times.event, pa.table(
            {
                **head,
                "kind": word_column(("diff", "snapshot"), snapshot),
                "first_update_id": id_column(ids[:, 0]),
                "last_update_id": id_column(ids[:, 1]),
                "previous_update_id": id_column(ids[:, 2]),
                **dict(
                    zip(("bid_prices", "bid_sizes", "ask_prices", "ask_sizes"), lists, strict=True)
                ),
                **tail,
            }
        )

    def _trades(self, trades: tuple[Any, ...]) -> tuple[Any, pa.Table]:
        times, aggregate, identity, values, maker = trades
        head, tail = self._common(times)
        price, size = np.ascontiguousarray(values[:, 0]), np.ascontiguousarray(values[:, 1])
        base = in_base(self._instruments, self._contracts, times.instrument, price, size)
        return times.event, pa.table(
            {
                **head,
                "kind": word_column(("trade", "aggregate_trade"), aggregate),
                "trade_id": pa.array(identity),
                "price": pa.array(price),
                "size": pa.array(size),
                "size_base": number_column(base),
                # the buyer was the maker: the aggressor sold
                "side": word_column(("buy", "sell"), maker),
                **tail,
            }
        )

    def _quotes(self, quotes: tuple[Any, ...]) -> tuple[Any, pa.Table]:
        times, identity, values = quotes
        head, tail = self._common(times)
        names = ("bid_price", "bid_size", "ask_price", "ask_size")
        return times.event, pa.table(
            {
                **head,
                "update_id": pa.array(identity),
                **{
                    name: pa.array(np.ascontiguousarray(values[:, k]))
                    for k, name in enumerate(names)
                },
                **tail,
            }
        )

    def _marks(self, marks: tuple[Any, ...]) -> tuple[Any, pa.Table]:
        times, values = marks
        head, tail = self._common(times)
        names = ("mark_price", "index_price", "settlement_price", "funding_rate")
        columns = {
            name: pa.array(np.ascontiguousarray(values[:, k]), from_pandas=True)
            for k, name in enumerate(names)
        }
        due = np.where(np.isnan(values[:, 4]), NO_TIME, values[:, 4]).astype(np.int64)
        due[due != NO_TIME] *= 1_000_000  # in whole numbers: a double has no room for them
        columns["next_funding_time"] = time_column(due)
        return times.event, pa.table({**head, **columns, **tail})
