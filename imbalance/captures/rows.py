"""From columns of events to rows of the raw tables, for every decoder but the scanner's own.

Columns are NumPy arrays in the order in which the events became known; NaN and `NO_ID` stand for
what was not sent. Nothing is decoded here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.clocks import NO_TIME, SOURCES, Clocks
from imbalance.captures.events import BookKind, Side
from imbalance.store.texts import same_word

NO_ID = -1
BOOK_KINDS: tuple[BookKind, ...] = ("diff", "snapshot", "image", "break")
SIDES: tuple[Side, ...] = ("buy", "sell")
NO_SIDE = 2

Tables = dict[str, tuple[Any, pa.Table]]
"""By table: event times (int64 ns) and rows."""


@dataclass(frozen=True)
class When:
    """Times and places of some events, (n,) each; times in ns, `NO_TIME` where there is none."""

    instrument: Any
    line: Any
    exchange: Any
    transaction: Any
    receive: Any
    event: Any
    source: Any
    available: Any

    @classmethod
    def read(
        cls, clocks: Clocks, instrument: Any, line: Any, exchange: Any, transaction: Any,
        receive: Any, stream: Any = None,
    ) -> When:
        """Times of events in the order in which they became known, of each `stream`: by default
        of each instrument.
        """
        stream = instrument if stream is None else stream
        event, source, available = clocks.read(receive, exchange, transaction, stream)
        return cls(instrument, line, exchange, transaction, receive, event, source, available)

    def take(self, rows: Any) -> When:
        """The same of some events (mask or indices)."""
        return When(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.line)


@dataclass(frozen=True)
class Contract:
    """What one unit of size is: base units, of inverse contracts quote units; NaN: not known."""

    multiplier: float
    inverse: bool


class Rows:
    """Makes rows of one capture.

    Parameters
    ----------
    capture_id : the capture.
    instruments : the decoder's list, which grows while it decodes.
    contracts : by instrument; one that is not there is sized in base units.
    """

    def __init__(
        self, capture_id: str, instruments: Sequence[str], contracts: Mapping[str, Contract]
    ) -> None:
        self._capture_id = capture_id
        self._instruments = instruments
        self._contracts = contracts

    def _rows(self, when: When, columns: Mapping[str, pa.Array]) -> tuple[Any, pa.Table]:
        return when.event, pa.table(
            {
                "instrument": word_column(self._instruments, when.instrument),
                **columns,
                "exchange_time": time_column(when.exchange),
                "transaction_time": time_column(when.transaction),
                "receive_time": time_column(when.receive),
                "event_time": time_column(when.event),
                "time_source": word_column(SOURCES, when.source),
                "available_at": time_column(when.available),
                "capture_id": same_word(self._capture_id, len(when)),
                "line": pa.array(when.line),
            }
        )

    def books(
        self, when: When, kind: Any, ids: Any, offsets: tuple[Any, Any], levels: Sequence[Any],
        notes: Sequence[str | None] | None = None,
    ) -> tuple[Any, pa.Table]:
        """`raw.book_updates`.

        Parameters
        ----------
        kind : index into `BOOK_KINDS`.
        ids : int64 (n, 3), first, last and previous id, `NO_ID` where not sent.
        offsets : int64 (n+1,) of the bids and of the asks.
        levels : bid prices, bid sizes, ask prices, ask sizes.
        """
        bids, asks = (pa.array(o.astype(np.int32)) for o in offsets)
        lists = [
            pa.ListArray.from_arrays(offset, pa.array(values, pa.float64()))
            for offset, values in zip((bids, bids, asks, asks), levels, strict=True)
        ]
        names = ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")
        return self._rows(
            when,
            {
                "kind": word_column(BOOK_KINDS, kind),
                "first_update_id": id_column(ids[:, 0]),
                "last_update_id": id_column(ids[:, 1]),
                "previous_update_id": id_column(ids[:, 2]),
                **dict(zip(names, lists, strict=True)),
                "note": pa.array(notes or [None] * len(when), pa.string()),
            },
        )

    def trades(
        self, when: When, aggregate: Any, identity: Any, keys: Sequence[str | None] | None,
        price: Any, size: Any, side: Any,
    ) -> tuple[Any, pa.Table]:  # fmt: skip
        """`raw.trades`. `side` is an index into `SIDES`, `NO_SIDE` where not sent."""
        return self._rows(
            when,
            {
                "kind": word_column(("trade", "aggregate_trade"), aggregate),
                "trade_id": id_column(identity),
                "trade_key": pa.array(keys or [None] * len(when), pa.string()),
                "price": pa.array(price),
                "size": pa.array(size),
                "size_base": number_column(self.in_base(when.instrument, price, size)),
                "side": word_column(SIDES, np.where(side == NO_SIDE, 0, side), side == NO_SIDE),
            },
        )

    def quotes(self, when: When, identity: Any, values: Any) -> tuple[Any, pa.Table]:
        """`raw.quotes`. `values` is (n, 4): bid, its size, ask, its size; NaN for what is not."""
        names = ("bid_price", "bid_size", "ask_price", "ask_size")
        columns = {name: number_column(values[:, k]) for k, name in enumerate(names)}
        return self._rows(when, {"update_id": id_column(identity), **columns})

    def plain(self, when: When, columns: Mapping[str, pa.Array]) -> tuple[Any, pa.Table]:
        """Rows of a table whose own columns are ready."""
        return self._rows(when, columns)

    def in_base(self, instrument: Any, price: Any, size: Any) -> Any:
        """Sizes in base units, NaN where that is not known."""
        return in_base(self._instruments, self._contracts, instrument, price, size)


def in_base(
    instruments: Sequence[str], contracts: Mapping[str, Contract], instrument: Any, price: Any,
    size: Any,
) -> Any:
    """Sizes in base units, NaN where nobody said what a contract is worth.

    Parameters
    ----------
    instruments : names by code; one without a contract is sized in base units.
    instrument, price, size : (n,) code, price and size as sent.
    """
    base = np.array(size, float)
    for position, name in enumerate(instruments):
        contract = contracts.get(name)
        if contract is not None:
            mine = instrument == position
            base[mine] *= contract.multiplier
            if contract.inverse:
                base[mine] /= price[mine]
    return base


def word_column(words: Sequence[str], codes: Any, missing: Any = None) -> pa.Array:
    """Words by code, null where missing. A dictionary: nobody copies or compares a text a row."""
    return pa.DictionaryArray.from_arrays(
        pa.array(np.asarray(codes, np.int32), mask=missing), pa.array(list(words), pa.string())
    )


def time_column(values: Any) -> pa.Array:
    """Times as Arrow, null where there is none."""
    return _whole_numbers(values, NO_TIME).view(pa.timestamp("ns"))


def whole_times(column: pa.ChunkedArray) -> Any:
    """The times of a column as NumPy, int64 ns, `NO_TIME` where null."""
    if column.num_chunks == 1:  # as nearly always: nothing is copied
        return _from_arrow(column.chunk(0).view(pa.int64()), NO_TIME)
    return _from_arrow(column.cast(pa.int64()), NO_TIME)


def whole_ids(column: pa.ChunkedArray) -> Any:
    """The ids of a column as NumPy, `NO_ID` where null."""
    return _from_arrow(column, NO_ID)


def _from_arrow(numbers: pa.ChunkedArray | pa.Array, none: int) -> Any:
    return (numbers.fill_null(none) if numbers.null_count else numbers).to_numpy()


def id_column(values: Any) -> pa.Array:
    """Ids as Arrow, null where there is none."""
    return _whole_numbers(values, NO_ID)


def _whole_numbers(values: Any, none: int) -> pa.Array:
    """Numbers of which none is below `none`, which stands for a missing one."""
    values = np.ascontiguousarray(values, np.int64)
    complete = values.min(initial=none + 1) > none
    return pa.array(values, mask=None if complete else values == none)


def number_column(values: Any) -> pa.Array:
    """Numbers as Arrow, null for NaN."""
    return pa.array(np.ascontiguousarray(values, float), from_pandas=True)


def key_number(text: str) -> int:
    """A number of 62 bits that stands for a text id: the same in every process."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 2
