"""`imbalance venues`: what the modules of the venues declare, told to a reader."""

import json

from imbalance.captures.formats.files import venues_of_files
from imbalance.captures.venues.registry import venues
from imbalance.cli.main import run


def test_all_venues_are_listed(capsys):
    assert run(["venues"]) == 0
    text = capsys.readouterr().out
    every = sorted({*venues(), *venues_of_files()})
    for name in every:
        assert f"\n{name} " in text
    assert run(["venues", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["venue"] for one in document["venues"]] == every


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


def test_a_venue_that_is_read_from_files_alone(capsys):
    assert run(["venues", "hyperliquid"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("hyperliquid: read from files alone\n")
    for words in ("collector-books", "any loss: each row is whole", "tardis-trades",
                  "instruments: Hyperliquid docs, contract specifications"):
        assert words in text
    assert run(["venues", "standx", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["title"], document["messages"], document["continuity"]) == (None, {}, [])
    told = {one["file"]: (one["made"], one["proof"]) for one in document["files"]}
    assert told["standx-trades"] == ("trades, without a side", "nothing")
    assert document["instruments"] == [
        "StandX perps API, query_symbol_info and trades (qty × price = quote_qty), 2026-02"
    ]


def test_files_of_a_venue_whose_messages_are_decoded_too(capsys):
    assert run(["venues", "binance-futures", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    told = {one["file"]: (one["formats"], one["proof"]) for one in document["files"]}
    assert told["binance-depth"] == (["tables", "parquet"], "chained_ids")
    assert told["binance-trades"] == (["tables", "parquet"], "counter")
    assert document["messages"]
