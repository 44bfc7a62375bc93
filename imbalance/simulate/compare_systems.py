"""Vector autoregressions, Granger causality and impulse responses beside the planted systems.

Belongs here: matching fitted systems with planted ones, and judging them.
Not here: figures of single pairs of series (compare).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imbalance.simulate.finding import QUANTILE, TOLERANCE, Finding, Query, Variable
from imbalance.simulate.truth import FLOW, Autoregression, Truth
from imbalance.store.sqlfiles import read_sql

SIGNIFICANCE = 0.05


def _model_of(system: Autoregression, models: set[str]) -> str | None:
    """The fitted model that holds the planted system: an instrument's own, or one across."""
    instruments = {name for name, _ in system.variables}
    if len(instruments) == 1:
        return next(iter(instruments & models), None)
    across = [
        model
        for model in sorted(models)
        if instruments <= set(model.removeprefix("across:").split(","))
    ]
    return across[0] if across else None


def _system_name(system: Autoregression) -> str:
    return ", ".join(dict.fromkeys(name for name, _ in system.variables))


def _too_low(order: int, system: Autoregression) -> str:
    return (
        f"the fitted order {order} is below the planted {len(system.coefficients)}: "
        "the bars are too few to show the second lag"
    )


def compare_autoregressions(truth: Truth, query: Query) -> Iterator[Finding]:
    """Coefficients of each planted system against those fitted, its unplanted regressors at 0."""
    fitted: dict[str, dict[tuple[Variable, Variable, int], tuple[float, float]]] = {}
    for model, ix, mx, iy, my, lag, estimate, error in query(
        read_sql("simulate/coefficients.sql"), {}
    ):
        fitted.setdefault(model, {})[(ix, mx), (iy, my), lag] = (estimate, error)
    for system in truth.autoregressions:
        question, subject = "VAR of return and order flow, 1 s", _system_name(system)
        coefficients, _ = system.arrays()
        model = _model_of(system, set(fitted))
        rows = {} if model is None else fitted[model]
        # Regressors that were not planted have zero coefficients in these equations.
        rows = {key: row for key, row in rows.items() if key[1] in system.variables}
        unit = "coefficients inside their 95 % interval"
        if not rows:
            yield Finding(question, subject, unit, float(coefficients.size), note="not fitted")
            continue
        order = max(lag for _, _, lag in rows)
        scores = []
        for (x, y, lag), (estimate, error) in rows.items():
            known = lag <= len(coefficients) and x in system.variables
            i, j = system.variables.index(y), system.variables.index(x) if known else 0
            planted = float(coefficients[lag - 1, i, j]) if known else 0.0
            scores.append(abs(estimate - planted) / error)
        inside = sum(score <= QUANTILE for score in scores)
        if order < len(coefficients):
            yield Finding(
                question, subject, unit, float(len(scores)), float(inside),
                note=_too_low(order, system),
            )  # fmt: skip
        else:
            yield Finding(
                question, subject, unit, float(len(scores)), float(inside),
                agrees=max(scores) <= TOLERANCE,
                note=f"order {order}; the furthest is {max(scores):.1f} standard errors off",
            )  # fmt: skip


def compare_causalities(truth: Truth, query: Query) -> Iterator[Finding]:
    """How many of the planted effects were called, and how many of the absent ones."""
    tested = {}
    orders = {}
    for model, ix, mx, iy, my, order, q in query(read_sql("simulate/causality.sql"), {}):
        tested[model, (ix, mx), (iy, my)] = q
        orders[model] = order
    models = set(orders)
    for system in truth.autoregressions:
        subject = _system_name(system)
        model = _model_of(system, models)
        wanted = [
            one
            for one in truth.causalities
            if one.cause in system.variables and one.effect in system.variables
        ]
        for present in (True, False):
            question = "Granger causality " + ("planted" if present else "absent") + ", 1 s"
            values = [
                tested[model, one.cause, one.effect]
                for one in wanted
                if one.present == present and model and (model, one.cause, one.effect) in tested
            ]
            number = sum(one.present == present for one in wanted)
            if not number:
                continue
            called = sum(q <= SIGNIFICANCE for q in values)
            unit = f"of {number} called at q ≤ {SIGNIFICANCE}"
            planted = float(number if present else 0)
            if not values:
                yield Finding(question, subject, unit, planted, note="not tested")
            elif not present and orders[model] < len(system.coefficients):
                # A lag left out makes others stand in for it: the tests are then of another system.
                yield Finding(
                    question, subject, unit, planted, float(called),
                    note=_too_low(orders[model], system),
                )  # fmt: skip
            elif present:  # small ones may be beyond the power of so few bars
                yield Finding(question, subject, unit, planted, float(called), agrees=called > 0)
            else:
                limit = SIGNIFICANCE * number + 3 * np.sqrt(SIGNIFICANCE * number)
                yield Finding(
                    question, subject, unit, planted, float(called), agrees=bool(called <= limit)
                )


def cumulative_response(system: Autoregression, horizon: int) -> float:
    """Return (bps) up to `horizon` bars after a flow shock of one standard deviation.

    Σ_{h≤H} Φ_h P for one instrument, P the Cholesky factor of Σ with flow ordered first.
    """
    coefficients, sigma = system.arrays()
    flow = [measure for _, measure in system.variables].index(FLOW)
    change = 1 - flow
    shock = sigma[:, flow] / np.sqrt(sigma[flow, flow])
    path = [shock]
    for _ in range(horizon):
        path.append(sum(a @ path[-1 - lag] for lag, a in enumerate(coefficients[: len(path)])))
    return float(sum(response[change] for response in path))


def compare_responses(truth: Truth, query: Query) -> Iterator[Finding]:
    """What a flow shock does to the return of its instrument in the end."""
    rows = {
        model: (horizon, estimate, low, high)
        for model, horizon, estimate, low, high in query(read_sql("simulate/responses.sql"), {})
    }
    for system in truth.autoregressions:
        name = system.variables[0][0]
        if len(system.variables) != 2:
            continue
        if name not in rows:
            yield Finding(
                "response of the return to a flow shock", name, "bps",
                cumulative_response(system, 20), note="not in studies.impulse_response",
            )  # fmt: skip
            continue
        horizon, estimate, low, high = rows[name]
        planted = cumulative_response(system, horizon)
        question = f"response of the return to a flow shock, all of {horizon} s"
        width = TOLERANCE / QUANTILE
        agrees = (
            estimate - width * (estimate - low) <= planted <= estimate + width * (high - estimate)
        )
        yield Finding(question, name, "bps", planted, estimate, low, high, agrees)
