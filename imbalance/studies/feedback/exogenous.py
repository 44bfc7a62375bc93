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
from imbalance.studies.feedback.study import TIME_OF_DAY, FeedbackFamily
from imbalance.studies.feedback.systems import System, explained_rows
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.pairs import Series

Vector = NDArray[np.float64]

_HOUR = 3_600_000_000_000
SHORTEST = 12 * _HOUR
"""Span from which waves of a day can be told from a trend."""

WAVES = 2
"""Harmonics of the day: 24 and 12 hours."""

_ROUNDING = 1e-12
"""Share of a term's size up to which its deviation counts as none."""
_WORST_CONDITION = 1e5
"""Of the standardised terms; that of the fit, of squares and with lags, is beyond its square."""


def with_exogenous(panel: Panel, system: System, family: FeedbackFamily) -> System:
    """The system with the terms that the window can bear, and why it cannot bear the others;
    `panel` is of its instruments.

    A measure is taken as of the bar before, so that it is known when the bar begins; one that the
    bars do not have, that does not vary, or that lacks over half of the system's bars is left out.
    The time of day is sine and cosine of 24 and 12 hours, where the system's bars go over 12 hours
    or longer. A term is left out too beside which too few bars would be explained, or which over
    those that are is constant, or tells what the terms before it tell, such as rates that change
    at the same time.
    """
    left_out: dict[str, str] = {}
    taken = system
    for (instrument, measure), term in _terms(panel, system, family.exogenous):
        if not isinstance(term, str):
            wider = replace(
                taken, exogenous_names=(*taken.exogenous_names, (instrument, measure)),
                exogenous=np.column_stack([term] if taken.exogenous is None
                                          else [taken.exogenous, term]))
            reason = _unbearable(wider, family)
            if reason is None:
                taken = wider
                continue
            term = reason
        left_out[measure if instrument == ANY else f"{instrument}:{measure}"] = term
    return replace(taken, exogenous_left_out=left_out)


def _terms(
    panel: Panel, system: System, names: Sequence[str]
) -> Iterator[tuple[Series, Vector | str]]:
    """Each declared term by itself, or why it cannot be one."""
    used = np.flatnonzero(np.isfinite(system.data).all(axis=1))
    bars = used[-1] + 1 - used[0] if len(used) else 0
    for name in names:
        if name != TIME_OF_DAY:
            for instrument in system.instruments:
                yield (instrument, name), _measure(panel, used, instrument, name)
        elif bars * BAR_NANOSECONDS[panel.bar_size] < SHORTEST:
            yield (ANY, name), "too_short"
        else:
            yield from _waves(panel)


def _unbearable(system: System, family: FeedbackFamily) -> str | None:
    """Why the last term of a system cannot be in it; None when it can."""
    _, rows = explained_rows(system, family)
    if system.exogenous is None or not len(rows):
        return "too_few_bars"
    terms = system.exogenous[rows]
    varies = terms.std(axis=0) > _ROUNDING * np.abs(terms).max(axis=0)
    if not varies[-1]:
        return "constant_series"
    if not varies.all():
        return "collinear"
    scaled = (terms - terms.mean(axis=0)) / terms.std(axis=0)
    return "collinear" if np.linalg.cond(scaled) > _WORST_CONDITION else None


def _waves(panel: Panel) -> Iterator[tuple[Series, Vector]]:
    day = 2.0 * np.pi * (panel.starts % (24 * _HOUR)) / (24 * _HOUR)
    for wave in range(1, WAVES + 1):
        hours = 24 // wave
        yield (ANY, f"time_of_day_sine_{hours}h"), np.sin(wave * day)
        yield (ANY, f"time_of_day_cosine_{hours}h"), np.cos(wave * day)


def _measure(
    panel: Panel, used: NDArray[np.intp], instrument: str, name: str
) -> Vector | str:
    """The measure of the bar before, or why it cannot be a term of a system of the bars `used`."""
    values = panel.series(instrument, name)
    if values is None:
        return "no_such_measure"
    before = np.concatenate([[np.nan], values[:-1]])
    there = before[used]
    there = there[np.isfinite(there)]
    if not len(there):
        return "all_null"
    if len(there) <= len(used) / 2.0:
        return "too_few_bars"
    return before if np.ptp(there) > 0.0 else "constant_series"
