"""The proof of a rebuild: its best prices and sizes against the venue's own quotes.

A quote (bookTicker) carries the update id of the book it shows. Where a book message ends on the
same id, both must show the same best bid and ask, to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from imbalance.beside import Beside

_AHEAD = 4
"""Comparisons that may wait: they hold what they compare."""


class QuoteProof:
    """Compares one instrument's book with its quotes, both read forwards.

    Parameters
    ----------
    instrument : whose quotes.
    quotes : the file of `raw.quotes`, None where there is none.
    unit : by what the book's sizes as sent have been multiplied.
    """

    def __init__(self, instrument: str, quotes: Path | None, unit: float = 1.0) -> None:
        self._instrument = instrument
        self._unit = unit
        self._batches = self._read(quotes) if quotes else iter(())
        self._ids = np.empty(0, np.int64)
        self._best = np.empty((0, 4))
        self._ended = quotes is None
        self.compared = 0
        self.mismatched = 0
        self.agreed_since = 0
        self.first_mismatch: int | None = None

    def compare(self, ids: Any, best: Any) -> None:
        """Compare book states after messages of increasing update ids.

        Parameters
        ----------
        ids : int64 (n,), last update id of each message.
        best : float64 (n, 4), best bid, size, best ask, size, in the book's units.
        """
        if not len(ids):
            return
        highest = int(ids.max())
        while not self._ended and (not len(self._ids) or self._ids[-1] < highest):
            found = next(self._batches, None)
            if found is None:
                self._ended = True
                break
            later = found[0] >= ids.min()
            self._ids = np.concatenate([self._ids[self._ids >= ids.min()], found[0][later]])
            self._best = np.concatenate(
                [self._best[len(self._best) - len(self._ids) + int(later.sum()) :], found[1][later]]
            )
        places = np.searchsorted(self._ids, ids)
        inside = places < len(self._ids)
        same = np.zeros(len(ids), bool)
        same[inside] = self._ids[places[inside]] == ids[inside]
        differs = (self._best[places[same]] != best[same]).any(axis=1)
        self.compared += int(same.sum())
        self.mismatched += int(differs.sum())
        if differs.any():
            self.agreed_since = 0
            if self.first_mismatch is None:
                self.first_mismatch = int(ids[same][differs][0])
        self.agreed_since += int(differs[::-1].argmax()) if differs.any() else len(differs)

    def row(self) -> dict[str, Any]:
        """The instrument's row of `book.quote_agreement`."""
        return {
            "instrument": self._instrument,
            "compared": self.compared,
            "mismatched": self.mismatched,
            "agreed_since": self.agreed_since,
            "first_mismatch_update_id": self.first_mismatch,
        }

    def _read(self, path: Path) -> Iterator[tuple[Any, Any]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = ["bid_price", "bid_size", "ask_price", "ask_size"]
        with pq.ParquetFile(path, read_dictionary=["instrument"]) as file:
            for batch in file.iter_batches(65_536, columns=["instrument", "update_id", *names]):
                instruments = batch.column("instrument")
                wanted = instruments.dictionary.index(self._instrument).as_py()
                mine = instruments.indices.to_numpy() == wanted
                mine &= batch.column("update_id").is_valid().to_numpy(zero_copy_only=False)
                if not mine.any():
                    continue
                if not mine.all():
                    batch = batch.filter(pa.array(mine))
                ids = batch.column("update_id").to_numpy()
                best = np.stack([batch.column(name).to_numpy() for name in names], axis=1)
                best[:, 1::2] *= self._unit
                if not (np.diff(ids) >= 0).all():
                    order = np.argsort(ids, kind="stable")
                    ids, best = ids[order], best[order]
                yield ids, best


class Proving:
    """Proofs of a venue's instruments, made in a thread beside the rebuild that they judge.

    A context: at its end all comparisons are made, or the first error among them is raised.

    Parameters
    ----------
    proofs : filled with the proof of each instrument that is compared.
    quotes : the file of `raw.quotes`, None where there is none.
    unit_of : by what an instrument's sizes as sent are multiplied in its book.
    """

    def __init__(
        self, proofs: dict[str, QuoteProof], quotes: Path | None, unit_of: Callable[[str], float]
    ) -> None:
        self._proofs = proofs
        self._quotes = quotes
        self._unit_of = unit_of
        self._beside = Beside("prove", _AHEAD)

    def compare(self, instrument: str, ids: Any, best: Any) -> None:
        """As `QuoteProof.compare`, some time soon; raises what an earlier comparison raised."""
        if instrument not in self._proofs:
            unit = self._unit_of(instrument)
            self._proofs[instrument] = QuoteProof(instrument, self._quotes, unit)
        self._beside.do(self._proofs[instrument].compare, ids, best)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        try:
            if kind is None:
                self._beside.finish()
        finally:
            self._beside.end()
