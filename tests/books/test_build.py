"""The book layer of a venue and day, from captures written for the test."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from imbalance.books.build import as_sent, in_units, materialise_book
from imbalance.books.rebuild import ClosingBook
from imbalance.captures.build import materialise_raw
from imbalance.captures.register import register
from imbalance.config import Config
from imbalance.store.gate import check_partition
from imbalance.store.store import Store

MIDDAY = 1_741_089_600_000  # 2025-03-04 12:00 UTC, ms
DAY = "2025-03-04"


def _capture(path, symbol, prices, seconds, midday=MIDDAY, first=0):
    """A spot capture: a snapshot, then a difference a second; from the `first` on that chain
    without it.
    """
    bid, ask = prices

    def line(ms, message):
        return f"{ms * 1_000_000} {json.dumps(message, separators=(',', ':'))}\n"

    lines = []
    for k in range(first, first + seconds):
        if k == 1:
            snapshot = {"lastUpdateId": 1, "bids": [[bid, "5"]], "asks": [[ask, "5"]]}
            lines.append(line(midday + 1000 * k, snapshot))
        data = {"e": "depthUpdate", "E": midday + 1000 * k, "s": symbol, "U": k + 1, "u": k + 1,
                "b": [[bid, f"{k % 7 + 1}"]], "a": []}  # fmt: skip
        stream = {"stream": f"{symbol.lower()}@depth@100ms", "data": data}
        lines.append(line(midday + 1000 * k, stream))
    path.write_text("".join(lines))


@pytest.fixture
def built(tmp_path):
    """Builds the book of captures and gives a session on it."""

    def build(*captures):
        directory = tmp_path / "captures"
        directory.mkdir()
        for number, (symbol, prices, seconds) in enumerate(captures):
            _capture(directory / f"{number}.dat", symbol, prices, seconds)
        store = Store.open(tmp_path / "home", create=True)
        register(store, [directory])
        assert not materialise_raw(store, "binance", [DAY]).failed
        materialise_book(store, "binance", DAY)
        return store.session(described=False)

    return build


def test_each_instrument_ends_with_its_own_captures(built):
    session = built(("AAAUSDT", ("1.00", "1.01"), 30), ("BBBUSDT", ("2.00", "2.01"), 300))
    ends = session.sql(
        "select instrument, epoch_ms(max(valid_to)) from book.book_health group by 1 order by 1"
    ).fetchall()
    assert ends == [
        ("binance:AAAUSDT", MIDDAY + 29_000),
        ("binance:BBBUSDT", MIDDAY + 299_000),
    ]
    bars = session.sql(
        "select instrument, count(*) from book.bars_100ms where not poisoned group by 1 order by 1"
    ).fetchall()
    assert bars[0][1] <= 290
    assert bars[1][1] > 2_900


def test_prices_that_fit_no_grid_cost_their_instrument_only(built):
    session = built(
        ("AAAUSDT", ("0.00000000000000000071", "60000.1"), 20),
        ("BBBUSDT", ("0.00000070", "0.00000071"), 20),
    )
    valid = session.sql(
        "select instrument from book.book_health where state = 'valid' order by 1"
    ).fetchall()
    assert valid == [("binance:BBBUSDT",)]
    best = session.sql("select bid_prices[1], ask_prices[1] from book.book_states").fetchall()
    assert set(best) == {(7.0e-7, 7.1e-7)}


def test_an_instrument_without_a_message_all_day_keeps_its_book_and_the_day_is_whole(tmp_path):
    next_day, key = "2025-03-05", "2025-03-05|binance"
    _capture(tmp_path / "a.dat", "AAAUSDT", ("1.00", "1.01"), 30)
    _capture(tmp_path / "b.dat", "BBBUSDT", ("2.00", "2.01"), 30, MIDDAY + 86_400_000)
    store = Store.open(tmp_path / "home", create=True)
    register(store, sorted(tmp_path.glob("*.dat")))
    assert not materialise_raw(store, "binance", [DAY, next_day]).failed
    for day in (DAY, next_day):
        materialise_book(store, "binance", day)
    table = store.table("book.closing_books")
    entry = store.ledger.current(table.name, key)
    path = store.home.file(entry.file)
    held = pq.read_table(path, columns=["instrument", "event_time"])
    assert held["instrument"].to_pylist() == ["binance:AAAUSDT", "binance:BBBUSDT"]
    assert held["event_time"].cast("int64").to_pylist() == [
        (MIDDAY + 29_000) * 1_000_000, (MIDDAY + 86_400_000 + 29_000) * 1_000_000]
    assert check_partition(table, key, entry.row_count, path) == []
    later = check_partition(table, f"{DAY}|binance", entry.row_count, path)
    assert [(found.rule, found.count) for found in later] == [("belongs_to_day", 1)]


def test_a_book_opens_in_the_unit_that_its_own_day_knows(tmp_path):
    """Known, not known, known again: every level is in the unit of the day, touched or not."""
    name, worth = "binance:AAAUSDT", 0.07
    days = [DAY, "2025-03-05", "2025-03-06"]
    for k in range(3):
        _capture(tmp_path / f"{k}.dat", "AAAUSDT", ("1.00", "1.01"), 30, MIDDAY + k * 86_400_000,
                 30 * k)
    known = Config(multipliers={name: {"linear": worth}})
    home = tmp_path / "home"
    store = Store.open(home, create=True, config=known)
    register(store, sorted(tmp_path.glob("*.dat")))
    for config, day in zip((known, Config(), known), days, strict=True):
        store = Store.open(home, config=config)
        assert not materialise_raw(store, "binance", [day]).failed
        materialise_book(store, "binance", day)
        entry = store.ledger.current("book.closing_books", f"{day}|binance")
        (book,) = pq.read_table(store.home.file(entry.file)).to_pylist()
        last = 30 * days.index(day) + 29
        assert (book["bid_sizes"], book["ask_sizes"]) == ([last % 7 + 1.0], [5.0])
    told = store.session(described=False).sql(
        "select date_trunc('day', event_time)::date::varchar, list(distinct ask_sizes[1]),"
        " max(bid_sizes[1]) from book.book_states group by 1 order by 1"
    ).fetchall()
    assert told == [(days[0], [5 * worth], 7 * worth), (days[1], [5.0], 7.0),
                    (days[2], [5 * worth], 7 * worth)]


@pytest.mark.parametrize("worth", [0.001, 0.07, 0.1, 3.0, 100.0, 1 / 3])
def test_sizes_as_sent_are_found_again_to_the_last_bit(worth):
    random = np.random.default_rng(1)
    sent = np.round(random.lognormal(3, 4, 20_000), 6)
    odd = random.lognormal(3, 4, 20_000)  # of more digits than a venue sends
    book = in_units(ClosingBook(0, 0, 1, 0.0, 1.0, sent, sent, odd, odd), worth)
    found = as_sent(book, worth)
    assert (found.bid_sizes == sent).all()
    again = in_units(found, worth)
    assert (again.bid_sizes == book.bid_sizes).all()
    assert (again.ask_sizes == book.ask_sizes).all()
