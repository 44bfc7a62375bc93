"""What assets are given: the warehouse, opened from the home and the settings file.

The protocol it satisfies is `imbalance.warehouse.Warehouse`; tests and the run process give a plain
library object instead.
Dagster: https://docs.dagster.io/guides/build/external-resources
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from pydantic import Field

from imbalance.config_file import load_config
from imbalance.machine import SideBySide
from imbalance.progress import SILENT, Progress
from imbalance.store.store import Store
from pipelines.instance import process_tag


class WarehouseResource(dg.ConfigurableResource):
    """The home on disk and the settings which hold for it."""

    home: str = Field(description="Directory of the home.")
    config: str = Field(default="", description="Settings file (TOML); empty: all defaults.")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Sign the run that Dagster has launched with its process, by which an orphan is known, and
        leave room for those that it may launch besides.
        """
        if context.instance is not None and context.run is not None:
            run_id = context.run.run_id
            context.instance.add_run_tags(run_id, process_tag(run_id))
            queue = context.instance.get_concurrency_config().run_queue_config
            # a limit below 1 is none
            SideBySide.processes = max(1, queue.max_concurrent_runs if queue else 1)

    def open(self) -> Store:
        """The store over the home; made when there is none."""
        config = load_config(Path(self.config) if self.config else None)
        return Store.open(self.home, create=True, config=config)

    @property
    def progress(self) -> Progress:
        """Nobody listens in a run that Dagster has launched: its log says what happens."""
        return SILENT
