"""The clocks of a capture: what time an event speaks of, and when it could have been known.

The recorder's skew is taken only from what came before: the running minimum of receive −
exchange time. A message cannot be received before it is sent, so a negative minimum is skew and
receive times are moved forward by it. A positive minimum may be latency as well as skew, and is
left alone: correcting for it would let a row be known too early.

A capture that follows another begins with the skew of that one (`seams`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures.kept import Keeps
from imbalance.kernels import jit

SOURCES = ("transaction", "exchange", "receive")
"""Values of `time_source` by code."""

NO_TIME = -1


_UNKNOWN = np.iinfo(np.int64).max
_NEVER = np.iinfo(np.int64).min


class Clocks(Keeps):
    """Carries the skew of a capture and the last `available_at` of each stream.

    Parameters
    ----------
    before : smallest difference of the capture which this one follows, ns; None where there is
        none.
    first : receive − exchange time and receive time, ns, of the first message that carries both:
        receipts before it are corrected by its difference, and count as known only when it came,
        since nothing was known of the skew until then. Without effect where `before` is given.
    """

    _state: np.ndarray
    _last: np.ndarray

    def __init__(self, before: int | None = None, first: tuple[int, int] | None = None) -> None:
        difference, received = (0, _NEVER) if first is None else first
        skew = min(difference, 0)
        self._state = np.array(
            [
                _UNKNOWN if before is None else before,
                _UNKNOWN,
                skew,
                _NEVER if first is None else received - skew,
            ],
            np.int64,
        )
        self._last = np.full(64, _NEVER, np.int64)

    @property
    def smallest_difference(self) -> int | None:
        """Smallest receive − exchange time of this capture's own messages so far, in ns; None
        before both were seen.
        """
        return None if self._state[1] == _UNKNOWN else int(self._state[1])

    @property
    def last_available(self) -> int | None:
        """The last `available_at` of any stream, ns; None before the first message."""
        known = int(self._last.max())
        return None if known == _NEVER else known

    def _make_room(self, highest: int) -> None:
        if highest >= len(self._last):
            grown = np.full(2 * highest, _NEVER, np.int64)
            grown[: len(self._last)] = self._last
            self._last = grown

    def read(
        self, receive: Any, exchange: Any, transaction: Any, stream: Any
    ) -> tuple[Any, Any, Any]:
        """Times of messages in the order of their lines.

        Parameters
        ----------
        receive, exchange, transaction : int64 (n,), ns; `NO_TIME` where there is none.
        stream : int32 (n,), number of what has one order of arrival, such as an instrument:
            `available_at` does not fall within it.

        Returns
        -------
        event_time, source, available_at : int64, uint8 (index into `SOURCES`), int64 (n,).
        """
        self._make_room(int(stream.max(initial=0)))
        return _read(receive, exchange, transaction, stream, self._state, self._last)


@jit
def _read(
    receive: Any, exchange: Any, transaction: Any, stream: Any, state: Any, last: Any
) -> Any:
    count = len(receive)
    event_time = np.empty(count, np.int64)
    source = np.empty(count, np.uint8)
    available_at = np.empty(count, np.int64)
    for k in range(count):
        sent = exchange[k] if exchange[k] != NO_TIME else transaction[k]
        if sent != NO_TIME and receive[k] != NO_TIME:
            state[0] = min(state[0], receive[k] - sent)
            state[1] = min(state[1], receive[k] - sent)
        received, waited = receive[k], _NEVER
        if received != NO_TIME:
            if state[0] == _UNKNOWN:
                received, waited = received - state[2], state[3]
            else:
                received -= min(state[0], 0)
        if transaction[k] != NO_TIME:
            event_time[k], source[k] = transaction[k], 0
        elif exchange[k] != NO_TIME:
            event_time[k], source[k] = exchange[k], 1
        else:
            event_time[k], source[k] = received, 2
        known = max(event_time[k], received, waited, last[stream[k]])
        last[stream[k]] = known
        available_at[k] = known
    return event_time, source, available_at
