"""The flows that enter the models: scaled by depth, at the best level and integrated over levels.

Which column of the bars holds a flow depends on the feed. No estimation but that of the weights of
levels, which are always of the bars that a model is fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.features.integrated import principal_vector
from imbalance.studies.alignment import Panel
from imbalance.studies.held import FEW, Held
from imbalance.studies.measures import FLOW

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_ROOM = 1 << 28
"""Bytes of flows that are held."""
LEAST_SHARE = 0.5
"""Share of an instrument's bars in which a level must have a flow to be used."""


@dataclass(frozen=True)
class Flows:
    """Flows of one instrument on the panel's grid."""

    measure: str
    """Column of the flow at the best level."""
    raw: Vector
    best: Matrix
    """T × 1: by common depth, or by the depth at the touch where that is not known."""
    levels: Matrix
    """T × M: flows of the levels that the feed shows, by common depth."""

    @property
    def nbytes(self) -> int:
        """Bytes that they take."""
        return self.raw.nbytes + self.best.nbytes + self.levels.nbytes


def flows_of(panel: Panel, instrument: str, levels: int) -> Flows | None:
    """Flows of an instrument; None when its bars have none."""
    found = flow_at_best(panel, instrument)
    if found is None:
        return None
    measure, raw = found
    common = _column(panel, instrument, "level_depth_mean")
    touch = _column(panel, instrument, "depth_touch_mean")
    depth = np.where(np.isfinite(common), common, touch) if measure == FLOW else touch
    deep = [_column(panel, instrument, f"{FLOW}_level_{m}") for m in range(1, levels + 1)]
    there = max(int(np.isfinite(raw).sum()), 1)
    used = []
    for column in deep:
        if np.isfinite(column).sum() < LEAST_SHARE * there:
            break
        used.append(_scaled(column, depth))
    stacked = np.column_stack(used) if len(used) > 1 else np.empty((panel.slots, 0))
    return Flows(measure, raw, _scaled(raw, depth)[:, None], stacked)


class PeerFlows:
    """Flows of instruments that are crossed, beside those of one of them.

    Parameters
    ----------
    panel : of all instruments.
    crossed : those whose flows explain each other's returns.
    levels : of the book.
    """

    def __init__(self, panel: Panel, crossed: Sequence[str], levels: int) -> None:
        self._panel, self._crossed, self._levels = panel, crossed, levels
        self._held: Held[tuple[tuple[str, ...], str], Flows | None] = Held(
            _ROOM, lambda one: 0 if one is None else one.nbytes, FEW)

    def beside(self, instrument: str) -> tuple[Panel, dict[str, Flows]]:
        """The panel of an instrument and of those crossed with it that share a bar with it, and the
        flows of all of them that have some.
        """
        there = self._panel.exists[instrument]
        peers = self._crossed if instrument in self._crossed else ()
        panel = self._panel.of((instrument, *(
            name for name in peers if there[self._panel.slots_of[name]].any())))
        found = {name: self._held.get(
            (panel.instruments, name), lambda key: flows_of(panel, key[1], self._levels))
            for name in panel.instruments}
        return panel, {name: flows for name, flows in found.items() if flows is not None}


def flow_at_best(panel: Panel, instrument: str) -> tuple[str, Vector] | None:
    """The column of the flow that an instrument's feed has, and its values; None without any."""
    _, measure = panel.known_as((instrument, FLOW))
    found = panel.series(instrument, measure)
    return None if found is None or not np.isfinite(found).any() else (measure, found)


def level_weights(levels: Matrix) -> Vector | None:
    """w₁/‖w₁‖₁, w₁ the first principal vector of flows by level; None when those do not vary.

    Source: Cont, Cucuringu, Zhang 2023, eq. 4.
    """
    found = principal_vector(np.cov(levels.T, bias=True))
    return None if found is None else found[0]


def _column(panel: Panel, instrument: str, measure: str) -> Vector:
    found = panel.series(instrument, measure)
    return np.full(panel.slots, np.nan) if found is None else found


def _scaled(flow: Vector, depth: Vector) -> Vector:
    """Flow by depth; a bar in which nothing happened has no depth of its events and no flow."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(flow == 0.0, 0.0, flow / depth)
    return np.where(np.isfinite(found), found, np.nan)
