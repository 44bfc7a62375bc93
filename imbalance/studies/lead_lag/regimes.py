"""Leads at the levels of a regime, and whether the levels differ.

A block of time is of the level that a measure of x had in the bars before it. Compared are how
strongly the prices go together at once and at the lead of the whole window, which of the two is
ahead, and the leads themselves: all but the last are smooth in what blocks add, that is drawn
again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.asynchrony.ticks import Ticks, sharing_time
from imbalance.studies.difference_tables import EQUALITY, HIGH_LESS_LOW
from imbalance.studies.lead_lag.estimate import Blocks, LeadLag, asymmetry_weights, two_sided
from imbalance.studies.lead_lag.study import (
    HOUR,
    HOUR_NANOSECONDS,
    MILLISECOND,
    LeadLagFamily,
)
from imbalance.studies.lead_lag.summary import band, summary
from imbalance.studies.levels import (
    PARAMETERS,
    Estimate,
    Estimator,
    Levels,
    Mask,
    at_levels,
    difference_rows,
    level_rows,
)
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.rows import Row, share
from imbalance.studies.stretches import FEWEST, stretch_masks
from imbalance.studies.stretches import PARAMETERS as STRETCHES

Vector = NDArray[np.float64]
Index = NDArray[np.intp]


SETTINGS = PARAMETERS | STRETCHES | {
    "covariance": "jackknife over blocks of time",
    "equality": "Wald test that all levels have one value, against F; the estimate is the Wald "
    "statistic. Of leads: the sum of their squared deviations over squared errors, against the "
    "same of centred replications",
    "intervals": "Student's t, n − 1 of the level or of the smaller of two; of leads percentiles",
}
"""How levels are compared, as rows tell it."""


@dataclass(frozen=True)
class Counts:
    """Increments of x in each block."""

    there: Index
    used: Index


def regime_rows(
    panel: Panel | None, family: LeadLagFamily, template: Row, blocks: Blocks, counts: Counts,
    whole: LeadLag,
) -> tuple[list[Row], list[Row]]:
    """Rows of `studies.lead_lag` by level, and of `studies.lead_lag_difference`, of a pair.

    Parameters
    ----------
    panel : bars whose measures make the regimes; without them only hours are compared.
    template : of a row of the study about the pair.
    whole : the estimate over all blocks.
    """
    rows: list[Row] = []
    differences: list[Row] = []
    works = {
        ("contrast", 0.0): (whole.lags == 0).astype(np.float64),
        ("contrast", whole.best / MILLISECOND): (whole.lags == whole.best).astype(np.float64),
        ("asymmetry", 0.0): asymmetry_weights(blocks.lags, blocks.ratio_lags),
    }
    there = int(counts.there.sum())
    between = template | {
        "study": "lead_lag_difference",
        "parameters": json.dumps(json.loads(template["parameters"]) | SETTINGS, sort_keys=True)}
    if panel is None:
        differences += [between | {
            "of": "lead", "estimator": EQUALITY, "regime": regime, "seed": None, "n": 0,
            "n_left_out": there, "coverage": 0.0, "reason": "no_bars"} for regime in family.regimes]
    for regime, masks in _regimes(panel, family, template["instrument_x"], blocks).items():
        for (name, lag), weights in works.items():
            found = at_levels(regime, masks, counts.there, combined_at(blocks, weights),
                              bandwidth=0.0, bars=counts.used)
            about = {"lag_ms": lag, "seed": None}
            if regime != HOUR and name == "contrast":
                rows += [template | about | {"estimator": name} | row
                         for row in level_rows(found, family.significance)]
            differences += [between | about | {"of": name} | row
                            for row in difference_rows(found, there, family.significance)]
        leads = {level.name: blocks.estimate(family.replications, (family.seed, place),
                                             masks[level.name])
                 for place, level in enumerate(found.found)}
        if regime != HOUR:
            rows += [template | row for row in _level_summaries(found, leads, family.significance)]
        differences += [between | {"of": "lead"} | row
                        for row in lead_differences(found, leads, there, family)]
    return rows, differences


def counts_of(x: Ticks, blocks: Blocks) -> Counts:
    """Increments of x in each block, and those that no gap takes out."""
    block = np.minimum(np.searchsorted(blocks.ends, x.times[1:]), len(blocks.ends) - 1)
    used = ~sharing_time(x.times, x.gaps)
    there, seen = (np.bincount(one, minlength=len(blocks.ends)) for one in (block, block[used]))
    return Counts(there, seen)


def combined_at(blocks: Blocks, weights: Vector) -> Estimator:
    """Σ w(θ) ρ(θ) over a level's blocks; a block adds what leaving it out takes away."""
    cross = blocks.covariance @ weights

    def estimate(mask: Mask) -> Estimate | str:
        m = int(mask.sum())
        if m < FEWEST:
            return "too_few_stretches"
        u, variances = cross[mask], blocks.variances[mask]
        rest = variances.sum(axis=0) - variances
        # What is left of a variance by rounding alone is none.
        if not (rest > 1e-10 * variances.sum(axis=0)).all():
            return "constant_series"
        value = float(u.sum() / np.sqrt(variances.sum(axis=0).prod()))
        without = (u.sum() - u) / np.sqrt(rest.prod(axis=1))
        influence = np.full(len(mask), np.nan)
        influence[mask] = np.sqrt(m * (m - 1.0)) * (without.mean() - without)
        return Estimate(value, influence)

    return estimate


def lead_differences(
    found: Levels, leads: Mapping[str, LeadLag], there: int, family: LeadLagFamily
) -> Iterator[Row]:
    """Whether leads are equal, and that of the highest level less that of the lowest.

    Notes
    -----
    With θ̂_l the leads and s_l the standard deviations of their replications, one step at least,
    T = Σ (θ̂_l − θ̄)²/s_l² about the mean θ̄ weighted by 1/s_l². It is held against the same of the
    replications less their θ̂_l. The difference of two leads has the percentiles of the differences
    of their replications, and is called where nearly all of these are on one side of 0.
    """
    n = sum(one.bars for one in found.found)
    row = {"regime": found.regime, "n": n, "n_left_out": max(there - n, 0),
           "coverage": share(n, max(there - n, 0))}
    refused = [one.reason for one in found.levels if one.reason is not None]
    if len(found.levels) < 2 or refused:
        yield row | {"estimator": EQUALITY, "seed": None,
                     "reason": refused[0] if refused else "one_level"}
    else:
        yield row | {"estimator": EQUALITY} | _equality(list(leads.values()), family)
    ends = [leads.get(f"{found.regime}_{level}") for level in ("high", "low")]
    if ends[0] is not None and ends[1] is not None:
        yield row | {"estimator": HIGH_LESS_LOW} | _difference(ends[0], ends[1], family)


def _equality(leads: list[LeadLag], family: LeadLagFamily) -> Row:
    best = np.array([one.best for one in leads], dtype=np.float64)
    drawn = np.column_stack([one.drawn_best for one in leads]).astype(np.float64)
    weights = 1.0 / np.maximum(drawn.std(axis=0, ddof=1), family.step_ms * MILLISECOND) ** 2

    def statistic(values: Vector) -> Vector:
        centre = (values @ weights / weights.sum())[..., None]
        return np.asarray((values - centre) ** 2 @ weights)

    observed = float(statistic(best))
    beyond = int((statistic(drawn - best) >= observed).sum())
    return {"estimate": observed, "p_value": (beyond + 1.0) / (len(drawn) + 1.0)}


def _difference(high: LeadLag, low: LeadLag, family: LeadLagFamily) -> Row:
    drawn = (high.drawn_best - low.drawn_best) / MILLISECOND
    return {
        "estimate": (high.best - low.best) / MILLISECOND,
        "standard_error": float(drawn.std(ddof=1)), "p_value": two_sided(drawn),
    } | band(drawn, family.significance)


def _level_summaries(
    found: Levels, leads: Mapping[str, LeadLag], significance: float
) -> Iterator[Row]:
    """What is told of each level that has a lead; that levels differ is tested, not their leads."""
    for row in level_rows(found, significance):
        if row["regime"] in leads:
            counted = {name: row[name] for name in ("regime", "n", "n_left_out", "coverage")}
            for told in summary(leads[row["regime"]], significance):
                yield told | counted | {"p_value": None}


def _regimes(
    panel: Panel | None, family: LeadLagFamily, instrument: str, blocks: Blocks
) -> dict[str, dict[str, Mask | None]]:
    """Regimes to their levels' blocks: of bars that had ended when a block began."""
    found: dict[str, dict[str, Mask | None]] = {}
    if panel is not None:
        panel = panel.of((instrument,)) if instrument in panel.instruments else panel
        width = BAR_NANOSECONDS[panel.bar_size]
        slots = np.searchsorted(panel.starts, blocks.starts, side="right") - 1
        length = max(int(np.median(blocks.ends - blocks.starts)) // width, 1)
        found = {regime: stretch_masks(panel, instrument, regime, np.maximum(slots, 0), length)
                 for regime in family.regimes}
    hours = blocks.starts // HOUR_NANOSECONDS % 24
    every = {f"{HOUR}_{hour:02d}": hours == hour for hour in np.unique(hours)}
    found[HOUR] = {name: mask for name, mask in every.items() if mask.sum() >= FEWEST}
    return found
