"""Bad content of archives and Parquet: it is told truly, and costs itself and nothing else."""

import hashlib
import io
import lzma
import random
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imbalance.books.build import materialise_book
from imbalance.captures.compression import ChecksumError
from imbalance.captures.probe import probe
from imbalance.captures.register import register
from imbalance.captures.tabular import ParquetDecoder
from imbalance.cli.status import status
from imbalance.store.verify import verify
from imbalance.tasks import read_current
from tests.captures.building import account, build_all, quarantine
from tests.captures.mutations import mutated
from tests.captures.samples import SPOT, recording

DAY = "2012-06-21"
STEM = f"AMZN_{DAY}_34200000_57600000"
NAMES = (f"{STEM}_message_2.csv", f"{STEM}_orderbook_2.csv")
TRADED = 1_767_708_000 * 10**9  # 14:00 of 2026-01-06 UTC
RECORDING = recording(SPOT, 200)


def messages(count, first=0):
    """Orders placed at the best bid, 10 ms apart."""
    return [
        f"34200.{10 * (first + k) + 1:04},1,{1000 + first + k},5,1000000,1\n".encode()
        for k in range(count)
    ]


def books(count, first=0):
    """The bid grows by what is placed there, the rest stands still."""
    return [
        f"1000100,7,1000000,{5 * (first + k + 1)},1000200,8,999900,9\n".encode()
        for k in range(count)
    ]


def archive(path, lines, *, also=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, some in zip(NAMES, lines, strict=True):
            file.writestr(name, b"".join(some))
        for name, text in (also or {}).items():
            file.writestr(name, text)
    return path


def built(store, *paths):
    """Register and build; every day must come about."""
    found = register(store, paths)
    for result in build_all(store).values():
        assert result.failed == {}
    return found


BAD_LINES = {
    "no comma": (0, b"34200.0301x1,1003,5,1000000,1\n", "wrong_number_of_columns",
                 "6 columns wanted"),
    "no number": (0, b"34200.0301,1,10o3,5,1000000,1\n", "wrong_type",
                  "column 3 is no number: b'10o3'"),
    "no price": (0, b"34200.0301,1,1003,5,,1\n", "wrong_type",
                 "column 5 is no number: b''"),
    "no such type": (0, b"34200.0301,8,1003,5,1000000,1\n", "unknown_message",
                     "type 8"),
    "no size": (0, b"34200.0301,1,1003,0,1000000,1\n", "number_out_of_range",
                "a size or price that is not above 0"),
    "no side": (0, b"34200.0301,1,1003,5,1000000,2\n", "unknown_message",
                "a side other than 1, -1"),
    "no time of the day": (0, b"94200.0301,1,1003,5,1000000,1\n", "receive_time_out_of_span",
                           "not of the day"),
    "too large": (0, b"34200.0301,1,1003," + b"9" * 30 + b",1000000,1\n", "wrong_type",
                  f"column 4 is no number: b'{'9' * 30}'"),
    "a level short": (1, b"1000100,7,1000000,20,1000200,8\n", "wrong_number_of_columns",
                      "8 columns wanted"),
    "no text": (1, b"1000100,7,1000000,20,1000200,8,\xff\xfe,9\n", "wrong_type",
                "column 7 is no number: b'\\xff\\xfe'"),
    "below 0": (1, b"1000100,-7,1000000,20,1000200,8,999900,9\n", "number_out_of_range",
                "a size or price that is not above 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_costs_its_pair(store, tmp_path, name):
    place, bad, reason, detail = BAD_LINES[name]
    lines = [messages(30), books(30)]
    good = [list(some) for some in lines]
    lines[place][3] = bad
    path = archive(tmp_path / "bad.zip", lines)
    (found,) = built(store, path)
    assert (found.status, found.reason) == ("new", None)
    row = account(store, path)
    assert (row["state"], row["reason"]) == ("whole", None)
    assert row["lines_read"] == 60
    assert row["decoded_by_kind"] == {"message": 29, "order_book": 29}
    assert row["quarantined_by_reason"] == {reason: 1, "unpaired": 1}
    told = sorted(quarantine(store, path), key=lambda one: one["reason"] == "unpaired")
    files = ("message", "order book")
    unpaired = f"the {files[place]} line of its pair cannot be used"
    assert [(one["line"], one["reason"], one["detail"]) for one in told] == [
        (7 + place, reason, f"{files[place]} file, line 4: {detail}"),
        (8 - place, "unpaired", f"{files[1 - place]} file, line 4: {unpaired}"),
    ]
    for one, text, k in ((told[0], bad, place), (told[1], good[1 - place][3], 1 - place)):
        assert one["byte_offset"] == sum(map(len, lines[k][:3]))
        assert one["byte_length"] == len(text) - 1
        assert one["text_sha256"] == hashlib.sha256(text[:-1]).hexdigest()
    key = f"{DAY}|nasdaq"
    assert len(read_current(store, "raw.orders", key)) == 29
    updates = read_current(store, "raw.book_updates", key).to_pylist()
    assert [one["line"] for one in updates] == [k for k in range(1, 31) if k != 4]
    kinds = [one["kind"] for one in updates]
    assert kinds == ["snapshot", *["diff"] * 3, "snapshot", *["diff"] * 24]
    assert updates[4]["bid_prices"] == [100.0, 99.99]
    assert updates[4]["bid_sizes"] == [30.0, 9.0]


def test_the_book_is_lost_at_a_bad_line_and_right_after_it(store, tmp_path):
    lines = [messages(30), books(30)]
    lines[0][3] = b"nothing\n"
    built(store, archive(tmp_path / "bad.zip", lines))
    materialise_book(store, "nasdaq", DAY)
    key = f"{DAY}|nasdaq"
    health = read_current(store, "book.book_health", key).to_pylist()
    assert [(one["state"], one["cause"]) for one in health] == [
        ("waiting", "no_snapshot"), ("valid", "snapshot"), ("waiting", "sequence_gap"),
        ("valid", "snapshot"),
    ][-len(health):]  # fmt: skip
    gap = next(one for one in health if one["cause"] == "sequence_gap")
    assert (gap["expected_update_id"], gap["found_update_id"]) == (4, 5)
    states = read_current(store, "book.book_states", key).to_pylist()
    assert {one["update_id"]: one["bid_sizes"][0] for one in states} == {
        k: 5.0 * k for k in range(1, 31) if k not in (4, 5)
    }


def test_files_of_different_length_are_read_as_far_as_both_go(store, tmp_path):
    path = archive(tmp_path / "a.zip", [messages(20), books(17)])
    built(store, path)
    row = account(store, path)
    assert (row["state"], row["reason"]) == (
        "truncated", "the message file has 3 lines more than the order book file"
    )
    assert (row["lines_read"], row["decoded_by_kind"]) == (
        37, {"message": 17, "order_book": 17}
    )
    told = quarantine(store, path)
    assert [(one["line"], one["reason"], one["detail"]) for one in told] == [
        (2 * k - 1, "unpaired", f"message file, line {k}: the order book file has ended")
        for k in (18, 19, 20)
    ]
    other = archive(tmp_path / "b.zip", [messages(5, 50), [*books(6, 50), b"\r\n", b"\n"]])
    built(store, other)
    row = account(store, other)
    assert row["reason"] == "the order book file has 1 line more than the message file"
    assert (row["lines_read"], row["ignored_by_rule"]) == (13, {"blank_line": 2})
    assert row["quarantined_by_reason"] == {"unpaired": 1}


def test_a_last_line_that_is_bad_and_has_no_end(store, tmp_path):
    lines = [messages(5), books(5)]
    lines[0][-1] = lines[0][-1][:20]
    path = archive(tmp_path / "a.zip", lines)
    built(store, path)
    row = account(store, path)
    assert row["decoded_by_kind"] == {"message": 4, "order_book": 4}
    assert row["quarantined_by_reason"] == {"wrong_number_of_columns": 1, "unpaired": 1}


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("files", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_mutated_pairs_are_accounted_for(store, tmp_path, place, files):
    rng = random.Random(place)
    good = archive(tmp_path / "good.zip", [messages(7, 900), books(7, 900)])
    bad = {}
    for k in range(files):
        lines = [messages(40), books(40)]
        for _ in range(rng.choice((1, 1, 2, 9))):
            at = rng.randrange(40)
            lines[place][at] = mutated(rng, lines[place][at])
        path = archive(tmp_path / f"{k}.zip", lines)
        bad[path] = [io.BytesIO(b"".join(some)).readlines() for some in lines]
    found = built(store, good, *bad)
    assert {one.status for one in found} <= {"new", "same_bytes"}
    assert account(store, good)["lines_decoded"] == 14
    unreadable = 0
    for path, one in zip(bad, found[1:], strict=True):
        if one.status == "same_bytes":
            continue
        row, texts = account(store, path), bad[path]
        assert row["lines_read"] == len(texts[0]) + len(texts[1])
        assert row["lines_decoded"] + row["lines_ignored"] + row["lines_quarantined"] == (
            row["lines_read"]
        )
        assert row["lines_decoded"] >= 2 * (40 - 2 * 9 - 9)
        assert (row["state"] == "whole") == (row["reason"] is None)
        for told in quarantine(store, path):
            file = told["detail"].startswith("order book file, ")
            number = (told["line"] - 1) // 2
            text = texts[file][number].rstrip(b"\n").rstrip(b"\r")
            assert told["text_sha256"] == hashlib.sha256(text).hexdigest()
            assert told["byte_offset"] == sum(map(len, texts[file][:number]))
        places = [told["line"] for told in quarantine(store, path)]
        assert len(set(places)) == len(places), "the key of the table"
        unreadable += row["lines_quarantined"]
    assert unreadable > files // 2


def parquet(path, rows=4_000, first=0, **settings):
    """Trades as StandX's collector keeps them; the venue is in the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = TRADED + 250_000_000 * np.arange(first, first + rows)
    pq.write_table(
        pa.table({
            "timestamp": time, "received_at": time + 30_000_000, "symbol": ["BTC-USD"] * rows,
            "price": 90_000.0 + np.arange(rows) % 77, "quantity": 1.0 + np.arange(rows) % 13,
            "side": ["SELL"] * rows,
        }), path, **settings,
    )  # fmt: skip
    return path


def spoilt(path, at, size=100):
    """Other bytes in the midst of a file."""
    data = bytearray(path.read_bytes())
    data[at : at + size] = bytes(byte ^ 255 for byte in data[at : at + size])
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize("settings", [{"compression": "snappy"}, {"compression": "gzip"},
                                      {"compression": "none", "write_page_checksum": True}])
def test_a_damaged_parquet_file_is_refused_and_the_rest_of_the_day_is_built(
    store, tmp_path, settings
):
    good = parquet(tmp_path / "standx/b.parquet", first=4_000)
    bad = parquet(tmp_path / "standx/a.parquet", use_dictionary=False, **settings)
    spoilt(bad, 3_000)
    refused, whole = built(store, bad, good)
    assert (refused.status, whole.status) == ("refused", "new")
    assert refused.reason.startswith("Parquet checksum or structure is wrong: ")
    assert "\n" not in refused.reason
    assert account(store, bad)["state"] == "refused"
    (told,) = quarantine(store, bad)
    assert (told["reason"], told["detail"]) == ("whole_file", refused.reason)
    assert account(store, good)["lines_decoded"] == 4_000
    assert len(read_current(store, "raw.trades", "2026-01-06|standx")) == 4_000
    (again, known) = built(store, bad, good)
    assert (again.status, again.reason, known.status) == ("refused", refused.reason, "known")


def test_what_proves_bad_when_it_is_decoded_is_refused_then(store, tmp_path, monkeypatch):
    """By a reason of its own: the file has not changed since it was registered."""
    good = parquet(tmp_path / "standx/b.parquet", first=4_000)
    bad = parquet(tmp_path / "standx/a.parquet")
    read = ParquetDecoder._batches

    def _batches(self):
        for batch in read(self):
            yield batch
            if self.context.path == bad:
                raise ChecksumError("page 7 is not what it should be")

    monkeypatch.setattr(ParquetDecoder, "_batches", _batches)
    assert [one.status for one in built(store, bad, good)] == ["new", "new"]
    row = account(store, bad)
    assert (row["state"], row["reason"]) == ("refused", "page 7 is not what it should be")
    assert (row["format"], row["venue"], row["lines_read"]) == ("parquet", "standx", None)
    (told,) = quarantine(store, bad)
    assert (told["reason"], told["detail"]) == ("whole_file", "page 7 is not what it should be")
    assert account(store, good)["lines_decoded"] == 4_000
    assert len(read_current(store, "raw.trades", "2026-01-06|standx")) == 4_000
    assert store.ledger.failures() == []
    assert status(store)["captures"]["refused"] == 1
    assert verify(store.home).damaged == ()
    (again,) = register(store, [bad])
    assert (again.status, again.reason) == ("refused", "page 7 is not what it should be")


def test_a_day_of_which_all_captures_are_refused_is_empty(store, tmp_path, monkeypatch):
    path = parquet(tmp_path / "standx/a.parquet")

    def _batches(self):
        raise ChecksumError("nothing can be read")
        yield

    monkeypatch.setattr(ParquetDecoder, "_batches", _batches)
    built(store, path)
    assert len(read_current(store, "raw.trades", "2026-01-06|standx")) == 0
    assert account(store, path)["reason"] == "nothing can be read"
    assert store.ledger.failures() == []


def test_times_years_apart_are_not_believed(store, tmp_path):
    """Of damaged bytes: each day between them would be built."""
    path = parquet(tmp_path / "standx/a.parquet", 10)
    table = pq.read_table(path)
    times = table["received_at"].to_numpy() - np.arange(10) * 2_000 * 86_400 * 10**9
    place = table.column_names.index("received_at")
    pq.write_table(table.set_column(place, "received_at", pa.array(times)), path)
    (found,) = register(store, [path])
    assert (found.status, found.reason) == (
        "refused", "its first and last times are 17999 days apart: they are not believed"
    )


@pytest.mark.parametrize("files", [21, pytest.param(300, marks=pytest.mark.slow)])
def test_files_with_bytes_changed_leave_the_others_alone(store, tmp_path, files):
    rng = random.Random(files)
    made = {
        "p": lambda path: parquet(path, 600, compression=rng.choice(["none", "snappy", "zstd"])),
        "z": lambda path: archive(path, [messages(90), books(90)]),
        "x": lambda path: path.write_bytes(lzma.compress(b"".join(RECORDING))),
    }
    others = [
        parquet(tmp_path / "standx/good.parquet", 600, first=900),
        archive(tmp_path / "good.zip", [messages(9, 900), books(9, 900)]),
    ]
    paths = []
    for k in range(files):
        path = tmp_path / "standx" / f"{k}.parquet"
        made["pzx"[k % 3]](path)
        data = bytearray(path.read_bytes())
        for _ in range(rng.choice((1, 1, 2, 30))):
            data[rng.randrange(4, len(data))] ^= rng.randrange(1, 256)
        path.write_bytes(bytes(data))
        paths.append(path)
    found = built(store, *others, *paths)
    refused = [one for one in found if one.status == "refused"]
    assert len(refused) >= files // 2
    assert all(one.reason for one in refused)
    for path, lines in zip(others, (600, 18), strict=True):
        assert account(store, path)["lines_decoded"] == lines
    for one in found:
        row = account(store, one.path)
        if row["state"] == "refused":
            assert row["lines_read"] is None
            assert [bad["reason"] for bad in quarantine(store, one.path)] == ["whole_file"]
        else:
            assert row["lines_decoded"] + row["lines_ignored"] + row["lines_quarantined"] == (
                row["lines_read"]
            )


@pytest.mark.parametrize(
    ("wild", "last"), [(range(1), 60), (range(59, 60), 59), (range(9, 31), 60)])
def test_wild_times_of_a_text_are_no_times_of_the_file(tmp_path, wild, last):
    """A recorder's clock that stood in 2001: days in between are not looked for."""
    second, begin = 1_000, 1_700_000_000_000
    path = tmp_path / "BTCUSDT-trades.csv"
    path.write_text("".join(
        f"{k},10.0,1.0,10.0,{(10**12 if k in wild else begin) + k * second},true,true\n"
        for k in range(60)))
    found = probe(path)
    assert found.state == "whole", found.reason
    assert found.last_time == (begin + (last - 1) * second) * 10**6
    assert begin * 10**6 <= found.sniff.first_time <= (begin + second) * 10**6
