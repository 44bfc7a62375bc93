"""Captures of a few days, a second of each, and what has been made of them."""

import gzip

import pytest

from tests.captures.samples import DAY, SPOT, START, recording

DAYS = ("2024-08-08", "2024-08-09", "2024-08-10")
KEYS = tuple(f"{day}|{SPOT}" for day in DAYS)


def contents(store):
    """Hash of the rows of every partition."""
    return {
        (table, partition): entry.rows_hash
        for table, partitions in store.ledger.all_partitions().items()
        for partition, entry in partitions.items()
    }


@pytest.fixture
def daily_captures(tmp_path):
    """A capture a day."""
    directory = tmp_path / "captures"
    directory.mkdir()
    for number, day in enumerate(DAYS):
        lines = recording(SPOT, 30, receive=START + number * DAY, first=1000 + 100 * number)
        file = directory / f"btcusdt_{day.replace('-', '')}.gz"
        file.write_bytes(gzip.compress(b"".join(lines)))
    return directory
