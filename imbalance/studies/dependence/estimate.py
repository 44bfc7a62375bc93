"""Rows of the dependence study: every estimator on every declared pair, or why not.

From a panel of aligned bars to rows of `studies.dependence` without q-values. The estimators are
in their own modules.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.progress import SILENT, Progress
from imbalance.studies.alignment import Panel
from imbalance.studies.covariance import long_run_variance
from imbalance.studies.dependence.distance_correlation import (
    distance_correlation,
    margin,
    shifted,
    squared_correlation,
)
from imbalance.studies.dependence.information import (
    Embedding,
    Information,
    embed,
    gaussian_transfer_entropy,
    mutual_information,
    transfer_entropy,
)
from imbalance.studies.dependence.ranks import normal_scores, tied_share
from imbalance.studies.dependence.regimes import regime_rows
from imbalance.studies.dependence.study import DependenceFamily
from imbalance.studies.dependence.tail_rows import tail_rows
from imbalance.studies.inference.surrogates import SurrogateTest, draw_shifts, upper_tail
from imbalance.studies.pairs import Series, series_pairs, uncrossed
from imbalance.studies.prepared_series import PreparedPair, SeriesPool, prepared_pairs
from imbalance.studies.rows import Row, RowTable, Window, blank, share

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class _Sample:
    """Pairs as the estimators with surrogates take them: normal scores, evenly thinned."""

    x: Vector
    y: Vector
    every: int


def least_shift(n: int) -> int:
    """Shifts nearer to none than this are not drawn: a twentieth of the pairs, at least 10."""
    return max(10, n // 20)


def depend(
    panel: Panel, family: DependenceFamily, window: Window, rows: RowTable,
    differences: RowTable, progress: Progress = SILENT,
) -> None:
    """Put all rows of a family on one bar size, and how its regimes differ, where they belong.

    A pair that is refused is one row.
    """
    pool = SeriesPool(panel, family.minimum_bars, ranked=False)
    crossed = panel.crossed(family.most_instruments)
    pairs = panel.known_pairs(series_pairs(
        family.pairs, family.x_measures, family.y_measures, panel.instruments, crossed))
    template = blank("dependence", family.name, window, {}) | {"level": 0.0}
    if not pairs:
        rows.extend([template | {"estimator": "distance_correlation", "reason": "no_pair"}])
        return
    rows.extend(template | {"estimator": "distance_correlation", "kind": "contemporaneous"} | row
                for row in uncrossed(family.pairs, panel.bars, crossed))
    progress.advance(note=f"dependence {family.name} {window.bar_size}")

    def rows_of(given: tuple[Series, Series, PreparedPair]) -> tuple[list[Row], list[Row]]:
        found, pair = list(_PairRows(family, window, *given).rows()), given[2]
        if pair.reason is not None or window.bar_size not in family.regime_bar_sizes:
            return found, []
        by_level, between = regime_rows(panel, family, window, *given)
        return found + by_level, between

    # Each series is prepared before threads ask for it.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for some in prepared_pairs(pool, pairs):
            for found, between in threads.map(rows_of, some):
                rows.extend(found)
                differences.extend(between)


class _PairRows:
    """All rows of one pair of series."""

    def __init__(self, family: DependenceFamily, window: Window, x: Series, y: Series,
                 pair: PreparedPair) -> None:
        self._family, self._window, self._x, self._y, self._pair = family, window, x, y, pair

    def rows(self) -> Iterator[Row]:
        pair = self._pair
        if pair.reason is not None:
            yield self._row("distance_correlation", pair.n, {}) | {"reason": pair.reason}
            return
        both = np.isfinite(pair.x)
        x, y = pair.x[both], pair.y[both]
        every = -(-len(x) // self._family.largest_sample)
        sample = _Sample(normal_scores(x)[::every], normal_scores(y)[::every], every)
        if _varies(sample.x, sample.y):
            yield from self._distance_rows(sample)
            yield from self._information_rows(sample)
        else:
            yield self._row("distance_correlation", len(sample.x), {}) | {
                "reason": "heavily_tied"}
        yield from self._transfer_rows(x_first=True)
        yield from self._transfer_rows(x_first=False)
        for row in tail_rows(x, y, self._family, sample.x, sample.y, every):
            parameters = row.pop("parameters")
            n = row.pop("n")
            yield self._row(row.pop("estimator"), n, parameters) | row

    def _row(self, estimator: str, n: int, parameters: dict[str, Any], *,
             swapped: bool = False) -> Row:
        x, y = (self._y, self._x) if swapped else (self._x, self._y)
        left_out = max(self._pair.there - n, 0)
        return blank("dependence", self._family.name, self._window, parameters) | {
            "instrument_x": x[0], "measure_x": x[1], "instrument_y": y[0], "measure_y": y[1],
            "estimator": estimator, "level": 0.0, "kind": "contemporaneous",
            "n": n, "n_left_out": left_out, "coverage": share(n, left_out),
        }

    def _independent(self, n: int) -> float:
        """Independent pairs in a thinned sample: thinning takes memory away first."""
        return min(float(n), self._pair.independent)

    def _shifts(self, n: int) -> NDArray[np.int64]:
        return draw_shifts(n, self._family.surrogates, self._family.seed, least_shift(n))

    def _distance_rows(self, sample: _Sample) -> Iterator[Row]:
        left, right = margin(sample.x), margin(sample.y)
        assert left is not None  # noqa: S101  (a constant sample is refused)
        assert right is not None  # noqa: S101
        n = len(sample.x)
        found = distance_correlation(left, right)
        squared = np.array(
            [squared_correlation(shifted(left, s), right) for s in self._shifts(n)])
        test = upper_tail(found.correlation**2, squared, self._independent(n))
        error = _error(found.influence)
        parameters = self._parameters(sample.every, test) | {
            "test": f"squared distance correlation against {test.told}"}
        root = max(found.correlation, 1e-6)
        yield self._finished("distance_correlation", n, parameters, found.correlation,
                             error / (2.0 * root), floor=0.0) | {
            "p_value": test.p_value,
            "surrogate_mean": float(np.sqrt(np.maximum(squared, 0.0)).mean())}
        corrected = "distance_correlation_bias_corrected"
        if np.isnan(found.bias_corrected):
            yield self._row(corrected, n, parameters) | {"reason": "heavily_tied"}
        else:
            yield self._finished(corrected, n, parameters, found.bias_corrected, error)

    def _information_rows(self, sample: _Sample) -> Iterator[Row]:
        k, n = self._family.neighbours, len(sample.x)
        x, y = sample.x[:, None], sample.y[:, None]
        found = mutual_information(x, y, k)
        values = np.array(
            [mutual_information(np.roll(x, s, axis=0), y, k).value for s in self._shifts(n)])
        test = upper_tail(found.value, values, self._independent(n))
        parameters = self._parameters(sample.every, test) | self._neighbours(
            tied_share(sample.x), tied_share(sample.y))
        yield from self._with_effective("mutual_information", n, parameters, found, test)

    def _transfer_rows(self, *, x_first: bool) -> Iterator[Row]:
        pair, k = self._pair, self._family.neighbours
        source, target = (pair.x, pair.y) if x_first else (pair.y, pair.x)
        whole = embed(_scores_in_place(source), _scores_in_place(target))
        every = max(1, -(-len(whole.now) // self._family.largest_sample))
        rows = Embedding(whole.now[::every], whole.own_past[::every], whole.other_past[::every])
        n = len(rows.now)
        place: Row = {"lag": 1, "kind": "predictive"}
        refusal = None
        if n < self._family.minimum_bars:
            refusal = "too_few_bars"
        elif not _varies(rows.now, rows.own_past, rows.other_past):
            refusal = "heavily_tied"
        if refusal is not None:
            yield self._row("transfer_entropy", n, {}, swapped=not x_first) | place | {
                "reason": refusal}
            return
        moved = [Embedding(rows.now, rows.own_past, np.roll(rows.other_past, s, axis=0))
                 for s in self._shifts(n)]
        for name, estimate in (("transfer_entropy", lambda e: transfer_entropy(e, k)),
                               ("gaussian_transfer_entropy", gaussian_transfer_entropy)):
            found = estimate(rows)
            values = np.array([estimate(one).value for one in moved])
            test = upper_tail(found.value, values, self._independent(n))
            parameters = self._parameters(every, test) | {"past": 1}
            if name == "transfer_entropy":
                parameters |= self._neighbours(
                    tied_share(rows.other_past[:, 0]), tied_share(rows.now[:, 0]))
            for row in self._with_effective(name, n, parameters, found, test,
                                            swapped=not x_first):
                yield row | place

    def _with_effective(self, name: str, n: int, parameters: dict[str, Any], found: Information,
                        test: SurrogateTest, *, swapped: bool = False) -> Iterator[Row]:
        error = _error(found.local)
        tested = {"p_value": test.p_value, "surrogate_mean": test.mean}
        yield self._finished(name, n, parameters, found.value, error, swapped=swapped) | tested
        if name != "gaussian_transfer_entropy":
            yield self._finished(f"effective_{name}", n, parameters, found.value - test.mean,
                                 error, swapped=swapped)

    def _finished(self, estimator: str, n: int, parameters: dict[str, Any], estimate: float,
                  error: float, *, floor: float = -np.inf, swapped: bool = False) -> Row:
        from scipy.special import ndtri

        half = float(ndtri(1.0 - self._family.significance / 2.0)) * error
        return self._row(estimator, n, parameters, swapped=swapped) | {
            "estimate": estimate, "standard_error": error,
            "interval_low": max(estimate - half, floor), "interval_high": estimate + half,
            "n_effective": self._independent(n), "seed": self._family.seed,
        }

    def _parameters(self, every: int, test: SurrogateTest) -> dict[str, Any]:
        return {
            "margins": "normal scores of middle ranks",
            "thinned": f"every {every}" if every > 1 else "no",
            "surrogates": test.told,
            "least_shift": "a twentieth of the pairs, at least 10",
            "standard_error": "Bartlett HAC of the local terms, bandwidth of Newey-West 1994",
        }

    def _neighbours(self, tied_x: float, tied_y: float) -> dict[str, Any]:
        return {
            "neighbours": self._family.neighbours, "norm": "maximum",
            "tied_share": [round(tied_x, 4), round(tied_y, 4)],
            "ties": "equal points are counted, no jitter",
        }


def _scores_in_place(values: Vector) -> Vector:
    """Normal scores of the values that are there, at their places."""
    there = np.isfinite(values)
    scores = np.full(len(values), np.nan)
    scores[there] = normal_scores(values[there])
    return scores


def _varies(*parts: Vector) -> bool:
    """Whether none is constant: of a series that hardly moves, thinning may leave one value."""
    return all(np.ptp(part) > 0.0 for part in parts)


def _error(local: Vector) -> float:
    """HAC standard error of the mean of local terms."""
    variance = long_run_variance((local - local.mean())[:, None]).matrix[0, 0]
    return float(np.sqrt(max(variance, 0.0) / len(local)))
