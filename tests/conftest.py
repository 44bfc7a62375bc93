"""Fixtures and settings which every test may use.

Belongs here: where reference material is, how Hypothesis runs, a clean environment.
Not here: fixtures of one part of the project; those stand beside its tests.
"""

import os
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ("tests.oracle_table",)

REPOSITORY = Path(__file__).resolve().parent.parent

# Shared machines stall for longer than any deadline that would say something about our code, or
# about how its examples are made.
hypothesis.settings.register_profile(
    "project", deadline=None, print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("project")


SHARING = ("cli", "simulate")
"""Parts of the tests with a fixture that is dear and lasts for all of them."""


EARLY = ("assets", "studies", "cli")
"""Parts begun with: in a fresh checkout one core compiles the book's kernels meanwhile another
compiles those of the studies; then the longest part, so that no core waits for it at the end."""


# First, because the groups are read by a hook of the same name.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which tests stay together when they run on several cores, and which come first."""
    ranks = {part: rank for rank, part in enumerate(EARLY)}

    def place(item: pytest.Item) -> Path:
        return item.path.relative_to(REPOSITORY / "tests")

    items.sort(key=lambda item: ranks.get(place(item).parts[0], len(EARLY)))
    for item in items:
        part = place(item).parts[0]
        item.add_marker(pytest.mark.xdist_group(part if part in SHARING else str(place(item))))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing which the developer has set for their own work reaches a test."""
    for name in list(os.environ):
        if name.startswith("IMBALANCE_") or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout the tests run from."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real captures and reference values, which are kept beside the checkout and not in it."""
    path = REPOSITORY.parent / "shared"
    if not (path / "captures").is_dir():
        pytest.skip("no reference material: ../shared/captures is not there")
    return path
