"""Formats of the configuration: what a mapping says becomes events, what it cannot say is told."""

import datetime
import gzip
import json
import os
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imbalance.captures import probing
from imbalance.captures import register as registration
from imbalance.captures.clocks import NO_TIME
from imbalance.captures.formats.registry import formats
from imbalance.captures.frames import Frame
from imbalance.captures.probe import probe
from imbalance.captures.register import register
from imbalance.config_file import as_settings, load_config, to_toml
from imbalance.errors import UserError
from imbalance.store import Home, Store
from imbalance.tasks import read_current
from tests.captures.building import build_all

START = 1_704_103_200_000
DAY = "2024-01-01"
QUOTES = """
[formats.mine]
table = "quotes"
venue = "lab"
symbol_pattern = "^([A-Z]+)-quotes"
receive_time = "got"
receive_unit = "us"
exchange_time = "sent"
[formats.mine.columns]
bid_price = "b.0"
bid_size = "b.1"
ask_price = "a.0"
ask_size = "a.1"
"""
LEVELS = """
[formats.mine]
table = "book_levels"
venue = "lab"
symbol = "X"
exchange_time = "t"
exchange_unit = "iso"
header = ["t", "whole", "s", "p", "q", "u", "pu"]
[formats.mine.columns]
is_snapshot = "whole"
side = "s"
price = "p"
size = "q"
last_update_id = "u"
previous_update_id = "pu"
"""


def settings(tmp_path, text):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return load_config(path)


@pytest.fixture
def opened(tmp_path):
    """A home of the test's own under the settings given."""

    def open_with(text):
        return Store.open(Home.open(tmp_path / "home", create=True).root,
                          config=settings(tmp_path, text))

    return open_with


def rows(store, table):
    return read_current(store, table, f"{DAY}|lab").to_pylist()


def account(store, found):
    (row,) = read_current(store, "raw.captures", found.capture_id).to_pylist()
    return row


def test_the_page_on_captures_shows_one_that_works(opened, tmp_path, repository):
    page = (repository / "docs/captures.md").read_text()
    blocks = dict(re.findall(r"^```(csv|toml)\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    store = opened(blocks["toml"])
    (tmp_path / "odd.txt").write_text(blocks["csv"])
    (found,) = register(store, [tmp_path / "odd.txt"])
    assert (found.status, found.venue) == ("new", "lab")
    build_all(store)
    trades = sorted(rows(store, "raw.trades"), key=lambda row: row["trade_id"])
    assert [
        (r["instrument"], r["trade_id"], r["price"], r["size"], r["size_base"], r["side"])
        for r in trades
    ] == [
        ("lab:BTC-EUR", 1, 38000.5, 0.25, 0.025, "buy"),
        ("lab:BTC-EUR", 2, 38000.0, 1.5, pytest.approx(0.15), "sell"),
        ("lab:ETH-EUR", 7, 2090.1, 10.0, 1.0, "buy"),
    ]
    assert [int(r["event_time"].value) for r in trades] == [
        (START + wait) * 10**6 for wait in (0, 250, 1000)
    ]
    row = account(store, found)
    assert (row["lines_decoded"], row["ignored_by_rule"]) == (3, '{"header": 1}')
    (known, _) = read_current(store, "raw.instruments", found.capture_id).to_pylist()
    assert (known["multiplier"], json.loads(known["source"])["multiplier"]) == (
        0.1, "configuration"
    )


def test_json_lines_with_places_in_objects_and_arrays(opened, tmp_path):
    def line(k, **other):
        return json.dumps({"got": (START + k) * 1000 + 7, "sent": START + k,
                           "b": ["99.5", 2], "a": [100.5, "3"]} | other)

    path = tmp_path / "EURX-quotes.jsonl.gz"
    lines = [line(0), line(1, b=["99.75", 1]), "{", line(2, a=[True, 1]), "", line(3, a=[]), "[1]"]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    store = opened(QUOTES)
    (found,) = register(store, [path])
    build_all(store)
    quotes = rows(store, "raw.quotes")
    assert [(q["instrument"], q["bid_price"], q["bid_size"], q["ask_price"], q["ask_size"])
            for q in quotes] == [
        ("lab:EURX", 99.5, 2.0, 100.5, 3.0), ("lab:EURX", 99.75, 1.0, 100.5, 3.0),
        ("lab:EURX", 99.5, 2.0, None, None),
    ]  # fmt: skip
    assert [q["receive_time"].value - q["exchange_time"].value for q in quotes] == [7000] * 3
    row = account(store, found)
    assert (row["lines_read"], row["lines_decoded"]) == (7, 3)
    assert json.loads(row["quarantined_by_reason"]) == {"not_json": 1, "wrong_type": 2}
    bad = read_current(store, "raw.quarantine", found.capture_id).to_pylist()
    assert {b["line"]: b["text_start"] for b in bad} == {
        3: "{", 4: lines[3], 7: "[1]",
    }  # fmt: skip


def test_levels_make_messages_that_are_kept_whole_and_chained(opened, tmp_path):
    path = tmp_path / "levels.csv"
    at = "2024-01-01T10:00:0{}Z"
    levels = [
        (0, "true", "bid", 99, 1, 5, ""), (0, "true", "ask", 101, 2, 5, ""),
        (1, "false", "bid", 99, 0, 6, 5), (2, "false", "ask", 101, "x", 7, 6),
        (2, "false", "ask", 102, 4, 7, 6), (3, "false", "bid", 98, 3, 8, 7),
    ]  # fmt: skip
    path.write_text("".join(",".join(map(str, (at.format(t), *rest))) + "\n"
                            for t, *rest in levels))
    store = opened(LEVELS)
    (found,) = register(store, [path])
    build_all(store)
    books = sorted(rows(store, "raw.book_updates"), key=lambda row: row["line"])
    assert [(b["kind"], b["last_update_id"], b["previous_update_id"], b["bid_prices"],
             b["ask_sizes"]) for b in books] == [
        ("snapshot", 5, None, [99.0], [2.0]), ("diff", 6, 5, [99.0], []),
        ("diff", 8, 7, [98.0], []),
    ]  # fmt: skip
    assert json.loads(account(store, found)["quarantined_by_reason"]) == {
        "wrong_type": 1, "part_of_a_bad_message": 1,
    }  # fmt: skip


def test_parquet_with_types_of_its_own(opened, tmp_path):
    table = pa.table({
        "t": pa.array([START * 10**6, (START + 5) * 10**6], pa.timestamp("ns", "UTC")),
        "p": pa.array([1.5, 2.5]), "q": pa.array([1, 2]), "maker": pa.array([True, False]),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "x.parquet")
    store = opened("""
        [formats.mine]
        table = "trades"
        venue = "lab"
        symbol = "X"
        exchange_time = "t"
        columns = {price = "p", size = "q", side = "maker"}
        sides = {buy = ["false"], sell = ["true"]}
    """)
    register(store, [tmp_path / "x.parquet"])
    build_all(store)
    assert [(t["price"], t["size"], t["side"]) for t in rows(store, "raw.trades")] == [
        (1.5, 1.0, "sell"), (2.5, 2.0, "buy"),
    ]  # fmt: skip


def test_a_file_refused_before_and_a_mapping_that_changes(opened, tmp_path):
    path = tmp_path / "EURX-quotes.jsonl"
    path.write_text(json.dumps({"got": START * 1000, "sent": START, "b": [1, 2], "a": [3, 4]}))
    (refused,) = register(opened(""), [path])
    assert refused.status == "refused"
    store = opened(QUOTES)
    (found,) = register(store, [path])
    assert (found.status, found.capture_id) == ("new", refused.capture_id)
    build_all(store)
    assert account(store, found)["state"] == "whole"
    assert build_all(store)["lab"].unchanged
    swapped = opened(QUOTES.replace('"b.0"', '"b.1"').replace('"b.1"\nask', '"b.0"\nask'))
    assert not build_all(swapped)["lab"].unchanged
    assert rows(swapped, "raw.quotes")[0]["bid_price"] == 2.0
    later = opened(QUOTES.replace('"us"', '"ms"'))
    (again,) = register(later, [path])
    assert again.status == "refused"
    assert "not of these days when read as ms" in again.reason
    gone = build_all(opened(QUOTES.replace("formats.mine", "formats.other")))
    assert gone == {}, "a capture that is refused has no days"


def test_what_the_user_has_named_stays_named(opened, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / "EURX-quotes.jsonl"
    path.write_text(json.dumps({"got": START * 1000, "sent": START, "b": [1, 2], "a": [3, 4]}))
    both = QUOTES + QUOTES.replace("mine", "other").replace('"lab"', '"den"')
    store = opened(both)

    def taken_for():
        (held,) = store.ledger.captures()
        return held.format

    register(store, [path])
    assert taken_for() == "mine"
    register(store, [path], form="other")
    register(store, [path])
    assert taken_for() == "other"
    os.utime(path, (1, 1))
    register(store, [path])
    (folder / "EURY-quotes.jsonl").write_bytes(path.read_bytes())
    register(store, [folder])
    assert taken_for() == "other"
    store = opened(both.replace('"us"', '"ms"'))
    (refused, _) = register(store, [folder])
    assert "other: times of column got are none, or not of these days" in refused.reason


def test_a_file_of_ones_own_format_is_read_whole_once(opened, tmp_path, monkeypatch):
    path = tmp_path / "EURX-quotes.jsonl"
    path.write_text(json.dumps({"got": START * 1000, "sent": START, "b": [1, 2], "a": [3, 4]}))
    read = []
    for module in (registration, probing):
        monkeypatch.setattr(
            module, "probe", lambda *given, **named: read.append(1) or probe(*given, **named))
    for _ in range(3):
        (found,) = register(opened(QUOTES), [path])
    assert (found.status, len(read)) == ("known", 1)
    for _ in range(3):
        register(opened(QUOTES.replace('"b.0"', '"a.1"')), [path])
    assert len(read) == 2


IMAGES = QUOTES.replace('"quotes"', '"book_images"').replace('"lab"', '"lab"\nlevels = 2')


@pytest.mark.parametrize("name", ["b", "b{x}", "b{", "b{0}{1}", "b{}{}"])
def test_what_columns_of_images_may_not_be_called(tmp_path, name):
    with pytest.raises(UserError, match="is not allowed for 2 levels"):
        formats(settings(tmp_path, IMAGES.replace("b.0", name)).formats)


def test_images_of_columns_with_braces_of_their_own(opened, tmp_path):
    names = {"b.0": "bid{p}{}", "b.1": "bid{q}{}", "a.0": "ask{p}{}", "a.1": "ask{q}{}"}
    text = IMAGES
    for old, new in names.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    row = {new.replace("{}", str(k)): 10 + k if "bid" in new else 20 + k
           for new in names.values() for k in (0, 1)}
    (tmp_path / "EURX-quotes.jsonl").write_text(
        json.dumps({"got": START * 1000, "sent": START, **row}))
    store = opened(text)
    register(store, [tmp_path / "EURX-quotes.jsonl"])
    build_all(store)
    (book,) = rows(store, "raw.book_updates")
    assert (book["bid_prices"], book["ask_prices"]) == ([10.0, 11.0], [20.0, 21.0])


@pytest.mark.parametrize(("unit", "sent"), [
    ("iso", START), ("iso", 1.5), ("ms", {"at": START}), ("ms", [START]), ("s", [START]),
    ("s", 10**17), ("iso", True),
])
def test_times_of_another_type_are_told_of(opened, tmp_path, unit, sent):
    text = QUOTES.replace('"sent"', f'"sent"\nexchange_unit = "{unit}"')
    path = tmp_path / "EURX-quotes.jsonl"
    line = {"got": START * 1000, "sent": sent, "b": [1, 2], "a": [3, 4]}
    path.write_text(json.dumps(line) + "\n")
    store = opened(text)
    (found,) = register(store, [path])
    build_all(store)
    assert json.loads(account(store, found)["quarantined_by_reason"]) == {"wrong_type": 1}
    alone = opened(text.replace('receive_time = "got"\nreceive_unit = "us"\n', ""))
    (found,) = register(alone, [path])
    assert found.status == "refused"
    assert "mine: " in found.reason


def test_parquet_of_types_that_nothing_is_read_from():
    day = pa.array([datetime.date(2024, 1, 1)])
    for column in (day, pa.array([[1]]), pa.array([{"a": 1}]), pa.array([b"\xff"]),
                   pa.array([10**15], pa.timestamp("s"))):
        for unit in ("iso", "ms", "s"):
            frame = Frame({"t": column}, np.arange(1))
            assert frame.time("t", unit).tolist() == [NO_TIME]
            assert frame.bad[0][0] == "wrong_type"
        if not pa.types.is_timestamp(column.type):
            frame = Frame({"t": column}, np.arange(1))
            assert np.isnan(frame.number("t")).all()
            frame.code("t", {"buy": 0})
            assert frame.changes("t").tolist() == [0]
            assert frame.bad[0][0] == "wrong_type"


def test_a_format_that_is_no_more_is_told_of(opened, tmp_path):
    path = tmp_path / "EURX-quotes.jsonl"
    path.write_text(json.dumps({"got": START * 1000, "sent": START, "b": [1, 2], "a": [3, 4]}))
    register(opened(QUOTES), [path])
    (failed,) = set(build_all(opened(""))["lab"].failed.values())
    assert "registered for the format 'mine', which is no more" in failed
    assert "put [formats.mine] back" in failed


def test_a_file_of_other_columns_is_not_of_it(tmp_path):
    path = tmp_path / "EURX-quotes.jsonl"
    path.write_text(json.dumps({"got": START * 1000, "sent": START, "b": [1, 2]}))
    own = settings(tmp_path, QUOTES).formats
    found = probe(path, None, own)
    assert (found.state, found.sniff.format) == ("refused", "")
    assert "mine: quotes of lab with columns sent, got, b.0" in found.reason
    named = probe(path, "mine", own)
    assert "not of the format mine" in named.reason


@pytest.mark.parametrize(("change", "line", "said"), [
    (('venue = "lab"', 'venu = "lab"'), 4, "did you mean 'venue'?"),
    (('table = "quotes"', 'table = "quote"'), 3, "table = 'quote' is not allowed"),
    (('bid_size = "b.1"', 'bid_sise = "b.1"'), 11, "did you mean 'bid_size'?"),
    (('bid_size = "b.1"\n', ""), 9, "does not say which column is bid_size"),
    (('receive_unit = "us"', 'receive_unit = "weeks"'), 7, "receive_unit = 'weeks'"),
    (('symbol_pattern = "^([A-Z]+)-quotes"', ""), 2, "where the symbol is"),
    (('"^([A-Z]+)-quotes"', '"(["'), 2, "symbol_pattern = '(['"),
    (('venue = "lab"', 'venue = "a/b"'), 2, "venue = 'a/b'"),
    (('venue = "lab"', ""), 2, "does not say its venue"),
    (('venue = "lab"', 'venue = "lab"\ninverse = true'), 2, "the value of a contract"),
    (('venue = "lab"', 'venue = "lab"\nmultiplier = inf'), 2, "multiplier = inf"),
    (('"quotes"', '"book_images"'), 2, "bid_price = 'b.0' is not allowed for 10 levels"),
    (("formats.mine", "formats.tables"), 2, "cannot be called 'tables'"),
    (('receive_time = "got"\nreceive_unit = "us"\nexchange_time = "sent"', ""), 2, "has a time"),
    (("[formats.mine.columns]", "[formats.mine.sides]\nbuy=['b']\n[formats.mine.columns]"), 10,
     "sides of quotes have no setting 'buy'"),
    (('venue = "lab"', 'venue = "lab"\nheader = ["got", "sent", "b.0"]'), 2,
     "the header has no column 'a.0', which is to be read"),
])  # fmt: skip
def test_a_wrong_mapping_is_refused_where_it_stands(tmp_path, change, line, said):
    assert change[0] in QUOTES
    with pytest.raises(UserError) as refused:
        formats(settings(tmp_path, QUOTES.replace(*change)).formats)
    assert said in str(refused.value)
    assert refused.value.where == f"{tmp_path / 'settings.toml'}:{line}"


def test_a_word_stands_for_one_side(tmp_path):
    trades = """
        [formats.mine]
        table = "trades"
        venue = "lab"
        symbol = "A"
        receive_time = "t"
        sides = {buy = ["B", "b"], sell = ["S", "b"]}
        [formats.mine.columns]
        price = "p"
        size = "q"
        side = "s"
    """
    with pytest.raises(UserError, match="the word 'b' stands for two sides"):
        formats(settings(tmp_path, trades).formats)


def test_the_settings_are_kept_with_what_was_published(tmp_path):
    config = settings(tmp_path, QUOTES)
    again = settings(tmp_path, to_toml(as_settings(config)))
    assert as_settings(again) == as_settings(config)
    assert formats(again.formats)["mine"].example == formats(config.formats)["mine"].example
