"""The slope of return on flow by the levels of a regime, and whether the levels differ.

The same as one regression with an indicator of each level and its product with flow, since the
levels have no bar in common.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.covariance import long_run_variance
from imbalance.studies.measures import LEVELS

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class LevelSlopes:
    """Slopes of the levels that have one, with their covariance; why the others have none."""

    names: tuple[str, ...]
    slopes: Vector
    covariance: Vector
    counts: tuple[int, ...]
    refused: Mapping[str, str]

    def difference(self, regime: str) -> tuple[float, float, int] | None:
        """High less low, its error, and the bars of both; None unless both are there."""
        ends = [f"{regime}_{level}" for level in (LEVELS[-1], LEVELS[0])]
        if not set(ends) <= set(self.names):
            return None
        high, low = map(self.names.index, ends)
        variance = (self.covariance[high, high] + self.covariance[low, low]
                    - 2.0 * self.covariance[high, low])
        return (float(self.slopes[high] - self.slopes[low]), float(np.sqrt(max(variance, 0.0))),
                self.counts[high] + self.counts[low])


def level_slopes(flow: Vector, change: Vector, levels: Mapping[str, Mask], least: int
                 ) -> LevelSlopes:
    """β_l of change = Σ_l 1{l} (α_l + β_l flow) + ε, with HAC covariance over bars in time order.

    Parameters
    ----------
    levels : name to the bars of each level, none in two of them.
    least : fewest bars of a level.
    """
    both = np.isfinite(flow) & np.isfinite(change)
    names, slopes, counts, scores = [], [], [], []
    refused: dict[str, str] = {}
    for name, mask in levels.items():
        used = both & mask
        x, y = flow[used], change[used]
        if len(x) < max(least, 4):
            refused[name] = "too_few_bars"
        elif not (np.ptp(x) > 0.0 and np.ptp(y) > 0.0):
            refused[name] = "constant_series"
        else:
            centred = x - x.mean()
            squares = float(centred @ centred)
            slope = float(centred @ y) / squares
            score = np.where(both, 0.0, np.nan)
            score[used] = centred * (y - y.mean() - slope * centred) / squares
            names.append(name)
            slopes.append(slope)
            counts.append(len(x))
            scores.append(score)
    covariance = np.empty((0, 0))
    if names:
        found = long_run_variance(np.column_stack(scores))
        covariance = found.matrix * found.n
    return LevelSlopes(tuple(names), np.array(slopes), covariance, tuple(counts), refused)


def by_regime(
    panel: Panel, instrument: str, regimes: tuple[str, ...], flow: Vector, change: Vector,
    least: int,
) -> Iterator[tuple[str, LevelSlopes]]:
    """Slopes by the levels of each regime; levels whose measure the bars lack are refused."""
    for regime in regimes:
        masks: dict[str, Mask] = {}
        missing: dict[str, str] = {}
        for level in panel.levels(regime):
            mask = panel.regime(instrument, level)
            if mask is None:
                missing[level] = "no_such_measure"
            else:
                masks[level] = mask
        found = level_slopes(flow, change, masks, least)
        yield regime, LevelSlopes(found.names, found.slopes, found.covariance, found.counts,
                                  {**found.refused, **missing})
