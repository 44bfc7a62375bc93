"""Rows of the coherence study: every period of every declared pair, or why not.

From a panel of aligned bars to rows of `studies.coherence` without q-values. The estimators are in
their own modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.progress import SILENT, Progress
from imbalance.studies.alignment import Panel
from imbalance.studies.coherence.multitaper import (
    BANDWIDTH,
    SHORTEST_SEGMENT,
    TAPERS,
    coherence,
    segment_length,
    segments,
)
from imbalance.studies.coherence.regimes import regime_rows
from imbalance.studies.coherence.study import CoherenceFamily
from imbalance.studies.coherence.wavelet import (
    WaveletCoherence,
    first_autocorrelation,
    mean_over_time,
    surrogate_coherence,
    wavelet_coherence,
)
from imbalance.studies.covariance import long_run_variance
from imbalance.studies.inference.surrogates import upper_tail
from imbalance.studies.pairs import Series, series_pairs, uncrossed
from imbalance.studies.prepared_series import PreparedPair, SeriesPool, prepare_pair
from imbalance.studies.rows import Row, RowTable, Window, blank, share

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

SHORTEST_PERIOD = 4.0
VOICES = 4
"""Wavelet periods to an octave; the rows hold the octaves."""


def cohere(
    panel: Panel, family: CoherenceFamily, window: Window, rows: RowTable,
    differences: RowTable, progress: Progress = SILENT,
) -> None:
    """Put all rows of a family on one bar size, and how its regimes differ, where they belong.

    A pair that is refused is one row.
    """
    pool = SeriesPool(panel, family.minimum_bars, ranked=False)
    crossed = panel.crossed(family.most_instruments)
    pairs = panel.known_pairs(series_pairs(
        family.pairs, family.x_measures, family.y_measures, panel.instruments, crossed))
    template = blank("coherence", family.name, window, {}) | {"period": 0.0}
    if not pairs:
        rows.extend([template | {"estimator": "multitaper", "reason": "no_pair"}])
        return
    progress.advance(note=f"coherence {family.name} {window.bar_size}")
    surrogates = Surrogates(family)
    rows.extend(template | {"estimator": "multitaper", "kind": "contemporaneous"} | row
                for row in uncrossed(family.pairs, panel.bars, crossed))
    for x, y in pairs:
        pair = prepare_pair(pool, x, y)
        rows.extend(_PairRows(family, window, x, y, pair, surrogates).rows())
        if pair.reason is None:
            by_level, between = regime_rows(panel, family, window, x, y, pair)
            rows.extend(by_level)
            differences.extend(between)


class Surrogates:
    """Mean coherences of independent AR(1) pairs, made once for each kind of pair.

    The distribution depends on the length and on the two coefficients, which are rounded to tenths:
    a few sets serve all pairs.
    """

    def __init__(self, family: CoherenceFamily) -> None:
        self._family = family
        self._made: dict[tuple[float, float, int], Matrix] = {}

    def get(self, x: Vector, y: Vector, longest: float) -> tuple[Matrix, tuple[float, float]]:
        """Surrogates × periods for a pair, and the coefficients they were drawn with."""
        first, second = sorted(round(first_autocorrelation(one), 1) for one in (x, y))
        key = (first, second, len(x))
        if key not in self._made:
            self._made[key] = surrogate_coherence(
                first, second, len(x), SHORTEST_PERIOD, longest, VOICES, self._family.surrogates,
                self._family.seed)
        return self._made[key], (first, second)


class _PairRows:
    """All rows of one pair of series."""

    def __init__(self, family: CoherenceFamily, window: Window, x: Series, y: Series,
                 pair: PreparedPair, surrogates: Surrogates) -> None:
        self._family, self._window, self._x, self._y = family, window, x, y
        self._pair, self._surrogates = pair, surrogates

    def rows(self) -> Iterator[Row]:
        if self._pair.reason is not None:
            yield self._row("multitaper", self._pair.n) | {"reason": self._pair.reason}
            return
        yield from self._multitaper_rows()
        yield from self._wavelet_rows()

    def _row(self, estimator: str, n: int, **parameters: Any) -> Row:
        left_out = max(self._pair.there - n, 0)
        return blank("coherence", self._family.name, self._window, parameters) | {
            "instrument_x": self._x[0], "measure_x": self._x[1],
            "instrument_y": self._y[0], "measure_y": self._y[1], "estimator": estimator,
            "period": 0.0, "kind": "contemporaneous", "n": n, "n_left_out": left_out,
            "coverage": share(n, left_out),
        }

    def _multitaper_rows(self) -> Iterator[Row]:
        family, pair = self._family, self._pair
        there = np.isfinite(pair.x) & np.isfinite(pair.y)
        length = segment_length(there, family.longest_segment, SHORTEST_SEGMENT)
        starts = segments(there, length) if length else []
        found = coherence(pair.x, pair.y, starts, length, family.periods, family.significance)
        if not found:
            yield self._row("multitaper", pair.n) | {"reason": "no_unbroken_stretch"}
        for one in found:
            yield self._row(
                "multitaper", length * len(starts), time_bandwidth=BANDWIDTH, tapers=TAPERS,
                segment=length, segments=len(starts), test="(1 − C)^(spectra − 1)",
            ) | {
                "period": one.period, "estimate": one.value, "standard_error": one.standard_error,
                "interval_low": one.low, "interval_high": one.high, "p_value": one.p_value,
                "n_effective": float(one.spectra), "phase": one.phase,
                "phase_error": one.phase_error, "delay": one.phase * one.period / (2.0 * np.pi),
            }

    def _wavelet_rows(self) -> Iterator[Row]:
        family, pair = self._family, self._pair
        first, stop = longest_stretch(np.isfinite(pair.x) & np.isfinite(pair.y))
        first = max(first, stop - family.longest_stretch)
        x, y = pair.x[first:stop], pair.y[first:stop]
        if len(x) < family.minimum_bars or not (x.std() > 0.0 and y.std() > 0.0):
            yield self._row("wavelet", pair.n) | {"reason": "no_unbroken_stretch"}
            return
        longest = len(x) / 8.0
        found = wavelet_coherence(x, y, SHORTEST_PERIOD, longest, VOICES)
        drawn, coefficients = self._surrogates.get(x, y, longest)
        mean, phase, bars = mean_over_time(found)
        for i in range(0, len(found.periods), VOICES):
            if not bars[i] > 0.0:
                continue
            test = upper_tail(float(mean[i]), drawn[:, i])
            error, effective = _mean_error(found, i)
            half = self._quantile() * error
            yield self._row(
                "wavelet", len(x), wavelet="Morlet, ω₀ = 6", cone="√2 scales left out",
                surrogates=f"{len(drawn)} independent AR(1) pairs", coefficients=coefficients,
                standard_error="HAC of the local coherence, every half period",
                p_value="generalised Pareto tail" if test.tail_fitted else "share",
            ) | {
                "period": float(found.periods[i]), "estimate": float(mean[i]),
                "standard_error": error, "interval_low": max(float(mean[i]) - half, 0.0),
                "interval_high": min(float(mean[i]) + half, 1.0), "p_value": test.p_value,
                "n_effective": effective, "phase": float(phase[i]),
                "delay": float(phase[i] * found.periods[i] / (2.0 * np.pi)),
                "surrogate_mean": test.mean,
                "surrogate_limit": float(np.quantile(drawn[:, i], 0.95)),
                "seed": family.seed,
            }

    def _quantile(self) -> float:
        from scipy.special import ndtri

        return float(ndtri(1.0 - self._family.significance / 2.0))


def longest_stretch(there: NDArray[np.bool_]) -> tuple[int, int]:
    """First slot and the one after the last of the longest run that is there; the earliest."""
    edges = np.diff(np.concatenate([[0], there.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(starts):
        return 0, 0
    longest = int(np.argmax(stops - starts))
    return int(starts[longest]), int(stops[longest])


def _mean_error(found: WaveletCoherence, i: int) -> tuple[float, float]:
    """Standard error of a mean coherence over time, and the values it is worth."""
    local = found.coherence[i, found.inside[i]][:: max(1, round(found.periods[i] / 2.0))]
    if len(local) < 4:
        return float("nan"), float(len(local))
    variance = long_run_variance((local - local.mean())[:, None]).matrix[0, 0]
    return float(np.sqrt(max(variance, 0.0) / len(local))), float(len(local))
