"""Fixtures and settings which every test may use.

Belongs here: where reference material is, how Hypothesis runs, a clean environment.
Not here: fixtures of one part of the project; those stand beside its tests.
"""

import gc
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from imbalance.machine import SideBySide

pytest_plugins = ("tests.oracle_table",)

REPOSITORY = Path(__file__).resolve().parent.parent

# As many processes as cores: threads of the linear algebra of one would take the core of another,
# and spin there while they wait (a fifth of the CPU time of the studies' tests). Read when NumPy
# is imported, here and in the processes that tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Garbage is not looked for meanwhile, nor later in what is there then: it stays to the end.

    A third of the time of collecting (each core collects all tests) went into looking through it.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def part_of(nodeid: str) -> str:
    """Part of the tests, as `cli` of `tests/cli/test_help.py::test_examples`."""
    return Path(nodeid.partition("::")[0]).relative_to("tests").parts[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which tests come first."""
    ranks = {part: rank for rank, part in enumerate(EARLY)}
    items.sort(key=lambda item: ranks.get(part_of(item.nodeid), len(EARLY)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Which tests stay together when they run on several cores: those of a file, or of a part with
    a dear fixture.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            part = part_of(nodeid)
            return part if part in SHARING else nodeid.partition("::")[0]

    return Together(config, log)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing which the developer has set for their own work reaches a test, nor what another test
    has said of processes beside this one.
    """
    for name in list(os.environ):
        if name.startswith("IMBALANCE_") or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    monkeypatch.setattr(SideBySide, "processes", 1)


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
