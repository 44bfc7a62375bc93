"""The cells of the tutorial, run in order against a home made as the demo's is."""

import json

import pytest


@pytest.fixture(scope="module")
def notebook(repository):
    return json.loads((repository / "docs/tutorial.ipynb").read_text(encoding="utf-8"))


def sources(notebook, kind):
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == kind]


def test_the_notebook_is_stored_as_it_was_written(notebook):
    """Without results: they would be those of another home."""
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 4)
    assert all(c["outputs"] == [] for c in notebook["cells"] if c["cell_type"] == "code")
    assert sources(notebook, "markdown")[0].startswith("# ")


def test_its_cells_run_in_order(notebook, filled, monkeypatch, tmp_path):
    monkeypatch.setenv("IMBALANCE_HOME", str(filled.home))
    monkeypatch.chdir(tmp_path)
    names = {}
    for number, cell in enumerate(sources(notebook, "code")):
        last = cell.rpartition("\n")[2]
        exec(compile(cell, f"cell {number}", "exec"), names)  # noqa: S102
        if last.isidentifier():
            assert len(names[last]) > 0, last  # what a cell ends with is shown, and worth showing
    assert set(names["pressure"]["instrument"]) == set(names["coverage"]["instrument"])
    assert names["pressure"]["same_bar"].max() > 0.5
    assert len(names["rows"]) == 60
