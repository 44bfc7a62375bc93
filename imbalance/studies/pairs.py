"""Which instruments are studied with which: by identity, and by what their names say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imbalance.captures.instruments import by_symbol

_QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD", "EUR", "TRY", "BTC", "ETH", "BNB")
_ALSO_CALLED = {"XBT": "BTC"}
_OF_THE_ASSET = ("spot", "perpetual", "future")
"""Kinds whose price is that of their base asset."""

Series = tuple[str, str]
"""(instrument, measure)."""


def base_asset(instrument: str) -> str:
    """Base asset of `<venue>:<symbol>`: BTC for BTCUSDT, BTC-USDT-SWAP and XBT/USD, as the venue
    names it or, where the venue is not known, by the symbol alone. An option stands for itself.
    """
    known = by_symbol(instrument)
    if known.base is not None and known.kind in _OF_THE_ASSET:
        base = known.base.upper()
        return _ALSO_CALLED.get(base, base)
    symbol = instrument.split(":", 1)[-1].split("_", 1)[0]
    for quote in _QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote)
    return symbol


def is_spot(instrument: str) -> bool:
    """Whether the instrument is traded for delivery at once, as the venue's names have it."""
    return by_symbol(instrument).kind == "spot"


def is_perpetual(instrument: str) -> bool:
    """Whether the instrument is a perpetual future, not a dated one."""
    return by_symbol(instrument).kind == "perpetual"


def richest(counts: Mapping[str, int], most: int) -> tuple[str, ...]:
    """The instruments with the most data, so many of them at most, in order of their names."""
    ranked = sorted(counts, key=lambda instrument: (-counts[instrument], instrument))
    return tuple(sorted(ranked[:most]))


def uncrossed(
    kinds: Sequence[str], data: Mapping[str, int], crossed: Sequence[str]
) -> list[dict[str, Any]]:
    """What rows say of the instruments that are in no pair of the relation `cross`, since only some
    are crossed: `data` is how many bars or ticks of each are therefore left out.
    """
    if "cross" not in kinds:
        return []
    return [
        {"instrument_x": name, "reason": "too_many_instruments", "n_left_out": data[name],
         "coverage": 0.0 if data[name] else None}
        for name in sorted(set(data) - set(crossed))
    ]


def instrument_pairs(
    kinds: Sequence[str], instruments: Sequence[str], crossed: Sequence[str]
) -> list[tuple[str, str]]:
    """(instrument of x, instrument of y) in the relations that are named, sorted.

    Parameters
    ----------
    kinds : any of `own` (an instrument with itself), `cross` (with every other one that is
        crossed), `perpetual_to_spot` (a perpetual with the spot of its base asset).
    crossed : those of the instruments between which the relation `cross` is.
    """
    found: set[tuple[str, str]] = set()
    if "own" in kinds:
        found.update((one, one) for one in instruments)
    if "cross" in kinds:
        found.update((x, y) for x in crossed for y in crossed if x != y)
    if "perpetual_to_spot" in kinds:
        spots: dict[str, list[str]] = {}
        for y in filter(is_spot, instruments):
            spots.setdefault(base_asset(y), []).append(y)
        found.update(
            (x, y) for x in filter(is_perpetual, instruments) for y in spots.get(base_asset(x), []))
    return sorted(found)


def series_pairs(
    kinds: Sequence[str], x_measures: Sequence[str], y_measures: Sequence[str],
    instruments: Sequence[str], crossed: Sequence[str],
) -> list[tuple[Series, Series]]:
    """Pairs of different series in the relations that are named, none of them in both orders."""
    kept: dict[tuple[Series, Series], None] = {}
    for instrument_x, instrument_y in instrument_pairs(kinds, instruments, crossed):
        for measure_x in x_measures:
            for measure_y in y_measures:
                x, y = (instrument_x, measure_x), (instrument_y, measure_y)
                if x != y and (y, x) not in kept:
                    kept[x, y] = None
    return list(kept)
