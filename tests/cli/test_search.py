"""`imbalance search` finds what a modeller would call a column."""

import json

import pytest

from imbalance.cli.main import run
from imbalance.cli.search import _words, search


@pytest.mark.parametrize(("words", "column"), [
    ("depth imbalance 5 levels", "depth_imbalance_5"),
    ("order flow imbalance", "order_flow_imbalance"),
    ("ofi integrated", "order_flow_imbalance_integrated"),
    ("queue imbalance mean", "queue_imbalance_mean"),
    ("Stoikov microprice", "microprice"),
    ("vwap", "vwap"),
    ("realised variance", "realised_variance"),
    ("realized variance", "realised_variance"),
    ("realized volatility", "realised_variance"),
])
def test_the_first_hit_is_the_one_that_is_meant(words, column):
    assert search(words)[0].column.name == column


@pytest.mark.parametrize(("american", "british"), [
    ("realized", "realised"), ("normalizing", "normalising"), ("analyzed", "analysed"),
    ("color", "colour"), ("behaviors", "behaviours"), ("neighboring", "neighbouring"),
])
def test_british_and_american_words_are_the_same(american, british):
    assert _words(american) == _words(british)
    for word in ("size", "hour", "source", "horizon", "prize"):
        assert _words(word) == [word]


def test_a_column_of_many_tables_is_one_hit(capsys):
    assert run(["--json", "search", "queue", "imbalance"]) == 0
    first = json.loads(capsys.readouterr().out)["found"][0]
    assert first["column"] == "queue_imbalance"
    assert len(first["tables"]) == 5


def test_it_says_that_there_is_more(capsys):
    for words, more in (("order flow imbalance", True), ("vwap", False)):
        assert run(["search", words, "--rows", "5"]) == 0
        assert ("that match less: --rows N" in capsys.readouterr().out) is more


@pytest.mark.parametrize(("name", "words"), [
    ("bars_2s", "did you mean 'features.bars_1s'"),
    ("features.bars_2s.vwap", "did you mean 'features.bars_1s'"),
    ("vwap", "describe features.bars_100ms.vwap"),
    ("bars_1s.order_flow_imbalence", "order_flow_imbalance, order_flow_imbalance_rank"),
    ("bars_1s.order_flow_imbalence", "and 107 more"),
])
def test_a_name_that_nothing_has_is_answered_with_what_was_meant(name, words, capsys):
    assert run(["describe", name]) == 2
    assert words in capsys.readouterr().err


def test_nothing_found_names_the_nearest_word(capsys):
    assert run(["--json", "search", "imbalanze"]) == 2
    assert "did you mean 'imbalance'" in json.loads(capsys.readouterr().out)["error"]
