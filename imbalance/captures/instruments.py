"""What is known of instruments: by the way the venue writes symbols, by its messages, by settings.

What nobody said is None. Nothing is guessed from prices or sizes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from imbalance.captures.rows import Contract
from imbalance.captures.venues.binance import contract_multiplier
from imbalance.captures.venues.registry import MODULES, venue
from imbalance.captures.venues.venue import Instrument
from imbalance.config import Config

_FACTS = tuple(f.name for f in fields(Instrument) if f.name not in ("symbol", "venue", "source"))


def by_symbol(instrument: str) -> Instrument:
    """What an instrument's name says of it."""
    name, _, symbol = instrument.partition(":")
    if name in MODULES:
        return venue(name).instrument(symbol)
    multiplier = contract_multiplier(instrument)
    return Instrument(symbol, multiplier=multiplier, inverse=multiplier is not None)


def merged(first: Instrument, second: Instrument) -> Instrument:
    """Facts of the first with those of the second where it has any."""
    told = {f: v for f in _FACTS if (v := getattr(second, f)) is not None}
    return replace(first, **told, source=first.source | second.source)


class Contracts(Mapping[str, Contract]):
    """Contracts of instruments, made when first asked for.

    Parameters
    ----------
    config : its word stands above the venue's.
    facts : what captures said, by instrument.
    """

    def __init__(self, config: Config, facts: Mapping[str, Instrument] | None = None) -> None:
        self._config = config
        self._facts = dict(facts or {})
        self._settled: Instrument | None = None
        self._known: dict[str, Contract | None] = {}

    def learn(self, name: str, found: Iterable[Instrument]) -> None:
        """Take what a venue's messages say."""
        for one in found:
            self._facts[f"{one.venue or name}:{one.symbol}"] = one
        self._known.clear()

    def settle(self, told: Instrument) -> None:
        """Take what a format of the user's own says of all instruments of its captures."""
        self._settled = told
        self._known.clear()

    def facts(self, instrument: str) -> Instrument:
        """All that is known of an instrument."""
        known = by_symbol(instrument)
        told = self._facts.get(instrument)
        known = known if told is None else merged(known, told)
        known = known if self._settled is None else merged(known, self._settled)
        configured = self._config.multipliers.get(instrument)
        if configured is not None:
            known = replace(known, multiplier=configured, inverse=True,
                            source=known.source | {"multiplier": "configuration"})
        return known

    def _contract(self, instrument: str) -> Contract | None:
        known = self.facts(instrument)
        return (
            None if known.multiplier is None
            else Contract(known.multiplier, bool(known.inverse))
        )

    def __getitem__(self, instrument: str) -> Contract:
        if instrument not in self._known:
            self._known[instrument] = self._contract(instrument)
        found = self._known[instrument]
        if found is None or found == Contract(1.0, inverse=False):
            raise KeyError(instrument)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def instrument_rows(
    capture_id: str, instruments: Iterable[str], contracts: Contracts, available_at: int
) -> list[dict[str, Any]]:
    """Rows of `raw.instruments` of a capture; times in ns."""
    rows = []
    for name in sorted(set(instruments)):
        known = contracts.facts(name)
        rows.append(
            {
                "capture_id": capture_id, "instrument": name, "venue": name.partition(":")[0],
                **{fact: getattr(known, fact) for fact in _FACTS},
                "source": json.dumps(known.source, sort_keys=True), "available_at": available_at,
            }
        )  # fmt: skip
    return rows


def facts_from(rows: Iterable[Mapping[str, Any]]) -> dict[str, Instrument]:
    """What rows of `raw.instruments` tell, by instrument; the later row wins where two differ."""
    found: dict[str, Instrument] = {}
    for row in rows:
        one = Instrument(
            row["instrument"].partition(":")[2], **{fact: row[fact] for fact in _FACTS},
            source=json.loads(row["source"]),
        )
        known = found.get(row["instrument"])
        found[row["instrument"]] = one if known is None else merged(known, one)
    return found
