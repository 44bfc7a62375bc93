"""The code location: assets, checks, jobs, schedules, sensors and resources, put together.

Loading this is light: the libraries that compute are imported by the assets when they run.
Which home and settings it is for is in the environment: IMBALANCE_HOME and IMBALANCE_CONFIG.
Dagster: https://docs.dagster.io/guides/build/projects
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import dagster as dg

from assets import book, features, published, raw, studies
from assets.partitions import Partitions
from imbalance.config import Config
from imbalance.config_file import load_config
from imbalance.overdue import LIVE_DAYS
from imbalance.store.home import LEDGER_NAME, directory_of
from imbalance.store.ledger import Ledger
from imbalance.warehouse import Warehouse
from pipelines.alerts import alerts
from pipelines.jobs import JOBS
from pipelines.resources import WarehouseResource
from pipelines.schedules import daily
from pipelines.sensors import new_captures


def span(home: Path, config: Config) -> tuple[str | None, str | None]:
    """First and last day of the partitions; None for the last while recording goes on.

    The first is the configured one, else the earliest registered. A home whose last capture is
    older than `LIVE_DAYS` is history: its days end with it, so that years without data do not stand
    in the UI as missing.
    """
    captures = Ledger(home / LEDGER_NAME).captures() if (home / LEDGER_NAME).is_file() else []
    first = min((c.first_day for c in captures if c.first_day), default=None)
    last = max((c.last_day for c in captures if c.last_day), default=None)
    recent = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=LIVE_DAYS)
    return config.first_day or first, last if last and last < recent.isoformat() else None


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
    partitions = Partitions.spanning(*span(home, config))
    return dg.Definitions(
        assets=[
            *raw.build(partitions),
            *book.build(partitions),
            *features.build(partitions),
            *features.build_over_venues(partitions),
            *studies.build(partitions),
            *published.build(),
        ],
        jobs=JOBS,
        schedules=daily(partitions),
        sensors=[new_captures(config, partitions), alerts(config)],
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
    home = directory_of(os.environ.get("IMBALANCE_HOME") or "warehouse")
    return home, Path(config) if config else None


defs = build_definitions(*home_and_config())
