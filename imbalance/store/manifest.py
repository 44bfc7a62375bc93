"""What a published generation says of itself: the form of `manifest.json`, and reading it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from imbalance.errors import EXIT_FAILED, UserError

MANIFEST_NAME = "manifest.json"
DATABASE_NAME = "imbalance.duckdb"
DEFINITIONS_NAME = "definitions.json"
MANIFEST_VERSION = 1


@dataclass(frozen=True)
class Released:
    """A partition as released.

    `file` is relative to the generation; `recorded_at` (ns, UTC) is when the rows were first
    committed with this content, and stands in the column of that name; `rules` is the hash of the
    rules that the partition has passed.
    """

    file: str
    sha256: str
    rows_hash: str
    row_count: int
    recorded_at: int
    sequence: int
    rules: str


@dataclass(frozen=True)
class Manifest:
    """All of a generation. `files` gives the SHA-256 of each of its files by relative name.

    `validation` says by table how many partitions were checked, against how many rules and
    expectations; `captures` names the raw files by id and SHA-256; `settings` are those it was made
    with.
    """

    number: int
    created_at: str
    ledger_sequence: int
    tables: Mapping[str, Mapping[str, Released]]
    definitions: Mapping[str, str]
    validation: Mapping[str, Mapping[str, int]]
    captures: Mapping[str, str]
    files: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: int = MANIFEST_VERSION

    def row_counts(self) -> dict[str, int]:
        """Rows by table."""
        return {
            name: sum(released.row_count for released in partitions.values())
            for name, partitions in self.tables.items()
        }

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def read_manifest(generation: Path) -> Manifest:
    """The manifest in a generation's directory.

    Raises
    ------
    UserError
        If it is missing, damaged or of a newer form.
    """
    path = generation / MANIFEST_NAME
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] > MANIFEST_VERSION:
            raise UserError(
                f"the generation's manifest has form {data['version']}, this version knows "
                f"{MANIFEST_VERSION}",
                where=str(path),
                fix="use the version of imbalance which published it, or a newer one",
            )
        tables = {
            name: {key: Released(**value) for key, value in partitions.items()}
            for name, partitions in data.pop("tables").items()
        }
        return Manifest(tables=tables, **data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"the generation's manifest cannot be read: {error}",
            where=str(path),
            fix="publish again: a new generation does not need it. imbalance publish",
            exit_code=EXIT_FAILED,
        ) from None
