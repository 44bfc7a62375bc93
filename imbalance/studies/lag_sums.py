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

_BLOCKS_AT_ONCE = 16


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
    size = 512
    while size < 12 * max_lag:
        size *= 2
    if np.isfinite(x).all() and np.isfinite(y).all():
        return _complete(x, y, max_lag, size)
    x_first, x_group = _distinct_masks(x)
    y_first, y_group = _distinct_masks(y)
    gx, gy, nx, ny = len(x_first), len(y_first), len(x), len(y)
    # Rows of the stacks of x and of y (masks, values, squares) whose products are wanted.
    wanted = [
        (slice(0, gx), slice(0, gy)),
        (slice(gx, gx + nx), slice(0, gy)),
        (slice(0, gx), slice(gy, gy + ny)),
        (slice(gx + nx, gx + 2 * nx), slice(0, gy)),
        (slice(0, gx), slice(gy + ny, gy + 2 * ny)),
        (slice(gx, gx + nx), slice(gy, gy + ny)),
    ]
    n, sx, sy, sxx, syy, sxy = _products((x, x_first), (y, y_first), wanted, max_lag, size)
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


def _complete(x: Matrix, y: Matrix, max_lag: int, size: int) -> LagSums:
    """Lag sums of series without gaps: only their products need a pass, the rest follows."""
    nx, ny, length = len(x), len(y), x.shape[1]
    (xy,) = _products((x, []), (y, []), [(slice(0, nx), slice(0, ny))], max_lag, size,
                      squares=False)
    lags = np.arange(-max_lag, max_lag + 1)
    n = np.maximum(length - np.abs(lags), 0)

    def sums(values: Matrix, start: NDArray[np.bool_]) -> Matrix:
        """All of a row but |lag| values at its start, where `start` says so, or at its end."""
        edge = min(max_lag, length)
        head = np.cumsum(np.pad(values[:, :edge], ((0, 0), (1, max_lag - edge))), axis=1)
        tail = np.cumsum(np.pad(values[:, length - edge :][:, ::-1],
                                ((0, 0), (1, max_lag - edge))), axis=1)
        left_out = np.where(start, head[:, np.abs(lags)], tail[:, np.abs(lags)])
        return np.where(n > 0, values.sum(axis=1)[:, None] - left_out, 0.0)

    shape = (nx, ny, len(lags))
    return LagSums(
        max_lag=max_lag,
        n=np.broadcast_to(n.astype(np.int64), shape),
        x=np.broadcast_to(sums(x, lags < 0)[:, None], shape),
        y=np.broadcast_to(sums(y, lags > 0)[None], shape),
        xx=np.broadcast_to(sums(np.square(x), lags < 0)[:, None], shape),
        yy=np.broadcast_to(sums(np.square(y), lags > 0)[None], shape),
        xy=xy,
    )


def _distinct_masks(values: Matrix) -> tuple[list[int], NDArray[np.intp]]:
    """Rows that are present at different bars, one of each kind, and the kind of every row.

    Measures of one instrument are mostly there at the same bars, so that few masks stand for many
    series.
    """
    known: dict[bytes, int] = {}
    group = [
        known.setdefault(np.packbits(np.isfinite(row)).tobytes(), len(known)) for row in values
    ]
    return [group.index(number) for number in range(len(known))], np.asarray(group, dtype=np.intp)


def _products(
    x: tuple[Matrix, list[int]],
    y: tuple[Matrix, list[int]],
    wanted: list[tuple[slice, slice]],
    max_lag: int,
    size: int,
    squares: bool = True,
) -> list[Matrix]:
    """Σ_t a_t b_{t+lag} for the wanted rows a of the stack of x and b of the stack of y."""
    from scipy import fft

    length, step = x[0].shape[1], size - 2 * max_lag
    totals: list[NDArray[np.complex128]] = [
        np.zeros((size // 2 + 1, a.stop - a.start, b.stop - b.start), dtype=np.complex128)
        for a, b in wanted
    ]
    for start in range(0, length, step * _BLOCKS_AT_ONCE):
        blocks = min(_BLOCKS_AT_ONCE, -(-(length - start) // step))
        stop = start + blocks * step
        left = _stack(*x, start, stop, squares).reshape(-1, blocks, step)
        stretch = _stack(*y, start - max_lag, stop + max_lag, squares)
        right = np.lib.stride_tricks.sliding_window_view(stretch, size, axis=1)[:, ::step]
        # (frequency, row, block) and (frequency, block, row): one product per frequency.
        a = np.conj(fft.rfft(left, size, axis=2).transpose(2, 0, 1), order="C")
        b = np.ascontiguousarray(fft.rfft(right, axis=2).transpose(2, 1, 0))
        for total, (rows, columns) in zip(totals, wanted, strict=True):
            total += a[:, rows] @ b[:, :, columns]
    return [
        fft.irfft(total, size, axis=0)[: 2 * max_lag + 1].transpose(1, 2, 0) for total in totals
    ]


def _stack(values: Matrix, masks: list[int], start: int, stop: int, squares: bool) -> Matrix:
    """Masks of some rows, values (and squares) of all, from `start` to `stop`; 0 where missing."""
    count = len(values)
    stacked = np.zeros((len(masks) + (2 if squares else 1) * count, stop - start))
    first, last = max(start, 0), min(stop, values.shape[1])
    part, inside = values[:, first:last], slice(first - start, last - start)
    filled = stacked[len(masks) : len(masks) + count, inside]
    if not squares:
        filled[...] = part
        return stacked
    stacked[: len(masks), inside] = np.isfinite(part[masks])
    filled[...] = np.nan_to_num(part, nan=0.0)
    np.square(filled, out=stacked[len(masks) + count :, inside])
    return stacked
