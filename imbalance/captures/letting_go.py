"""What goes when a capture is in use no more: its account, and the rows of days that none holds.

Partitions are removed from what is current; their history stays, and so do generations that were
published with them. Files are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from imbalance.captures.accounts import OUTPUTS
from imbalance.errors import UserError, nearest
from imbalance.store.ledger import CaptureFile
from imbalance.store.ledger_rows import days_of
from imbalance.store.store import Store
from imbalance.store.task import remove

_OF_A_DAY = re.compile(r"(?:trailing-)?(\d{4}-\d\d-\d\d(?:\|.*)?)")
"""Partitions of a day, of its venues, and of the windows up to it."""


def remove_unheld(store: Store) -> dict[str, CaptureFile]:
    """Remove the accounts of captures that another version of the same file has replaced, and the
    rows of venues and days of which no capture in use holds anything; returns those in use by id.
    """
    used = {capture.capture_id: capture for capture in store.ledger.captures()}
    days = {day for capture in used.values() for day in days_of(capture)}
    held = {f"{day}|{one.venue}" for one in used.values() for day in days_of(one)} | days
    for table, entries in store.ledger.all_partitions().items():
        for partition in entries:
            dated = _OF_A_DAY.fullmatch(partition)
            of_nothing = dated is None and table.startswith("studies.") and not days
            if of_nothing or (dated is not None and dated[1] not in held):
                remove(store, tables=(table,), partition=partition)
    # last: while there are any, a removal that was killed is known by them
    for capture_id in store.ledger.partitions("raw.captures").keys() - used.keys():
        remove(store, tables=OUTPUTS, partition=capture_id)
    return used


def let_go(store: Store, given: Sequence[str]) -> list[CaptureFile]:
    """Take captures out of use, by their paths or ids: as if they had never been registered, until
    they are again.

    Raises
    ------
    UserError
        If there is none in use under one of the names; nothing is let go of then.
    """
    by_name: dict[str, list[CaptureFile]] = {}
    for capture in store.ledger.captures():
        paths = dict.fromkeys((capture.path, *store.ledger.capture_paths(capture.capture_id)))
        for name in (capture.capture_id, *paths):
            by_name.setdefault(name, []).append(capture)
    found = [_named(name, by_name) for name in given]
    for capture in found:
        no_more = replace(capture, format="", first_day=None, last_day=None)
        store.ledger.register_capture(no_more, anew=True)
        remove(store, tables=OUTPUTS, partition=capture.capture_id)
    remove_unheld(store)
    return found


def _named(name: str, by_name: Mapping[str, Sequence[CaptureFile]]) -> CaptureFile:
    """The capture in use of a path or an id."""
    known = by_name.get(name) or by_name.get(str(Path(name).absolute())) or ()
    if len(known) > 1:
        ids = ", ".join(f"{one.capture_id} ({one.first_day} to {one.last_day})" for one in known)
        raise UserError(
            f"{len(known)} captures in use have had the name {name!r}", where="--forget",
            allowed=f"the id of one of them: {ids}", fix="imbalance ingest --forget ID",
        )
    if not known:
        close = nearest(name, list(by_name))
        raise UserError(
            f"no capture {name!r} is in use" + (f"; did you mean {close!r}?" if close else ""),
            where="--forget", allowed="the path or the id of a registered capture",
            fix='imbalance sql "select capture_id, path from raw.captures"',
        )
    return known[0]
