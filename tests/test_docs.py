"""The committed pages are those that the registry makes, and every study has a page of its own."""

import pytest

from imbalance import catalog
from imbalance.docs import PAGES, data_dictionary
from imbalance.studies.registry import NAMES, studies


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
