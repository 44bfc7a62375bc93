"""An estimate at the levels of a regime, and whether the levels differ.

For any estimator that says what each bar adds to it. The levels of a regime share a window, and
what happens in one goes on in the next: what all bars add stands in one matrix, a column for each
level, whose long-run covariance is that of the estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.covariance import long_run_variance
from imbalance.studies.difference_tables import EQUALITY, HIGH_LESS_LOW
from imbalance.studies.rows import Row, share

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]

_WORST_CONDITION = 1e10

PARAMETERS = {
    "covariance": "Bartlett HAC of the influence values of all levels, prewhitened",
    "equality": "Wald test that all levels have one value, against F; the estimate is the Wald "
    "statistic",
    "intervals": "Student's t, n − 1 of the level or of the smaller of two",
    "regimes": "terciles of the window; regime of instrument_x in the bar before; or hours UTC",
}
"""Settings of a comparison, as its rows tell them."""


@dataclass(frozen=True)
class Estimate:
    """A figure, and what each bar adds to it: its error is the error of the mean of these."""

    value: float
    influence: Vector
    """As long as the mask that the figure was made with; NaN where a bar is not used."""


Estimator = Callable[[Mask], Estimate | str]
"""From the bars of a level to the figure of that level, or to the reason why there is none."""


@dataclass(frozen=True)
class Level:
    """What is known of one level."""

    name: str
    there: int
    """Bars of the level, used or not."""
    n: int = 0
    """Observations used: bars, or stretches of them."""
    bars: int = 0
    """Bars in these."""
    value: float = np.nan
    error: float = np.nan
    reason: str | None = None


@dataclass(frozen=True)
class Contrast:
    """A difference of two levels with its error, and the bars behind it."""

    value: float
    error: float
    degrees: int
    """Of freedom: n − 1 of the smaller level."""
    bars: int


@dataclass(frozen=True)
class Levels:
    """The levels of a regime side by side."""

    regime: str
    levels: tuple[Level, ...]
    covariance: Vector = field(default_factory=lambda: np.empty((0, 0)))
    """Of the values of those that have one, in their order."""

    @property
    def found(self) -> tuple[Level, ...]:
        """Those that have a value."""
        return tuple(one for one in self.levels if one.reason is None)

    def high_less_low(self) -> Contrast | None:
        """The difference of the ends; None unless both are there and can be told apart."""
        names = [one.name for one in self.found]
        ends = [f"{self.regime}_{level}" for level in ("high", "low")]
        if not set(ends) <= set(names):
            return None
        i, j = map(names.index, ends)
        variance = self.covariance[i, i] + self.covariance[j, j] - 2.0 * self.covariance[i, j]
        if not variance > 0.0:
            return None
        high, low = self.found[i], self.found[j]
        return Contrast(high.value - low.value, float(np.sqrt(variance)),
                        min(high.n, low.n) - 1, high.bars + low.bars)

    def equality(self) -> tuple[float, float] | str:
        """Wald's statistic that all levels are one, and its p-value; or why there is none.

        The statistic over its degrees of freedom is held against F with those and n − 1 of the
        smallest level: against χ² it rejects too often where a level has few bars.
        """
        from scipy.special import fdtrc

        if len(self.levels) < 2:
            return "one_level"
        refused = [one.reason for one in self.levels if one.reason is not None]
        if refused:
            return refused[0]
        size = len(self.levels)
        contrasts = np.column_stack([-np.ones(size - 1), np.eye(size - 1)])
        change = contrasts @ np.array([one.value for one in self.levels])
        covariance = contrasts @ self.covariance @ contrasts.T
        if not np.linalg.cond(self.covariance) < _WORST_CONDITION:
            return "collinear"
        statistic = float(change @ np.linalg.solve(covariance, change))
        fewest = min(one.n for one in self.levels)
        return statistic, float(fdtrc(size - 1, fewest - 1, statistic / (size - 1)))


def at_levels(
    regime: str, masks: Mapping[str, Mask | None], there: Mask | Index, estimator: Estimator,
    sample: Index | None = None, bandwidth: float | None = None, bars: Index | None = None,
) -> Levels:
    """Estimate at every level, with the joint covariance of the estimates.

    Parameters
    ----------
    masks : name to the bars of a level, none of them in two; None where its measure is missing.
    there : bars that exist, used or not; or how many in each stretch.
    sample : places of the bars that the estimator works on, where not on all: masks are cut to
        them, and autocorrelation counts their steps.
    bandwidth : lags of the Bartlett kernel; None chooses them, after prewhitening.
    bars : pairs in each stretch that the estimator works on, where it works on stretches.

    Notes
    -----
    A level's column holds n/n_l times what its bars add, n the bars used at any level and n_l those
    of the level, and 0 at the bars of other levels; the covariance is the column's long-run one
    over n.
    """
    levels, scores = [], []
    for name, mask in masks.items():
        if mask is None:
            levels.append(Level(name, 0, reason="no_such_measure"))
            continue
        count = int(there[mask].sum())
        found = estimator(mask if sample is None else mask[sample])
        if isinstance(found, str):
            levels.append(Level(name, count, reason=found))
            continue
        taken = np.isfinite(found.influence)
        n = int(taken.sum())
        held = n if bars is None else int(bars[taken].sum())
        levels.append(Level(name, count, n, held, found.value))
        scores.append(found.influence)
    if not scores:
        return Levels(regime, tuple(levels))
    stacked = np.column_stack(scores)
    used = np.asarray(np.isfinite(stacked).any(axis=1))
    n = int(used.sum())
    counts = np.isfinite(stacked).sum(axis=0)
    weighted = np.where(used[:, None], np.nan_to_num(stacked) * (n / counts), np.nan)
    covariance = long_run_variance(
        weighted, prewhiten=bandwidth is None, bandwidth=bandwidth).matrix / n
    errors = iter(np.sqrt(np.maximum(np.diagonal(covariance), 0.0)).tolist())
    told = tuple(
        one if one.reason is not None else replace(one, error=next(errors)) for one in levels)
    return Levels(regime, told, covariance)


def regime_masks(panel: Panel, instrument: str, regime: str) -> dict[str, Mask | None]:
    """Bars of each level of a regime of an instrument, or of all of them (`*`)."""
    return {name: panel.regime(instrument, name) for name in panel.levels(regime)}


def level_rows(found: Levels, significance: float, *, tested: bool = False) -> Iterator[Row]:
    """What rows of the levels say beside what they are about: figures and counts, or a reason.

    Parameters
    ----------
    tested : whether they have a p-value of the figure being 0.
    """
    for one in found.levels:
        left_out = max(one.there - one.bars, 0)
        row = {"regime": one.name, "n": one.bars, "n_left_out": left_out,
               "coverage": share(one.bars, left_out)}
        if one.reason is not None:
            yield row | {"reason": one.reason}
        else:
            figures = student_figures(one.value, one.error, one.n - 1, significance)
            yield row | (figures if tested else figures | {"p_value": None})


def difference_rows(
    found: Levels, there: int, significance: float, *, refused: str | None = None
) -> Iterator[Row]:
    """Rows of a difference table beside what they are about: all equal, and high less low.

    Parameters
    ----------
    there : bars of the window, used or not.
    refused : why levels that all have a value are not compared.
    """
    n = sum(one.bars for one in found.found)
    left_out = max(there - n, 0)
    row = {"regime": found.regime, "n": n, "n_left_out": left_out, "coverage": share(n, left_out)}
    test = found.equality()
    if refused is not None and not isinstance(test, str):
        test = refused
    yield row | {"estimator": EQUALITY} | (
        {"reason": test} if isinstance(test, str) else {"estimate": test[0], "p_value": test[1]})
    ends = None if refused is not None else found.high_less_low()
    if ends is not None:
        yield row | {"estimator": HIGH_LESS_LOW} | student_figures(
            ends.value, ends.error, ends.degrees, significance)


def student_figures(
    value: float, error: float, degrees: int, significance: float
) -> dict[str, Any]:
    """Estimate, error, interval of Student's t, and the p-value of it being 0."""
    from scipy.special import stdtr, stdtrit

    half = float(stdtrit(degrees, 1.0 - significance / 2.0)) * error
    return {
        "estimate": value, "standard_error": error,
        "interval_low": value - half, "interval_high": value + half,
        "p_value": float(2.0 * stdtr(degrees, -abs(value) / error)) if error > 0.0 else None,
    }
