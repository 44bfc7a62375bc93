"""What an asset asks of its surroundings: a store, and somebody who listens to long work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from imbalance.progress import SILENT, Progress

if TYPE_CHECKING:
    from imbalance.store.store import Store


class Warehouse(Protocol):
    """Gives access to the home. `pipelines.resources` supplies one to Dagster."""

    @property
    def progress(self) -> Progress:
        """Where long work tells how far it is."""

    def open(self) -> Store:
        """The store over the home."""


@dataclass(frozen=True)
class PlainWarehouse:
    """A warehouse over a store that is open already."""

    store: Store
    progress: Progress = SILENT

    def open(self) -> Store:
        return self.store
