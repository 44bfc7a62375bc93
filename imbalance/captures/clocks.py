"""The clocks of a capture: what time an event speaks of, and when it could have been known.

The recorder's skew is taken only from what came before: the running minimum of receive −
exchange time. A message cannot be received before it is sent, so a negative minimum is skew and
receive times are moved forward by it. A positive minimum may be latency as well as skew, and is
left alone: correcting for it would let a row be known too early.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.kernels import jit

SOURCES = ("transaction", "exchange", "receive")
"""Values of `time_source` by code."""

NO_TIME = -1


class Clocks:
    """Carries the skew of a capture and the last `available_at` of each instrument."""

    def __init__(self) -> None:
        self._state = np.array([np.iinfo(np.int64).max, 0], np.int64)
        self._last = np.full(64, np.iinfo(np.int64).min, np.int64)

    @property
    def smallest_difference(self) -> int | None:
        """Smallest receive − exchange time so far, in ns; None before both were seen."""
        return int(self._state[0]) if self._state[1] else None

    def read(
        self, receive: Any, exchange: Any, transaction: Any, instrument: Any
    ) -> tuple[Any, Any, Any]:
        """Times of messages in the order of their lines.

        Parameters
        ----------
        receive, exchange, transaction : int64 (n,), ns; `NO_TIME` where there is none.
        instrument : int32 (n,), index of the instrument.

        Returns
        -------
        event_time, source, available_at : int64, uint8 (index into `SOURCES`), int64 (n,).
        """
        highest = int(instrument.max(initial=0))
        if highest >= len(self._last):
            grown = np.full(2 * highest, np.iinfo(np.int64).min, np.int64)
            grown[: len(self._last)] = self._last
            self._last = grown
        return _read(receive, exchange, transaction, instrument, self._state, self._last)


@jit
def _read(
    receive: Any, exchange: Any, transaction: Any, instrument: Any, state: Any, last: Any
) -> Any:
    count = len(receive)
    event_time = np.empty(count, np.int64)
    source = np.empty(count, np.uint8)
    available_at = np.empty(count, np.int64)
    for k in range(count):
        sent = exchange[k] if exchange[k] != NO_TIME else transaction[k]
        if sent != NO_TIME and receive[k] != NO_TIME:
            state[0] = min(state[0], receive[k] - sent)
            state[1] = 1
        received = receive[k]
        if received != NO_TIME:
            received -= min(state[0], 0)
        if transaction[k] != NO_TIME:
            event_time[k], source[k] = transaction[k], 0
        elif exchange[k] != NO_TIME:
            event_time[k], source[k] = exchange[k], 1
        else:
            event_time[k], source[k] = received, 2
        known = max(event_time[k], received, last[instrument[k]])
        last[instrument[k]] = known
        available_at[k] = known
    return event_time, source, available_at
