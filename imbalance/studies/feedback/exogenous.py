"""Terms of a system that explain and are not explained: the time of day, and slow measures.

Which they are is declared in the family; which of them a window can bear is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.columns import ANY
from imbalance.studies.feedback.study import TIME_OF_DAY
from imbalance.studies.feedback.systems import System
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.pairs import Series

Vector = NDArray[np.float64]

_HOUR = 3_600_000_000_000
SHORTEST = 12 * _HOUR
"""Span from which waves of a day can be told from a trend."""

WAVES = 2
"""Harmonics of the day: 24 and 12 hours."""


def with_exogenous(panel: Panel, system: System, names: Sequence[str]) -> System:
    """The system with the terms that the window can bear, and why it cannot bear the others;
    `panel` is of its instruments.

    A measure is taken as of the bar before, so that it is known when the bar begins; one that the
    bars do not have, that does not vary, or that lacks over half of the system's bars is left out.
    The time of day is sine and cosine of 24 and 12 hours, where the panel is 12 hours or longer.
    """
    found: list[tuple[Series, Vector]] = []
    left_out: dict[str, str] = {}
    for name in names:
        if name == TIME_OF_DAY and panel.slots * BAR_NANOSECONDS[panel.bar_size] < SHORTEST:
            left_out[name] = "too_short"
        elif name == TIME_OF_DAY:
            found.extend(_waves(panel))
        else:
            for instrument in system.instruments:
                term, reason = _measure(panel, system, instrument, name)
                if reason is not None:
                    left_out[f"{instrument}:{name}"] = reason
                else:
                    found.append(((instrument, name), term))
    return replace(
        system, exogenous_left_out=left_out, exogenous_names=tuple(name for name, _ in found),
        exogenous=np.column_stack([values for _, values in found]) if found else None,
    )


def _waves(panel: Panel) -> Iterator[tuple[Series, Vector]]:
    day = 2.0 * np.pi * (panel.starts % (24 * _HOUR)) / (24 * _HOUR)
    for wave in range(1, WAVES + 1):
        hours = 24 // wave
        yield (ANY, f"time_of_day_sine_{hours}h"), np.sin(wave * day)
        yield (ANY, f"time_of_day_cosine_{hours}h"), np.cos(wave * day)


def _measure(
    panel: Panel, system: System, instrument: str, name: str
) -> tuple[Vector, str | None]:
    """The measure of the bar before, and why it cannot be a term."""
    values = panel.series(instrument, name)
    if values is None:
        return np.empty(0), "no_such_measure"
    before = np.concatenate([[np.nan], values[:-1]])
    used = np.isfinite(system.data).all(axis=1)
    there = before[used & np.isfinite(before)]
    if not len(there):
        return before, "all_null"
    if len(there) <= used.sum() / 2.0:
        return before, "too_few_bars"
    return before, None if np.ptp(there) > 0.0 else "constant_series"
