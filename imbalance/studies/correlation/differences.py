"""Whether correlations differ between the levels of a regime: a row per comparison.

The levels of a regime share a window, and what happens in one goes on in the next, so that their
estimates are tested together, with one long-run covariance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.correlation.estimators import pearson_influence
from imbalance.studies.correlation.study import CorrelationFamily
from imbalance.studies.covariance import long_run_variance
from imbalance.studies.pairs import Series
from imbalance.studies.prepared_series import SeriesPool
from imbalance.studies.rows import Row, Window, blank, share

Vector = NDArray[np.float64]

TABLE = "correlation_difference"

_WORST_CONDITION = 1e10


@dataclass(frozen=True)
class Levels:
    """Correlations at the levels of a regime, with the covariance of the estimates."""

    names: tuple[str, ...]
    estimates: Vector
    covariance: NDArray[np.float64]
    n: int


def compare(panel: Panel, family: CorrelationFamily, window: Window, pool: SeriesPool,
            pairs: list[tuple[Series, Series]]) -> list[Row]:
    """Rows of `studies.correlation_difference` of one family on one bar size.

    Parameters
    ----------
    pool : prepared series.
    pairs : pairs of series that can be used.
    """
    rows = []
    for x, y in pairs:
        values = pool.get(x).values, pool.get(y).values
        for regime in family.regimes:
            for lag in family.regime_lags:
                if lag <= 0 and x == y:
                    continue
                template = blank(TABLE, family.name, window, _PARAMETERS) | {
                    "instrument_x": x[0], "measure_x": x[1], "instrument_y": y[0],
                    "measure_y": y[1], "lag": lag, "horizon": 1, "regime": regime,
                    "kind": "contemporaneous" if lag == 0 else "predictive",
                }
                found = _levels(panel, x[0], regime, *_shifted(*values, lag), family.minimum_bars)
                there = int((panel.exists[x[0]] & panel.exists[y[0]]).sum())
                rows += [template | row for row in _rows(found, there, family.significance)]
    return rows


_PARAMETERS = {
    "correlation": "Pearson",
    "covariance": "Bartlett HAC of the influence values of all levels, prewhitened",
    "equality": "Wald test that all levels have one correlation; the estimate is chi-squared",
    "regimes": "terciles of the window; regime of instrument_x in the bar before; or hours UTC",
}


def _shifted(x: Vector, y: Vector, lag: int) -> tuple[Vector, Vector]:
    """x_t beside y_{t+lag}, on the slots of x."""
    moved = np.full(len(y), np.nan)
    if lag >= 0:
        moved[: len(y) - lag] = y[lag:]
    else:
        moved[-lag:] = y[:lag]
    return x, moved


def _levels(panel: Panel, instrument: str, regime: str, x: Vector, y: Vector, least: int
            ) -> Levels | str:
    """Correlations by level, or the reason why there are none."""
    names = panel.levels(regime)
    if len(names) < 2:
        return "one_level"
    estimates, scores, counts = [], [], []
    for name in names:
        mask = panel.regime(instrument, name)
        if mask is None:
            return "no_such_measure"
        r, psi = pearson_influence(np.where(mask, x, np.nan), y)
        count = int(np.isfinite(psi).sum())
        if count < least:
            return "too_few_bars"
        if not abs(r) < 1.0 - 1e-10:
            return "collinear" if np.isfinite(r) else "constant_series"
        estimates.append(r)
        scores.append(psi)
        counts.append(count)
    stacked = np.column_stack(scores)
    used = np.asarray(np.isfinite(stacked).any(axis=1))
    n = int(used.sum())
    weighted = np.where(used[:, None], np.nan_to_num(stacked) * (n / np.array(counts)), np.nan)
    variance = long_run_variance(weighted, prewhiten=True).matrix / n
    if not np.linalg.cond(variance) < _WORST_CONDITION:
        return "collinear"
    return Levels(names, np.array(estimates), variance, n)


def _rows(found: Levels | str, there: int, significance: float) -> Iterator[dict[str, Any]]:
    from scipy.special import chdtrc, ndtr, ndtri

    if isinstance(found, str):
        yield {"estimator": "equality", "reason": found, "n_left_out": there,
               "coverage": share(0, there)}
        return
    left_out = max(there - found.n, 0)
    common = {"n": found.n, "n_left_out": left_out, "coverage": share(found.n, left_out)}
    contrasts = np.column_stack([-np.ones(len(found.names) - 1), np.eye(len(found.names) - 1)])
    change = contrasts @ found.estimates
    covariance = contrasts @ found.covariance @ contrasts.T
    statistic = float(change @ np.linalg.solve(covariance, change))
    yield common | {"estimator": "equality", "estimate": statistic,
                    "p_value": float(chdtrc(len(change), statistic))}
    if found.names[-1].endswith("_high"):
        error = float(np.sqrt(covariance[-1, -1]))
        half = float(ndtri(1.0 - significance / 2.0)) * error
        yield common | {
            "estimator": "high_less_low", "estimate": float(change[-1]), "standard_error": error,
            "interval_low": float(change[-1]) - half, "interval_high": float(change[-1]) + half,
            "p_value": float(2.0 * ndtr(-abs(change[-1]) / error)),
        }
