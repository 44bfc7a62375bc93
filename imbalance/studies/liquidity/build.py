"""The study of liquidity as a function from bars and events to its table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.asynchrony.reading import TRADES, stretch_of
from imbalance.studies.columns import EVENTS
from imbalance.studies.event_time.series import Trades, read_mids, read_trades
from imbalance.studies.events import Events
from imbalance.studies.liquidity.spreads import Mean, roll, spreads
from imbalance.studies.liquidity.study import LIQUIDITY, LiquidityFamily
from imbalance.studies.liquidity.toxicity import Buckets, Slope, fill, forecast, mean_of
from imbalance.studies.price_impact.regression import Estimate, mean_slope, slopes
from imbalance.studies.rows import Row, RowTable, Window, blank, share
from imbalance.studies.study_input import StudyInput
from imbalance.studies.walk_forward import HALF_HOUR

Vector = NDArray[np.float64]

RETURN = "return_bps"


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.liquidity` of one window; what cannot be measured says why."""
    rows = RowTable(LIQUIDITY)
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, 0)
            if panel is None:
                rows.extend([
                    _Rows(family, window, "*").refused("kyle_lambda", RETURN, "no_bars")])
                continue
            for instrument in panel.instruments:
                rows.extend(_of_bars(panel, family, window, instrument))
    rows.extend(_of_events(given))
    return {LIQUIDITY.name: rows.finish()}


class _Rows:
    """Makes the rows of one instrument."""

    def __init__(self, family: LiquidityFamily, window: Window, instrument: str,
                 there: int = 0) -> None:
        self._family, self._window, self._instrument = family, window, instrument
        self._there = there

    def row(self, estimator: str, measure: str, value: float, n: int, *, error: float | None = None,
            tested: bool = False, freedom: float = np.inf, **more: Any) -> Row:
        """A row of an estimate, with the interval and the test of Student's t."""
        from scipy.special import stdtr, stdtrit

        row = self._blank(estimator, measure, n) | {"estimate": value} | more
        if error is not None and np.isfinite(error):
            reach = error * float(stdtrit(freedom, 1.0 - self._family.significance / 2.0))
            row |= {"standard_error": error, "interval_low": value - reach,
                    "interval_high": value + reach}
            if tested and error > 0.0:
                row["p_value"] = 2.0 * stdtr(freedom, -abs(value) / error)
        return row

    def refused(self, estimator: str, measure: str, reason: str, **more: Any) -> Row:
        """A row that says why there is no estimate."""
        return self._blank(estimator, measure, 0) | {"reason": reason} | more

    def _blank(self, estimator: str, measure: str, n: int) -> Row:
        left_out = max(self._there - n, 0)
        return blank("liquidity", self._family.name, self._window, {}) | {
            "instrument_x": self._instrument, "instrument_y": self._instrument,
            "measure_x": measure, "measure_y": RETURN, "estimator": estimator, "seconds": 0,
            "controls": "none", "n": n, "n_left_out": left_out, "coverage": share(n, left_out),
            "n_excluded": 0, "n_windows": 0,
        }  # fmt: skip


def _of_bars(
    panel: Panel, family: LiquidityFamily, window: Window, instrument: str
) -> Iterator[Row]:
    panel = panel.of((instrument,))
    make = _Rows(family, window, instrument, panel.bars[instrument])
    missing = np.full(panel.slots, np.nan)
    change, variance, flow, notional, price = (
        missing if (found := panel.series(instrument, measure)) is None else found
        for measure in family.measures)
    # Signed value in quote currency; nothing was traded where there is no price.
    signed = flow * np.where(flow == 0.0, 0.0, price)
    for estimator, measure, x in (
        ("kyle_lambda", "trade_imbalance", flow),
        ("hasbrouck_lambda", "signed_root_notional", np.sign(signed) * np.sqrt(np.abs(signed))),
    ):
        fits = slopes(x, change, panel.starts // HALF_HOUR, family.minimum_bars)
        if not len(fits.slope):
            yield make.refused(estimator, measure, "too_few_half_hours")
            continue
        slope: Estimate = mean_slope(fits)
        yield make.row(estimator, measure, slope.value, slope.n, error=slope.error, tested=True,
                       n_windows=slope.windows, kind="contemporaneous")
    used = np.isfinite(change) & np.isfinite(notional)
    traded = used & (notional > 0.0)
    if not traded.any():
        yield make.refused("amihud", "trade_notional", "no_volume")
    elif traded.sum() < family.minimum_bars:
        yield make.refused("amihud", "trade_notional", "too_few_bars")
    else:
        ratio = 1e6 * np.abs(change[traded]) / 1e4 / notional[traded]
        mean = mean_of(ratio)
        yield make.row("amihud", "trade_notional", mean.value, mean.n, error=mean.error,
                       n_excluded=int(used.sum() - traded.sum()), kind="contemporaneous")
    for estimator, measure, values in (("volume", "trade_notional", notional),
                                       ("volatility", "realised_variance", variance)):
        present = values[np.isfinite(values)]
        if len(present) < family.minimum_bars:
            reason = "too_few_bars" if len(present) else "all_null"
            yield make.refused(estimator, measure, reason)
            continue
        mean = mean_of(present)
        root = float(np.sqrt(mean.value)) if estimator == "volatility" else mean.value
        # The error of a root: half of that of what is under it, by the root.
        error = mean.error / (2.0 * root) if estimator == "volatility" and root else mean.error
        yield make.row(estimator, measure, root, mean.n, error=error)


def _of_events(given: StudyInput) -> Iterator[Row]:
    nowhere = given.nowhere(EVENTS)
    names = () if given.events is None else given.events.instruments(TRADES)
    if given.events is None or not names:
        for family in given.families:
            yield _Rows(family, nowhere, "*").refused("effective_spread", RETURN, "no_events")
        return
    for instrument in names:
        given.progress.advance(note=f"liquidity {instrument}")
        trades = read_trades(given.events, instrument)
        for family in given.families:
            reason = _why_not(trades, family)
            if reason is not None:
                yield _Rows(family, nowhere, instrument, trades.unsigned).refused(
                    "effective_spread", RETURN, reason)
                continue
            yield from _of_trades(given, given.events, instrument, trades, family)


def _why_not(trades: Trades, family: LiquidityFamily) -> str | None:
    if not len(trades.times):
        return "no_aggressor" if trades.unsigned else "no_events"
    return "too_few_events" if len(trades.times) < family.minimum_trades else None


def _of_trades(
    given: StudyInput, events: Events, instrument: str, trades: Trades, family: LiquidityFamily
) -> Iterator[Row]:
    mids = read_mids(events, instrument)
    window = Window(given.scope, EVENTS, int(trades.times[0]), int(trades.times[-1]) + 1,
                    max(trades.available_at, mids.available_at))
    make = _Rows(family, window, instrument, len(trades.times) + trades.unsigned)
    sides, stretches = np.sign(trades.signed_size), events.stretches(instrument)
    for place, seconds in enumerate(family.seconds):
        found = spreads(trades.times, sides, trades.prices, mids.times, mids.prices, stretches,
                        seconds)
        if place == 0:
            yield _spread(make, "effective_spread", found.effective, 0)
        yield _spread(make, "realised_spread", found.realised, seconds)
        yield _spread(make, "spread_impact", found.impact, seconds)
    stretch = stretch_of(trades.times, stretches)
    cost = roll(trades.prices, stretch)
    yield (make.refused("roll", "trade_price", "no_reversal") if cost is None else
           make.row("roll", "trade_price", cost.value, cost.n, error=cost.error))
    yield from _toxicity(make, family, fill(
        trades.times, sides, np.abs(trades.signed_size), trades.prices, stretch, family.buckets,
        family.bulk_seconds), len(trades.times))


def _spread(make: _Rows, estimator: str, found: Mean | None, seconds: int) -> Row:
    if found is None:
        return make.refused(estimator, "trade_price", "too_few_spans", seconds=seconds)
    return make.row(estimator, "trade_price", found.value, found.n, error=found.error,
                    tested=True, seconds=seconds, n_excluded=found.excluded,
                    kind="predictive" if seconds else "contemporaneous")


def _toxicity(
    make: _Rows, family: LiquidityFamily, found: Buckets, trades: int
) -> Iterator[Row]:
    for estimator, values in (("vpin", found.imbalance), ("vpin_bulk", found.bulk)):
        mean = mean_of(values)
        yield make.row(estimator, "trade_imbalance", mean.value, trades, error=mean.error,
                       n_windows=len(values))
        for controls in ("none", "volume_and_volatility"):
            slope: Slope | None = forecast(values, found, family.memory,
                                           controlled=controls != "none")
            place = {"controls": controls, "kind": "predictive"}
            if slope is None:
                yield make.refused(f"{estimator}_forecast", "trade_imbalance", "too_few_buckets",
                                   **place)
                continue
            yield make.row(f"{estimator}_forecast", "trade_imbalance", slope.value, trades,
                           error=slope.error, tested=True, freedom=slope.freedom,
                           n_windows=slope.n, **place)
    agreement = mean_of(found.agreement)
    yield make.row("bulk_agreement", "trade_imbalance", agreement.value, trades,
                   error=agreement.error, n_windows=agreement.n)
