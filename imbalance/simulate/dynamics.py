"""The latent market: flow and return of each instrument, per second and per 100 ms.

Belongs here: the step from a scenario's structural equations to a joint VAR(2), the draw from it,
and its division into steps of 100 ms which add up to it exactly.
Not here: prices in ticks, books, messages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imbalance.simulate.processes import Array, autocovariances, simulate_var
from imbalance.simulate.scenario import SUBDIVISIONS, Scenario, SimulatedInstrument

ORDER = 2
# Seconds drawn before the first, which the followers of the first seconds follow.
LEAD_IN = 2


@dataclass(frozen=True)
class System:
    """Joint VAR(2) of (return in bps, flow in base units) of `members`, in that order each."""

    members: tuple[str, ...]
    coefficients: Array
    sigma: Array

    def index(self, name: str, measure: str) -> int:
        """Position of an instrument's "return" or "flow"."""
        return 2 * self.members.index(name) + ("return", "flow").index(measure)

    def of(self, name: str) -> System:
        """The system of one instrument that follows no other: its own rows are closed."""
        rows = [self.index(name, "return"), self.index(name, "flow")]
        picked = np.ix_(rows, rows)
        return System(
            (name,), np.array([matrix[picked] for matrix in self.coefficients]), self.sigma[picked]
        )


@dataclass(frozen=True)
class Path:
    """One instrument's returns (bps) and flows (base units), shape (seconds, 10) each."""

    returns: Array
    flows: Array


def joint_system(scenario: Scenario) -> System:
    """The reduced form of the structural equations of those which follow by whole seconds, or none.

    Notes
    -----
    (I − B0) z_t = B1 z_{t−1} + B2 z_{t−2} + η, where B0 holds the effects within the second
    (flow → return); so A_l = (I − B0)^{-1} B_l and Σ = (I − B0)^{-1} Ω (I − B0)^{-T}.
    """
    followers = {link.target for link in scenario.links if not link.whole_seconds}
    members = tuple(one.name for one in scenario.instruments if one.name not in followers)
    size = 2 * len(members)
    system = System(members, np.zeros((ORDER, size, size)), np.zeros((size, size)))
    within = np.zeros((size, size))
    lagged = np.zeros((ORDER, size, size))
    noise = np.zeros((size, size))
    for name in members:
        own = scenario.instrument(name)
        price, flow = system.index(name, "return"), system.index(name, "flow")
        within[price, flow] = own.impact
        lagged[0, flow, flow], lagged[1, flow, flow] = own.persistence
        lagged[0, flow, price] = own.feedback
        noise[price, price], noise[flow, flow] = own.return_noise**2, own.flow_deviation**2
        link = scenario.link_to(name)
        if link is not None:
            within[price, system.index(link.source, "flow")] = link.cross_impact
            lag = link.steps // SUBDIVISIONS
            lagged[lag - 1, price, system.index(link.source, "return")] = link.follow
    for shock in scenario.common_shocks:
        for measure, correlation in (("flow", shock.flow), ("return", shock.noise)):
            i, j = system.index(shock.first, measure), system.index(shock.second, measure)
            noise[i, j] = noise[j, i] = correlation * np.sqrt(noise[i, i] * noise[j, j])
    inverse = np.linalg.inv(np.eye(size) - within)
    return System(
        members, np.array([inverse @ matrix for matrix in lagged]), inverse @ noise @ inverse.T
    )


def own_flow_system(instrument: SimulatedInstrument) -> tuple[Array, Array]:
    """AR(2) of the flow of an instrument without feedback: coefficients (2, 1, 1), variance."""
    coefficients = np.array(instrument.persistence).reshape(ORDER, 1, 1)
    return coefficients, np.array([[instrument.flow_deviation**2]])


def _divide(totals: Array, deviation: float, rng: np.random.Generator) -> Array:
    """Steps of 100 ms that add up to the seconds' totals, (n,) → (n, 10).

    The steps have the law of independent normals of variance deviation²/10 given their sum.
    """
    steps = rng.standard_normal((totals.size, SUBDIVISIONS)) * deviation / np.sqrt(SUBDIVISIONS)
    return steps - steps.mean(axis=1, keepdims=True) + totals[:, None] / SUBDIVISIONS


def draw_paths(scenario: Scenario, system: System, rng: np.random.Generator) -> dict[str, Path]:
    """Draw the latent market.

    Returns
    -------
    A path per instrument. For members of the system the sum over a row is the planted value of that
    second exactly; linear impact and links hold at 100 ms too, with the same coefficients.
    """
    seconds = scenario.duration_seconds + LEAD_IN
    joint = simulate_var(system.coefficients, system.sigma, seconds, rng)
    flows: dict[str, Array] = {}
    for one in scenario.instruments:
        if one.name in system.members:
            totals = joint[:, system.index(one.name, "flow")]
        else:
            totals = simulate_var(*own_flow_system(one), seconds, rng)[:, 0]
        flows[one.name] = _divide(totals, one.flow_deviation, rng)
    returns: dict[str, Array] = {}
    # Leaders first: a follower copies the leader's steps.
    for one in sorted(scenario.instruments, key=lambda i: scenario.link_to(i.name) is not None):
        caused = one.impact * flows[one.name]
        link = scenario.link_to(one.name)
        if link is not None:
            leader = returns[link.source].ravel()
            shifted = np.concatenate([np.zeros(link.steps), leader[: -link.steps]])
            caused = caused + link.cross_impact * flows[link.source]
            caused = caused + link.follow * shifted.reshape(seconds, SUBDIVISIONS)
        if one.name in system.members:
            left = joint[:, system.index(one.name, "return")] - caused.sum(axis=1)
        else:
            left = one.return_noise * rng.standard_normal(seconds)
        returns[one.name] = caused + _divide(left, one.return_noise, rng)
    return {
        one.name: Path(returns[one.name][LEAD_IN:], flows[one.name][LEAD_IN:])
        for one in scenario.instruments
    }


def impact_moments(scenario: Scenario, system: System, name: str) -> tuple[float, float]:
    """Slope (bps per base unit) and R² of the regression of a second's return on its own flow.

    These are moments of the planted process: what ordinary least squares converges to.
    """
    one = scenario.instrument(name)
    if name in system.members:
        gamma = autocovariances(system.coefficients, system.sigma, 0)[0]
        i, j = system.index(name, "return"), system.index(name, "flow")
        slope = gamma[i, j] / gamma[j, j]
        return float(slope), float(slope**2 * gamma[j, j] / gamma[i, i])
    flow_variance = autocovariances(*own_flow_system(one), 0)[0, 0, 0]
    # Only a follower is outside the system.
    link = next(link for link in scenario.links if link.target == name)
    followed = link.follow**2 * _shifted_variance(scenario, system, link.source, link.steps)
    explained = one.impact**2 * flow_variance
    return one.impact, float(explained / (explained + one.return_noise**2 + followed))


def _shifted_variance(scenario: Scenario, system: System, leader: str, steps: int) -> float:
    """Variance of a second's sum of the leader's 100 ms returns shifted by `steps` < 10.

    With R_t the leader's return, a = (10 − steps)/10 and b² the variance of a step about R_t/10:
    (a² + (1−a)²) Γ(0) + 2 a (1−a) Γ(1) + 2 b² steps (10 − steps)/10.
    """
    seconds, rest = divmod(steps, SUBDIVISIONS)
    del seconds  # whole seconds shift a stationary series and change no variance
    i = system.index(leader, "return")
    gamma = autocovariances(system.coefficients, system.sigma, 1)[:, i, i]
    one = scenario.instrument(leader)
    step_variance = ((one.impact * one.flow_deviation) ** 2 + one.return_noise**2) / SUBDIVISIONS
    share = (SUBDIVISIONS - rest) / SUBDIVISIONS
    return float(
        (share**2 + (1 - share) ** 2) * gamma[0]
        + 2 * share * (1 - share) * gamma[1]
        + 2 * step_variance * rest * (SUBDIVISIONS - rest) / SUBDIVISIONS
    )
