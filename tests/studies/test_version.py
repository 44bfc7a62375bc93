"""Figures made by other code are out of date; those of other studies are not."""

import dataclasses
import shutil

import pytest

from imbalance.studies.registry import studies, study
from imbalance.studies.version import computing_modules, definition_version


@pytest.fixture
def library(tmp_path, repository):
    """The library's modules in a directory of their own."""
    return shutil.copytree(repository / "imbalance", tmp_path / "imbalance")


def version(name, library):
    definition_version.cache_clear()
    return definition_version(study(name), library)


def changed(path, name, library):
    before = path.read_text()
    path.write_text(before + "\n# changed\n")
    after = version(name, library)
    path.write_text(before)
    return after


@pytest.mark.parametrize("name", [one.name for one in studies()])
def test_the_version_follows_all_code_that_the_study_runs(name, library):
    modules = computing_modules(study(name).build.partition(":")[0], library)
    own = {path for path in (library / "studies" / name).glob("*.py") if path.stem != "__init__"}
    assert own <= set(modules.values())
    assert library / "studies/rows.py" in modules.values()
    before = version(name, library)
    versions = {before, *(changed(path, name, library) for path in modules.values())}
    assert len(versions) == len(modules) + 1


def test_a_study_does_not_follow_the_code_of_another_one(library):
    before = version("correlation", library)
    assert changed(library / "studies/feedback/estimate.py", "correlation", library) == before
    assert changed(library / "studies/feedback/study.py", "correlation", library) == before
    before = version("feedback", library)
    assert changed(library / "studies/correlation/kernels.py", "feedback", library) == before


def test_what_is_imported_inside_a_function_counts(library):
    before = version("correlation", library)
    assert changed(library / "studies/correlation/kernels.py", "correlation", library) != before


@pytest.mark.parametrize("module", [
    "studies/tasks.py", "studies/registry.py", "store/task.py", "captures/venues/venue.py",
    "captures/patterns/pieces.py", "captures/records.py",
])
def test_the_version_stays_when_nothing_is_estimated_otherwise(module, library):
    before = version("correlation", library)
    assert changed(library / module, "correlation", library) == before


def test_the_version_follows_the_tables(library):
    one = study("feedback")
    fewer = dataclasses.replace(one, tables=one.tables[:-1])
    assert definition_version(fewer, library) != version("feedback", library)


def test_the_version_follows_the_queries_that_are_named(library):
    module = library / "studies/rows.py"
    before = version("correlation", library)
    module.write_text(module.read_text() + '\nQUERY = "report/families.sql"\n')
    with_query = version("correlation", library)
    module.write_text(module.read_text().replace("report/families.sql", "report/refusals.sql"))
    assert len({before, with_query, version("correlation", library)}) == 3
