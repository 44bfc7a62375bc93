"""Which variables make one system, why some are left out, and at which order a system is fitted.

Shared by the studies that are built on vector autoregressions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.pairs import Series
from imbalance.studies.prepared_series import SeriesPool
from imbalance.studies.shared_families import OrderFamily, SystemFamily
from imbalance.studies.vector_autoregression import (
    TooFewBarsError,
    VectorAutoregression,
    fit,
    select_lag,
    target_rows,
)

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class System:
    """Variables of one vector autoregression, in the order of orthogonalisation."""

    model: str
    """Name in the rows: the instrument, or `across:` and all of them."""
    series: tuple[Series, ...]
    data: Matrix
    """T × K, NaN where missing; of bars, on the slots of the panel of its instruments."""
    there: int
    """Bars that some instrument of the system has."""
    exogenous: Matrix | None = None
    """T × q: what explains and is not explained."""
    exogenous_names: tuple[Series, ...] = ()
    exogenous_left_out: Mapping[str, str] = field(default_factory=dict)
    """Declared terms that the window cannot bear, and why."""

    @property
    def instruments(self) -> tuple[str, ...]:
        """Whose variables they are, each once."""
        return tuple(dict.fromkeys(instrument for instrument, _ in self.series))


@dataclass(frozen=True)
class Refusal:
    """A system, or an instrument of one, that cannot be studied."""

    model: str
    instrument: str
    measure: str
    reason: str
    there: int


def systems(
    panel: Panel, family: SystemFamily, pool: SeriesPool
) -> Iterator[System | Refusal]:
    """The systems that the family declares, and what is refused.

    The system across instruments takes instruments in the order of their valid bars, as long as
    each leaves at least half of the bars which the ones before it have in common, and as long as
    the variables are no more than `largest_system`. Flows of all instruments come first, then all
    returns.
    """
    sound = []
    for instrument in panel.instruments:
        refusal = _refusal(panel, family, pool, instrument)
        if refusal is None:
            sound.append(instrument)
        if "own" in family.systems:
            yield refusal or _system(panel, family, (instrument,), instrument)
    if "across" in family.systems:
        yield from _across(panel, family, sound)


def _refusal(
    panel: Panel, family: SystemFamily, pool: SeriesPool, instrument: str
) -> Refusal | None:
    for measure in family.variables:
        reason = pool.get(panel.known_as((instrument, measure))).reason
        if reason is not None:
            return Refusal(instrument, instrument, measure, reason, panel.bars[instrument])
    return None


def _across(
    panel: Panel, family: SystemFamily, sound: list[str]
) -> Iterator[System | Refusal]:
    valid = {
        instrument: panel.slots_of[instrument][np.isfinite(
            np.stack([panel.columns.bars(*panel.known_as((instrument, measure)))
                      for measure in family.variables])
        ).all(axis=0)]
        for instrument in sound
    }
    order = sorted(sound, key=lambda instrument: (-len(valid[instrument]), instrument))
    taken: list[str] = []
    left_out: list[tuple[str, str]] = []
    common = np.empty(0, dtype=np.int32)
    for instrument in order:
        together = (np.intersect1d(common, valid[instrument], assume_unique=True) if taken
                    else valid[instrument])
        enough = not taken or len(together) >= max(family.minimum_bars, len(common) / 2.0)
        if (len(taken) + 1) * len(family.variables) > family.largest_system:
            left_out.append((instrument, "too_many_variables"))
        elif enough:
            taken.append(instrument)
            common = together
        else:
            left_out.append((instrument, "no_common_bars"))
    name = "across:" + ",".join(sorted(taken))
    for instrument, reason in left_out:
        yield Refusal(name, instrument, "*", reason, panel.bars[instrument])
    if len(taken) >= 2:
        yield _system(panel, family, tuple(sorted(taken)), name)
    elif not left_out:
        yield Refusal("across:", "*", "*", "no_pair", 0)


def _system(
    panel: Panel, family: SystemFamily, instruments: tuple[str, ...], name: str
) -> System:
    series = tuple(
        panel.known_as((instrument, measure))
        for measure in family.variables for instrument in instruments
    )
    own = panel.of(instruments)
    data = np.column_stack([own.columns[one] for one in series])
    return System(name, series, data, int(own.occupied.sum()))


def explained_rows(system: System, family: OrderFamily) -> tuple[int, NDArray[np.intp]]:
    """The largest order tried and the rows that it explains; order 0 and none where none is.

    It leaves at least three times as many rows as an equation has coefficients and the system
    variables: a bootstrap replication has some 63 % of the rows, and must still determine the
    coefficients and a covariance of full rank.
    """
    data, extra = system.data, system.exogenous
    k, q = data.shape[1], 0 if extra is None else extra.shape[1]
    together = data if extra is None else np.column_stack([data, extra])
    for lag in range(family.maximum_lag, 0, -1):
        rows = target_rows(together, lag)
        if len(rows) >= max(family.minimum_bars, 3 * (k * lag + 1 + k + q)):
            return lag, rows
    return 0, np.empty(0, dtype=np.intp)


def fitted(system: System, family: OrderFamily) -> tuple[VectorAutoregression, dict[str, Any]]:
    """The system at the order which the criterion chooses, and what the criteria chose.

    Raises
    ------
    TooFewBarsError, CollinearError : as `vector_autoregression.fit`.
    """
    data, extra = system.data, system.exogenous
    largest, _ = explained_rows(system, family)
    if largest == 0:
        raise TooFewBarsError("not three rows per coefficient and variable even at lag 1")
    selection = select_lag(data, largest, extra)
    chosen = {name: selection.chosen(name) for name in ("bic", "aic", "hq", "fpe")}
    criteria = {"criterion": family.criterion, "maximum_lag": largest, "chosen": chosen}
    return fit(data, chosen[family.criterion], extra), criteria
