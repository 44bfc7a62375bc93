"""The Hawkes study as a function from the events of a window to its table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from imbalance.studies.columns import EVENTS
from imbalance.studies.hawkes.book_events import KINDS, PRICE_DOWN, PRICE_UP, BookEvents
from imbalance.studies.hawkes.reading import STATES, Recorded, common_stretches, read_book
from imbalance.studies.hawkes.study import HAWKES, HawkesFamily
from imbalance.studies.hawkes.system import DIAGNOSTICS, Kind, System, SystemRows
from imbalance.studies.pairs import base_asset
from imbalance.studies.rows import Row, RowTable, Window, blank
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.hawkes` of one window; a system that is refused is one row with why."""
    rows = RowTable(HAWKES, DIAGNOSTICS)
    for family in given.families:
        reader = given.events
        names = () if reader is None else reader.instruments(STATES)
        feed = round(family.feed_milliseconds * 1e6)
        read = {name: found for name in names
                if reader is not None and (found := read_book(reader, name, feed)) is not None}
        window = _window(given, read)
        systems = list(_systems(family, names, read))
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            by_system = threads.map(partial(_rows_of, family=family, window=window), systems)
            for system, own in zip(systems, by_system, strict=True):
                given.progress.advance(note=f"Hawkes {system.model}")
                rows.extend(own)
        if not systems:
            rows.extend([blank("hawkes", family.name, window, {}) | {
                "model": "*", "baseline": "*", "kernel": "*", "stamps": "*",
                "estimator": "spectral_radius", "reason": "no_events"}])
    return {HAWKES.name: rows.finish()}


def _rows_of(system: System, family: HawkesFamily, window: Window) -> list[Row]:
    return list(SystemRows(system, family, window).rows())


def _window(given: StudyInput, read: Mapping[str, Recorded]) -> Window:
    used = [one for one in read.values() if len(one.events.stamps)]
    if not used:
        return given.nowhere(EVENTS)
    return Window(
        given.scope, EVENTS,
        min(int(one.events.earliest.min()) for one in used),
        max(int(one.events.latest.max()) for one in used) + 1,
        max(one.available_at for one in used),
    )


def _systems(
    family: HawkesFamily, names: tuple[str, ...], read: Mapping[str, Recorded]
) -> Iterator[System]:
    """Each instrument's book; and of each asset with several instruments, their price moves."""
    if "own" in family.systems:
        for name in names:
            kinds = tuple(Kind(name, kind) for kind in KINDS)
            if name in read:
                yield System(name, kinds, read[name].events, read[name].stretches)
            else:
                yield System.empty(name, kinds)
    if "across" in family.systems:
        by_asset: dict[str, list[str]] = {}
        for name in names:
            if name in read:
                by_asset.setdefault(base_asset(name), []).append(name)
        for instruments in by_asset.values():
            if len(instruments) > 1:
                yield _across(instruments, read)


def _across(instruments: list[str], read: Mapping[str, Recorded]) -> System:
    """Price moves up and down of several instruments, where all of their books are valid."""
    parts = []
    kinds: list[Kind] = []
    stretches = read[instruments[0]].stretches
    for number, name in enumerate(instruments):
        events = read[name].events
        moves = events.select(events.kinds >= PRICE_UP)
        parts.append(BookEvents(moves.stamps, moves.earliest, moves.latest,
                                moves.kinds - PRICE_UP + 2 * number))
        kinds += [Kind(name, KINDS[PRICE_UP]), Kind(name, KINDS[PRICE_DOWN])]
        stretches = common_stretches(stretches, read[name].stretches)
    joined = BookEvents(*(
        np.concatenate([getattr(part, field) for part in parts])
        for field in ("stamps", "earliest", "latest", "kinds")
    ))
    return System("across:" + ",".join(instruments), tuple(kinds), joined, stretches)
