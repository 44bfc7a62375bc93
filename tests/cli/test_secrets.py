"""What the settings keep for whoever is told of trouble stands nowhere in the home (F60)."""

import contextlib
import json
import sqlite3
import zlib

import pytest

from imbalance.config_file import load_config
from imbalance.errors import UserError
from tests.cli.conftest import SECRET


def kept(home):
    """Every file of the home with its bytes, and what Dagster's databases keep compressed."""
    for path in home.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(home)), path.read_bytes()
    for path in home.rglob("*.db"):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            names = database.execute("select name from sqlite_master where type = 'table'")
            for (name,) in names.fetchall():
                for row in database.execute(f'select * from "{name}"'):
                    for cell in row:
                        if isinstance(cell, bytes):
                            with contextlib.suppress(zlib.error):
                                yield f"{path.name}:{name}", zlib.decompress(cell)


def holding(home, word):
    return {place for place, data in kept(home) if word.encode() in data}


def test_what_alerts_are_told_by_is_written_nowhere(filled):
    assert holding(filled.home, SECRET) == set()
    # The search finds what is there: in files, in the databases, and in what they compress.
    assert SECRET in filled.config.read_text()
    capture = holding(filled.home, next(filled.captures.rglob("*.gz")).name)
    assert "ledger.sqlite" in capture
    settings = holding(filled.home, '"bar_sizes"')
    assert [one for one in settings if one.endswith("manifest.json")]
    made = holding(filled.home, "venue_days")
    assert {"dagster/history/runs.db", "runs.db:snapshots"} <= made
    assert [one for one in made if one.startswith("logs/run-")]


@pytest.mark.parametrize("alerts", [
    f'[alerts]\ncommand = "page --token {SECRET}"',
    f'[alerts]\ncommand = ["page", 3, "{SECRET}"]',
    f'[alerts]\ncommand = ["page", "{SECRET}',
    f'[alerts]\ncomand = ["page", "{SECRET}"]',
    f'[alerts]\nwebhook = "https://example.org/{SECRET}"',
    f'[alerts]\nwebhook = ["{SECRET}"]',
    f'[[alerts]]\ncommand = ["page", "{SECRET}"]',
    f'command = ["page", "{SECRET}"]',
])
def test_a_mistake_in_them_is_told_without_what_they_hold(tmp_path, alerts):
    """In the terminal, and in Dagster's history: each run it launches reads the settings."""
    path = tmp_path / "settings.toml"
    path.write_text(alerts + "\n")
    with pytest.raises(UserError) as told:
        load_config(path)
    assert str(path) in told.value.where
    assert SECRET not in json.dumps(told.value.as_dict()) + repr(told.value)
