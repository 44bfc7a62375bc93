"""Compiled loops of the inference that studies share: sums over the blocks of a bootstrap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit


@jit
def block_sums(
    running: NDArray[np.float64],
    first: NDArray[np.int64],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Sums of the columns over the rows that each replication draws.

    Parameters
    ----------
    running : (2n + 1) × k running sums of the rows, twice over, from a row of zeros.
    first, starts, lengths : as in `resampling.Blocks`.
    out : replications × k, filled.
    """
    for r in range(len(out)):
        out[r] = 0.0
        for b in range(first[r], first[r + 1]):
            start, stop = starts[b], starts[b] + lengths[b]
            for k in range(running.shape[1]):
                out[r, k] += running[stop, k] - running[start, k]
