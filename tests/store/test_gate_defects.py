"""Seeded defects in the real bars and in a study: each blocks the publication with exit code 3.

What a table of the tests can show is in `test_gate`; here are the promises between columns.
"""

import numpy as np
import pyarrow as pa
import pytest

from imbalance import catalog
from imbalance.contracts import Column, Table
from imbalance.errors import EXIT_REFUSED
from imbalance.store import Home, Store
from imbalance.store.gate import GateRefused, check_partition
from imbalance.store.gate_identities import IDENTITIES, identities
from imbalance.store.gate_rules import row_rules, rules_hash
from imbalance.store.generations import list_generations
from imbalance.store.publishing import publish
from tests.store.samples import put
from tests.training.samples import bars, put_bars

NAME = "features.bars_1s"
TABLE = catalog.table(NAME)
GOOD = {
    "mid_open": 100.0, "mid_close": 100.5, "mid_low": 99.5, "mid_high": 101.0, "mid_mean": 100.0,
    "bid_price": 100.4, "ask_price": 100.6, "spread": 100.6 - 100.4,
    "return_bps": 1e4 * np.log(100.5 / 100.0), "bid_size": 3.0, "ask_size": 1.0,
    "queue_imbalance": 0.5, "volume_imbalance": 2.0, "buy_volume": 5.0, "sell_volume": 2.0,
    "trade_imbalance": 3.0, "trade_count": 4, "buy_count": 3, "sell_count": 1,
    "order_flow_imbalance": 1.5, "order_flow_imbalance_level_1": 1.5, "level_depth_sum": 8.0,
    "book_event_count": 4, "level_depth_mean": 2.0, "realised_variance": 1.0,
    **{f"{side}_depth_{level}": 4.0 + rank for side in ("bid", "ask")
       for rank, level in enumerate(("5", "10"))},
    **{f"{side}_depth_{bps}bps": 4.0 + rank for side in ("bid", "ask")
       for rank, bps in enumerate((5, 10, 25, 50, 100, 200))},
}
BAD = 7  # a row that is not poisoned


def with_values(rows, values, place=None):
    for name, value in values.items():
        column = rows[name].to_pylist()
        places = range(len(column)) if place is None else [place]
        for row in places:
            column[row] = value
        field = rows.schema.field(name)
        rows = rows.set_column(rows.column_names.index(name), pa.field(name, field.type),
                               pa.array(column, field.type))
    return rows


def good_bars():
    rows = bars(count=30, seed=4)
    flags = {"poisoned": False, "valid": True, "coverage": 1.0}
    return with_values(rows, {**flags, **GOOD})


def moved(name, nanoseconds):
    def change(rows):
        return with_values(rows, {name: rows[name][BAD].value + nanoseconds}, BAD)
    return change


def put_in(**values):
    return lambda rows: with_values(rows, values, BAD)


S = 10**9
DEFECTS = {
    "mid outside the quotes": (put_in(mid_close=100.7), "mid_of_quotes"),
    "a bid that is not of this book": (put_in(bid_price=99.0), "mid_of_quotes"),
    "spread in other units": (put_in(spread=0.002), "spread_of_quotes"),
    "low above the close": (put_in(mid_low=100.9), "mid_range"),
    "high below the close": (put_in(mid_high=100.1), "mid_range"),
    "return in per cent": (put_in(return_bps=0.4988), "return_of_mids"),
    "return of the wrong sign": (put_in(return_bps=-GOOD["return_bps"]), "return_of_mids"),
    "queue imbalance turned round": (put_in(queue_imbalance=-0.5), "queue_imbalance_of_sizes"),
    "queue imbalance over 1": (put_in(queue_imbalance=1.5), "maximum"),
    "sizes of another level": (put_in(volume_imbalance=1.0), "volume_imbalance_of_sizes"),
    "sides exchanged": (put_in(trade_imbalance=-3.0), "trade_imbalance_of_volumes"),
    "trades counted twice": (put_in(buy_volume=10.0), "trade_imbalance_of_volumes"),
    "flow of another level": (put_in(order_flow_imbalance=1.0), "first_level"),
    "flow without its level": (put_in(order_flow_imbalance_level_1=None), "first_level"),
    "depth of other events": (put_in(level_depth_mean=3.0), "common_depth"),
    "five levels deeper than ten": (put_in(bid_depth_5=9.0), "depths_are_nested"),
    "a near band deeper than a far one": (put_in(ask_depth_25bps=99.0), "depths_are_nested"),
    "negative size": (put_in(ask_size=-1.0), "minimum"),
    "negative volume": (put_in(sell_volume=-2.0), "minimum"),
    "negative variance": (put_in(realised_variance=-1e-9), "minimum"),
    "a negative count": (put_in(trade_count=-1), "minimum"),
    "NaN for a missing price": (put_in(mid_mean=float("nan")), "finite"),
    "an infinite ratio": (put_in(level_depth_mean=float("inf")), "finite"),
    "coverage over 1": (put_in(coverage=1.5), "maximum"),
    "an instrument without venue": (put_in(instrument="BTCUSDT"), "instrument_is_named"),
    "an instrument of nothing": (put_in(instrument="binance:"), "instrument_is_named"),
    "another venue's instrument": (put_in(instrument="bybit:BTCUSDT"), "belongs_to_venue"),
    "no instrument": (put_in(instrument=None), "not_null"),
    "no flag": (put_in(poisoned=None), "not_null"),
    "a start off the grid": (moved("bar_start", 10**8), "bar_on_the_grid"),
    "a bar too long": (moved("bar_end", S // 2), "bar_length"),
    "a bar that ends before it starts": (moved("bar_end", -2 * S), "bar_end_after_start"),
    "known before its end": (moved("available_at", -60 * S), "known_after_end"),
    "known before an earlier bar": (
        moved("available_at", 600 * S), "available_never_falls"),
    "a bar of the next day": (moved("bar_start", 86_400 * S), "belongs_to_day"),
    "milliseconds for seconds": (moved("bar_start", -86_400 * 365 * S), "belongs_to_day"),
    "poisoned and valid": (put_in(poisoned=True), "poisoned_is_invalid"),
    "a flow where nothing is known": (put_in(poisoned=True, valid=False), "poisoned_is_null"),
    "a crossed book that is used": (put_in(bid_price=100.6, ask_price=100.4),
                                    "crossed_is_poisoned"),
    "an unknown reason": (put_in(order_flow_imbalance_integrated_reason="later"), "allowed"),
    "a doubled row": (lambda rows: pa.concat_tables([rows, rows.slice(3, 1)]), "unique_key"),
    "a doubled bar with other values": (
        lambda rows: pa.concat_tables([rows, put_in(trade_count=9)(rows).slice(BAD, 1)]),
        "unique_key"),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    home = Home.open(tmp_path_factory.mktemp("gate") / "home", create=True)
    store = Store(home, tables={NAME: TABLE})
    put_bars(store, good_bars())
    assert publish(store).new
    return store


def test_there_are_forty_kinds():
    assert len(DEFECTS) >= 40


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defect_blocks_publication(published, kind):
    spoil, rule = DEFECTS[kind]
    put_bars(published, spoil(good_bars()))
    with pytest.raises(GateRefused) as caught:
        publish(published)
    found = {finding.rule: finding for finding in caught.value.findings}
    assert rule in found
    assert caught.value.exit_code == EXIT_REFUSED
    assert found[rule].table == NAME
    assert found[rule].count >= 1
    assert found[rule].sample
    assert set(found[rule].column.split(", ")) <= set(TABLE.column_names)
    assert rule in {one["rule"] for one in caught.value.as_dict()["findings"]}
    assert len(list_generations(published.home)) == 1


STUDY = Table(
    "studies.tests", "A study.", "one row per lag", "day", ("lag",),
    (
        Column("lag", "INTEGER", "Lag."),
        Column("estimate", "DOUBLE", "r.", nullable=True, null_meaning="refused"),
        Column("standard_error", "DOUBLE", "s.", nullable=True, null_meaning="refused"),
        Column("interval_low", "DOUBLE", "Low.", nullable=True, null_meaning="refused"),
        Column("interval_high", "DOUBLE", "High.", nullable=True, null_meaning="refused"),
        Column("p_value", "DOUBLE", "p.", nullable=True, null_meaning="refused"),
        Column("q_value", "DOUBLE", "q.", nullable=True, null_meaning="refused"),
        Column("n", "BIGINT", "n."),
        Column("n_effective", "DOUBLE", "n.", nullable=True, null_meaning="refused"),
        Column("reason", "VARCHAR", "Why.", nullable=True, null_meaning="none"),
    ),
    published=True,
)


@pytest.mark.parametrize(("values", "rule"), [
    ({"q_value": 0.001}, "q_not_below_p"),
    ({"standard_error": -0.1}, "error_not_negative"),
    ({"interval_low": 0.9}, "interval_order"),
    ({"n_effective": 101.0}, "effective_n"),
    ({"estimate": None}, "estimate_or_reason"),
    ({"reason": "too_few_bars"}, "estimate_or_reason"),
])
def test_a_defect_of_a_study_is_found(tmp_path, values, rule):
    good = {"lag": 1, "estimate": 0.5, "standard_error": 0.1, "interval_low": 0.3,
            "interval_high": 0.7, "p_value": 0.01, "q_value": 0.02, "n": 100, "n_effective": 100.0,
            "reason": None}
    store = Store(Home.open(tmp_path / "home", create=True), tables={STUDY.name: STUDY})

    def findings(row):
        rows = pa.Table.from_pylist([row], schema=STUDY.arrow_schema())
        put(store, STUDY.name, rows, "2024-08-08")
        path = store.home.file(store.ledger.current(STUDY.name, "2024-08-08").file)
        return [one.rule for one in check_partition(STUDY, "2024-08-08", 1, path)]

    assert findings(good) == []
    assert findings({**good, **values}) == [rule]


def test_identities_are_part_of_the_rules_hash(monkeypatch):
    names = {rule.name for rule in row_rules(TABLE)}
    assert {"return_of_mids", "bar_length", "depths_are_nested"} <= names
    before = rules_hash(TABLE)
    monkeypatch.setattr("imbalance.store.gate_rules.identities", lambda table: iter(()))
    assert rules_hash(TABLE) != before


def test_every_identity_holds_some_published_table():
    """One of columns that no table has would be a promise that nobody looks after."""
    held = {(one.name, one.columns)
            for table in catalog.tables().values() for one in identities(table)}
    assert {(one.name, one.columns) for one in IDENTITIES} <= held
