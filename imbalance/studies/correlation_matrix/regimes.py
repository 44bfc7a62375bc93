"""Correlation matrices at the levels of a regime of all instruments, and whether they differ.

What leaving a bar out takes from every correlation is known, and so it is of every figure that is
linear in the matrix, or nearly so: a mean of correlations, a share of its eigenvalues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.columns import ANY
from imbalance.studies.correlation.by_level import STILL, correlation_at
from imbalance.studies.correlation_matrix.spectrum import absorbing, spectrum
from imbalance.studies.correlation_matrix.study import ABSORPTION, MatrixFamily
from imbalance.studies.levels import (
    PARAMETERS,
    Estimate,
    Estimator,
    Levels,
    Mask,
    at_levels,
    difference_rows,
    level_rows,
    regime_masks,
)
from imbalance.studies.pairs import Series
from imbalance.studies.rows import Row, Window, blank

Matrix = NDArray[np.float64]
Weights = Callable[[Matrix], Matrix]
"""From a correlation matrix to the weights of its entries in a figure: their sum is the figure."""

_MOST_UNEQUAL = 1.5
"""Bars of the largest level over those of the smallest, up to which eigenvalues are compared."""


def by_regime(
    panel: Panel, family: MatrixFamily, window: Window, series: Sequence[Series], values: Matrix,
    template: Row,
) -> tuple[list[Row], list[Row]]:
    """Rows of `studies.correlation_matrix` by level, and of its difference table.

    Parameters
    ----------
    series, values : the instruments that are used; slots × instruments, NaN in bars that are not
        complete.
    template : of a row of the matrix.
    """
    rows: list[Row] = []
    differences: list[Row] = []
    there = np.all([panel.exists[name] for name, _ in series], axis=0)
    between = blank("correlation_matrix_difference", family.name, window, PARAMETERS | {
        "regimes": "terciles of the mean rank over all instruments in the bar before; or hours UTC",
    })  # fmt: skip
    for regime in family.regimes:
        masks = regime_masks(panel, ANY, regime)
        for name, about, estimator in _works(family, series, values):
            about = {side: template[side] for side in ("measure_x", "measure_y")} | about
            found = at_levels(regime, masks, there, estimator)
            rows += [template | about | {"estimator": name} | row
                     for row in level_rows(found, family.significance)]
            differences += [between | about | {"of": name} | row for row in difference_rows(
                found, int(there.sum()), family.significance,
                refused=_refusal(found) if name == ABSORPTION else None)]
    return rows, differences


def _refusal(found: Levels) -> str | None:
    """The largest eigenvalues of fewer bars are larger by chance alone: by the order of N/n."""
    sizes = [one.n for one in found.found]
    return "unequal_levels" if sizes and max(sizes) > _MOST_UNEQUAL * min(sizes) else None


def _works(family: MatrixFamily, series: Sequence[Series], values: Matrix
           ) -> Iterator[tuple[str, Row, Estimator]]:
    """What is estimated: its name, what its rows are about, and how."""
    yield "mean_correlation", {}, figure_at(values, mean_weights, family.minimum_bars)
    yield ABSORPTION, {}, figure_at(values, absorption_weights, family.minimum_bars)
    if len(series) > family.paired_by_regime:
        return
    for i, j in combinations(range(len(series)), 2):
        about = {"instrument_x": series[i][0], "measure_x": series[i][1],
                 "instrument_y": series[j][0], "measure_y": series[j][1]}
        yield "sample", about, correlation_at(values[:, i], values[:, j], family.minimum_bars)


def mean_weights(correlation: Matrix) -> Matrix:
    """Of the mean over all pairs."""
    size = len(correlation)
    return np.asarray((1.0 - np.eye(size)) / (size * (size - 1)))


def absorption_weights(correlation: Matrix) -> Matrix:
    """Of the share of the largest eigenvalues: their eigenvectors are held, as to first order."""
    vectors = spectrum(correlation).vectors[:, : absorbing(len(correlation))]
    return np.asarray(vectors @ vectors.T / len(correlation))


def figure_at(values: Matrix, weights: Weights, least: int) -> Estimator:
    """A weighted sum of correlations in the bars of a level, of which there must be some.

    Notes
    -----
    A bar adds (n − 1) times what leaving it out takes away, as from a single correlation
    (`correlation_at`), the weights held. With u standardised over the bars of the level and
    c = n/(n − 1), r_ij without the bar is (n r_ij − c u_i u_j)/√((n − c u_i²)(n − c u_j²)). For
    eigenvalues λ = v'Rv, v held, this is right to first order where λ is apart from the others.

    Source: Miller 1974.
    """
    complete = np.isfinite(values).all(axis=1)

    def estimate(mask: Mask) -> Estimate | str:
        used = complete & mask
        rows = values[used]
        if len(rows) < least:
            return "too_few_bars"
        if not (np.ptp(rows, axis=0) > 0.0).all():
            return "constant_series"
        n = len(rows)
        u = (rows - rows.mean(axis=0)) / rows.std(axis=0)
        about = n / (n - 1.0)
        left = n - about * u**2
        if not (left > STILL * n).all():
            return "constant_series"
        correlation = u.T @ u / n
        weight = weights(correlation)
        value = float((weight * correlation).sum())
        scale = 1.0 / np.sqrt(left)
        scaled = scale * u
        rest = ((scale @ (weight * correlation * n)) * scale).sum(axis=1)
        rest -= about * ((scaled @ weight) * scaled).sum(axis=1)
        influence = np.full(len(values), np.nan)
        influence[used] = (n - 1.0) * (value - rest)
        return Estimate(value, influence)

    return estimate
