"""The code location: assets, checks, jobs, schedules, sensors and resources, put together.

Loading this is light: the libraries that compute are imported by the assets when they run.
Which home and settings it is for is in the environment: IMBALANCE_HOME and IMBALANCE_CONFIG.
Dagster: https://docs.dagster.io/guides/build/projects
"""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from assets import book, features, published, raw, studies
from assets.partitions import Partitions
from imbalance.config import Config, load_config
from imbalance.store.home import LEDGER_NAME
from imbalance.warehouse import Warehouse
from pipelines.jobs import JOBS
from pipelines.resources import WarehouseResource
from pipelines.schedules import SCHEDULES
from pipelines.sensors import new_captures


def first_day(home: Path, config: Config) -> str | None:
    """The configured first day, else the earliest day registered, else None."""
    if config.first_day:
        return config.first_day
    if not (home / LEDGER_NAME).is_file():
        return None
    from imbalance.store.ledger import Ledger

    days = [capture.first_day for capture in Ledger(home / LEDGER_NAME).captures()]
    return min((day for day in days if day), default=None)


def build_definitions(
    home: Path, config_path: Path | None = None, warehouse: Warehouse | None = None
) -> dg.Definitions:
    """Everything Dagster is told about one home.

    Parameters
    ----------
    home : directory of the home; need not exist.
    config_path : settings file, None for the defaults.
    warehouse : what the assets are given instead of a resource over `home`.
    """
    config = load_config(config_path)
    partitions = Partitions.starting(first_day(home, config))
    return dg.Definitions(
        assets=[
            *raw.build(partitions),
            *book.build(partitions),
            *features.build(partitions),
            *studies.build(partitions),
            *published.build(),
        ],
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=[new_captures(config, partitions)],
        resources={
            "warehouse": warehouse
            or WarehouseResource(home=str(home), config=str(config_path) if config_path else "")
        },
        # A process per step costs more than a day of a symbol takes to compute: steps of a run
        # share one process, and a range of partitions is one run.
        executor=dg.in_process_executor,
    )


def home_and_config() -> tuple[Path, Path | None]:
    """IMBALANCE_HOME (./warehouse) and IMBALANCE_CONFIG (none)."""
    config = os.environ.get("IMBALANCE_CONFIG")
    home = Path(os.environ.get("IMBALANCE_HOME") or "warehouse").absolute()
    return home, Path(config) if config else None


defs = build_definitions(*home_and_config())
