"""The studies there are. A study is a folder of this package and a line here."""

from __future__ import annotations

import importlib
from functools import cache

from imbalance.errors import UserError, nearest
from imbalance.studies.columns import REASONS
from imbalance.studies.study import Study

NAMES = (
    "correlation",
    "feedback",
    "feedback_index",
    "lead_lag",
    "dependence",
    "epps",
    "connectedness",
    "local_projections",
    "price_discovery",
    "dynamics",
    "correlation_matrix",
    "coherence",
    "event_time",
    "hawkes",
    "price_impact",
    "liquidity",
    "volatility",
    "diversification",
)
"""In the order in which they are run, listed and reported; each has a `study.py` with `STUDY`."""


@cache
def studies() -> tuple[Study, ...]:
    """All studies."""
    return tuple(
        importlib.import_module(f"imbalance.studies.{name}.study").STUDY for name in NAMES
    )


def study(name: str) -> Study:
    """The study of that name.

    Raises
    ------
    UserError
        If there is none; names the nearest.
    """
    for one in studies():
        if one.name == name:
            return one
    close = nearest(name, list(NAMES))
    raise UserError(
        f"there is no study {name!r}" + (f"; did you mean {close!r}?" if close else ""),
        allowed=", ".join(NAMES),
        fix="imbalance studies",
    )


def reasons() -> dict[str, str]:
    """Every reason a row may give for holding no estimate, in words."""
    own = {reason: words for one in studies() for reason, words in one.reasons.items()}
    return {**REASONS, **own}
