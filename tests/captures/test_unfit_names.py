"""Names and times that a capture's own text has: what cannot be kept is refused and said, for good.
"""

import gzip

import pytest

from imbalance.captures import register as registration
from imbalance.captures.formats.registry import formats
from imbalance.captures.probe import probe
from imbalance.captures.register import register
from imbalance.config_file import load_config
from imbalance.errors import UserError
from imbalance.store.store import Store
from imbalance.tasks import read_current
from tests.captures.building import build_all

START = 1_704_103_200_000_000
TARDIS = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"


def tardis(path, venue="binance", symbol="BTC", numbers=range(5), stamp=None):
    times = [START + k * 1000 if stamp is None else stamp for k in numbers]
    path.write_text(TARDIS + "".join(
        f"{venue},{symbol},{time},{time},{k},buy,1,1\n"
        for k, time in zip(numbers, times, strict=True)
    ))
    return path


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "home" / "of" / "ours", create=True)


@pytest.mark.parametrize("venue", ["x/../../../../escaped/a|b:c", "Binance", "b:c", "b|c", ""])
def test_a_venue_of_the_rows_is_a_name_or_its_file_is_refused(store, tmp_path, venue):
    odd = tardis(tmp_path / "odd.csv", venue, numbers=range(0, 20, 2))
    even = tardis(tmp_path / "even.csv", venue, numbers=range(1, 20, 2))
    assert {one.status for one in register(store, [odd, even])} == {"refused"}
    before = sorted(path for path in tmp_path.rglob("*") if path.is_dir())
    assert build_all(store) == {}
    assert sorted(path for path in tmp_path.rglob("*") if path.is_dir()) == before
    capture_id = register(store, [odd])[0].capture_id
    (row,) = read_current(store, "raw.captures", capture_id, ["state", "reason"]).to_pylist()
    assert row["state"] == "refused"
    assert "venue" in row["reason"]


def test_captures_that_overlap_are_merged_whatever_their_venue_is_called(store, tmp_path):
    register(store, [tardis(tmp_path / "odd.csv", "a-1", numbers=range(0, 20, 2)),
                     tardis(tmp_path / "even.csv", "a-1", numbers=range(1, 20, 2))])
    (result,) = build_all(store).values()
    assert result.partitions["2024-01-01|a-1"].metadata["merged"]
    assert result.partitions["2024-01-01|a-1"].rows["raw.trades"] == 20


@pytest.mark.parametrize("stamp", ["abc", "", "99999999999999999999"])
def test_a_file_of_no_day_is_refused_and_accounted_for(store, tmp_path, stamp):
    file = tardis(tmp_path / "trades.csv", stamp=stamp)
    good = tardis(tmp_path / "good.csv")
    for _ in range(2):
        told = {one.path: one for one in register(store, [file, good])}[str(file)]
        assert (told.status, told.reason) == (
            "refused", "none of its first rows has a time that can be read")
    (row,) = read_current(store, "raw.quarantine", told.capture_id).to_pylist()
    assert (row["reason"], row["byte_length"]) == ("whole_file", file.stat().st_size)


def test_a_registration_that_was_stopped_before_its_reason_was_noted(store, tmp_path, monkeypatch):
    file = tmp_path / "notes.txt"
    file.write_text("nothing that is known\n" * 20)
    files = [file, tardis(tmp_path / "good.csv")]

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(registration, "note_refused", stopped)
        with pytest.raises(KeyboardInterrupt):
            register(store, files[:1])
    for _ in range(2):
        told = {one.path: one for one in register(store, files)}[str(file)]
        assert told.status == "refused"
        assert told.reason.startswith("unknown format")
        assert len(read_current(store, "raw.captures", told.capture_id)) == 1


OWN = """
[formats.mine]
table = "quotes"
venue = "lab"
symbol = "X"
receive_time = "t"
receive_unit = "ns"
[formats.mine.columns]
bid_price = "p"
bid_size = "q"
ask_price = "p"
ask_size = "q"
update_id = "id"
"""


def settings(tmp_path, text):
    (tmp_path / "settings.toml").write_text(text)
    return load_config(tmp_path / "settings.toml")


def test_times_and_numbers_of_nineteen_digits_are_read(tmp_path):
    config = settings(tmp_path, OWN)
    store = Store.open(tmp_path / "home", create=True, config=config)
    file = tmp_path / "trades.csv.gz"
    file.write_bytes(gzip.compress(
        b"t,p,q,id\n1704103200000000001,1,1,8999999999999999999\n"
        b"1704103200000000002,1,1,9000000000000000000\n1704103200000000003,1,1,7\n"
    ))
    register(store, [file])
    (result,) = build_all(store).values()
    assert not result.failed
    rows = read_current(store, "raw.quotes", "2024-01-01|lab").to_pylist()
    assert [(row["receive_time"].value, row["update_id"]) for row in rows] == [
        (1704103200000000001, 8999999999999999999), (1704103200000000003, 7)]
    (bad,) = read_current(store, "raw.quarantine", probe(
        file, None, config.formats).capture_id).to_pylist()
    assert (bad["line"], bad["reason"]) == (3, "wrong_type")


@pytest.mark.parametrize(("line", "told"), [
    ('symbol = ""', "is not printable text"),
    (f'symbol = "{"A" * 101}"', "at most 100 characters"),
    (r'symbol = "a\tb"', "is not printable text"),
    ('symbol_pattern = "(a){99999999999999999999}"', "symbol_pattern"),
])  # fmt: skip
def test_a_symbol_that_cannot_be_kept_is_refused_where_it_is_said(tmp_path, line, told):
    with pytest.raises(UserError, match=told) as refused:
        formats(settings(tmp_path, OWN.replace('symbol = "X"', line)).formats)
    assert "settings.toml" in refused.value.where


def test_a_symbol_found_in_a_name_or_beside_is_refused_where_it_cannot_be_kept(tmp_path):
    own = settings(tmp_path, OWN.replace('symbol = "X"', 'symbol_pattern = "^(.+)-trades"'))
    file = tmp_path / f"{'A' * 120}-trades.csv"
    file.write_text("t,p,q,id\n1704103200000000001,1,1,7\n")
    found = probe(file, None, own.formats)
    assert (found.state, found.sniff.format) == ("refused", "")
    assert "at most 100 characters" in found.reason
