"""Order flow measures from events: the reference which kernels, SQL and oracles are held against.

Belongs here: functions over arrays of successive quotes. Not here: the book (`books`),
bars (`sql/features`), weights over levels (`integrated`), regressions (`price_impact`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imbalance.kernels import jit

Floats = NDArray[np.float64]


def order_flow_events(
    bid_price: ArrayLike, bid_size: ArrayLike, ask_price: ArrayLike, ask_size: ArrayLike
) -> Floats:
    """Contribution e_n of each event to the order flow imbalance.

    Parameters
    ----------
    bid_price, bid_size, ask_price, ask_size : array, shape (n,) or (n, M)
        Quotes after each event, in the order of the feed; with M columns, the M best levels. A
        price that is NaN stands for a level that is not populated.

    Returns
    -------
    array, shape as given, in the unit of the sizes
        NaN for the first event, and where a level is not populated before or after the event.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    e_n = 1{b_n ≥ b_{n−1}} q^b_n − 1{b_n ≤ b_{n−1}} q^b_{n−1}
    − 1{a_n ≤ a_{n−1}} q^a_n + 1{a_n ≥ a_{n−1}} q^a_{n−1}:
    positive is buying pressure. Equal prices fire both indicators and leave the change of size. A
    new best level shifts the others, which makes flow there by design.

    Source: Cont, Kukanov, Stoikov 2014; by level: Xu, Gould, Howison 2019.
    """
    arrays = [
        np.ascontiguousarray(given, dtype=np.float64)
        for given in (bid_price, bid_size, ask_price, ask_size)
    ]
    shape = arrays[0].shape
    if any(array.shape != shape for array in arrays) or len(shape) not in (1, 2):
        raise ValueError(f"quotes must be four arrays (n,) or (n, M): {[a.shape for a in arrays]}")
    columns = [array.reshape(shape[0], -1) for array in arrays]
    return _events(*columns).reshape(shape)


@jit
def _events(b: Floats, qb: Floats, a: Floats, qa: Floats) -> Floats:
    n, levels = b.shape
    e = np.full((n, levels), np.nan)
    for i in range(1, n):
        for m in range(levels):
            before_b, after_b, before_a, after_a = b[i - 1, m], b[i, m], a[i - 1, m], a[i, m]
            if np.isnan(before_b + after_b + before_a + after_a):
                continue
            flow = 0.0
            if after_b >= before_b:
                flow += qb[i, m]
            if after_b <= before_b:
                flow -= qb[i - 1, m]
            if after_a <= before_a:
                flow -= qa[i, m]
            if after_a >= before_a:
                flow += qa[i - 1, m]
            e[i, m] = flow
    return e


def without_price_changes(events: ArrayLike, bid_price: ArrayLike, ask_price: ArrayLike) -> Floats:
    """The events with those set to 0 that change a best price: the control against tautology.

    Parameters
    ----------
    events, bid_price, ask_price : array, shape (n,)
        `order_flow_events` at the best level, and the best prices after each event.

    Notes
    -----
    A move of the best price is price change by definition, so that part of the fit of a price
    change on order flow is an identity. Source: Cont, Kukanov, Stoikov 2014, footnote 3.
    """
    e = np.array(events, dtype=np.float64)
    bid = np.asarray(bid_price, dtype=np.float64)
    ask = np.asarray(ask_price, dtype=np.float64)
    changed = np.zeros(e.shape, dtype=bool)
    changed[1:] = (bid[1:] != bid[:-1]) | (ask[1:] != ask[:-1])
    e[changed & ~np.isnan(e)] = 0.0
    return e
