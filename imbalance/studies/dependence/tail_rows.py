"""Rows of the estimators that look at tails and quantiles: counted, and by fitted copulas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.dependence.copulas import CopulaFit, fit_copulas
from imbalance.studies.dependence.ranks import tied_share, uniform_scores
from imbalance.studies.dependence.study import DependenceFamily
from imbalance.studies.dependence.tails import (
    Share,
    Side,
    quantilogram,
    shift_p_value,
    tail_dependence,
    tail_masks,
    tail_refusal,
)

Vector = NDArray[np.float64]

MOST_TIED = 0.2
"""Share of tied values up to which a copula is fitted: it is a model of continuous margins."""

_SIDES: tuple[Side, ...] = ("lower", "upper")


def tail_rows(
    x: Vector, y: Vector, family: DependenceFamily, sample_x: Vector, sample_y: Vector, every: int
) -> Iterator[dict[str, Any]]:
    """What each row says beside the pair: estimator, level, n, figures, parameters, or a reason.

    Parameters
    ----------
    x, y : all pairs that are there, in time order.
    sample_x, sample_y, every : the thinned pairs to which copulas are fitted.
    """
    u, v = uniform_scores(x), uniform_scores(y)
    least = max(10, len(u) // 20)
    for level in family.levels:
        for side in _SIDES:
            base = {"estimator": f"{side}_tail_dependence", "level": level, "n": len(u),
                    "parameters": {"test": "all circular shifts",
                                   "interval": "Clopper-Pearson at the effective number"}}
            masks = tail_masks(u, v, level, side)
            reason = tail_refusal(masks, level, len(u))
            if reason is not None:
                yield base | {"reason": reason}
                continue
            found = tail_dependence(u, v, level, side, family.significance)
            yield base | _figures(found) | {
                "surrogate_mean": level,
                "p_value": shift_p_value(*masks, least, two_sided=False)}
    for level in family.quantiles:
        base = {"estimator": "quantilogram", "level": level, "n": len(u),
                "parameters": {"test": "all circular shifts, two-sided", "interval": "normal"}}
        masks = u <= level, v <= level
        reason = tail_refusal(masks, level, len(u))
        if reason is not None:
            yield base | {"reason": reason}
            continue
        yield base | _figures(quantilogram(u, v, level, family.significance)) | {
            "surrogate_mean": 0.0, "p_value": shift_p_value(*masks, least, two_sided=True)}
    yield from _copula_rows(sample_x, sample_y, family, every)


def _figures(found: Share) -> dict[str, Any]:
    return {
        "estimate": found.value, "standard_error": found.standard_error,
        "interval_low": found.low, "interval_high": found.high,
        "n_effective": found.n_effective,
    }


def _copula_rows(
    x: Vector, y: Vector, family: DependenceFamily, every: int
) -> Iterator[dict[str, Any]]:
    if max(tied_share(x), tied_share(y)) > MOST_TIED:
        yield {"estimator": "student_tail", "n": len(x), "parameters": {},
               "reason": "heavily_tied"}
        return
    fits = fit_copulas(uniform_scores(x), uniform_scores(y))
    for fit in fits:
        yield _copula_row(fit, fits[0].name, len(x), family, every)


def _copula_row(
    fit: CopulaFit, best: str, n: int, family: DependenceFamily, every: int
) -> dict[str, Any]:
    from scipy.special import ndtri

    names = {"student": "student_tail", "clayton": "clayton_lower_tail",
             "gumbel": "gumbel_upper_tail"}
    estimate = max(fit.lower, fit.upper)
    half = float(ndtri(1.0 - family.significance / 2.0)) * fit.error
    return {
        "estimator": names[fit.name], "n": n, "estimate": estimate, "standard_error": fit.error,
        "interval_low": float(np.clip(estimate - half, 0.0, 1.0)),
        "interval_high": float(np.clip(estimate + half, 0.0, 1.0)), "aic": fit.aic,
        "parameters": {
            "copula": {name: round(value, 10) for name, value in fit.parameters.items()},
            "log_likelihood": round(fit.log_likelihood, 6), "best_by_aic": best == fit.name,
            "margins": "middle ranks over n + 1", "thinned": f"every {every}" if every > 1 else
            "no", "standard_error": "HAC sandwich and delta method; none where the fit ends at a "
            "bound",
        },
    }
