"""The study of correlation matrices as a function from bars to its table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.columns import ANY
from imbalance.studies.correlation_matrix.estimate import MatrixEstimate
from imbalance.studies.correlation_matrix.regimes import by_regime, figure_at, mean_weights
from imbalance.studies.correlation_matrix.spectrum import effective_observations
from imbalance.studies.correlation_matrix.study import (
    CORRELATION_MATRIX,
    CORRELATION_MATRIX_DIFFERENCE,
    PAIRS,
    MatrixFamily,
)
from imbalance.studies.inference.block_length import optimal_block_length
from imbalance.studies.inference.resampling import draw_blocks, percentile_interval
from imbalance.studies.pairs import Series
from imbalance.studies.prepared_series import SeriesPool
from imbalance.studies.rows import Row, RowTable, Window, blank, share
from imbalance.studies.study_input import StudyInput

Vector = NDArray[np.float64]


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.correlation_matrix` and `studies.correlation_matrix_difference` of one window.

    An instrument that cannot be used is a row with its reason, and left out of the matrix.
    """
    rows, differences = RowTable(CORRELATION_MATRIX), RowTable(CORRELATION_MATRIX_DIFFERENCE)
    for family in given.families:
        for bar_size in family.bar_sizes:
            given.progress.advance(note=f"correlation matrix {family.name} {bar_size}")
            panel, window = given.panel(bar_size, family.measures, 1)
            template = _template(family, window)
            if panel is None:
                rows.extend([template | {"estimator": "sample", "reason": "no_bars"}])
            else:
                _estimate(panel, family, window, template, rows, differences)
    return {
        CORRELATION_MATRIX.name: rows.finish(),
        CORRELATION_MATRIX_DIFFERENCE.name: differences.finish(),
    }


def _template(family: MatrixFamily, window: Window) -> Row:
    parameters = {
        "standardised": True, "noise_edge": "(1 + sqrt(N/T))^2, T the effective number of rows",
        "absorption": "largest fifth of the eigenvalues", "linkage": "average",
        "farthest": family.farthest, "minimum_bars": family.minimum_bars,
        "interval": "moving blocks as long as Politis and White find for the series and their mean "
        f"correlation, {family.replications} replications, level {1.0 - family.significance:g}",
    }
    return blank("correlation_matrix", family.name, window, parameters) | {
        "measure_x": family.measure, "measure_y": family.measure, "rank": 0,
    }


def _estimate(
    panel: Panel, family: MatrixFamily, window: Window, template: Row, rows: RowTable,
    differences: RowTable,
) -> None:
    """Put the rows of the matrix over all bars and by level, and of the differences between levels,
    where they belong.
    """
    pool = SeriesPool(panel, family.minimum_bars, ranked=False)
    prepared = {series: pool.get(series) for series in (
        panel.known_as((name, family.measure)) for name in panel.instruments)}
    rows.extend(
        template | {"instrument_x": name, "measure_x": measure, "measure_y": measure,
                    "estimator": "cluster", "n": int(np.isfinite(one.values).sum()),
                    "reason": one.reason}
        for (name, measure), one in prepared.items() if one.reason is not None
    )
    usable = {series: one for series, one in prepared.items() if one.reason is None}
    if len(usable) < 2:
        rows.extend([template | {"estimator": "sample", "reason": "too_few_series"}])
        return
    measures = {measure for _, measure in usable}
    if len(measures) == 1:
        template = template | dict.fromkeys(("measure_x", "measure_y"), measures.pop())
    series = tuple(usable)
    memories = [one.memory for one in usable.values() if one.memory is not None]
    there = int(np.all([panel.exists[name] for name, _ in series], axis=0).sum())
    complete = np.ones(panel.slots, dtype=np.bool_)
    for one in series:
        complete &= np.isfinite(pool.on(panel, one))
    n = int(complete.sum())
    counted = template | {
        "n": n, "n_left_out": there - n, "coverage": share(n, there - n),
    }
    if n < family.minimum_bars:
        rows.extend([counted | {"estimator": "sample", "reason": "no_common_bars"}])
        return
    values = np.column_stack([pool.on(panel, one) for one in series])
    # Of a day of many instruments a second copy, which `values` holds now.
    del pool, prepared, usable
    effective = effective_observations(memories, n)
    drawn = _drawn(values[complete], effective, family)
    if len(drawn) * 2 < family.replications:
        rows.extend([counted | {"estimator": "sample", "reason": "constant_series"}])
        return
    whole = MatrixEstimate.of(values[complete], effective, family.farthest)
    run = _Run(counted | {"seed": family.seed, "n_effective": effective}, series, whole, effective,
               family)
    rows.extend(run.rows(drawn))
    values[~complete] = np.nan
    by_level, between = by_regime(panel, family, window, series, values, template)
    rows.extend(by_level)
    differences.extend(between)


def _drawn(rows: Vector, observations: float, family: MatrixFamily) -> list[MatrixEstimate]:
    """The same of resampled rows; one in which a series stands still says nothing."""
    if not _all_vary(rows):
        return []
    blocks = draw_blocks(len(rows), _block_length(rows), family.replications, family.seed)
    samples = (rows[blocks.rows(r)] for r in range(blocks.replications))
    return [MatrixEstimate.of(sample, observations, family.farthest)
            for sample in samples if _all_vary(sample)]


def _block_length(rows: Vector) -> float:
    """Blocks as long as the series ask, and what bars add to their mean correlation: returns that
    remember nothing may have correlations that do.
    """
    added = figure_at(rows, mean_weights, 2)(np.ones(len(rows), dtype=np.bool_))
    columns = [*rows.T, *(() if isinstance(added, str) else (added.influence,))]
    return max(optimal_block_length(column).moving for column in columns)


def _all_vary(rows: NDArray[np.float64]) -> bool:
    """Whether every column has more than one value; a standard deviation would be of rounding."""
    return bool((np.ptp(rows, axis=0) > 0.0).all())


@dataclass(frozen=True)
class _Run:
    """A matrix that can be estimated."""

    template: Row
    series: tuple[Series, ...]
    whole: MatrixEstimate
    observations: float
    family: MatrixFamily

    def rows(self, drawn: list[MatrixEstimate]) -> Iterator[Row]:
        """All rows, with the errors that the replications give."""
        yield from self._pairs(drawn)
        yield from self._system(drawn)
        yield from self._structure(drawn)

    def _estimated(
        self, name: str, of: Callable[[MatrixEstimate], float], drawn: list[MatrixEstimate]
    ) -> Row:
        found = np.array([of(one) for one in drawn])
        low, high = percentile_interval(found, self.family.significance)
        return self.template | {
            "estimator": name, "estimate": of(self.whole),
            "standard_error": float(found.std(ddof=1)),
            "interval_low": float(low), "interval_high": float(high),
        }

    def _pairs(self, drawn: list[MatrixEstimate]) -> Iterator[Row]:
        first, second = np.triu_indices(len(self.series), 1)
        for name in PAIRS:
            # A row each, in one piece, so that its deviation is that of the pair alone.
            draws = np.array([one.correlations[name][first, second] for one in drawn]).T.copy()
            low, high = percentile_interval(draws.T, self.family.significance)
            found = (self.whole.correlations[name][first, second], draws.std(axis=1, ddof=1), low,
                     high)
            figures = zip(first, second, *(one.tolist() for one in found), strict=True)
            for i, j, estimate, error, below, above in figures:
                yield self.template | self._named(i, j) | {
                    "estimator": name, "estimate": estimate, "standard_error": error,
                    "interval_low": below, "interval_high": above,
                }

    def _system(self, drawn: list[MatrixEstimate]) -> Iterator[Row]:
        for rank in range(len(self.series)):
            above = [one.eigenvalues[rank] > one.noise_edge for one in drawn]
            yield self._estimated("eigenvalue", _eigenvalue(rank), drawn) | {
                "rank": rank + 1, "support": float(np.mean(above)),
            }
        yield self._estimated("mean_correlation", lambda one: one.mean, drawn)
        yield self._estimated("absorption_ratio", lambda one: one.absorption, drawn)
        for name in ("ledoit_wolf", "oracle_approximating"):
            yield self._estimated(f"intensity_{name}", _intensity(name), drawn)
        yield self.template | {"estimator": "noise_edge", "estimate": self.whole.noise_edge}
        yield self.template | {
            "estimator": "effective_observations", "estimate": self.observations,
        }

    def _structure(self, drawn: list[MatrixEstimate]) -> Iterator[Row]:
        trees = [one.tree for one in drawn]
        for (i, j), length in self.whole.tree.items():
            yield self.template | self._named(i, j) | {
                "estimator": "tree_edge", "estimate": length,
                "support": float(np.mean([(i, j) in tree for tree in trees])),
            }
        members = [one.members for one in drawn]
        for place, own in enumerate(self.whole.members):
            yield self.template | self._named(place, place) | {
                "instrument_y": ANY, "estimator": "cluster",
                "estimate": float(self.whole.labels[place] + 1),
                "support": float(np.mean([one[place] == own for one in members])),
            }

    def _named(self, i: int, j: int) -> Row:
        (x, measure_x), (y, measure_y) = self.series[i], self.series[j]
        return {"instrument_x": x, "measure_x": measure_x, "instrument_y": y,
                "measure_y": measure_y}


def _eigenvalue(rank: int) -> Callable[[MatrixEstimate], float]:
    return lambda one: float(one.eigenvalues[rank])


def _intensity(name: str) -> Callable[[MatrixEstimate], float]:
    return lambda one: one.intensities[name]
