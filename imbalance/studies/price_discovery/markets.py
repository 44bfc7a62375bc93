"""Which instruments make one system of price discovery, and why some are left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.pairs import base_asset
from imbalance.studies.price_discovery.study import PriceDiscoveryFamily

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Markets:
    """Instruments of one system, in the order of their names, or why it is refused."""

    instruments: tuple[str, ...]
    prices: Matrix
    """T × n, log prices in bps, NaN where missing."""
    there: int
    """Bars that some instrument of the system has."""
    reason: str | None = None

    @property
    def model(self) -> str:
        """Name in the rows."""
        return ",".join(self.instruments)


def systems(panel: Panel, family: PriceDiscoveryFamily) -> Iterator[Markets]:
    """Every two markets of one base asset; and all of them, when there are three or more.

    Into the system of all, instruments come in the order of their valid bars, as long as each
    leaves at least half of the bars which the ones before it have in common.
    """
    by_asset: dict[str, list[str]] = {}
    for instrument in panel.instruments:
        by_asset.setdefault(base_asset(instrument), []).append(instrument)
    for instruments in by_asset.values():
        for pair in itertools.combinations(instruments, 2):
            yield _markets(panel, family, pair)
        if len(instruments) > 2:
            together = _together(panel, family, instruments)
            if len(together) > 2:
                yield _markets(panel, family, together)


def _together(
    panel: Panel, family: PriceDiscoveryFamily, instruments: list[str]
) -> tuple[str, ...]:
    panel = panel.of(instruments)
    valid = {one: np.isfinite(_log_prices(panel, family, one)) for one in instruments}
    taken: list[str] = []
    common = np.ones(panel.slots, dtype=np.bool_)
    for one in sorted(instruments, key=lambda one: (-int(valid[one].sum()), one)):
        together = common & valid[one]
        if len(taken) < family.largest_system and valid[one].any() and (
            not taken or together.sum() >= max(family.minimum_bars, common.sum() / 2.0)
        ):
            taken.append(one)
            common = together
    return tuple(sorted(taken))


def _markets(
    panel: Panel, family: PriceDiscoveryFamily, instruments: tuple[str, ...]
) -> Markets:
    panel = panel.of(instruments)
    prices = np.column_stack([_log_prices(panel, family, one) for one in instruments])
    there = int(panel.occupied.sum())
    present = np.isfinite(prices)
    reason = None
    if any((one, family.price) not in panel.columns for one in instruments):
        reason = "no_such_measure"
    elif not present.any(axis=0).all():
        reason = "all_null"
    elif present.all(axis=1).sum() < family.minimum_bars:
        short = present.sum(axis=0).min() < family.minimum_bars
        reason = "too_few_bars" if short else "no_common_bars"
    elif any(np.ptp(column[np.isfinite(column)]) == 0.0 for column in prices.T):
        reason = "constant_series"
    return Markets(instruments, prices, there, reason)


def _log_prices(panel: Panel, family: PriceDiscoveryFamily, instrument: str) -> Matrix:
    """Log prices in bps; a price that is not positive is missing."""
    raw = panel.columns.get((instrument, family.price))
    if raw is None:
        return np.full(panel.slots, np.nan)
    return 1e4 * np.log(np.where(raw > 0.0, raw, np.nan))
