"""The Hawkes study as a function from the events of a window to its table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from imbalance.studies.hawkes.book_events import KINDS, PRICE_DOWN, PRICE_UP, BookEvents
from imbalance.studies.hawkes.reading import STATES, Recorded, common_stretches, read_book
from imbalance.studies.hawkes.study import HAWKES, HawkesFamily
from imbalance.studies.hawkes.system import DIAGNOSTICS, Kind, System, SystemRows
from imbalance.studies.held import ReadByNeed
from imbalance.studies.pairs import base_asset, richest
from imbalance.studies.rows import Row, RowTable, Window, blank
from imbalance.studies.study_input import StudyInput

_ROOM = 1 << 29
"""Bytes of events that are held."""
_AT_A_TIME = 8
"""Systems that are held ready together."""

_Span = tuple[int, int, int] | tuple[()]


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.hawkes` of one window; a system that is refused is one row with why."""
    rows = RowTable(HAWKES, DIAGNOSTICS)
    for family in given.families:
        read = _books(given, family)
        spans, counts = {}, {}
        for name, one in read.items():
            if one is not None:
                spans[name], counts[name] = _span(one), len(one.events.stamps)
        window = given.window_of(span for span in spans.values() if span)
        crossed = _crossed(family, counts)
        rows.extend([_unplaced(family, window, "too_many_instruments", f"across:{name}")
                     for name in sorted(set(counts).difference(*crossed.values()))
                     if base_asset(name) in crossed])
        systems = _systems(family, read, list(crossed.values()))
        nothing = True
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            while some := list(islice(systems, _AT_A_TIME)):
                nothing = False
                by_system = threads.map(partial(_rows_of, family=family, window=window), some)
                for system, own in zip(some, by_system, strict=True):
                    given.progress.advance(note=f"Hawkes {system.model}")
                    rows.extend(own)
        if nothing:
            rows.extend([_unplaced(family, window, "no_events", "*")])
    return {HAWKES.name: rows.finish()}


def _unplaced(family: HawkesFamily, window: Window, reason: str, model: str) -> Row:
    """What is said of no system that could be fitted."""
    return blank("hawkes", family.name, window, {}) | {
        "model": model, "baseline": "*", "kernel": "*", "stamps": "*",
        "estimator": "spectral_radius", "reason": reason}


def _crossed(family: HawkesFamily, counts: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Asset to those of its instruments whose price moves are one system, where it has several."""
    if "across" not in family.systems:
        return {}
    by_asset: dict[str, dict[str, int]] = {}
    for name, count in counts.items():
        by_asset.setdefault(base_asset(name), {})[name] = count
    return {asset: richest(of, family.most_instruments)
            for asset, of in by_asset.items() if len(of) > 1}


def _rows_of(system: System, family: HawkesFamily, window: Window) -> list[Row]:
    return list(SystemRows(system, family, window).rows())


def _books(given: StudyInput, family: HawkesFamily) -> Mapping[str, Recorded | None]:
    """Events of each instrument's book, read when they are asked for; None where there are none."""
    reader = given.events
    if reader is None:
        return {}
    feed = round(family.feed_milliseconds * 1e6)
    return ReadByNeed(reader.instruments(STATES), lambda name: read_book(reader, name, feed), _ROOM,
                      lambda one: 0 if one is None else one.nbytes)


def _span(one: Recorded) -> _Span:
    """First and last instant of the events, and when they were known; empty without any."""
    events = one.events
    return (int(events.earliest.min()), int(events.latest.max()) + 1,
            one.available_at) if len(events.stamps) else ()


def _systems(
    family: HawkesFamily, read: Mapping[str, Recorded | None], crossed: Sequence[Sequence[str]]
) -> Iterator[System]:
    """Each instrument's book; and of each asset with several instruments, their price moves."""
    if "own" in family.systems:
        for name in read:
            kinds = tuple(Kind(name, kind) for kind in KINDS)
            one = read[name]
            yield (System.empty(name, kinds) if one is None
                   else System(name, kinds, one.events, one.stretches))
    for instruments in crossed:
        yield _across({name: one for name in instruments if (one := read[name]) is not None})


def _across(read: Mapping[str, Recorded]) -> System:
    """Price moves up and down of several instruments, where all of their books are valid."""
    parts = []
    kinds: list[Kind] = []
    stretches = next(iter(read.values())).stretches
    for number, (name, one) in enumerate(read.items()):
        events = one.events
        moves = events.select(events.kinds >= PRICE_UP)
        parts.append(BookEvents(moves.stamps, moves.earliest, moves.latest,
                                moves.kinds - PRICE_UP + 2 * number))
        kinds += [Kind(name, KINDS[PRICE_UP]), Kind(name, KINDS[PRICE_DOWN])]
        stretches = common_stretches(stretches, one.stretches)
    joined = BookEvents(*(
        np.concatenate([getattr(part, field) for part in parts])
        for field in ("stamps", "earliest", "latest", "kinds")
    ))
    return System("across:" + ",".join(read), tuple(kinds), joined, stretches)
