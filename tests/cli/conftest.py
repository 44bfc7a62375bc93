"""A small home filled once by the command line itself, for all tests of the commands."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.cli.process import imbalance

INSTRUMENTS = ("binance-futures:BTCUSDT", "binance:BTCUSDT")
SECRET = "canary-4c81e0"  # noqa: S105 - what must stand nowhere afterwards
SETTINGS = f"""
[alerts]
command = ["/bin/true", "--token", "{SECRET}"]
webhook = "http://127.0.0.1:1/{SECRET}"
[studies]
bar_sizes = ["1s"]
replications = 99
maximum_lag = 3
horizon = 5
[studies.families.hawkes.book_events]
baselines = ["constant"]
kernels = ["exponential"]
"""


@dataclass(frozen=True)
class Filled:
    """A home, what it was made from, and what the run that made it said."""

    home: Path
    captures: Path
    config: Path
    summary: dict


@pytest.fixture(scope="session")
def small_captures(tmp_path_factory) -> Path:
    """60 s of a simulated perpetual and its spot across midnight."""
    import datetime

    from imbalance.simulate.market import simulate_market
    from imbalance.simulate.scenario import Scenario

    whole = Scenario.default()
    scenario = replace(
        whole,
        instruments=tuple(one for one in whole.instruments if one.name in INSTRUMENTS),
        links=tuple(link for link in whole.links if link.target in INSTRUMENTS),
        common_shocks=(),
        start=datetime.datetime(2025, 3, 4, 23, 59, 30, tzinfo=datetime.UTC),
        duration_seconds=60,
    )
    directory = tmp_path_factory.mktemp("captures") / "market"
    simulate_market(directory, scenario)
    return directory


@pytest.fixture(scope="session")
def filled(small_captures, tmp_path_factory) -> Filled:
    """The home after one `imbalance run`."""
    directory = tmp_path_factory.mktemp("filled")
    config = directory / "settings.toml"
    config.write_text(SETTINGS)
    home = directory / "home"
    done = imbalance("--json", "run", small_captures, home=home, config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    return Filled(home, small_captures, config, json.loads(done.stdout))
