"""A row of a study as a sentence, for reports and terminals. No estimation, no selection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imbalance.studies.tables import ANY, REASONS


def sentence(row: Mapping[str, Any]) -> str:
    """What a row of a study says, in one sentence.

    Parameters
    ----------
    row : a row of `studies.correlation`, `.impulse_response` or `.granger_causality` as a mapping.
    """
    x, y = _series(row, "x"), _series(row, "y")
    about = f"{row['family']}, {row['bar_size']} bars"
    if row["reason"] is not None:
        subject = " and ".join(dict.fromkeys(part for part in (x, y) if part)) or "all instruments"
        return f"{about}: nothing estimated for {subject}: {REASONS[row['reason']]}."
    if row["study"] == "correlation":
        return f"{about}: {_correlation(row, x, y)}"
    if row["study"] == "impulse_response":
        return (
            f"{about}: {row['horizon']} bars after a shock of one standard deviation in {x}, the "
            f"{row['estimator'].replace('_', ' ')} response of {y} is {row['estimate']:.3g} "
            f"[{row['interval_low']:.3g}, {row['interval_high']:.3g}]."
        )
    verb = "helps to forecast" if row["kind"] == "predictive" else "shares shocks with"
    return (
        f"{about}: {x} {verb} {y}: {row['estimator']} = {row['estimate']:.3g}, "
        f"p = {row['p_value']:.2g}, q = {row['q_value']:.2g}."
    )


def _correlation(row: Mapping[str, Any], x: str, y: str) -> str:
    lag, horizon = row["lag"], row["horizon"]
    if lag == 0:
        when = f"{x} and {y} in the same bar"
    elif lag > 0:
        when = f"{x} and {y} {_bars(lag)} later"
    else:
        when = f"{x} and {y} {_bars(-lag)} earlier"
    if horizon > 1:
        when += f", summed over {_bars(horizon)}"
    if row["regime"] != "all":
        when += f", after bars with {row['regime'].replace('_', ' ')}"
    return (
        f"{row['estimator'].capitalize()} correlation of {when} is {row['estimate']:.3f} "
        f"[{row['interval_low']:.3f}, {row['interval_high']:.3f}], q = {row['q_value']:.2g}, "
        f"from {row['n']} pairs worth {row['n_effective']:.0f} independent ones."
    )


def _bars(count: int) -> str:
    return "1 bar" if count == 1 else f"{count} bars"


def _series(row: Mapping[str, Any], side: str) -> str:
    instrument, measure = row[f"instrument_{side}"], row[f"measure_{side}"]
    return " ".join(part for part in (instrument, measure) if part != ANY)
