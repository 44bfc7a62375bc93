"""What assets are given: the warehouse, opened from the home and the settings file.

The protocol it satisfies is `imbalance.warehouse.Warehouse`; tests pass the plain library object.
Dagster: https://docs.dagster.io/guides/build/external-resources
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from imbalance.config import load_config
from imbalance.progress import SILENT, Progress
from imbalance.store.home import Home
from imbalance.store.store import Store


class WarehouseResource(dg.ConfigurableResource):
    """The home on disk and the settings which hold for it."""

    home: str = Field(description="Directory of the home.")
    config: str = Field(default="", description="Settings file (TOML); empty: all defaults.")
    _progress: Progress = PrivateAttr(default=SILENT)

    def open(self) -> Store:
        """The store over the home; made when there is none."""
        config = load_config(Path(self.config) if self.config else None)
        return Store(Home.open(self.home, create=True), config)

    @property
    def progress(self) -> Progress:
        """Where long work tells how far it is."""
        return self._progress

    def telling(self, progress: Progress) -> WarehouseResource:
        """The same warehouse, with a listener."""
        self._progress = progress
        return self
