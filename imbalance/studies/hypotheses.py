"""Which tests of a family are corrected together.

A false discovery rate is a share of all that is called. Where effects that hold by construction are
called beside forecasts, they leave room for false forecasts among many true calls: so each kind of
claim has q-values of its own. Here: the kinds, and of which kind a row is. The correction itself is
in `multiple_testing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Hypothesis = Literal["same_book", "same_bar", "own_past", "ahead", "whole"]

HYPOTHESES: Mapping[str, str] = {
    "same_book": "x and y are of one instrument and one bar: the same events make both, so that "
    "most of these hold by construction",
    "same_bar": "x and y are of different instruments in one bar",
    "own_past": "x is y's own past",
    "ahead": "x goes before y",
    "whole": "about a system or a window as a whole, or how its parts differ",
}

DIFFERENCES = frozenset({
    "high_less_low", "equality", "regime_difference",
    "correlation_risk", "tail_excess", "diversification_lost",
})
"""Estimators of how parts of a window differ. That a flow and the return of its bar go together
holds by construction; that they do so more in a thin book does not, nor does it forecast."""

_ANY = "*"


def hypothesis_of(row: Mapping[str, Any]) -> Hypothesis:
    """The kind of claim that a row tests, from its estimator, its `kind` and what x and y are.

    A difference between levels or states is about the window, whatever x and y are. A row about all
    instruments is of one book where it sets one measure against another.
    """
    x, y = ((row[f"instrument_{side}"], row[f"measure_{side}"]) for side in ("x", "y"))
    if row["kind"] is None or row["estimator"] in DIFFERENCES:
        return "whole"
    if row["kind"] == "predictive":
        return "own_past" if x == y and x[0] != _ANY else "ahead"
    one_book = x[0] == y[0] and (x[0] != _ANY or (x[1] != y[1] and _ANY not in (x[1], y[1])))
    return "same_book" if one_book else "same_bar"
