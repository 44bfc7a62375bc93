"""Fitting Hawkes processes: maximum likelihood by L-BFGS or by expectation–maximisation.

Sources: Ogata 1978 (likelihood); Ozaki 1979 (recursion); Lewis and Mohler 2011 (expectation and
maximisation); Filimonov and Sornette 2015 (baselines that move). Checked against the R package
hawkes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.hawkes.kernels import information, likelihood
from imbalance.studies.hawkes.process import Events, Hawkes

Vector = NDArray[np.float64]

_LOWEST_RATE = 1e-4
"""Share of a kind's rate that its baseline keeps: an event that nothing led to stays possible."""


class NotConvergedError(ValueError):
    """The likelihood could not be maximised."""


@dataclass(frozen=True)
class Derivatives:
    """Log-likelihood and its derivatives, in the shapes of the parameters."""

    value: float
    baseline: Vector
    norms: Vector
    decays: Vector


def log_likelihood(events: Events, process: Hawkes) -> Derivatives:
    """Σ ln λ_i(t_k) − Σ_i ∫ λ_i over the stretches, to their ends, with its derivatives."""
    by_baseline = np.empty_like(process.baseline)
    by_norm = np.empty_like(process.norms)
    by_decay = np.empty_like(process.decays)
    value = likelihood(
        events.times, events.kinds, events.bounds, process.decays, process.knots,
        process.baseline, process.norms, by_baseline, by_norm, by_decay,
    )
    exposure = events.exposure(process.knots)
    mass, slope = events.mass(process.decays)
    value -= float((process.baseline @ exposure).sum() + (process.norms * mass).sum())
    return Derivatives(
        float(value), by_baseline - exposure, by_norm - mass,
        by_decay - (process.norms * slope).sum(axis=(0, 1)),
    )


@dataclass(frozen=True)
class HawkesFit:
    """A fitted process."""

    process: Hawkes
    events: Events
    log_likelihood: float
    steps: int
    method: str

    @property
    def parameters(self) -> int:
        """Baseline values, norms and decays."""
        process = self.process
        return process.baseline.size + process.norms.size + process.decays.size

    @property
    def bic(self) -> float:
        """−2 ln L + parameters · ln(events)."""
        return -2.0 * self.log_likelihood + self.parameters * np.log(len(self.events.times))

    @cached_property
    def norm_covariance(self) -> Vector:
        """Covariance of the norms, [effect, cause, decay] in a row, from the information.

        Norms and baselines at their lower bounds are taken as known.
        """
        process = self.process
        size, many, points = len(process.baseline), len(process.decays), len(process.knots)
        row = points + size * many
        found = np.zeros((size, row + many, row + many))
        information(self.events.times, self.events.kinds, self.events.bounds, process.decays,
                    process.knots, process.baseline, process.norms, found)
        values = np.column_stack([process.baseline, process.norms.reshape(size, -1)])
        lowest = np.column_stack([
            np.repeat(_lowest(self.events)[:, None], points, axis=1),
            np.zeros((size, size * many))])
        inside = values > 1.01 * lowest + 1e-9
        # Rows of the information meet in the decays alone: inverted one by one, they take the
        # memory of one, where a baseline of many knots makes them long.
        decays = found[:, row:, row:].sum(axis=0)
        unit = np.sqrt(np.where(np.diag(decays) > 0.0, np.diag(decays), 1.0))
        covariance = np.zeros((size * size * many,) * 2)
        by_decays = np.zeros((size, size * many, many))
        for i, part in enumerate(found):
            free = np.flatnonzero(inside[i] & (np.diag(part)[:row] > 0.0))
            inverse = np.linalg.pinv(part[np.ix_(free, free)], hermitian=True)
            shared = part[free, row:]
            slope = inverse @ shared
            decays -= shared.T @ slope
            norms = free >= points
            at = free[norms] - points
            covariance[np.ix_(*(i * size * many + at,) * 2)] = inverse[np.ix_(norms, norms)]
            by_decays[i, at] = slope[norms]
        # What is left of the decays' information by rounding alone is none.
        roots, vectors = np.linalg.eigh(decays / np.outer(unit, unit))
        told = roots > 1e-12
        reach = by_decays.reshape(-1, many) / unit @ vectors[:, told]
        return np.asarray(covariance + reach / roots[told] @ reach.T)

    @cached_property
    def exogenous_error(self) -> Vector:
        """Standard errors of the exogenous shares, by those of the norms; NaN without events."""
        process = self.process
        size, many = len(process.baseline), len(process.decays)
        mass = self.events.mass(process.decays)[0].ravel()
        errors = np.full(size, np.nan)
        for i in np.flatnonzero(self.events.counts):
            own = slice(i * size * many, (i + 1) * size * many)
            variance = mass @ self.norm_covariance[own, own] @ mass
            errors[i] = np.sqrt(variance) / self.events.counts[i]
        return errors

    @cached_property
    def branching_error(self) -> Vector:
        """Standard errors of N, d × d."""
        size, many = len(self.process.baseline), len(self.process.decays)
        summed = np.kron(np.eye(size * size), np.ones((1, many)))
        return np.sqrt(np.diag(summed @ self.norm_covariance @ summed.T)).reshape(size, size)

    @cached_property
    def radius_error(self) -> float:
        """Standard error of the spectral radius: ∂ρ/∂N = u v'/(u'v), its eigenvectors."""
        branching, many = self.process.branching, len(self.process.decays)
        values, right = np.linalg.eig(branching)
        which = int(np.argmax(np.abs(values)))
        others, left = np.linalg.eig(branching.T)
        beside = int(np.argmin(np.abs(others - values[which])))
        u, v = np.real(left[:, beside]), np.real(right[:, which])
        if abs(u @ v) < 1e-12:
            return float("nan")
        slope = np.repeat((np.outer(u, v) / (u @ v)).ravel(), many)
        return float(np.sqrt(slope @ self.norm_covariance @ slope))


def start(events: Events, decays: Vector, knots: Vector) -> Hawkes:
    """Where the search begins: half of the events from a constant baseline, the rest from all."""
    size, many = events.size, len(decays)
    rates = np.maximum(events.counts, 1) / events.duration
    norms = np.full((size, size, many), 0.2 / (size * many))
    norms[np.arange(size), np.arange(size)] += 0.3 / many
    # Of what never happened nothing is known, and nothing would move it from where it begins.
    norms[:, events.counts == 0] = 0.0
    return Hawkes(decays, knots, np.repeat(rates[:, None] / 2.0, len(knots), axis=1), norms)


def maximise(
    events: Events, decays: Vector, knots: Vector, *, fixed_decays: bool = False,
    begin: Hawkes | None = None,
) -> HawkesFit:
    """Maximum likelihood by L-BFGS-B with the analytic gradient.

    Parameters
    ----------
    events : what happened.
    decays : β_m to begin with, one for an exponential kernel, several for a sum of them.
    knots : of the baseline.
    fixed_decays : keep the decays; the likelihood is then concave.
    begin : where to begin instead, of the same kernel and knots.

    Notes
    -----
    Searched over μ/rate, n and ln β, all of order 1, per event. β stays within a factor of 1,000 of
    where it began. The search ends when a step changes the likelihood by less than 1e-9 of itself.

    Raises
    ------
    NotConvergedError : if the search gives up.
    """
    from scipy.optimize import minimize

    first = begin or start(events, decays, knots)
    size, points = first.baseline.shape
    rates = (np.maximum(events.counts, 1) / events.duration)[:, None]
    count = len(events.times)
    split = np.cumsum([first.baseline.size, first.norms.size])

    def process(vector: Vector) -> Hawkes:
        baseline, norms, logs = np.split(vector, split)
        return Hawkes(
            first.decays if fixed_decays else np.exp(logs), knots,
            np.ascontiguousarray(baseline.reshape(size, points) * rates),
            np.ascontiguousarray(norms.reshape(first.norms.shape)),
        )

    def objective(vector: Vector) -> tuple[float, Vector]:
        now = process(vector)
        found = log_likelihood(events, now)
        slope = [(found.baseline * rates).ravel(), found.norms.ravel()]
        if not fixed_decays:
            slope.append(found.decays * now.decays)
        return -found.value / count, -np.concatenate(slope) / count

    vector = [(first.baseline / rates).ravel(), first.norms.ravel()]
    bounds = [(_LOWEST_RATE, None)] * first.baseline.size + [(0.0, None)] * first.norms.size
    if not fixed_decays:
        vector.append(np.log(first.decays))
        reach = np.log(1_000.0)
        bounds += [(value - reach, value + reach) for value in np.log(decays)]
    result = minimize(objective, np.concatenate(vector), jac=True, method="L-BFGS-B", bounds=bounds,
                      options={"maxiter": 500, "ftol": 1e-9, "gtol": 1e-7, "maxcor": 20})
    if not np.isfinite(result.fun) or (not result.success and result.nit >= 500):
        raise NotConvergedError(str(result.message))
    return HawkesFit(process(result.x), events, -float(result.fun) * count, int(result.nit),
                     "L-BFGS-B")


def expect_and_maximise(
    events: Events, decays: Vector, knots: Vector, *, steps: int = 200, tolerance: float = 1e-8
) -> HawkesFit:
    """Maximum likelihood by expectation and maximisation: slower, and never a step down.

    Parameters
    ----------
    events, decays, knots : as for `maximise`.
    steps : at most.
    tolerance : change of the likelihood per event at which it ends.

    Notes
    -----
    The expected number of events of i that j calls forth through m is n_ijm times Σ β_m R_jm/λ_i;
    the expected total of their delays follows from the derivative by β. With them n is that number
    over the mass of the kernel within the stretch, μ the expected number of the others at each
    knot over its exposure, β the number over the delays, what lies beyond the end included.
    """
    now = start(events, decays, knots)
    exposure = np.maximum(events.exposure(knots), 1e-300)
    lowest = _lowest(events)[:, None]
    found = log_likelihood(events, now)
    taken = 0
    while taken < steps:
        taken += 1
        mass, slope = events.mass(now.decays)
        beyond = (now.norms * slope).sum(axis=(0, 1))
        caused = now.norms * (found.norms + mass)
        number = caused.sum(axis=(0, 1))
        delays = number / now.decays - (found.decays + beyond)
        now = Hawkes(
            number / np.maximum(delays + beyond, 1e-300), knots,
            np.maximum(now.baseline * (found.baseline / exposure + 1.0), lowest),
            np.divide(caused, mass, out=np.zeros_like(caused),
                      where=np.broadcast_to(mass > 0.0, caused.shape)),
        )
        before, found = found.value, log_likelihood(events, now)
        if found.value - before < tolerance * len(events.times):
            break
    return HawkesFit(now, events, found.value, taken, "expectation and maximisation")


def _lowest(events: Events) -> Vector:
    return _LOWEST_RATE * np.maximum(events.counts, 1) / events.duration
