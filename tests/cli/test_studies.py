"""`imbalance studies` tells what is asked, from the registry and the settings."""

import json

import pytest

from imbalance.cli.main import run
from imbalance.studies.registry import NAMES, reasons, studies


def answer(capsys, *arguments):
    code = run([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_all_studies_are_listed_with_question_tables_and_cost(capsys):
    code, document = answer(capsys, "studies")
    assert code == 0
    assert [one["study"] for one in document["studies"]] == list(NAMES)
    for one, declared in zip(document["studies"], studies(), strict=True):
        assert one["question"].endswith("?")
        assert one["tables"] == list(declared.table_names)
        assert one["cost"]
        assert one["families"]
        assert len(one["definition_version"]) == 16
    assert len({one["definition_version"] for one in document["studies"]}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_one_study_shows_families_estimators_and_reasons(name, capsys):
    code, document = answer(capsys, "studies", name)
    assert code == 0
    assert [family["name"] for family in document["declared"]] == document["families"]
    assert set(document["estimators"]) == set(document["tables"])
    assert document["reasons"]
    assert all(reasons()[reason] == words for reason, words in document["reasons"].items())
    assert run(["studies", name]) == 0
    text = capsys.readouterr().out
    for family in document["declared"]:
        assert f"family {family['name']}: {family['question']}" in text
    assert ":" not in {line.rstrip()[-1:] for line in text.splitlines() if line.startswith("  ")}


def test_families_are_those_of_the_settings(tmp_path, capsys):
    settings = tmp_path / "imbalance.toml"
    settings.write_text("[studies.families.correlation.market_correlation]\nlags = [-1, 0, 1]\n")
    code, document = answer(capsys, "--config", str(settings), "studies", "correlation")
    assert code == 0
    lags = {family["name"]: family["lags"] for family in document["declared"]}
    assert lags["market_correlation"] == [-1, 0, 1]
    assert len(lags["imbalance_and_return"]) == 15


def test_an_unknown_study_is_answered_with_the_nearest(capsys):
    code, document = answer(capsys, "studies", "corelation")
    assert code == 2
    assert "did you mean 'correlation'" in document["error"]


def test_no_reason_has_two_meanings():
    """The report and the list of reasons tell one for all studies."""
    meanings = {}
    for one in studies():
        for reason, words in one.reasons.items():
            assert meanings.setdefault(reason, words) == words, (one.name, reason)
