"""Dependence at the levels of a regime, and whether the levels differ.

A few estimators, without surrogates. Information and entropy of a level are the means, over its
bars, of the local terms of all levels together: what nearest neighbours do to the terms they do in
all levels alike, so that a difference has the error of a difference of means.

Source: Lizier 2014 (local terms of information).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.dependence.distance_correlation import distance_correlation, margin
from imbalance.studies.dependence.information import (
    Embedding,
    Information,
    mutual_information,
    transfer_entropy,
)
from imbalance.studies.dependence.ranks import normal_scores, uniform_scores
from imbalance.studies.dependence.study import DependenceFamily
from imbalance.studies.dependence.tails import Side, tail_masks, tail_refusal, tail_share
from imbalance.studies.levels import (
    PARAMETERS,
    Estimate,
    Estimator,
    Mask,
    at_levels,
    difference_rows,
    level_rows,
    regime_masks,
)
from imbalance.studies.pairs import Series
from imbalance.studies.prepared_series import PreparedPair
from imbalance.studies.rows import Row, Window, blank

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.intp]


Masks = Mapping[str, Mask]
"""Levels of a regime to their bars, of those that an estimator works on."""


@dataclass(frozen=True)
class _Work:
    """An estimator with the bars that it takes, and what its rows are about."""

    estimator: str
    of: Callable[[Masks], Estimator]
    """The estimator for the levels of a regime."""
    sample: Index
    """The bars whose regime counts: of transfer entropy those of the source."""
    x: Series
    y: Series
    place: Row
    parameters: dict[str, Any]


def regime_rows(
    panel: Panel, family: DependenceFamily, window: Window, x: Series, y: Series,
    pair: PreparedPair,
) -> tuple[list[Row], list[Row]]:
    """Rows of `studies.dependence` by level, and of `studies.dependence_difference`, of a pair."""
    rows: list[Row] = []
    differences: list[Row] = []
    panel = panel.of((x[0], y[0]))
    there = panel.exists[x[0]] & panel.exists[y[0]]
    for work in _works(family, x, y, pair):
        about = {
            "instrument_x": work.x[0], "measure_x": work.x[1],
            "instrument_y": work.y[0], "measure_y": work.y[1], "level": 0.0,
            "kind": "contemporaneous"} | work.place
        for regime in family.regimes:
            masks = regime_masks(panel, work.x[0], regime)
            at = work.of({name: mask[work.sample] for name, mask in masks.items()
                          if mask is not None})
            found = at_levels(regime, masks, there, at, sample=work.sample)
            template = blank("dependence", family.name, window, work.parameters) | about
            rows += [template | {"estimator": work.estimator} | row
                     for row in level_rows(found, family.significance)]
            template = blank("dependence_difference", family.name, window,
                             work.parameters | PARAMETERS) | about
            differences += [template | {"of": work.estimator} | row for row in difference_rows(
                found, int(there.sum()), family.significance)]
    return rows, differences


def _works(family: DependenceFamily, x: Series, y: Series, pair: PreparedPair) -> Iterator[_Work]:
    every_pair = np.flatnonzero(np.isfinite(pair.x))
    sample, thinned = _thinned(every_pair, family)
    left, right = pair.x[sample], pair.y[sample]
    settings: dict[str, Any] = {"margins": "normal scores within the level", "thinned": thinned}
    yield _Work("distance_correlation_bias_corrected", _distance_at(left, right, family), sample,
                x, y, {}, settings)
    k = family.neighbours
    local = settings | {"neighbours": k, "of_level": "mean of the local terms of all levels"}
    yield _Work("mutual_information",
                _local_at((left, right), lambda parts: mutual_information(parts[0], parts[1], k),
                          family),
                sample, x, y, {}, local)
    for source, target, one, other in ((x, y, pair.x, pair.y), (y, x, pair.y, pair.x)):
        whole = np.flatnonzero(np.isfinite(other[1:]) & np.isfinite(other[:-1])
                               & np.isfinite(one[:-1])) + 1
        sample, thinned = _thinned(whole, family)
        parts = (other[sample], other[sample - 1], one[sample - 1])
        yield _Work("transfer_entropy",
                    _local_at(parts, lambda parts: transfer_entropy(Embedding(*parts), k), family),
                    sample - 1, source, target, {"lag": 1, "kind": "predictive"},
                    local | {"thinned": thinned, "past": 1})
    level = max(family.levels, default=0.0)
    sides: tuple[Side, ...] = ("lower", "upper") if level else ()
    for side in sides:
        yield _Work(f"{side}_tail_dependence",
                    _tail_at(pair.x[every_pair], pair.y[every_pair], level, side, family),
                    every_pair, x, y, {"level": level}, {"margins": "ranks within the level"})


def _thinned(places: Index, family: DependenceFamily) -> tuple[Index, str]:
    every = max(1, -(-len(places) // family.largest_sample))
    return places[::every], f"every {every}" if every > 1 else "no"


def _distance_at(x: Vector, y: Vector, family: DependenceFamily) -> Callable[[Masks], Estimator]:
    def estimate(mask: Mask) -> Estimate | str:
        reason = _reason(family, x[mask], y[mask])
        if reason is not None:
            return reason
        left, right = (margin(normal_scores(one[mask])) for one in (x, y))
        if left is None or right is None:
            return "constant_series"
        found = distance_correlation(left, right)
        if np.isnan(found.bias_corrected):
            return "heavily_tied"
        return Estimate(found.bias_corrected, _in_place(found.influence, mask))

    return lambda _: estimate


def _local_at(
    parts: Sequence[Vector], inform: Callable[[Sequence[Matrix]], Information],
    family: DependenceFamily,
) -> Callable[[Masks], Estimator]:
    """Means of local terms. Scores are taken within levels: other margins are no dependence."""
    def reason(mask: Mask) -> str | None:
        return _reason(family, *(part[mask] for part in parts))

    def of(masks: Masks) -> Estimator:
        scored = np.full((len(parts), len(parts[0])), np.nan)
        for mask in masks.values():
            if reason(mask) is None:
                scored[:, mask] = [normal_scores(part[mask]) for part in parts]
        used = np.isfinite(scored[0])
        local = np.full(len(used), np.nan)
        if used.any():
            local[used] = inform([part[used, None] for part in scored]).local

        def estimate(mask: Mask) -> Estimate | str:
            refusal = reason(mask)
            if refusal is not None:
                return refusal
            value = float(local[mask].mean())
            return Estimate(value, _in_place(local[mask] - value, mask))

        return estimate

    return of


def _tail_at(x: Vector, y: Vector, level: float, side: Side, family: DependenceFamily
             ) -> Callable[[Masks], Estimator]:
    def estimate(mask: Mask) -> Estimate | str:
        if mask.sum() < family.minimum_bars:
            return "too_few_bars"
        u, v = uniform_scores(x[mask]), uniform_scores(y[mask])
        in_x, in_y = tail_masks(u, v, level, side)
        reason = tail_refusal((in_x, in_y), level, len(u))
        if reason is not None or not (in_x & in_y).any():
            return reason or "no_common_tail"
        share, influence = tail_share(u, v, level, side)
        return Estimate(share, _in_place(influence, mask))

    return lambda _: estimate


def _reason(family: DependenceFamily, *parts: Vector) -> str | None:
    if len(parts[0]) < family.minimum_bars:
        return "too_few_bars"
    return None if all(np.ptp(part) > 0.0 for part in parts) else "constant_series"


def _in_place(values: Vector, mask: Mask) -> Vector:
    found = np.full(len(mask), np.nan)
    found[mask] = values
    return found
