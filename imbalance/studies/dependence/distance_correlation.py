"""Distance correlation of two series in O(n log n), with the influence of every pair on it.

Estimates only: what is tested against, and how significance is found, is in `surrogates.py`.

Sources: Székely, Rizzo and Bakirov 2007 (definition); Székely and Rizzo 2014 (bias-corrected);
Huo and Székely 2016 and Chaudhuri and Hu 2019 (by sorting instead of the n² distances).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit

Vector = NDArray[np.float64]

# Share of a mean square below which an unbiased variance is what rounding has left of none.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class DistanceCorrelation:
    """Distance correlation and its parts."""

    correlation: float
    """√(V²(x, y)/√(V²(x) V²(y))): 0 to 1."""
    covariance: float
    """V(x, y), the distance covariance."""
    bias_corrected: float
    """Bias-corrected squared distance correlation: mean 0 under independence, may be negative; nan
    where nearly all values of a series are equal (see `bias_corrected`)."""
    influence: Vector
    """Influence of every pair on the squared correlation, of mean 0."""


@dataclass(frozen=True)
class Margin:
    """What distance correlation needs to know of one series."""

    values: Vector
    """Centred and scaled."""
    order: NDArray[np.intp]
    scale: float
    means: Vector
    """Mean distance of each value from all."""
    mean: float
    squares: Vector
    """Mean squared distance of each value from all."""


def margin(values: Vector) -> Margin | None:
    """Distances of one series from itself, by sorting; None when it does not vary."""
    centred = values - values.mean()
    scale = float(np.abs(centred).max()) if len(values) else 0.0
    if not scale > 1e-12 * np.abs(values).max(initial=0.0):
        return None
    used = centred / scale
    order = np.argsort(used, kind="stable")
    n = len(used)
    means = _weighted_distances(used, order, np.ones(n)) / n
    squares = used**2 - 2.0 * used * used.mean() + np.mean(used**2)
    return Margin(used, order, scale, means, float(means.mean()), squares)


def distance_correlation(x: Margin, y: Margin) -> DistanceCorrelation:
    """Distance correlation of pairs (x_i, y_i).

    Parameters
    ----------
    x, y : margins of n values each, n ≥ 4.

    Notes
    -----
    a_ij = |x_i − x_j|, A_ij = a_ij − ā_i − ā_j + ā, likewise B;
    V²(x, y) = n⁻² Σ_ij A_ij B_ij. The bias-corrected form is
    Σ_{i≠j} Ã_ij B̃_ij/(n(n−3)) over the geometric mean of the same of x and of y, with à centred by
    n − 2 and (n−1)(n−2) in place of n and n².
    The influence of pair i on R² = V²(x, y)/√(V²(x) V²(y)) is
    R² (2 h_xy/V²(x, y) − h_xx/V²(x) − h_yy/V²(y)), h_xy(i) = n⁻¹ Σ_j A_ij B_ij: the derivative
    through the centring vanishes, because centred distances sum to nothing.
    """
    products = product_distances(x, y)
    h_xy = _row_products(x, y, products)
    h_xx = _row_products(x, x, x.squares)
    h_yy = _row_products(y, y, y.squares)
    v_xy, v_xx, v_yy = float(h_xy.mean()), float(h_xx.mean()), float(h_yy.mean())
    squared = max(v_xy, 0.0) / math.sqrt(v_xx * v_yy)
    influence = (h_xy - v_xy) * 2.0 / math.sqrt(v_xx * v_yy) - squared * (
        h_xx / v_xx + h_yy / v_yy - 2.0
    )
    return DistanceCorrelation(
        correlation=math.sqrt(squared),
        covariance=math.sqrt(max(v_xy, 0.0) * x.scale * y.scale),
        bias_corrected=bias_corrected(x, y, float(products.mean())),
        influence=influence,
    )


def shifted(x: Margin, shift: int) -> Margin:
    """The margin of the series moved round a circle: what it is made of moves along."""
    n = len(x.values)
    return Margin(np.roll(x.values, shift), (x.order + shift) % n, x.scale,
                  np.roll(x.means, shift), x.mean, np.roll(x.squares, shift))


def squared_correlation(x: Margin, y: Margin) -> float:
    """V²(x, y)/√(V²(x) V²(y)) alone: what surrogates are compared by."""
    own = _centred(x, x, float(x.squares.mean())) * _centred(y, y, float(y.squares.mean()))
    return _centred(x, y, float(product_distances(x, y).mean())) / math.sqrt(own)


def bias_corrected(x: Margin, y: Margin, mean_product: float) -> float:
    """Bias-corrected squared distance correlation from n⁻² Σ_ij a_ij b_ij.

    Without a value, nan, where all values of a series are equal but one, or but two equally far to
    both sides: its unbiased distance variance is nothing, and what rounding leaves of it may have
    either sign.
    """
    own_x, own_y = (_unbiased(one, one, float(one.squares.mean())) for one in (x, y))
    if min(own_x / x.squares.mean(), own_y / y.squares.mean()) < _ROUNDING:
        return math.nan
    return _unbiased(x, y, mean_product) / math.sqrt(own_x * own_y)


def product_distances(x: Margin, y: Margin) -> Vector:
    """n⁻¹ Σ_j |x_i − x_j| |y_i − y_j| for every i.

    Notes
    -----
    |u||v| = uv where the pair is concordant and −uv where it is not, so that the sum is twice that
    over concordant pairs less that over all. Concordant pairs are met once each when y is merge
    sorted in the order of x.
    """
    n = len(x.values)
    concordant = _concordant(x.values, y.values, x.order)
    total = (
        n * x.values * y.values - x.values * y.values.sum() - y.values * x.values.sum()
        + x.values @ y.values
    )
    return (2.0 * concordant - total) / n


def _row_products(x: Margin, y: Margin, products: Vector) -> Vector:
    """n⁻¹ Σ_j A_ij B_ij for every i, from n⁻¹ Σ_j a_ij b_ij."""
    n = len(x.values)
    a, b = x.means, y.means
    a_with_b = _weighted_distances(x.values, x.order, b) / n
    b_with_a = a_with_b if x is y else _weighted_distances(y.values, y.order, a) / n
    return (
        products - a_with_b - b_with_a - a * b + a * y.mean + b * x.mean
        + a @ b / n - x.mean * y.mean
    )


def _centred(x: Margin, y: Margin, mean_product: float) -> float:
    return mean_product - 2.0 * float(x.means @ y.means) / len(x.values) + x.mean * y.mean


def _unbiased(x: Margin, y: Margin, mean_product: float) -> float:
    n = len(x.values)
    return float(
        n**2 * mean_product
        - 2.0 * n**2 / (n - 2.0) * (x.means @ y.means)
        + n**4 * x.mean * y.mean / ((n - 1.0) * (n - 2.0))
    ) / (n * (n - 3.0))


def _weighted_distances(values: Vector, order: NDArray[np.intp], weights: Vector) -> Vector:
    """Σ_j w_j |v_i − v_j| for every i."""
    v, w = values[order], weights[order]
    below, moment = np.cumsum(w), np.cumsum(w * v)
    result = np.empty(len(v))
    result[order] = v * (2.0 * below - below[-1]) - 2.0 * moment + moment[-1]
    return result


@jit
def _concordant(x: Vector, y: Vector, order: NDArray[np.intp]) -> Vector:
    """Σ (x_i − x_j)(y_i − y_j) over the j that are concordant with i, for every i."""
    n = len(order)
    a = np.empty((n, 4))
    b = np.empty((n, 4))
    for k in range(n):
        i = order[k]
        a[k, 0] = x[i]
        a[k, 1] = y[i]
        a[k, 2] = 0.0
        a[k, 3] = i
    width = 1
    while width < n:
        for first in range(0, n, 2 * width):
            _merge(a, b, first, min(first + width, n), min(first + 2 * width, n))
        a, b = b, a
        width *= 2
    result = np.empty(n)
    for k in range(n):
        result[int(a[k, 3])] = a[k, 2]
    return result


@jit
def _merge(a: Vector, b: Vector, first: int, middle: int, stop: int) -> None:
    """Merge two runs by y; every element gains its sum over the concordant ones of the other run.

    The left run has the smaller x. An element of the right is concordant with those on the left
    that come before it, one of the left with those on the right that come after it.
    """
    n1 = 0.0
    sx = 0.0
    sy = 0.0
    sxy = 0.0
    for k in range(middle, stop):
        n1 += 1.0
        sx += a[k, 0]
        sy += a[k, 1]
        sxy += a[k, 0] * a[k, 1]
    m1 = 0.0
    mx = 0.0
    my = 0.0
    mxy = 0.0
    i = first
    j = middle
    for k in range(first, stop):
        if j >= stop or (i < middle and a[i, 1] <= a[j, 1]):
            x = a[i, 0]
            y = a[i, 1]
            b[k, 2] = a[i, 2] + x * y * n1 - x * sy - y * sx + sxy
            b[k, 3] = a[i, 3]
            m1 += 1.0
            mx += x
            my += y
            mxy += x * y
            i += 1
        else:
            x = a[j, 0]
            y = a[j, 1]
            b[k, 2] = a[j, 2] + x * y * m1 - x * my - y * mx + mxy
            b[k, 3] = a[j, 3]
            n1 -= 1.0
            sx -= x
            sy -= y
            sxy -= x * y
            j += 1
        b[k, 0] = x
        b[k, 1] = y
