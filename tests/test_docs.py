"""The committed pages are those that the registry makes, and every study has a page of its own."""

from dataclasses import fields

import pytest

from imbalance import catalog
from imbalance.config import SECTIONS
from imbalance.docs import PAGES, data_dictionary
from imbalance.docs_settings import settings_page
from imbalance.studies.registry import NAMES, studies
from imbalance.studies.study import Family


@pytest.mark.parametrize("page", list(PAGES), ids=str)
def test_the_committed_page_is_current(page, repository):
    assert (repository / page).read_text(encoding="utf-8") == PAGES[page](), "make docs"


def test_every_study_has_a_page_that_names_its_tables(repository):
    for study in studies():
        page = (repository / f"docs/studies/{study.name}.md").read_text(encoding="utf-8")
        assert page.startswith("# "), study.name
        for heading in ("## How", "## What can mislead"):
            assert heading in page, (study.name, heading)
        missing = [name for name in study.table_names if f"`{name}`" not in page]
        assert missing == [], study.name


def test_every_page_is_of_a_study(repository):
    pages = {page.stem for page in (repository / "docs/studies").glob("*.md")} - {"README"}
    assert pages == set(NAMES)


def test_every_table_and_column_is_in_it():
    text = data_dictionary()
    for table in catalog.tables().values():
        assert f"\n### {table.name}\n" in text
        for column in table.columns:
            assert f"\n| `{column.name}` | {column.type} |" in text


def test_every_row_has_the_cells_of_its_heading():
    for line in data_dictionary().splitlines():
        if line.startswith("|"):
            cells = line.replace("\\|", "").count("|") - 1
            assert cells in (3, 5), line


def test_every_setting_has_a_row_with_all_that_is_said_of_it():
    text = settings_page()
    for name, section in SECTIONS.items():
        rows = text.partition(f"\n## [{name}]\n")[2].partition("\n## ")[0].splitlines()
        for one in (f for f in fields(section) if f.name != "families"):
            said = one.metadata["about"]
            (row,) = [row for row in rows if row.startswith(f"| `{one.name}` |")]
            assert row.endswith(f"| {said.meaning} |")
            assert f"| {said.unit} |" in row
            bounds, choices = said.bounds or (), said.choices
            assert all(f"{one:,}" in row for one in bounds)
            assert all(f"`{one}`" in row for one in choices)
    for study in studies():
        part = text.partition(f"\n### [studies.families.{study.name}.FAMILY]\n")[2]
        own = {f.name for f in fields(study.family)} - {f.name for f in fields(Family)}
        assert all(f"\n| `{name}` |" in part.partition("\n### ")[0] for name in own), study.name
    for row in (row for row in text.splitlines() if row.startswith("| `")):
        assert row.split(" | ")[-1].strip(" |"), f"nothing is said of it: {row}"


def test_the_page_of_settings_says_which_studies_follow_those_of_all():
    def of_study(name):
        text = settings_page().partition(f"\n### [studies.families.{name}.FAMILY]\n")[2]
        return text.partition("\n### ")[0]

    taken = "\nThe families that are there take {} from `[studies]`.\n"
    assert taken.format("`replications`, `seed` and `significance`") in of_study("lead_lag")
    assert taken.format("`significance`") in of_study("epps")
    assert "| `minimum_bars` | a whole number | `200` | Fewest trades. |" in of_study("event_time")
    assert "| `minimum_bars` |" not in of_study("lead_lag")  # as every family has it
