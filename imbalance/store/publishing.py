"""Publishing: what is current becomes a generation, if it passes.

The rules are in `gate`, the DuckDB file is made in `release`, what stands is read in `generations`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from imbalance.config_file import as_settings
from imbalance.contracts import Table
from imbalance.errors import EXIT_BUSY, UserError
from imbalance.progress import SILENT, Progress
from imbalance.store import generation_index
from imbalance.store.files import relative_name, sha256_file, sync_directory, sync_file
from imbalance.store.gate_rules import rules_hash
from imbalance.store.generations import (
    CURRENT,
    Generation,
    current_path,
    list_generations,
    read_generation,
)
from imbalance.store.home import Home
from imbalance.store.ledger import Entry, Ledger
from imbalance.store.locks import hold, read_holder
from imbalance.store.manifest import (
    DATABASE_NAME,
    DEFINITIONS_NAME,
    MANIFEST_NAME,
    Manifest,
    Released,
    read_manifest,
)
from imbalance.store.release import Base, build_database, copy_file
from imbalance.store.validation import validate

if TYPE_CHECKING:
    from imbalance.store.store import Store


def publish(
    store: Store,
    *,
    patience: float | None = None,
    progress: Progress = SILENT,
) -> Generation:
    """Validate what is current and publish it as a new generation, if anything has changed.

    Parameters
    ----------
    patience : seconds to wait for another publisher; the configured ones when not given.

    Returns
    -------
    Generation
        The new one, or with `new` False the current one when there is nothing to publish.

    Raises
    ------
    GateRefused
        If a rule is broken: nothing is published.
    UserError
        If another publisher is at work for longer than `patience`, a file is damaged, or there is
        nothing that could be published.
    """
    with only_publisher(store, patience):
        current = current_path(store.home)
        base = _base(current)
        moment = store.at_one_moment().ledger
        sequence = moment.last_sequence()
        tables = {name: table for name, table in store.tables.items() if table.published}
        entries = moment.all_partitions()
        partitions = {name: _released(table, entries.get(name, {}), base)
                      for name, table in tables.items()}
        if current is not None and base is not None and _is_published(base, tables, partitions):
            return read_generation(current, current)
        validation = validate(store, sequence, tables, partitions, base, progress)
        progress.advance(note="building the generation")
        manifest = Manifest(
            number=_next_number(store.home),
            created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            ledger_sequence=sequence,
            tables=partitions,
            definitions={name: table.definition_hash() for name, table in tables.items()},
            validation=validation,
            captures=_captures_in(moment),
            files={},
            settings=as_settings(store.config),
        )
        path = _release(store, manifest, tables, base)
        return msgspec.structs.replace(read_generation(path, path), new=True)


def _captures_in(ledger: Ledger) -> dict[str, str]:
    """SHA-256 of the captures in use that have been read: nothing is made yet of one that is only
    registered.
    """
    read = ledger.partitions("raw.captures")
    return {c.capture_id: c.sha256 for c in ledger.captures() if c.capture_id in read}


def is_published(store: Store) -> bool:
    """Whether the current generation is what is current: publishing would change nothing. One that
    does not know what it is, is not: to publish mends that.
    """
    base = _base(current_path(store.home))
    if base is None:
        return False
    tables = {name: table for name, table in store.tables.items() if table.published}
    entries = store.ledger.all_partitions()
    partitions = {name: _released(table, entries.get(name, {}), base)
                  for name, table in tables.items()}
    return _is_published(base, tables, partitions)


@contextmanager
def only_publisher(store: Store, patience: float | None = None) -> Iterator[None]:
    """Be the one who may add and remove generations, for the length of a `with` block.

    Raises
    ------
    UserError
        If another one is for longer than `patience` (seconds; the configured ones when None).
    """
    wait = store.config.publish.patience_seconds if patience is None else patience
    with ExitStack() as stack:
        try:
            stack.enter_context(
                hold(store.home.publish_lock, doing="publishing", patience=wait)
            )
        except TimeoutError:
            holder = read_holder(store.home.publish_lock)
            raise UserError(
                f"another publisher is at work: {holder or 'it has not said which'}",
                where=str(store.home.publish_lock),
                allowed=f"one publisher at a time; waited {wait:g} s",
                fix="try again when it has finished, or raise publish.patience_seconds",
                exit_code=EXIT_BUSY,
            ) from None
        yield


def _base(current: Path | None) -> Base | None:
    """The current generation to start from; none when it does not know what it is."""
    try:
        return None if current is None else Base(current, read_manifest(current))
    except UserError:
        return None


def _next_number(home: Home) -> int:
    numbers = [int(name.partition("-")[0]) for name in generation_index.names(home)]
    return max(numbers, default=0) + 1


def _released(
    table: Table, entries: Mapping[str, Entry], base: Base | None
) -> dict[str, Released]:
    before = {} if base is None else base.manifest.tables.get(table.name, {})
    rules = rules_hash(table)
    found = {}
    for partition, entry in sorted(entries.items()):
        if entry.sha256 is None or entry.rows_hash is None:
            continue
        old = before.get(partition)
        # Committed again with the same rows: they are known since the first time.
        same = old is not None and old.sha256 == entry.sha256
        found[partition] = Released(
            file=relative_name(table, entry.sha256),
            sha256=entry.sha256,
            rows_hash=entry.rows_hash,
            row_count=entry.row_count,
            recorded_at=old.recorded_at if old is not None and same else entry.recorded_at,
            sequence=old.sequence if old is not None and same else entry.sequence,
            rules=rules,
        )
    return found


def _is_published(
    base: Base, tables: Mapping[str, Table], partitions: Mapping[str, Mapping[str, Released]]
) -> bool:
    definitions = {name: table.definition_hash() for name, table in tables.items()}
    return base.manifest.definitions == definitions and base.manifest.tables == partitions


def _release(
    store: Store, manifest: Manifest, tables: Mapping[str, Table], base: Base | None
) -> Path:
    """Make the generation aside, bring it to the disk, give it its name, make it current."""
    home = store.home
    aside = home.staging_dir / f"generation-{uuid.uuid4().hex}"
    try:
        aside.mkdir(parents=True)
        files = {}
        for partitions in manifest.tables.values():
            for released in partitions.values():
                _link(home, released.file, aside, base)
                files[released.file] = released.sha256
        build_database(aside, tables, manifest.tables, base)
        definitions = {name: asdict(table) for name, table in tables.items()}
        (aside / DEFINITIONS_NAME).write_text(json.dumps(definitions, indent=1), encoding="utf-8")
        for name in (DATABASE_NAME, DEFINITIONS_NAME):
            sync_file(aside / name)
            files[name] = sha256_file(aside / name)
            (aside / name).chmod(0o444)
        text = replace(manifest, files=files).to_json()
        (aside / MANIFEST_NAME).write_text(text, encoding="utf-8")
        sync_file(aside / MANIFEST_NAME)
        for directory in [aside, *(path for path in aside.rglob("*") if path.is_dir())]:
            sync_directory(directory)
        digest = hashlib.sha256(text.encode()).hexdigest()
        final = home.generations_dir / f"{manifest.number:06d}-{digest[:8]}"
        home.generations_dir.mkdir(exist_ok=True)
        aside.rename(final)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    _make_current(home, final)
    reindex(home)
    return final


def reindex(home: Home) -> None:
    """Write the index of generations anew, from itself as far as it holds; for the publisher."""
    # Looked at before the manifests are read: what changes between is read again next time.
    stamps = generation_index.stamps(home)
    lines = []
    for generation in list_generations(home):
        stamp = stamps.get(generation.id)
        if stamp is not None:
            lines.append(generation_index.Line(
                generation.id, generation.number, generation.created_at,
                generation.ledger_sequence, stamp,
                msgspec.Raw(msgspec.json.encode(generation.rows)),
            ))
    generation_index.write_lines(home, lines)


def _link(home: Home, name: str, generation: Path, base: Base | None) -> None:
    """The partition file in the generation: the same file under a second name where possible."""
    source, target = home.file(name), generation / name
    if target.is_file():
        return  # partitions with the same rows (none, often) share a file
    if not source.is_file() and base is not None:
        source = base.path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        copy_file(source, target)
        sync_file(target)


def _make_current(home: Home, generation: Path) -> None:
    link = home.generations_dir / f".{CURRENT}-{uuid.uuid4().hex}"
    link.symlink_to(generation.name)
    link.replace(home.generations_dir / CURRENT)
    sync_directory(home.generations_dir)
