"""Fixtures of the captures' tests; lines are made in `samples`."""

from pathlib import Path

import pytest

from imbalance.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty home with the catalog's tables."""
    return Store.open(tmp_path / "home", create=True)


@pytest.fixture(scope="session")
def cryptofeed(shared):
    """Recordings of real venues, of both encodings."""
    return shared / "captures" / "cryptofeed"
