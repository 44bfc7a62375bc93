"""Which venues there are: id to module, loaded when first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from imbalance.captures.venues.venue import Venue

MODULES: dict[str, str] = {
    "binance": "binance_family",
    "binance-delivery": "binance_family",
    "binance-futures": "binance_family",
    "binance-us": "binance_family",
    "bybit": "bybit",
    "bybit-spot": "bybit",
    "coinbase": "coinbase",
    "kraken": "kraken",
    "cryptofacilities": "cryptofacilities",
    "bitfinex": "bitfinex",
    "deribit": "deribit",
    "okex": "okex",
    "poloniex": "poloniex",
    "upbit": "upbit",
    "bithumb": "bithumb",
    "bitflyer": "bitflyer",
    "independent-reserve": "independent_reserve",
    "gate-io": "gateio",
    "gate-io-futures": "gateio",
    "hitbtc": "hitbtc",
    "dydx": "dydx",
    "crypto-com": "crypto_com",
    "gemini": "gemini",
    "bitget": "bitget",
    "bitget-futures": "bitget",
    "bitstamp": "bitstamp",
    "phemex": "phemex",
    "huobi": "huobi",
    "huobi-dm-swap": "huobi",
    "kucoin": "kucoin",
}
"""Venue id to the module that declares it, in `imbalance.captures.venues`: as its `VENUE`, or among
its `VENUES` by id where a module is of several."""


@cache
def venue(name: str) -> Venue:
    """The venue of that id; KeyError where there is none."""
    module = import_module(f"imbalance.captures.venues.{MODULES[name]}")
    found: Venue = module.VENUES[name] if hasattr(module, "VENUES") else module.VENUE
    return found


@cache
def venues() -> dict[str, Venue]:
    """All venues by id, in alphabetical order."""
    return {name: venue(name) for name in sorted(MODULES)}


def venue_of_host(address: str) -> str | None:
    """Venue of a URL, told by its host and path; None where no venue claims it."""
    rest = address.partition("://")[2] or address
    matches = [
        (len(host), name)
        for name, one in venues().items() for host in one.hosts if rest.startswith(host)
    ]
    return max(matches)[1] if matches else None


def venue_of_recorder(name: str) -> str | None:
    """Venue of a recorder's name for it; None where no venue is called so."""
    found = (one.name for one in venues().values() if name.upper() in one.recorders)
    return next(found, None)
