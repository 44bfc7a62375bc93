"""Regimes of stretches of bars, for what is estimated from many bars in a row.

A stretch is of the level that its measure had before it began, so that what happens in the stretch
does not decide where it is counted. Levels of single bars are in `alignment`, comparisons in
`levels`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.measures import LEVELS, TIME

Mask = NDArray[np.bool_]
Index = NDArray[np.intp]

FEWEST = 6
"""Stretches of a level without which it is not compared."""

PARAMETERS = {
    "regimes": "terciles, over the stretches, of the mean of instrument_x's measure in as many "
    "bars before each; or hours UTC of its first bar",
}


def stretch_masks(
    panel: Panel, instrument: str, regime: str, starts: Index, length: int,
    limits: Index | None = None,
) -> dict[str, Mask | None]:
    """Stretches of each level of a regime; None where the bars do not have its measure.

    Parameters
    ----------
    starts, length : first slot of each stretch, and how many it holds. The level is of the mean
        over as many slots before; without half of them the stretch is of no level.
    limits : places of the stretches that the terciles are of; None for all.
    """
    if regime == TIME:
        found = {}
        for name in panel.levels(regime):
            mask = panel.regime(instrument, name)
            found[name] = None if mask is None else mask[starts]
        return found
    names = [f"{regime}_{level}" for level in LEVELS]
    values = panel.regime_values(instrument, regime)
    if values is None:
        return dict.fromkeys(names)
    before = _means_before(values, starts, length)
    known = before if limits is None else before[limits]
    known = known[np.isfinite(known)]
    if not len(known):
        return {name: np.zeros(len(starts), dtype=np.bool_) for name in names}
    low, high = np.quantile(known, [1.0 / 3.0, 2.0 / 3.0])
    with np.errstate(invalid="ignore"):
        return dict(zip(names, (
            before <= low, (before > low) & (before <= high), before > high), strict=True))


def tiles(starts: Sequence[int], length: int, slots: int) -> tuple[Index, Index]:
    """Stretches that fill the slots: the given ones, and shorter ones between them.

    Returns
    -------
    the first slot of each and, behind the last, the end; places of the given ones.
    """
    edges: list[int] = []
    places, end = [], 0
    for start in (*starts, slots):
        edges += range(end, start, length)
        places.append(len(edges))
        edges.append(start)
        end = start + length
    return np.array(edges, dtype=np.intp), np.array(places[:-1], dtype=np.intp)


def counts_in(bars: Mask, starts: Index, length: int | Index) -> Index:
    """Bars in each stretch."""
    counts = np.concatenate([[0], np.cumsum(bars)])
    return np.asarray(counts[starts + length] - counts[starts])


def _means_before(values: NDArray[np.float64], starts: Index, length: int) -> NDArray[np.float64]:
    """Mean of the `length` values before each start; NaN without half of them."""
    there = np.isfinite(values)
    counts = np.concatenate([[0], np.cumsum(there)])
    sums = np.concatenate([[0.0], np.cumsum(np.where(there, values, 0.0))])
    first = np.maximum(starts - length, 0)
    n = counts[starts] - counts[first]
    return np.where(2 * n >= length, (sums[starts] - sums[first]) / np.maximum(n, 1), np.nan)
