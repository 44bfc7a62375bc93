"""Which series are correlated with which, none of them twice."""

from __future__ import annotations

from collections.abc import Sequence

from imbalance.studies.correlation.study import CorrelationFamily
from imbalance.studies.pairs import Series, instrument_pairs


def series_pairs(
    family: CorrelationFamily, instruments: Sequence[str], crossed: Sequence[str]
) -> list[tuple[Series, Series]]:
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
