"""Sums over common valid pairs of all pairs of series at all lags, by blocked FFT.

Only the sums that correlations are made of; what is made of them is in `correlation.py`.
Blocks keep the transforms in cache: for 50 series of 86,400 values and 121 lags this is several
times faster than a matrix product per lag.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Spectra: TypeAlias = NDArray[np.complex128]
Tile: TypeAlias = tuple[Spectra, slice, slice, slice]

# Transforms of a batch of blocks, and a tile of the products, stay in cache. A product of
# _ROWS × _BLOCKS_AT_ONCE × _ROWS is just below the 65,536 from which OpenBLAS starts threads of its
# own, which takes longer than the product.
_BLOCKS_AT_ONCE = 24
_FREQUENCIES = 64
_ROWS = 50


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
    A block a of x and the stretch b of y that it meets give irfft(rfft(a backwards) · rfft b),
    which is Σ_t a_t b_{t+k}; products of blocks are summed in the frequency domain, as matrix
    products per frequency, and transformed back once.
    """
    if np.isfinite(x.sum()) and np.isfinite(y.sum()):
        return _complete(x, y, max_lag)
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
    n, sx, sy, sxx, syy, sxy = _products((x, x_first), (y, y_first), wanted, max_lag)
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


def _complete(x: Matrix, y: Matrix, max_lag: int) -> LagSums:
    """Lag sums of series without gaps: only their products need a pass, the rest follows."""
    nx, ny, length = len(x), len(y), x.shape[1]
    (xy,) = _products((x, []), (y, []), [(slice(0, nx), slice(0, ny))], max_lag, squares=False)
    lags = np.arange(-max_lag, max_lag + 1)
    n = np.maximum(length - np.abs(lags), 0)

    def sums(values: Matrix, power: int, start: NDArray[np.bool_]) -> Matrix:
        """All of a row but |lag| values at its start, where `start` says so, or at its end."""
        edge = min(max_lag, length)
        head, tail = (
            np.cumsum(np.pad(side**power, ((0, 0), (1, max_lag - edge))), axis=1)[:, np.abs(lags)]
            for side in (values[:, :edge], values[:, length - edge :][:, ::-1])
        )
        whole = values.sum(axis=1) if power == 1 else np.einsum("it,it->i", values, values)
        return np.where(n > 0, whole[:, None] - np.where(start, head, tail), 0.0)

    shape = (nx, ny, len(lags))
    return LagSums(
        max_lag=max_lag,
        n=np.broadcast_to(n.astype(np.int64), shape),
        x=np.broadcast_to(sums(x, 1, lags < 0)[:, None], shape),
        y=np.broadcast_to(sums(y, 1, lags > 0)[None], shape),
        xx=np.broadcast_to(sums(x, 2, lags < 0)[:, None], shape),
        yy=np.broadcast_to(sums(y, 2, lags > 0)[None], shape),
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
    squares: bool = True,
) -> list[Matrix]:
    """Σ_t a_t b_{t+lag} for the wanted rows a of the stack of x and b of the stack of y."""
    from scipy import fft

    length = x[0].shape[1]
    size = fft.next_fast_len(max(12 * max_lag, 360), real=True)
    step = size - 2 * max_lag
    batch = min(_BLOCKS_AT_ONCE, -(-length // step))
    part = np.empty((_height(*x, squares), batch * step))
    stretch = np.empty((_height(*y, squares), batch * step + 2 * max_lag))
    left = np.zeros((len(part), batch, size))
    right = np.lib.stride_tricks.sliding_window_view(stretch, size, axis=1)[:, ::step]

    def transformed(start: int) -> tuple[Spectra, Spectra]:
        """Of a batch of blocks: frequency × row × block."""
        _stack(*x, start, squares, part)
        _stack(*y, start - max_lag, squares, stretch)
        # Backwards in time: the product of the transforms is then that of a correlation.
        left[:, :, :step] = part.reshape(-1, batch, step)[:, :, ::-1]
        a, b = (fft.rfft(side.transpose(2, 0, 1), axis=0) for side in (left, right))
        return a, b

    totals: list[Spectra] = [
        np.zeros((size // 2 + 1, a.stop - a.start, b.stop - b.start), dtype=np.complex128)
        for a, b in wanted
    ]
    tiles = [tile for total, (a, b) in zip(totals, wanted, strict=True)
             for tile in _tiles(total, a.start, b.start)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        following = pool.submit(transformed, 0)
        for start in range(batch * step, length + batch * step, batch * step):
            spectra = following.result()
            if start < length:
                following = pool.submit(transformed, start)
            for done in pool.map(partial(_add, *spectra), tiles):
                assert done is None  # noqa: S101  (draws exceptions out of the threads)
        return [
            np.stack(list(pool.map(
                lambda row: fft.irfft(row, size, axis=0)[step - 1 :].T, total.transpose(1, 0, 2)
            )))
            for total in totals
        ]


def _tiles(total: Spectra, first_row: int, first_column: int) -> Iterator[Tile]:
    """Parts of an array of products, with the frequencies, rows and columns that they are of."""
    for f, i, j in itertools.product(
        range(0, total.shape[0], _FREQUENCIES), range(0, total.shape[1], _ROWS),
        range(0, total.shape[2], _ROWS),
    ):
        part = total[f : f + _FREQUENCIES, i : i + _ROWS, j : j + _ROWS]
        rows, columns = first_row + i, first_column + j
        yield (part, slice(f, f + len(part)), slice(rows, rows + part.shape[1]),
               slice(columns, columns + part.shape[2]))


def _add(a: Spectra, b: Spectra, tile: Tile) -> None:
    """Add the products of a batch of blocks to a part of all."""
    total, frequencies, rows, columns = tile
    total += a[frequencies, rows] @ b[frequencies, columns].transpose(0, 2, 1)


def _height(values: Matrix, masks: list[int], squares: bool) -> int:
    return len(masks) + (2 if squares else 1) * len(values)


def _stack(
    values: Matrix, masks: list[int], start: int, squares: bool, stacked: Matrix
) -> None:
    """Masks of some rows, values (and squares) of all, from `start` on; 0 where missing."""
    count, stop = len(values), start + stacked.shape[1]
    first, last = max(start, 0), min(stop, values.shape[1])
    stacked[:, : first - start] = 0.0
    stacked[:, last - start :] = 0.0
    part, inside = values[:, first:last], slice(first - start, last - start)
    filled = stacked[len(masks) : len(masks) + count, inside]
    if not squares:
        filled[...] = part
        return
    stacked[: len(masks), inside] = np.isfinite(part[masks])
    filled[...] = np.nan_to_num(part, nan=0.0)
    np.square(filled, out=stacked[len(masks) + count :, inside])
