"""Coherence and phase of two series by frequency, with Slepian tapers on stretches without gaps.

Sources: Thomson 1982 (multitaper); Thomson and Chave 1991 (jackknife); Carter, Knapp and Nuttall
1973 (distribution under independence).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]
Complex = NDArray[np.complex128]

BANDWIDTH = 4.0
"""Time–bandwidth product NW: estimates average over ±NW/length cycles a bar."""
SHORTEST_SEGMENT = 64
TAPERS = 7
"""2 NW − 1: those that keep their energy within the band."""


@dataclass(frozen=True)
class Coherence:
    """Coherence at one frequency."""

    period: float
    """Bars."""
    value: float
    """|S_xy|²/(S_xx S_yy): 0 to 1."""
    standard_error: float
    low: float
    high: float
    p_value: float
    phase: float
    """Radians: positive when x is ahead of y."""
    phase_error: float
    spectra: int
    """Independent estimates averaged: tapers times stretches."""


@dataclass(frozen=True)
class Spectra:
    """Spectra by stretch and period."""

    periods: tuple[float, ...]
    cross: Complex
    x: Vector
    y: Vector


def segments(there: Mask, length: int) -> list[int]:
    """Starts of stretches of `length` bars without a gap, one after the other."""
    starts = []
    run = 0
    for t, present in enumerate(there.tolist()):
        run = run + 1 if present else 0
        if run == length:
            starts.append(t - length + 1)
            run = 0
    return starts


def segment_length(there: Mask, longest: int, shortest: int) -> int:
    """The power of two up to `longest` that leaves eight stretches, or the longest there is; or 0.

    Longer stretches resolve longer periods, more of them make an estimate more certain.
    """
    length, fallback = longest, 0
    while length >= shortest:
        found = len(segments(there, length))
        if found >= 8:
            return length
        fallback = fallback or (length if found else 0)
        length //= 2
    return fallback


def coherence(
    x: Vector, y: Vector, starts: list[int], length: int, periods: tuple[float, ...],
    significance: float,
) -> list[Coherence]:
    """Multitaper coherence at the frequencies nearest to 1/period.

    Parameters
    ----------
    x, y : series; complete on the stretches.
    starts, length : the stretches.
    periods : bars; those that the band would mix with the mean or with two bars a cycle are left
        out.
    significance : 0.05 for 95 % intervals.

    Notes
    -----
    J_k(f) = Σ_t h_k(t) (x_t − x̄) e^{−2πift}, S_xy = Σ J^x_k J^y_k* over tapers and stretches.
    Independent Gaussian series exceed C with probability (1 − C)^{M−1}, M estimates. Interval:
    jackknife over the M of atanh √C, normal. Phase: arg S_xy, with the error
    √((1/C − 1)/(2M)).
    """
    from scipy.special import ndtri

    wanted = _wanted(length, periods)
    if not wanted or not starts:
        return []
    a, b = (_transforms(series, starts, length, wanted) for series in (x, y))
    cross, own_x, own_y = a * b.conj(), np.abs(a) ** 2, np.abs(b) ** 2
    m = len(a)
    quantile = float(ndtri(1.0 - significance / 2.0))
    found = []
    for i, number in enumerate(wanted):
        s_xy, s_xx, s_yy = cross[:, i].sum(), own_x[:, i].sum(), own_y[:, i].sum()
        if not (s_xx > 0.0 and s_yy > 0.0):
            continue
        value = min(float(np.abs(s_xy) ** 2 / (s_xx * s_yy)), 1.0)
        without = np.abs(s_xy - cross[:, i]) ** 2 / (
            (s_xx - own_x[:, i]) * (s_yy - own_y[:, i]))
        z = float(stable(np.array(value)))
        deleted = stable(without)
        spread = float(np.sqrt((m - 1.0) * np.mean((deleted - deleted.mean()) ** 2)))
        low, high = np.tanh(max(z - quantile * spread, 0.0)), np.tanh(z + quantile * spread)
        found.append(Coherence(
            period=length / number,
            value=value,
            standard_error=float(2.0 * np.sqrt(value) * (1.0 - value) * spread),
            low=float(low**2),
            high=float(high**2),
            p_value=float((1.0 - value) ** (m - 1)),
            phase=float(np.angle(s_xy)),
            phase_error=float(np.sqrt((1.0 / max(value, 1e-12) - 1.0) / (2.0 * m))),
            spectra=m,
        ))
    return found


def spectra(
    x: Vector, y: Vector, starts: list[int], length: int, periods: tuple[float, ...]
) -> Spectra:
    """Spectra of every stretch, summed over its tapers; arguments as of `coherence`."""
    wanted = _wanted(length, periods)
    if not wanted or not starts:
        nothing = np.empty((0, 0))
        return Spectra((), nothing.astype(np.complex128), nothing, nothing)
    a, b = (_transforms(series, starts, length, wanted).reshape(len(starts), TAPERS, -1)
            for series in (x, y))
    return Spectra(
        tuple(length / number for number in wanted), (a * b.conj()).sum(axis=1),
        np.square(np.abs(a)).sum(axis=1), np.square(np.abs(b)).sum(axis=1))


def _wanted(length: int, periods: tuple[float, ...]) -> list[int]:
    """Frequencies, in cycles a stretch, nearest to periods that the band keeps from the mean, and
    from two bars a cycle: there spectra are real numbers, and half as many as the test counts.
    """
    return sorted({round(length / period) for period in periods
                   if BANDWIDTH <= length / period <= length / 2.0 - BANDWIDTH})


def stable(value: Vector) -> Vector:
    """Of C, atanh √C, whose error does not depend on C."""
    return np.arctanh(np.sqrt(np.clip(value, 0.0, 1.0 - 1e-12)))


@lru_cache(maxsize=8)
def _tapers(length: int) -> Vector:
    """Slepian tapers: the same for all pairs and stretches of a length."""
    from scipy.signal.windows import dpss

    tapers = np.asarray(dpss(length, BANDWIDTH, TAPERS))
    tapers.flags.writeable = False
    return tapers


def _transforms(
    series: Vector, starts: list[int], length: int, wanted: list[int]
) -> Complex:
    """(stretch and taper) × frequency."""
    parts = np.stack([series[start : start + length] for start in starts])
    parts = parts - parts.mean(axis=1, keepdims=True)
    transformed = np.fft.rfft(parts[:, None, :] * _tapers(length), axis=2)[:, :, wanted]
    return transformed.reshape(-1, len(wanted))
