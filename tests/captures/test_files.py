"""What layouts and formats declare of their files is what is found in them and looked at."""

import pytest

from imbalance.captures.formats.files import (
    all_files,
    files_of,
    files_of_any,
    venues_of_files,
)
from imbalance.captures.formats.registry import formats
from imbalance.captures.formats.tables import layouts
from imbalance.captures.probe import sniff
from imbalance.captures.venues.registry import venues


def test_every_layout_declares_what_its_files_hold():
    names = [one.name for one in all_files()]
    assert names == [*layouts(), "lobster", "bitstamp-log"]
    assert {form for one in all_files() for form in one.formats} <= set(formats())
    assert all(one.holds.made and one.holds.blind for one in all_files())


def test_venues_that_are_read_from_files_alone():
    assert venues_of_files() == (
        "bitmex", "btcbox", "edgex", "ftx", "hyperliquid", "nasdaq", "okex-futures", "okex-swap",
        "standx",
    )
    read = {name: [one.name for one in files_of(name)] for name in venues_of_files()}
    assert read["hyperliquid"] == ["collector-books", "collector-trades", "collector-quotes"]
    assert read["edgex"] == ["alternating-books", "ticket-trades", "collector-quotes"]
    assert read["nasdaq"] == ["lobster"]
    assert read["bitmex"] == []
    assert {one.name.partition("-")[0] for one in files_of_any()} == {"tardis"}


def test_ids_that_are_said_to_count_are_looked_at():
    counted = {one.name: one for one in all_files() if one.holds.proof == "counter"}
    assert set(counted) == {"binance-trades", "binance-aggregate-trades", "coinbase-matches",
                            "coinbase-full"}
    for one in counted.values():
        for venue in one.holds.venues:
            assert set(one.formats) <= set(venues()[venue].trades_counted)
    for one in all_files():
        if one.name not in counted and "trades" in one.holds.made:
            looked_at = [venue for venue in one.holds.venues or venues() if venue in venues()
                         and set(one.formats) & set(venues()[venue].trades_counted)]
            assert looked_at == [], "loss is noticed, and not said to be"


@pytest.mark.parametrize("pattern", [
    "hyperliquid-20250904/*_BTC.csv.gz", "edgex-20250913/*_BTC.csv.gz", "standx-20260106/*_13.*",
    "leadlag-btcjpy/*.csv", "lobster-20120621/*.zip", "tardis/*.csv*", "coinbase-*/*.csv*",
    "bitstamp-20150501/*",
])
def test_captures_are_of_the_venues_that_their_layouts_name(shared, pattern):
    seen = 0
    for path in sorted((shared / "captures").glob(pattern)):
        found = sniff(path)
        if found.format:
            names = {one.name for one in (*files_of(found.venue), *files_of_any())}
            assert names & {found.layout, found.format}, path
            seen += 1
    assert seen
