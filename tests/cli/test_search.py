"""`imbalance search` finds what a modeller would call a column."""

import json

import pytest

from imbalance.cli.main import run
from imbalance.cli.search import search


@pytest.mark.parametrize(("words", "column"), [
    ("depth imbalance 5 levels", "depth_imbalance_5"),
    ("order flow imbalance", "order_flow_imbalance"),
    ("ofi integrated", "order_flow_imbalance_integrated"),
    ("queue imbalance mean", "queue_imbalance_mean"),
    ("Stoikov microprice", "microprice"),
    ("vwap", "vwap"),
    ("realised variance", "realised_variance"),
])
def test_the_first_hit_is_the_one_that_is_meant(words, column):
    assert search(words)[0].column.name == column


def test_a_column_of_many_tables_is_one_hit(capsys):
    assert run(["--json", "search", "queue", "imbalance"]) == 0
    first = json.loads(capsys.readouterr().out)["found"][0]
    assert first["column"] == "queue_imbalance"
    assert len(first["tables"]) == 5


def test_nothing_found_names_the_nearest_word(capsys):
    assert run(["--json", "search", "imbalanze"]) == 2
    assert "did you mean 'imbalance'" in json.loads(capsys.readouterr().out)["error"]
