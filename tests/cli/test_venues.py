"""`imbalance venues`: what the modules of the venues declare, told to a reader."""

import json

from imbalance.captures.venues.registry import venues
from imbalance.cli.main import run


def test_all_venues_are_listed(capsys):
    assert run(["venues"]) == 0
    text = capsys.readouterr().out
    for name in venues():
        assert f"\n{name} " in text
    assert run(["venues", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["venue"] for one in document["venues"]] == sorted(venues())


def test_one_venue_with_the_dates_of_its_proofs(capsys):
    assert run(["venues", "OKX"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("okex: OKX\n")
    assert "… to 2026-06-23" in text
    assert run(["venues", "okex", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    checksum = next(one for one in document["continuity"] if one["proof"] == "checksum")
    assert (checksum["since"], checksum["until"]) == (None, "2026-06-23")
    assert document["messages"]["tickers"] == "quotes"


def test_a_venue_there_is_not(capsys):
    assert run(["venues", "krakn"]) == 2
    said = capsys.readouterr().err
    assert "there is no venue 'krakn'; did you mean 'kraken'?" in said
    assert "allowed: binance, " in said
