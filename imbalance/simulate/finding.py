"""A planted figure beside the one found, and when the two agree.

Belongs here: the row of the comparison and its rule. Not here: reading anything.

A figure agrees when it is within 3.5 of its own standard errors of the planted one: a wrong verdict
on a right figure then comes once in 2,000. The interval shown is the usual one of 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Query = Callable[[str, Mapping[str, object]], Sequence[Sequence[Any]]]
Variable = tuple[str, str]  # instrument, measure

TOLERANCE = 3.5  # standard errors
QUANTILE = 1.96


@dataclass(frozen=True)
class Finding:
    """One planted figure and the one found.

    `agrees` is None where there is nothing to compare with, for the reason in `note`.
    """

    question: str
    subject: str
    unit: str
    planted: float
    found: float | None = None
    low: float | None = None
    high: float | None = None
    agrees: bool | None = None
    note: str = ""


def judge(
    question: str,
    subject: str,
    unit: str,
    planted: float,
    found: float,
    error: float,
    note: str = "",
) -> Finding:
    """A figure with a standard error, judged by it."""
    return Finding(
        question, subject, unit, planted, found, found - QUANTILE * error,
        found + QUANTILE * error, abs(found - planted) <= TOLERANCE * error, note,
    )  # fmt: skip
