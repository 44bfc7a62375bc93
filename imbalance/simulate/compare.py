"""What was planted beside what was found, for the closing summary of the demonstration.

Belongs here: the entry, and the figures of bars and correlations: impact, cross-impact, leads.
Not here: systems of equations (compare_systems), printing, the truth itself (truth).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imbalance.simulate.compare_systems import (
    compare_autoregressions,
    compare_causalities,
    compare_responses,
)
from imbalance.simulate.finding import TOLERANCE, Finding, Query, Variable, judge
from imbalance.simulate.processes import Array
from imbalance.simulate.truth import FLOW, RETURN, Lead, Truth
from imbalance.store.sqlfiles import read_sql

HAC_LAGS = 10  # the planted processes forget within so many seconds
LEAD_STEPS = 20  # lags of 100 ms looked at on either side
FEWEST_BARS = 100

__all__ = ["Finding", "Query", "compare"]


def compare(truth: Truth, query: Query) -> list[Finding]:
    """Judge what a session holds by what was planted.

    Parameters
    ----------
    query : runs SQL with named parameters in a session that has `features.*` and `studies.*`, and
        returns rows, such as `lambda sql, values: session.execute(sql, values).fetchall()`.
    """
    findings: list[Finding] = []
    bars = {
        impact.instrument: _bars(query, "simulate/bars_1s.sql", impact.instrument)
        for impact in truth.impacts
    }
    findings.extend(_impacts(truth, bars, query))
    findings.extend(_cross_impacts(truth, bars))
    for lead in truth.leads:
        findings.extend(
            _whole_second_lead(lead, query) if lead.bar_size == "1s" else _short_lead(lead, query)
        )
    findings.extend(compare_autoregressions(truth, query))
    findings.extend(compare_causalities(truth, query))
    findings.extend(compare_responses(truth, query))
    return findings


def _bars(query: Query, name: str, instrument: str) -> dict[int, tuple[float, float]]:
    """(return, flow) by bar start in ns."""
    rows = query(read_sql(name), {"instrument": instrument})
    return {start: (change, flow) for start, change, flow in rows}


def _least_squares(y: Array, x: Array) -> tuple[Array, Array]:
    """Slopes and their Newey–West standard errors; both sides are centred first."""
    y, x = y - y.mean(), x - x.mean(axis=0)
    inverse = np.linalg.inv(x.T @ x)
    slopes = inverse @ x.T @ y
    scores = x * (y - x @ slopes)[:, None]
    middle = scores.T @ scores
    for lag in range(1, HAC_LAGS + 1):
        term = scores[lag:].T @ scores[:-lag]
        middle += (1 - lag / (HAC_LAGS + 1)) * (term + term.T)
    return slopes, np.sqrt(np.diag(inverse @ middle @ inverse))


def _impacts(
    truth: Truth, bars: dict[str, dict[int, tuple[float, float]]], query: Query
) -> Iterator[Finding]:
    for impact in truth.impacts:
        name = impact.instrument
        question, unit = "impact: return on own order flow, 1 s", "bps per base unit"
        if len(bars[name]) < FEWEST_BARS:
            yield Finding(question, name, unit, impact.slope, note="too few usable bars")
        else:
            table = np.array(list(bars[name].values()))
            slopes, errors = _least_squares(table[:, 0], table[:, 1:])
            yield judge(question, name, unit, impact.slope, float(slopes[0]), float(errors[0]))
        planted = float(np.sign(impact.slope) * np.sqrt(impact.r_squared))
        question = f"correlation of own order flow and return, 1 s (R² {impact.r_squared:.2f})"
        found = _correlations(query, (name, FLOW), (name, RETURN)).get(0)
        if found is None:
            yield Finding(question, name, "", planted, note="not in studies.correlation")
        else:
            yield _correlation(question, name, planted, found)


def _correlation(
    question: str, subject: str, planted: float, found: tuple[float, float, float, float]
) -> Finding:
    estimate, error, low, high = found
    agrees = abs(estimate - planted) <= TOLERANCE * error
    return Finding(question, subject, "", planted, estimate, low, high, agrees)


def _cross_impacts(
    truth: Truth, bars: dict[str, dict[int, tuple[float, float]]]
) -> Iterator[Finding]:
    """The target's return on the source's flow, given its own flow and what it follows."""
    second = 10**9
    for cross in truth.cross_impacts:
        question = "cross-impact: return on the other's order flow, 1 s"
        subject = f"{cross.source} → {cross.target}"
        lag = next(lead.lag_bars for lead in truth.leads if lead.follower == cross.target) * second
        source, target = bars[cross.source], bars[cross.target]
        rows = [
            (target[t][0], source[t][1], target[t][1], source[t - lag][0])
            for t in target
            if t in source and t - lag in source
        ]
        if len(rows) < FEWEST_BARS:
            yield Finding(
                question, subject, "bps per base unit", cross.coefficient,
                note="too few usable bars",
            )  # fmt: skip
            continue
        table = np.array(rows)
        slopes, errors = _least_squares(table[:, 0], table[:, 1:])
        yield judge(
            question, subject, "bps per base unit", cross.coefficient, float(slopes[0]),
            float(errors[0]),
        )  # fmt: skip


def _correlations(
    query: Query, x: Variable, y: Variable
) -> dict[int, tuple[float, float, float, float]]:
    """(estimate, standard error, interval) by lag; x leads at positive lags."""
    rows = query(
        read_sql("simulate/correlations.sql"),
        {
            "instrument_x": x[0],
            "measure_x": x[1],
            "instrument_y": y[0],
            "measure_y": y[1],
        },
    )
    return {lag: (estimate, error, low, high) for lag, estimate, error, low, high in rows}


def _whole_second_lead(lead: Lead, query: Query) -> Iterator[Finding]:
    subject = f"{lead.leader} → {lead.follower}"
    question = "lead: lag at which returns correlate most"
    found = _correlations(query, (lead.leader, RETURN), (lead.follower, RETURN))
    if lead.lag_bars not in found:
        yield Finding(question, subject, "s", lead.lag_seconds, note="not in studies.correlation")
        return
    peak = max(found, key=lambda lag: abs(found[lag][0]))
    yield Finding(
        question, subject, "s", lead.lag_seconds, float(peak), agrees=peak == lead.lag_bars,
        note=f"among {len(found)} lags of 1 s",
    )  # fmt: skip
    if lead.correlation is not None:
        yield _correlation(
            f"correlation of returns at lag {lead.lag_bars} s", subject, lead.correlation,
            found[lead.lag_bars],
        )  # fmt: skip


def _short_lead(lead: Lead, query: Query) -> Iterator[Finding]:
    """A lead below a second, from bars of 100 ms: the study's usual bars are too coarse for it."""
    step = 100_000_000
    subject = f"{lead.leader} → {lead.follower}"
    question = "lead: lag at which returns correlate most"
    leader = _bars(query, "simulate/bars_100ms.sql", lead.leader)
    follower = _bars(query, "simulate/bars_100ms.sql", lead.follower)
    correlations = {}
    for lag in range(-LEAD_STEPS, LEAD_STEPS + 1):
        later = lag * step
        pairs = [(leader[t][0], follower[t + later][0]) for t in leader if t + later in follower]
        if len(pairs) >= FEWEST_BARS:
            correlations[lag] = abs(float(np.corrcoef(np.array(pairs).T)[0, 1]))
    if not correlations:
        yield Finding(question, subject, "s", lead.lag_seconds, note="too few usable bars")
        return
    peak = max(correlations, key=lambda lag: correlations[lag])
    yield Finding(
        question, subject, "s", lead.lag_seconds, peak / 10,
        agrees=abs(peak - lead.lag_bars) <= 1, note="within a step of 100 ms",
    )  # fmt: skip
