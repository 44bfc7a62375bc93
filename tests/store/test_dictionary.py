"""The data dictionary in the database, and lineage as it is derived from the queries."""

import importlib.util
import sys

import pytest

from imbalance import catalog
from imbalance.store import Home, Store
from imbalance.store.dictionary import lineage, origins, sources
from imbalance.store.generations import open_generation
from imbalance.store.publishing import publish
from tests.store.samples import bars, put, study


@pytest.fixture(scope="module")
def derivation(request):
    path = request.config.rootpath / ".ci/lineage.py"
    spec = importlib.util.spec_from_file_location("lineage_derivation", path)
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def test_every_column_is_in_the_database_with_its_meaning(tmp_path):
    store = Store(Home.open(tmp_path / "home", create=True))
    expected = sum(len(table.columns) + 1 for table in catalog.tables().values())
    with store.session() as session:
        assert session.execute("select count(*) from catalog.features").fetchone() == (expected,)
        found = session.execute(
            "select unit, formula, source, minimum from catalog.features "
            "where table_name = 'features.bars_1s' and column_name = 'queue_imbalance'"
        ).fetchone()
        own = catalog.table("features.bars_1s").column("queue_imbalance")
        assert found == (own.unit, own.formula, own.source, own.minimum)
        assert session.execute("select count(*) from catalog.lineage").fetchone() == (
            len(lineage()),)


def test_a_generation_has_the_dictionary_of_what_it_holds(store):
    put(store, "features.bars", bars(5))
    put(store, "studies.correlation", study(), "2024-08-08")
    publish(store)
    put(store, "features.bars", bars(6))
    publish(store)
    with open_generation(store.home) as connection:
        tables = connection.execute(
            "select distinct table_name from catalog.features order by 1").fetchall()
        assert tables == [("features.bars",), ("studies.correlation",)]


def test_the_derived_file_is_current(derivation, repository):
    """The derivation takes a quarter of a minute: here the hash of what it reads is compared."""
    text = (repository / "sql/catalog/lineage.csv").read_text()
    assert text.startswith(f"# {derivation.queries_hash()}\n"), "make docs"


@pytest.mark.slow
def test_the_derived_file_is_what_the_queries_say(derivation, repository):
    assert (repository / "sql/catalog/lineage.csv").read_text() == derivation.text()


def test_derivation_follows_stars_counts_and_replacements(derivation):
    trades = catalog.table("raw.trades").column_names
    found = derivation.derive("trades_100ms", {"trades": trades})
    assert found["trade_notional"] == [("trades", "price"), ("trades", "size_base")]
    assert found["buy_volume"] == [("trades", "side"), ("trades", "size_base")]
    assert found["bar_start"] == [("trades", "event_time")]
    quotes = derivation.derive("quotes_100ms", {"quotes": catalog.table("raw.quotes").column_names})
    assert quotes["quote_count"] == [("quotes", "*")]


def test_lineage_leads_from_every_feature_down_to_the_capture():
    tables = catalog.tables()
    for step in lineage():
        assert step["table"] in tables
        assert step["source_table"] in tables or step["source_table"] == "captures"
    for name, table in tables.items():
        if table.layer != "features":
            continue
        for column in table.column_names:
            ends = origins(name, column)
            assert ends, (name, column)
            assert all(source.startswith("raw.") for source, _ in ends)


def test_a_feature_names_its_sources():
    made = {(s["source_table"], s["source_column"])
            for s in sources("features.bars_100ms", "return_bps")}
    assert made == {("book.bars_100ms", name) for name in ("mid_open", "mid_close", "poisoned")}
    assert ("raw.trades", "side") in origins("features.bars_1m", "trade_imbalance")
    assert ("raw.trades", "price") not in origins("features.bars_1m", "trade_imbalance")
    assert ("raw.trades", "price") in origins("features.bars_1m", "vwap")
