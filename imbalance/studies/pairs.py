"""Which instruments are studied with which: by identity, and by what their names say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD", "EUR", "TRY", "BTC", "ETH", "BNB")
_SPOT_VENUES = ("binance",)
_DERIVATIVE_VENUES = ("binance-futures", "binance-delivery")
_DATED = re.compile(r"_\d{6}$")

Series = tuple[str, str]
"""(instrument, measure)."""


def base_asset(instrument: str) -> str:
    """Base asset of `<venue>:<symbol>`: BTC for BTCUSDT, BTCUSD_PERP and BTCUSD_240927."""
    symbol = instrument.split(":", 1)[-1].split("_", 1)[0]
    for quote in _QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote)
    return symbol


def is_spot(instrument: str) -> bool:
    """Whether the venue is a spot venue."""
    return instrument.split(":", 1)[0] in _SPOT_VENUES


def is_perpetual(instrument: str) -> bool:
    """Whether the instrument is a perpetual future, not a dated one."""
    venue, _, symbol = instrument.partition(":")
    return venue in _DERIVATIVE_VENUES and not _DATED.search(symbol)


def richest(counts: Mapping[str, int], most: int) -> tuple[str, ...]:
    """The instruments with the most data, so many of them at most, in order of their names."""
    ranked = sorted(counts, key=lambda instrument: (-counts[instrument], instrument))
    return tuple(sorted(ranked[:most]))


def uncrossed(
    kinds: Sequence[str], instruments: Iterable[str], crossed: Sequence[str]
) -> list[str]:
    """Instruments that are in no pair of the relation `cross`, since only some are crossed."""
    return sorted(set(instruments) - set(crossed)) if "cross" in kinds else []


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
    among = set(crossed)
    found = set()
    for x in instruments:
        for y in instruments:
            perpetual_to_spot = (
                is_perpetual(x) and is_spot(y) and base_asset(x) == base_asset(y)
            )
            if (
                ("own" in kinds and x == y)
                or ("cross" in kinds and x != y and x in among and y in among)
                or ("perpetual_to_spot" in kinds and perpetual_to_spot)
            ):
                found.add((x, y))
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
