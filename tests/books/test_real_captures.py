"""The rebuild against the venue's own quotes, on recorded captures."""

import itertools

import pytest

from imbalance.books.build import materialise_book
from imbalance.captures.build import materialise_raw
from imbalance.captures.register import register
from imbalance.store.store import Store
from tests.captures.building import build_all

BOTH_DAYS = ("2024-08-08", "2024-08-09")

COMPARED = {
    # one per book message whose last update id is a quote's, but for one older than the snapshot
    "binance:BTCUSDT": 1072,
    "binance:ETHUSDT": 1056,
    "binance-futures:BTCUSDT": 629,
    "binance-futures:ETHUSDT": 551,
    "binance-delivery:BTCUSD_PERP": 1885,
    "binance-delivery:ETHUSD_PERP": 2278,
}


@pytest.fixture(scope="module")
def august(shared, tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("august"), create=True)
    register(store, [shared / "captures" / "binance-202408"])
    for venue in ("binance", "binance-futures", "binance-delivery"):
        assert not materialise_raw(store, venue, BOTH_DAYS).failed
        for day in BOTH_DAYS:
            materialise_book(store, venue, day)
    return store.session(described=False)


def test_every_comparable_state_agrees_with_the_quotes(august):
    rows = august.sql(
        "select instrument, sum(compared)::bigint, sum(mismatched)::bigint "
        "from book.quote_agreement group by 1"
    ).fetchall()
    assert {name: count for name, count, _ in rows} == COMPARED
    assert {bad for *_, bad in rows} == {0}


def test_buffered_differences_older_than_the_snapshot_are_dropped(august):
    rows = august.sql(
        "select instrument, sum(stale_messages)::bigint from book.book_health group by 1"
    ).fetchall()
    assert {count for _, count in rows} == {2, 4, 5, 22, 23}


def test_books_never_cross_and_carry_over_midnight(august):
    assert august.sql("select sum(crossed_messages) from book.book_health").fetchone() == (0,)
    opened = august.sql(
        "select instrument from book.book_health where cause = 'closing_book' order by 1"
    ).fetchall()
    assert [name for (name,) in opened] == sorted(COMPARED)
    lost = august.sql(
        "select count(*) from book.book_health where cause = 'sequence_gap'"
    ).fetchone()
    assert lost == (0,)


def test_midnight_poisons_no_bar(august):
    rows = august.sql(
        "select instrument, bool_or(poisoned) from book.bars_100ms "
        "where bar_start between '2024-08-08 23:59:00' and '2024-08-09 00:00:00.9' group by 1"
    ).fetchall()
    assert dict(rows) == dict.fromkeys(COMPARED, False)


def test_a_day_of_a_quiet_market(shared, tmp_path):
    store = Store.open(tmp_path, create=True)
    register(store, [shared / "captures" / "binance-nexo"])
    days = ("2024-07-23", "2024-07-24")
    assert not materialise_raw(store, "binance", days).failed
    for day in days:
        materialise_book(store, "binance", day)
    session = store.session(described=False)
    assert session.sql(
        "select sum(compared), sum(mismatched) from book.quote_agreement"
    ).fetchone() == (12_198, 0)
    assert session.sql("select count(*) from book.bars_100ms").fetchone() == (876_163,)


@pytest.mark.parametrize(
    ("name", "day", "count"),
    [("BINANCE_FUTURES", "2021-04-17", 4), ("BINANCE_DELIVERY", "2021-04-17", 10),
     ("KUCOIN", "2021-04-25", 9)],
)  # fmt: skip
def test_snapshots_in_a_file_beside_the_stream_give_books(shared, tmp_path, name, day, count):
    """Thirty seconds each: the book is valid from its snapshot to the end."""
    store = Store.open(tmp_path, create=True)
    register(store, sorted((shared / "captures/cryptofeed/legacy").glob(f"{name}.*")))
    ((venue, result),) = build_all(store).items()
    assert result.partitions[f"{day}|{venue}"].metadata["merged"]
    materialise_book(store, venue, day)
    session = store.session(described=False)
    health = session.sql(
        "select instrument, list(cause order by interval), list(state order by interval), "
        "max(epoch_ns(valid_to)) - min(epoch_ns(valid_from)) filter (state = 'valid') "
        "from book.book_health group by 1"
    ).fetchall()
    assert len(health) == count
    for _, causes, states, valid in health:
        assert (causes, states) == (["no_snapshot", "snapshot"], ["waiting", "valid"])
        assert 24e9 < valid < 30e9


def test_an_outage_of_a_feed_of_images_poisons_its_bars(shared, tmp_path):
    """Hyperliquid sends a book per half second, and none from 19:58:11.5 to 19:58:29.5."""
    store = Store.open(tmp_path, create=True)
    register(store, sorted((shared / "captures/hyperliquid-20250904").glob("orderbooks_*")))
    build_all(store)
    materialise_book(store, "hyperliquid", "2025-09-04")
    session = store.session(described=False)
    health = session.sql(
        "select state, cause, list(distinct valid_from::time::varchar), count(*) "
        "from book.book_health group by all order by min(valid_from)"
    ).fetchall()
    assert health == [
        ("valid", "image", ["19:46:56.253"], 4),
        ("silent", "silence", ["19:58:11.504"], 4),
        ("valid", "resumed", ["19:58:29.48"], 4),
    ]
    poisoned = session.sql(
        "select min(bar_start)::time::varchar, max(bar_start)::time::varchar, count(*), "
        "sum(coverage) filter (bar_start::time between '19:58:11.6' and '19:58:29.3') "
        "from book.bars_100ms where poisoned and bar_start::time between '19:47' and '20:21' "
        "group by instrument"
    ).fetchall()
    assert poisoned == [("19:58:11.5", "19:58:29.4", 180, 0.0)] * 4


def test_partitions_hold_one_instrument_after_the_other(august):
    for table in ("book.bars_100ms", "book.book_states"):
        rows = august.sql(f"select instrument from {table}").fetchall()
        names = [name for (name,) in rows]
        changes = sum(a != b for a, b in itertools.pairwise(names))
        assert changes <= len(set(names)) * 2  # six instruments, two days, three venues


def test_book_levels_hold_every_level_once(august):
    levels, updates = august.sql(
        "select (select count(*) from raw.book_levels), "
        "(select sum(len(bid_prices) + len(ask_prices)) from raw.book_updates)"
    ).fetchone()
    assert levels == updates == 2_552_651
