"""Fixtures of the store's tests; tables and rows are in `samples`."""

from pathlib import Path

import pytest

from imbalance.store import Home, Store
from tests.store.samples import TABLES


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Home.open(tmp_path / "home", create=True), tables=TABLES)
