"""Why a partition is out of date: which input, parameter or version is not what it was.

The ledger keeps what each entry was made from; this compares it with what it would be made from
now. Whether it is out of date is decided by hashes alone, in `task`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbalance.store.files import schema_hash

if TYPE_CHECKING:
    from imbalance.store.ledger import Entry
    from imbalance.store.store import Store

ABSENT = "absent"
"""Stands for the hash of an input that has no file."""

_SHOWN = 60


def why_stale(
    store: Store, outputs: Sequence[str], partition: str, text: str, version: str
) -> list[str]:
    """The reasons, the same for several tables told once.

    Parameters
    ----------
    text : the inputs and parameters of now, as `task.inputs_text` writes them.
    version : the version of now.
    """
    newest = {name: store.ledger.newest(name, partition) for name in outputs}
    if not any(newest.values()):
        return ["never made"]
    found: dict[str, None] = {}
    made_from: set[str] = set()
    for name, entry in newest.items():
        if entry is None or entry.file is None:
            found[f"{name} was removed" if entry else f"{name} has never been made"] = None
            continue
        if not store.home.file(entry.file).is_file():
            found[f"the file of {name} is missing"] = None
        if entry.schema_hash != schema_hash(store.table(name)):
            found[f"the columns of {name} have changed"] = None
        if entry.definition_version != version:
            before = _short(entry.definition_version)
            found[f"version: {before} before, {_short(version)} now"] = None
        if entry.inputs_hash not in made_from:
            made_from.add(entry.inputs_hash)
            found.update(dict.fromkeys(_input_changes(store, entry, text)))
    return list(found)


def _input_changes(store: Store, entry: Entry, text: str) -> Iterator[str]:
    before = store.ledger.inputs(entry.inputs_hash)
    if before is None:
        if hashlib.sha256(text.encode()).hexdigest() != entry.inputs_hash:
            yield "inputs or settings have changed; what they were was not kept"
        return
    (old, then), (new, now) = json.loads(before), json.loads(text)
    sooner = {(table, partition): digest for table, partition, digest in old}
    later = {(table, partition): digest for table, partition, digest in new}
    for key in sorted(sooner.keys() | later.keys()):
        name = f"input {key[0]} [{key[1]}]"
        one, other = sooner.get(key, ABSENT), later.get(key, ABSENT)
        if one != other:
            yield (f"{name} is new" if one == ABSENT else f"{name} is gone" if other == ABSENT
                   else f"{name} has changed: {one[:8]} before, {other[:8]} now")
    yield from _parameter_changes(store, then, now, "")


def _parameter_changes(store: Store, then: Any, now: Any, place: str) -> Iterator[str]:
    if then == now:
        return
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for name in sorted(then.keys() | now.keys()):
            yield from _parameter_changes(
                store, then.get(name), now.get(name), f"{place}.{name}" if place else name
            )
        return
    if _are_lists_of_settings(then, now):
        for number, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _parameter_changes(store, one, other, f"{place}[{number}]")
        return
    if place == "captures" and then and now and set(then) != set(now):
        yield from (f"capture {_file(store, one)} is new" for one in now if one not in then)
        yield from (f"capture {_file(store, one)} is gone" for one in then if one not in now)
        return
    if place.startswith("read_as.") and None in (then, now):
        return  # of a capture that is new or gone, as has been said
    yield f"parameter {place}: {_short(then)} before, {_short(now)} now"


def _file(store: Store, capture_id: str) -> str:
    """The name of a capture's file, and which of those that had that name it is."""
    paths = store.ledger.capture_paths(capture_id)
    return f"{Path(paths[0]).name} ({capture_id})" if paths else capture_id


def _are_lists_of_settings(then: Any, now: Any) -> bool:
    return (
        isinstance(then, list) and isinstance(now, list) and len(then) == len(now)
        and all(isinstance(item, Mapping) for item in (*then, *now))
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
