"""Half-hours of a window, and which of them are calm and which stressed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel

Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]

HALF_HOUR = 1_800_000_000_000


@dataclass(frozen=True)
class Part:
    """A half-hour of the clock, and the slots of the panel in it."""

    begin: int
    where: Mask

    @property
    def end(self) -> int:
        """End of the half-hour, ns."""
        return self.begin + HALF_HOUR


def half_hours(panel: Panel) -> list[Part]:
    """The half-hours that hold bars, in order."""
    number = np.where(panel.starts >= 0, panel.starts // HALF_HOUR, -1)
    return [Part(int(one) * HALF_HOUR, number == one) for one in np.unique(number) if one >= 0]


def calm_and_stressed(parts: list[Part], stress: Vector, minimum_bars: int) -> (
    tuple[Mask, Mask] | None
):
    """Slots of the half-hours in the lowest and in the highest third by mean stress.

    Parameters
    ----------
    stress : per slot, such as realised variance; NaN where missing.
    minimum_bars : a half-hour with fewer values is neither.

    Returns
    -------
    Masks of the calm and of the stressed, or None with under three half-hours.
    """
    used = [part for part in parts if np.isfinite(stress[part.where]).sum() >= minimum_bars]
    if len(used) < 3:
        return None
    levels = np.array([np.nanmean(stress[part.where]) for part in used])
    order = np.argsort(levels, kind="stable")
    third = len(used) // 3
    calm, stressed = (
        np.any([used[number].where for number in chosen], axis=0)
        for chosen in (order[:third], order[-third:])
    )
    return calm, stressed
