"""Where the recorded connections are."""

import pytest


@pytest.fixture(scope="session")
def cryptofeed(shared):
    """Recordings of real venues, of both encodings."""
    return shared / "captures" / "cryptofeed"
