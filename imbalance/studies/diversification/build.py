"""The study of diversification as a function from bars to its table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.captures.instruments import by_symbol
from imbalance.studies.alignment import Panel
from imbalance.studies.diversification.moments import (
    LEAST_VARIANCE,
    Correlations,
    by_state,
    diversification_ratio,
    in_a_tail,
    market_variance,
    standardised,
    states,
)
from imbalance.studies.diversification.study import ALL, DIVERSIFICATION, DiversificationFamily
from imbalance.studies.inference.resampling import percentile_interval
from imbalance.studies.pairs import richest
from imbalance.studies.rows import Row, RowTable, Window, blank, share
from imbalance.studies.study_input import StudyInput

Vector = NDArray[np.float64]
Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]

RETURN = "return_bps"

LEAST_BETS = 1e-6
"""Independent bets beyond the first below which there is no diversification to lose: twins."""
LEAST_SHARE = 0.5
"""Share of the bars of the fullest instrument that another must have, to be studied with it."""


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.diversification` of one window; what cannot be estimated says why."""
    rows = RowTable(DIVERSIFICATION)
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, family.memory)
            given.progress.advance(note=f"diversification {bar_size}")
            rows.extend([_Rows(family, window, 0).refused("no_bars")] if panel is None
                        else _rows(panel, family, window))
    return {DIVERSIFICATION.name: rows.finish()}


def asset_class(instrument: str) -> str:
    """Class of an instrument by its name and what its venue publishes: an inverse perpetual is
    `inverse`, else its kind.
    """
    known = by_symbol(instrument)
    if known.inverse and known.kind == "perpetual":
        return "inverse"
    return known.kind or "unknown"


def _rows(panel: Panel, family: DiversificationFamily, window: Window) -> Iterator[Row]:
    names = _together(panel, family)
    there = int(panel.occupied.sum())
    make = _Rows(family, window, there)
    if len(names) < 2:
        yield make.refused("too_few_instruments")
        return
    panel = panel.of(names)
    returns = np.column_stack([panel.columns[name, RETURN] for name in names])
    complete = np.isfinite(returns).all(axis=1)
    if complete.sum() < family.minimum_bars:
        yield make.refused("too_few_bars")
        return
    if not np.ptp(returns[complete], axis=0).all():
        yield make.refused("constant_series")
        return
    z = np.full(returns.shape, np.nan)
    z[complete] = standardised(returns[complete])
    # States are told on the grid, where a gap is a gap; then only complete bars are kept.
    masks = {name: mask[complete] for name, mask in states(
        z.mean(axis=1), family.memory, family.tail).items()}
    found = by_state(z[complete], masks, family.minimum_bars, family.replications, family.seed)
    if found is None:
        yield make.refused("too_few_blocks")
        return
    yield from make.of_states(found, masks, [asset_class(name) for name in names])


def _together(panel: Panel, family: DiversificationFamily) -> list[str]:
    """Instruments that can be studied together, those with the most bars first where too many."""
    there = {}
    for name in panel.instruments:
        series = panel.of((name,)).series(name, RETURN)
        if series is not None and np.nanmax(series, initial=0.0) > np.nanmin(series, initial=0.0):
            there[name] = int(np.isfinite(series).sum())
    fullest = max(there.values(), default=0)
    kept = {name: n for name, n in there.items() if n >= LEAST_SHARE * fullest}
    return list(richest(kept, family.maximum_instruments))


class _Rows:
    """Makes the rows of one window."""

    def __init__(self, family: DiversificationFamily, window: Window, there: int) -> None:
        self._family, self._window, self._there = family, window, there

    def refused(self, reason: str, state: str = ALL, **more: Any) -> Row:
        """A row that says why there is no estimate."""
        return self._blank("mean_correlation", state, 0, 0) | {"reason": reason} | more

    def _blank(self, estimator: str, state: str, n: int, pairs: int) -> Row:
        left_out = max(self._there - n, 0)
        return blank("diversification", self._family.name, self._window, {
            "tail": self._family.tail, "memory": self._family.memory}) | {
            "measure_x": RETURN, "measure_y": RETURN, "kind": "contemporaneous", "regime": state,
            "class_x": ALL, "class_y": ALL, "estimator": estimator, "n": n, "pairs": pairs,
            "n_left_out": left_out, "coverage": share(n, left_out),
        }  # fmt: skip

    def _row(self, estimator: str, state: str, of: Correlations, pairs: int, value: float,
             draws: Vector, *, tested: bool = False, **more: Any) -> Row:
        from scipy.special import stdtr

        sound = draws[np.isfinite(draws)]
        row = self._blank(estimator, state, of.n, pairs) | {"estimate": value} | more
        if 2 * len(sound) < len(draws):
            # An instrument that hardly ever moves in the state stands still in most draws.
            return row
        low, high = percentile_interval(sound, self._family.significance)
        # Draws of few blocks vary less than the blocks do, by (B − 1)/B, as of any mean.
        degrees = of.blocks - 1
        error = float(sound.std(ddof=1) * np.sqrt(of.blocks / degrees))
        return row | {
            "standard_error": error, "interval_low": float(low),
            "interval_high": float(high), "seed": self._family.seed,
            "p_value": (2.0 * stdtr(degrees, -abs(value) / error)
                        if tested and error > 0.0 else None),
        }

    def of_states(
        self, found: dict[str, Correlations], masks: dict[str, NDArray[np.bool_]],
        classes: list[str],
    ) -> Iterator[Row]:
        """Rows of every state, and of the states against each other."""
        for state, mask in masks.items():
            if state not in found:
                few = mask.sum() < self._family.minimum_bars
                yield self.refused("too_few_state_bars" if few else "constant_series", state)
                continue
            one = found[state]
            yield self._row("diversification_ratio", state, one, len(classes) * (
                len(classes) - 1) // 2, float(diversification_ratio(one.sample)),
                diversification_ratio(one.draws))
        for (x, y), pairs in _by_class(classes).items():
            place = {"class_x": x, "class_y": y}
            for state, one in found.items():
                yield self._row("mean_correlation", state, one, len(pairs[0]),
                                _mean(one.sample, pairs), _draws(one.draws, pairs)) | place
            for row in self._compared(found, pairs):
                yield row | place
        if "calm" in found and "stressed" in found:
            yield self._lost(found["calm"], found["stressed"], len(classes))

    def _compared(self, found: dict[str, Correlations], pairs: Pairs) -> Iterator[Row]:
        calm, stressed = found.get("calm"), found.get("stressed")
        if calm is not None and stressed is not None:
            low = _mean(calm.sample, pairs)
            yield self._row(
                "correlation_risk", "stressed", stressed, len(pairs[0]),
                _mean(stressed.sample, pairs) - low,
                _draws(stressed.draws, pairs) - _draws(calm.draws, pairs), tested=True,
                benchmark=low)
        for state in ("lower_tail", "upper_tail"):
            one, whole = found.get(state), found[ALL]
            # Of opposites the mean stands still and has no tails.
            if one is None or not market_variance(whole.covariance) > LEAST_VARIANCE:
                continue
            normal = _mean(in_a_tail(whole.covariance, market_variance(one.covariance)
                                     / market_variance(whole.covariance)), pairs)
            # The benchmark moves with the sample: held, the excess would seem as unsure as both.
            normal_draws = _draws(in_a_tail(
                whole.covariance_draws, market_variance(one.covariance_draws)
                / market_variance(whole.covariance_draws)), pairs)
            yield self._row(
                "tail_excess", state, one, len(pairs[0]), _mean(one.sample, pairs) - normal,
                _draws(one.draws, pairs) - normal_draws, tested=True, benchmark=normal)

    def _lost(self, calm: Correlations, stressed: Correlations, names: int) -> Row:
        """1 − (DR² in stress − 1) / (DR² in calm − 1): of the bets beyond the first."""
        def bets(correlations: Vector) -> Vector:
            return np.asarray(diversification_ratio(correlations) ** 2 - 1.0)

        def lost(less: Vector, more: Vector) -> Vector:
            before = bets(less)
            return 1.0 - bets(more) / np.where(before > LEAST_BETS, before, np.nan)

        value = float(lost(calm.sample, stressed.sample))
        if not np.isfinite(value):
            return self._blank("diversification_lost", "stressed", 0, 0) | {"reason": "collinear"}
        return self._row(
            "diversification_lost", "stressed", stressed, names * (names - 1) // 2,
            value, lost(calm.draws, stressed.draws), tested=True)


def _by_class(classes: list[str]) -> dict[tuple[str, str], Pairs]:
    """Pairs of instruments within and between classes, and all of them."""
    first, second = np.triu_indices(len(classes), 1)
    of = np.array(classes)
    found: dict[tuple[str, str], Pairs] = {(ALL, ALL): (first, second)}
    for x, y in combinations_with_replacement(sorted(set(classes)), 2):
        chosen = ((of[first] == x) & (of[second] == y)) | ((of[first] == y) & (of[second] == x))
        if chosen.any():
            found[x, y] = (first[chosen], second[chosen])
    return found


def _mean(correlations: Vector, pairs: Pairs) -> float:
    return float(correlations[pairs].mean())


def _draws(correlations: Vector, pairs: Pairs) -> Vector:
    return np.asarray(correlations[:, pairs[0], pairs[1]].mean(axis=1))
