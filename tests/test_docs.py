"""The committed data dictionary is the one that the registry makes."""

from imbalance import catalog
from imbalance.docs import DATA_DICTIONARY, data_dictionary


def test_the_committed_page_is_current(repository):
    committed = (repository / DATA_DICTIONARY).read_text(encoding="utf-8")
    assert committed == data_dictionary(), "make docs"


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
