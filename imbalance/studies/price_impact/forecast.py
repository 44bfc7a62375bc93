"""Models of the return, fitted on the half-hour before and judged on what follows.

Belongs here: fits and forecasts step by step, from complete rows. Rows of tables are made by
`single` and `cross`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.price_impact.penalised import Linear
from imbalance.studies.walk_forward import Step

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

Design = Callable[[Step], Matrix | None]
"""Regressors of a step's rows, those fitted on first; None where those say nothing."""
Fit = Callable[[Matrix, Vector], Linear]


@dataclass(frozen=True)
class Model:
    """Regressors, how they are fitted, and how many rows a coefficient needs (0: any number)."""

    design: Design
    fit: Fit
    rows_per_coefficient: int = 0

    def prepared(self, step: Step, rows: int) -> Matrix | None:
        """Regressors of the step's rows; None where it has too few to fit on."""
        x = self.design(step)
        enough = x is not None and rows >= self.rows_per_coefficient * (x.shape[1] + 1)
        return x if enough else None


@dataclass
class Record:
    """What a model did over all steps."""

    forecasts: list[Vector] = field(default_factory=list)
    in_sample: list[float] = field(default_factory=list)
    """Adjusted R² of each fit."""
    coefficients: list[Vector] = field(default_factory=list)
    """Standardised, of each fit."""


@dataclass(frozen=True)
class Trial:
    """Models over the same stretches."""

    actual: Vector
    mean: Vector
    """Forecast by the mean of what was fitted on."""
    records: Mapping[str, Record]
    weights: Vector
    """Rows that each step was fitted on."""

    @property
    def names(self) -> list[str]:
        """Models, in order."""
        return list(self.records)

    def forecast(self, name: str) -> Vector:
        """Forecasts of a model for the rows of `actual`."""
        return np.concatenate(self.records[name].forecasts)

    def errors(self) -> Matrix:
        """Rows × models."""
        return np.column_stack([self.actual - self.forecast(name) for name in self.names])

    def in_sample(self, name: str) -> float:
        """Mean adjusted R² of the fits, weighted by their rows."""
        return float(np.average(self.records[name].in_sample, weights=self.weights))


def run(y: Vector, steps: Sequence[Step], models: Mapping[str, Model]) -> Trial | None:
    """Fit every model at every step; a step at which one cannot be fitted is left out for all.

    Returns
    -------
    None when no step is left, or the mean forecasts without an error, so that there is no R².
    """
    records = {name: Record() for name in models}
    actual, mean, weights = [], [], []
    for step in steps:
        target = y[step.train]
        designs = {name: one.prepared(step, len(target)) for name, one in models.items()}
        made = {name: x for name, x in designs.items() if x is not None}
        if len(made) < len(models) or not np.ptp(target) > 0.0:
            continue
        fits = {name: models[name].fit(x[: len(target)], target) for name, x in made.items()}
        shares = {name: _adjusted(found, made[name][: len(target)], target)
                  for name, found in fits.items()}
        # A fit with as many coefficients as rows has no adjusted R² and forecasts noise.
        if not np.isfinite(list(shares.values())).all():
            continue
        for name, found in fits.items():
            record = records[name]
            record.forecasts.append(found.forecast(made[name][len(target) :]))
            record.in_sample.append(shares[name])
            record.coefficients.append(found.standardised)
        actual.append(y[step.test])
        mean.append(np.full(len(y[step.test]), target.mean()))
        weights.append(float(len(target)))
    if not actual or not np.any(np.concatenate(actual) != np.concatenate(mean)):
        return None
    return Trial(np.concatenate(actual), np.concatenate(mean), records, np.array(weights))


def _adjusted(found: Linear, x: Matrix, y: Vector) -> float:
    """1 − (SSE/(n − k − 1)) / (SST/(n − 1)), k the coefficients that are not 0."""
    n, k = len(y), int(np.count_nonzero(found.coefficients))
    if n <= k + 1:
        return float("nan")
    left = np.square(y - found.forecast(x)).sum() / (n - k - 1)
    return float(1.0 - left / (np.square(y - y.mean()).sum() / (n - 1)))
