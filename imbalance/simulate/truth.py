"""What was planted, as it stands beside the captures in `truth.json`.

Belongs here: the planted values in the measures' own names and units, writing and reading them.
Not here: drawing a market; judging what a study found (imbalance.simulate.compare).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imbalance.errors import UserError
from imbalance.simulate.dynamics import System, impact_moments, joint_system
from imbalance.simulate.processes import Array, autocovariances
from imbalance.simulate.scenario import SUBDIVISIONS, Scenario

FILE_NAME = "truth.json"
KIND = "imbalance-simulation-truth"  # first key of the file: no capture format begins so
RETURN, FLOW = "return_bps", "order_flow_imbalance"


@dataclass(frozen=True)
class Impact:
    """Least squares of a second's return on its own flow: slope in bps per base unit, and R²."""

    instrument: str
    slope: float
    r_squared: float


@dataclass(frozen=True)
class CrossImpact:
    """The source's flow of a second moves the target in it by `coefficient` bps per base unit."""

    source: str
    target: str
    coefficient: float


@dataclass(frozen=True)
class Lead:
    """The leader's return is followed by the follower's `lag_bars` bars of `bar_size` later.

    `correlation` is that of the two at this lag, where theory gives it.
    """

    leader: str
    follower: str
    lag_seconds: float
    bar_size: str
    lag_bars: int
    correlation: float | None


@dataclass(frozen=True)
class Autoregression:
    """A VAR at 1 s: its variables (instrument, measure) in order, A_1 .. A_p, and Σ."""

    variables: tuple[tuple[str, str], ...]
    coefficients: tuple[tuple[tuple[float, ...], ...], ...]
    sigma: tuple[tuple[float, ...], ...]

    def arrays(self) -> tuple[Array, Array]:
        """Coefficients, shape (p, k, k), and sigma, shape (k, k)."""
        return np.array(self.coefficients), np.array(self.sigma)


@dataclass(frozen=True)
class Causality:
    """Whether the cause's past moves the effect, given that of all variables of the joint VAR."""

    cause: tuple[str, str]
    effect: tuple[str, str]
    present: bool


@dataclass(frozen=True)
class CaptureFile:
    """A file that was written, relative to the directory of `truth.json`, and its whole lines."""

    path: str
    instrument: str
    lines: int
    sha256: str


@dataclass(frozen=True)
class Truth:
    """Everything planted in a set of simulated captures, and the files themselves.

    `autoregressions` holds the joint VAR first, then that of each instrument whose return and flow
    form a closed system.
    """

    scenario: dict[str, Any]
    impacts: tuple[Impact, ...]
    cross_impacts: tuple[CrossImpact, ...]
    leads: tuple[Lead, ...]
    autoregressions: tuple[Autoregression, ...]
    causalities: tuple[Causality, ...]
    files: tuple[CaptureFile, ...] = ()

    def write(self, directory: Path) -> None:
        """Write `truth.json`."""
        text = json.dumps({"kind": KIND, **asdict(self)}, indent=1, default=str)
        (directory / FILE_NAME).write_text(text + "\n", encoding="utf-8")


def describe_scenario(scenario: Scenario) -> dict[str, Any]:
    """The scenario as JSON holds it."""
    described: dict[str, Any] = json.loads(json.dumps(asdict(scenario), default=str))
    return described


def derive_truth(scenario: Scenario) -> Truth:
    """What a scenario plants: moments of its process, not of one draw from it."""
    system = joint_system(scenario)
    gamma = autocovariances(system.coefficients, system.sigma, 2)
    leads = []
    for link in scenario.links:
        correlation = None
        if link.whole_seconds:
            i, j = system.index(link.target, "return"), system.index(link.source, "return")
            lagged = gamma[link.steps // SUBDIVISIONS]
            correlation = float(lagged[i, j] / np.sqrt(gamma[0, i, i] * gamma[0, j, j]))
        bar_size, bars = (
            ("1s", link.steps // SUBDIVISIONS) if link.whole_seconds else ("100ms", link.steps)
        )
        leads.append(Lead(link.source, link.target, link.lag_seconds, bar_size, bars, correlation))
    closed = [name for name in system.members if scenario.link_to(name) is None]
    systems = [system] + ([system.of(name) for name in closed] if len(system.members) > 1 else [])
    return Truth(
        scenario=describe_scenario(scenario),
        impacts=tuple(
            Impact(one.name, *impact_moments(scenario, system, one.name))
            for one in scenario.instruments
        ),
        cross_impacts=tuple(
            CrossImpact(link.source, link.target, link.cross_impact)
            for link in scenario.links
            if link.cross_impact
        ),
        leads=tuple(leads),
        autoregressions=tuple(_autoregression(one) for one in systems),
        causalities=_causalities(system),
    )


def _variables(system: System) -> tuple[tuple[str, str], ...]:
    return tuple((name, measure) for name in system.members for measure in (RETURN, FLOW))


def _autoregression(system: System) -> Autoregression:
    return Autoregression(
        _variables(system),
        tuple(tuple(tuple(row) for row in matrix) for matrix in system.coefficients.tolist()),
        tuple(tuple(row) for row in system.sigma.tolist()),
    )


def _causalities(system: System) -> tuple[Causality, ...]:
    variables = _variables(system)
    # Rounding of the inverse leaves 1e-17 where theory has zero.
    present = np.abs(system.coefficients).max(axis=0) > 1e-12
    return tuple(
        Causality(cause, effect, bool(present[i, j]))
        for i, effect in enumerate(variables)
        for j, cause in enumerate(variables)
        if i != j
    )


def load_truth(directory: Path) -> Truth:
    """Read the truth that stands beside simulated captures.

    Raises
    ------
    UserError
        When there is none, or the file is something else.
    """
    path = directory / FILE_NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"no planted truth: {error}",
            where=str(path),
            allowed="the directory that `imbalance simulate DIR` has written",
        ) from error
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise UserError(f"not a {KIND}", where=str(path))
    return Truth(
        scenario=found["scenario"],
        impacts=tuple(Impact(**one) for one in found["impacts"]),
        cross_impacts=tuple(CrossImpact(**one) for one in found["cross_impacts"]),
        leads=tuple(Lead(**one) for one in found["leads"]),
        autoregressions=tuple(
            Autoregression(
                tuple((instrument, measure) for instrument, measure in one["variables"]),
                tuple(tuple(tuple(row) for row in matrix) for matrix in one["coefficients"]),
                tuple(tuple(row) for row in one["sigma"]),
            )
            for one in found["autoregressions"]
        ),
        causalities=tuple(
            Causality(tuple(one["cause"]), tuple(one["effect"]), one["present"])
            for one in found["causalities"]
        ),
        files=tuple(CaptureFile(**one) for one in found["files"]),
    )
