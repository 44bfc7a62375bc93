"""Which series are correlated with which, none of them twice, and which of them together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from imbalance.studies.alignment import Panel
from imbalance.studies.correlation.study import CorrelationFamily
from imbalance.studies.pairs import Series, instrument_pairs
from imbalance.studies.prepared_series import SeriesPool

Pairs = list[tuple[Series, Series]]

_BLOCK = 32
"""Pairs of instruments that are not crossed which are worked on together."""


def series_pairs(
    family: CorrelationFamily, instruments: Sequence[str], crossed: Sequence[str]
) -> Pairs:
    """Pairs of series to correlate, none of them twice.

    A pair that comes in both orders says the same thing at mirrored lags: when the family's lags
    are symmetric and y is not summed, only the first order is kept.
    """
    mirrored = {-lag for lag in family.lags} == set(family.lags) and family.horizons == (1,)
    kept: dict[tuple[Series, Series], None] = {}
    for instrument_x, instrument_y in instrument_pairs(family.pairs, instruments, crossed):
        for measure_x in family.x_measures:
            for measure_y in family.y_measures:
                x, y = (instrument_x, measure_x), (instrument_y, measure_y)
                if not (mirrored and x != y and (y, x) in kept):
                    kept[x, y] = None
    return list(kept)


def apart(pool: SeriesPool, family: CorrelationFamily, x: Series, y: Series) -> bool:
    """Whether two series have too few pairs of bars at every lag, so that a row says it for all."""
    if not pool.panel.near(x[0], y[0]):
        return True
    panel = pool.panel.of((x[0], y[0]))
    first, second = (np.isfinite(pool.on(panel, one)) for one in (x, y))
    for lag in sorted({*family.lags, *family.regime_lags}, key=abs):
        if abs(lag) >= panel.slots:
            continue
        behind, ahead = max(0, lag), max(0, -lag)
        both = first[ahead : panel.slots - behind] & second[behind : panel.slots - ahead]
        if both.sum() >= family.minimum_bars:
            return False
    return True


def blocks(panel: Panel, pairs: Pairs, crossed: Sequence[str]) -> Iterator[Pairs]:
    """The pairs in blocks, within which sums are made of every series with every other: those
    between crossed instruments that are in some pair together, through others or by themselves;
    then those of a few other instruments at a time, as they begin.
    """
    rest: Pairs = []
    group = {name: name for name in crossed}

    def first_of(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    between = []
    for (x, y) in pairs:
        if x[0] in group and y[0] in group:
            between.append((x, y))
            group[first_of(y[0])] = first_of(x[0])
        else:
            rest.append((x, y))
    together: dict[str, Pairs] = {}
    for x, y in between:
        together.setdefault(first_of(x[0]), []).append((x, y))
    yield from together.values()
    rest.sort(key=lambda pair: (int(panel.slots_of[pair[0][0]][0]), pair))
    for at in range(0, len(rest), _BLOCK):
        yield rest[at : at + _BLOCK]
