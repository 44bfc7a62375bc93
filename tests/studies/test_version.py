"""Figures made by other code are out of date."""

import shutil

import pytest

from imbalance.studies import version
from imbalance.studies.version import definition_version


@pytest.fixture
def copied(tmp_path, monkeypatch, repository):
    """The package's modules in a directory of their own, which the version is then taken from."""
    package = tmp_path / "studies"
    shutil.copytree(repository / "imbalance/studies", package)
    monkeypatch.setattr(version, "__file__", str(package / "version.py"))
    definition_version.cache_clear()
    yield package
    definition_version.cache_clear()


def changed(path):
    path.write_text(path.read_text() + "\n# changed\n")
    definition_version.cache_clear()
    return definition_version()


def test_the_version_follows_the_code_of_every_estimator(copied):
    before = definition_version()
    computing = sorted(set(copied.glob("*.py")) - {
        copied / name for name in ("__init__.py", "tables.py", "tasks.py", "version.py")})
    assert len(computing) >= 15
    versions = {before, *(changed(module) for module in computing)}
    assert len(versions) == len(computing) + 1


def test_the_version_stays_when_nothing_is_estimated_otherwise(copied):
    before = definition_version()
    assert changed(copied / "tasks.py") == before


def test_the_version_follows_the_registry(copied, monkeypatch):
    before = definition_version()
    monkeypatch.setattr(version, "TABLES", version.TABLES[:-1])
    definition_version.cache_clear()
    assert definition_version() != before
