"""The regression of price changes on order flow, window by window. No bars, no windows in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class PriceImpact:
    """Estimates per window, arrays of shape (windows,) in ascending order of window.

    `intercept` and `slope` are in ticks and ticks per unit of flow; `error` and `t_value` are the
    slope's with White's covariance; `r_squared` is the share of variance explained; `n` the bars
    used. `t_value` is infinite where the line fits exactly.
    """

    window: NDArray[np.int64]
    n: NDArray[np.int64]
    intercept: NDArray[np.float64]
    slope: NDArray[np.float64]
    error: NDArray[np.float64]
    t_value: NDArray[np.float64]
    r_squared: NDArray[np.float64]


def price_impact(
    flow: ArrayLike, price_change: ArrayLike, window: ArrayLike, *, least_bars: int = 20
) -> PriceImpact:
    """Fit ΔP_k = α + β·OFI_k + ε_k by least squares in each window.

    Parameters
    ----------
    flow, price_change : array, shape (bars,)
        Order flow, and the change of the mid in ticks, per bar. Bars with a NaN in either are left
        out.
    window : array of int, shape (bars,)
        Window of each bar; half-hours in the source.
    least_bars : int
        Windows with fewer bars are left out, and so are those in which either side does not vary.

    Notes
    -----
    The slope's variance is White's (HC0): Σ (x_k − x̄)² ε_k² / (Σ (x_k − x̄)²)².
    Source: Cont, Kukanov, Stoikov 2014, eq. 14, with 10 s bars and half-hour windows.
    """
    x = np.asarray(flow, dtype=np.float64)
    y = np.asarray(price_change, dtype=np.float64)
    label = np.asarray(window, dtype=np.int64)
    usable = np.isfinite(x) & np.isfinite(y)
    rows = []
    for name in np.unique(label[usable]):
        chosen = usable & (label == name)
        if chosen.sum() < least_bars:
            continue
        if np.ptp(x[chosen]) > 0.0 and np.ptp(y[chosen]) > 0.0:
            rows.append((name, chosen.sum(), *_fit(x[chosen], y[chosen])))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    return PriceImpact(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        *(np.array(column, dtype=np.float64) for column in columns[2:]),
    )


def _fit(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[float, float, float, float, float]:
    dx, dy = x - x.mean(), y - y.mean()
    sxx = float(dx @ dx)
    slope = float(dx @ dy) / sxx
    residual = dy - slope * dx
    syy = float(dy @ dy)
    error = float(np.sqrt((dx * dx) @ (residual * residual))) / sxx
    return (
        float(y.mean() - slope * x.mean()),
        slope,
        error,
        slope / error if error > 0.0 else float("inf"),
        1.0 - float(residual @ residual) / syy if syy > 0.0 else float("nan"),
    )
