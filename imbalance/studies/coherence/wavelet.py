"""Wavelet coherence: which rhythms two series share, and when; against AR(1) surrogates.

Smoothing alone makes independent series coherent (0.97 in a published example), so that nothing is
said here without surrogates that were smoothed the same.

Sources: Torrence and Compo 1998 (Morlet transform, cone of influence); Torrence and Webster 1999
(smoothing); Grinsted, Moore and Jevrejeva 2004 (coherence, AR(1) surrogates, phase).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Complex = NDArray[np.complex128]

OMEGA = 6.0
"""ω₀ of the Morlet wavelet."""
_FOURIER = 4.0 * np.pi / (OMEGA + np.sqrt(2.0 + OMEGA**2))
"""Period over scale."""


@dataclass(frozen=True)
class WaveletCoherence:
    """Coherence of two series by period and bar."""

    periods: Vector
    coherence: Matrix
    """Periods × bars, 0 to 1."""
    cross: Complex
    """The smoothed cross spectrum."""
    inside: NDArray[np.bool_]
    """Where the ends of the series do not reach: outside the cone of influence."""

    @property
    def phase(self) -> Matrix:
        """Radians of the cross spectrum: positive when x is ahead of y."""
        return np.angle(self.cross)


def wavelet_coherence(
    x: Vector, y: Vector, shortest: float, longest: float, voices: int = 6
) -> WaveletCoherence:
    """Coherence of two complete series.

    Parameters
    ----------
    x, y : T values without gaps; both must vary.
    shortest, longest : periods in bars.
    voices : periods to an octave.

    Notes
    -----
    R² = |S(s⁻¹ W_xy)|²/(S(s⁻¹|W_x|²) S(s⁻¹|W_y|²)), W by the Morlet wavelet
    π^{−1/4} e^{iω₀η − η²/2}, W_xy = W_x W_y*; S smooths by a Gaussian of the wavelet's own width in
    time, e^{−t²/(2s²)}, and a box of 0.6 octaves in scale. The cone of influence is √2 s wide.
    """
    octaves = int(np.floor(voices * np.log2(longest / shortest) + 1e-9))
    periods = shortest * 2.0 ** (np.arange(octaves + 1) / voices)
    scales = periods / _FOURIER
    a, b = _transform(x, scales), _transform(y, scales)
    cross = _smooth(a * b.conj() / scales[:, None], scales, voices)
    # Both powers in one transform: one as the real part, one as the imaginary part.
    powers = _smooth((_squared(a) + 1j * _squared(b)) / scales[:, None], scales, voices)
    coherence = np.clip(_squared(cross) / (powers.real * powers.imag), 0.0, 1.0)
    t = np.arange(len(x))
    edge = np.minimum(t, len(x) - 1 - t)
    return WaveletCoherence(periods, coherence, cross, edge >= np.sqrt(2.0) * scales[:, None])


def surrogate_coherence(
    phi_x: float, phi_y: float, length: int, shortest: float, longest: float, voices: int,
    count: int, seed: int,
) -> Matrix:
    """Mean coherence over time at each period, of `count` pairs of independent AR(1) series.

    Returns
    -------
    count × periods; NaN where the cone of influence leaves nothing.
    """
    from scipy.signal import lfilter

    burn = 200
    noise = np.random.default_rng(seed).standard_normal((count, 2, length + burn))

    def mean_of(pair: Matrix) -> Vector:
        x = lfilter([1.0], [1.0, -phi_x], pair[0])[burn:]
        y = lfilter([1.0], [1.0, -phi_y], pair[1])[burn:]
        return _mean(wavelet_coherence(x, y, shortest, longest, voices))

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return np.stack(list(threads.map(mean_of, noise)))


def mean_over_time(found: WaveletCoherence) -> tuple[Vector, Vector, Vector]:
    """Mean coherence inside the cone at each period, its mean phase, and the bars inside."""
    bars = found.inside.sum(axis=1)
    weight = np.where(found.inside, found.coherence, 0.0)
    phase = np.angle((np.exp(1j * found.phase) * weight).sum(axis=1))
    return _mean(found), np.where(bars > 0, phase, np.nan), bars.astype(np.float64)


def _mean(found: WaveletCoherence) -> Vector:
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.where(found.inside, found.coherence, 0.0).sum(axis=1)
        return np.asarray(total / found.inside.sum(axis=1))


def first_autocorrelation(values: Vector) -> float:
    """φ of an AR(1) with the series' memory of one bar, within ±0.95."""
    centred = values - values.mean()
    phi = float(centred[1:] @ centred[:-1] / (centred @ centred))
    return min(max(phi, -0.95), 0.95)


def _transform(values: Vector, scales: Vector) -> Complex:
    """Scales × bars, by the Fourier transform of the wavelet; padded, so that ends do not meet."""
    from scipy import fft

    wavelets, _ = _in_frequency(len(values), tuple(scales.tolist()))
    spectrum = fft.fft((values - values.mean()) / values.std(), wavelets.shape[1])
    return fft.ifft(spectrum * wavelets, axis=1)[:, : len(values)]


@lru_cache(maxsize=1)
def _in_frequency(length: int, scales: tuple[float, ...]) -> tuple[Matrix, Matrix]:
    """Wavelets and smoothing windows at the frequencies of padded series: surrogates share them."""
    from scipy import fft

    omega = 2.0 * np.pi * fft.fftfreq(fft.next_fast_len(2 * length))
    scale = np.array(scales)[:, None]
    wavelets = np.exp(-0.5 * (scale * omega - OMEGA) ** 2) * (omega > 0.0)
    wavelets *= np.pi**-0.25 * np.sqrt(2.0 * np.pi * scale)
    return wavelets, np.exp(-0.5 * (scale * omega) ** 2)


def _squared(values: Complex) -> Matrix:
    return np.asarray(values.real**2 + values.imag**2)


def _smooth(values: Complex, scales: Vector, voices: int) -> Complex:
    from scipy import fft

    n = values.shape[1]
    _, windows = _in_frequency(n, tuple(scales.tolist()))
    in_time = fft.ifft(fft.fft(values, windows.shape[1], axis=1) * windows, axis=1)[:, :n]
    # A box in scale by running sums; at the first and last scales the mean of what is there.
    sums = np.concatenate([np.zeros((1, n)), np.cumsum(in_time, axis=0)])
    here, half = np.arange(len(scales)), int(0.3 * voices)
    first, stop = np.maximum(here - half, 0), np.minimum(here + half + 1, len(scales))
    return (sums[stop] - sums[first]) / (stop - first)[:, None]
