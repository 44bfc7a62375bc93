"""What is known of instruments, fact by fact, each from the first of these that says it: the
settings, the capture's own messages, the rules of the venue's module, the registry (`published`).

What nobody said is None. Nothing is guessed from prices or sizes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any

from imbalance.captures.published import digest_of, published
from imbalance.captures.rows import Contract
from imbalance.captures.venues.registry import MODULES, venue
from imbalance.captures.venues.venue import Instrument
from imbalance.config import Config, as_table
from imbalance.errors import MEND_SETTINGS, UserError

_FACTS = tuple(f.name for f in fields(Instrument) if f.name not in ("symbol", "venue", "source"))


UNKNOWN = Contract(math.nan, inverse=False)
"""A contract of which nobody said what it is worth: sizes in base units are not known."""

_ALIKE = 0.8
"""How like that of a known venue a name must be for it to be a slip."""

_IN_BASE_UNITS = ("spot", "equity", "index")
"""Kinds that are sized in what is traded, unless somebody says otherwise."""

_RANKS = {"configuration": 3, "capture": 2, "venue": 1, "symbol": 1}
"""Sources by which of two counts where they differ; the registry is below them all."""


def check_venues(config: Config) -> None:
    """Refuse settings of instruments whose venue is nearly one that is known, and none.

    Raises
    ------
    UserError
        With the one that is meant; a venue of a format of the user's own is as it is called.
    """
    known = {*MODULES, *(str(one.values.get("venue")) for one in config.formats.values())}
    for section in ("multipliers", "volume_bars"):
        for name in getattr(config, section):
            venue_name, _, symbol = name.partition(":")
            close = get_close_matches(venue_name, MODULES, n=1, cutoff=_ALIKE)
            if close and venue_name not in known:
                raise UserError(
                    f"there is no venue {venue_name!r}; did you mean '{close[0]}:{symbol}'?",
                    where=f'[{section}] "{name}"', fix=MEND_SETTINGS,
                    allowed=", ".join(sorted(known)) + "; or a name that is like none of them",
                )


def by_symbol(instrument: str) -> Instrument:
    """What an instrument's name says of it, by its venue's module and by the registry."""
    name, _, symbol = instrument.partition(":")
    told = published(name, symbol)
    return merged(told, venue(name).instrument(symbol)) if name in MODULES else told


def contract_of(known: Instrument) -> Contract:
    """What one unit of an instrument's size is; `UNKNOWN` where too little is said of it."""
    inverse = False if known.kind == "option" else known.inverse
    if known.multiplier is not None and (inverse is not None or known.kind in _IN_BASE_UNITS):
        return Contract(known.multiplier, bool(inverse))
    return Contract(1.0, inverse=False) if known.kind in _IN_BASE_UNITS else UNKNOWN


def merged(first: Instrument, second: Instrument) -> Instrument:
    """Facts of the first with those of the second where it has any."""
    told = {f: v for f in _FACTS if (v := getattr(second, f)) is not None}
    return replace(first, **told, source=first.source | second.source)


class Contracts(Mapping[str, Contract]):
    """Contracts of instruments that are not sized in base units, made when first asked for: one of
    which too little is known is there, and is `UNKNOWN`.

    Parameters
    ----------
    config : its word stands above the venue's.
    facts : what captures said, by instrument.
    """

    def __init__(self, config: Config, facts: Mapping[str, Instrument] | None = None) -> None:
        self._config = config
        self._facts = dict(facts or {})
        self._settled: Instrument | None = None
        self._known: dict[str, Contract] = {}

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
            ((form, value),) = as_table(configured).items()
            said = dict.fromkeys(("multiplier", "inverse"), "configuration")
            known = replace(known, multiplier=value, inverse=form == "inverse",
                            source=known.source | said)
        return known

    def __getitem__(self, instrument: str) -> Contract:
        if instrument not in self._known:
            self._known[instrument] = contract_of(self.facts(instrument))
        found = self._known[instrument]
        if found == Contract(1.0, inverse=False):
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
    """What rows of `raw.instruments` tell, by instrument: of each fact the word of the source that
    stands highest; of two that stand alike the later row's.
    """
    found: dict[str, Instrument] = {}
    for row in rows:
        name, sources = row["instrument"], json.loads(row["source"])
        held = found.setdefault(name, Instrument(name.partition(":")[2]))
        told = {
            fact: row[fact] for fact in _FACTS
            if row[fact] is not None
            and _rank(sources.get(fact)) >= _rank(held.source.get(fact))
        }
        said = {fact: sources[fact] for fact in told if fact in sources}
        found[name] = replace(held, **told, source=held.source | said)
    return found


def _rank(source: str | None) -> int:
    return -1 if source is None else _RANKS.get(source, 0)


def told_from_outside(config: Config, name: str) -> dict[str, Any]:
    """What settings and registry say of a venue's instruments, for what is made of them to be made
    again when that changes; empty where they say nothing.
    """
    mine = {one: said for one, said in sorted(config.multipliers.items())
            if one.startswith(name + ":")}
    registry = digest_of(name)
    return ({"multipliers": mine} if mine else {}) | ({"registry": registry} if registry else {})


KIND, CONTRACT_SIZE, CONTRACT_SIZE_IN_PART = (
    "kind", "contract size", "contract size in some captures",
)  # fmt: skip
"""What matters most of an instrument: without its kind it has no place among derivatives, without
its contract size no size in base units. A capture knows no more of a size than it says itself."""


def unknown_instruments(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Instruments of rows of `raw.instruments` of which that is not known, with what is not."""
    rows = list(rows)
    sized: dict[str, set[bool]] = {}
    for row in rows:
        for name, known in facts_from([row]).items():
            sized.setdefault(name, set()).add(contract_of(known) is not UNKNOWN)
    found = {}
    for name, known in sorted(facts_from(rows).items()):
        lacking = [] if known.kind else [KIND]
        if False in sized[name]:
            lacking.append(CONTRACT_SIZE_IN_PART if True in sized[name] else CONTRACT_SIZE)
        if lacking:
            found[name] = lacking
    return found


def unsized_of(unknown: Mapping[str, Iterable[str]]) -> list[str]:
    """Which of those lack a contract size, if only in some captures."""
    return [name for name, lacking in unknown.items()
            if not {CONTRACT_SIZE, CONTRACT_SIZE_IN_PART}.isdisjoint(lacking)]


def setting_of(instrument: str) -> str:
    """The line of the settings that says what a contract is worth."""
    return f'[multipliers] "{instrument}" = {{ linear = NUMBER }}, or {{ inverse = NUMBER }}'
