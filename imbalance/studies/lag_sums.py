"""Sums over common valid pairs of all pairs of series at all lags, by blocked FFT.

Only the sums that correlations are made of; what is made of them is in `correlation.py`.
Blocks keep the transforms in cache: for 50 series of 86,400 values and 121 lags this is several
times faster than a matrix product per lag.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_BLOCKS_AT_ONCE = 32


@dataclass(frozen=True)
class LagSums:
    """Sums over the pairs (x_t, y_{t+lag}) in which both are there; arrays are nx × ny × lags."""

    max_lag: int
    n: NDArray[np.int64]
    x: Matrix
    y: Matrix
    xx: Matrix
    yy: Matrix
    xy: Matrix

    def correlation(self) -> Matrix:
        """Pearson correlation over the common valid pairs; NaN where one side does not vary."""
        with np.errstate(divide="ignore", invalid="ignore"):
            covariance = self.xy - self.x * self.y / self.n
            x_scatter = self.xx - self.x**2 / self.n
            y_scatter = self.yy - self.y**2 / self.n
            found = covariance / np.sqrt(x_scatter * y_scatter)
        # Scatter of a series that is constant over the pairs is rounding: 1e-11 of its own square.
        flat = (x_scatter <= 1e-11 * self.xx) | (y_scatter <= 1e-11 * self.yy)
        found[flat | (self.n < 2)] = np.nan
        return np.clip(found, -1.0, 1.0)


def lag_sums(x: Matrix, y: Matrix, max_lag: int) -> LagSums:
    """All lag sums of two sets of series on one grid.

    Parameters
    ----------
    x, y : nx × T and ny × T; NaN is missing. Bring series to mean near 0 and variance near 1
        first: the sums then lose nothing to cancellation.
    max_lag : lags run from −max_lag to max_lag; at positive lags x leads y.

    Returns
    -------
    LagSums : index `lag + max_lag` on the last axis.

    Notes
    -----
    A block a of x and the stretch b of y that it meets give irfft(conj(rfft a) · rfft b), which is
    Σ_t a_t b_{t+k}; products of blocks are summed in the frequency domain, as one matrix product
    per frequency, and transformed back once.
    """
    length = x.shape[1]
    size = 512
    while size < 6 * max_lag:
        size *= 2
    step = size - 2 * max_lag
    x_masks, x_group = _distinct_masks(x)
    y_masks, y_group = _distinct_masks(y)
    x_filled, y_filled = np.nan_to_num(x, nan=0.0), np.nan_to_num(y, nan=0.0)
    left = np.concatenate([x_masks, x_filled, x_filled**2])
    right = np.concatenate([y_masks, y_filled, y_filled**2])
    gx, gy, nx, ny = len(x_masks), len(y_masks), len(x), len(y)
    # Rows of `left` and of `right` whose products are wanted.
    wanted = [
        (slice(0, gx), slice(0, gy)),
        (slice(gx, gx + nx), slice(0, gy)),
        (slice(0, gx), slice(gy, gy + ny)),
        (slice(gx + nx, gx + 2 * nx), slice(0, gy)),
        (slice(0, gx), slice(gy + ny, gy + 2 * ny)),
        (slice(gx, gx + nx), slice(gy, gy + ny)),
    ]
    products = _products(left, right, wanted, length, step, max_lag, size)
    n, sx, sy, sxx, syy, sxy = products
    pick = np.ix_(x_group, y_group)
    return LagSums(
        max_lag=max_lag,
        n=np.rint(n[pick]).astype(np.int64),
        x=sx[:, y_group],
        y=sy[x_group],
        xx=sxx[:, y_group],
        yy=syy[x_group],
        xy=sxy,
    )


def _distinct_masks(values: Matrix) -> tuple[Matrix, NDArray[np.intp]]:
    """Masks of presence without repetition, and which of them each row has.

    Measures of one instrument are mostly there at the same bars, so that few masks stand for many
    series.
    """
    present = np.isfinite(values)
    known: dict[bytes, int] = {}
    group = [known.setdefault(row.tobytes(), len(known)) for row in np.packbits(present, axis=1)]
    first = [group.index(number) for number in range(len(known))]
    return present[first].astype(np.float64), np.asarray(group, dtype=np.intp)


def _products(
    left: Matrix,
    right: Matrix,
    wanted: list[tuple[slice, slice]],
    length: int,
    step: int,
    max_lag: int,
    size: int,
) -> list[Matrix]:
    """Σ_t left_t right_{t+lag} for the wanted groups of rows."""
    from scipy import fft

    blocks = -(-length // step)
    padded_left = np.zeros((len(left), blocks * step))
    padded_left[:, :length] = left
    padded_right = np.zeros((len(right), blocks * step + 2 * max_lag))
    padded_right[:, max_lag : max_lag + length] = right
    windows = np.lib.stride_tricks.sliding_window_view(padded_right, size, axis=1)[:, ::step]
    totals: list[NDArray[np.complex128]] = [
        np.zeros((size // 2 + 1, a.stop - a.start, b.stop - b.start), dtype=np.complex128)
        for a, b in wanted
    ]
    for start in range(0, blocks, _BLOCKS_AT_ONCE):
        stop = min(start + _BLOCKS_AT_ONCE, blocks)
        pieces = padded_left[:, start * step : stop * step].reshape(len(left), -1, step)
        # (frequency, row, block) and (frequency, block, row): one product per frequency.
        a = np.ascontiguousarray(fft.rfft(pieces, size, axis=2).conj().transpose(2, 0, 1))
        b = np.ascontiguousarray(fft.rfft(windows[:, start:stop], axis=2).transpose(2, 1, 0))
        for total, (rows, columns) in zip(totals, wanted, strict=True):
            total += a[:, rows] @ b[:, :, columns]
    return [
        fft.irfft(total, size, axis=0)[: 2 * max_lag + 1].transpose(1, 2, 0) for total in totals
    ]
