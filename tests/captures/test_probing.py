"""Files are looked into ahead of their registration, and found to be what they are alone."""

import gzip
import hashlib
import os
import threading

import pytest

from imbalance.captures import probe as probing_module
from imbalance.captures.probe import probe
from imbalance.captures.probing import Probing
from imbalance.captures.register import register
from imbalance.store.store import Store

LINE = (
    b'1723161255030314667 {"e":"trade","E":1723161255030,"T":1723161255030,"s":"%s",'
    b'"t":%d,"p":"1.5","q":"2","X":"MARKET","m":true}\n'
)


@pytest.fixture
def captures(tmp_path):
    directory = tmp_path / "captures"
    directory.mkdir()
    for k in range(20):
        lines = b"".join(LINE % (b"A%dUSDT" % k, n) for n in range(50 + k))
        (directory / f"{k:02d}.gz").write_bytes(gzip.compress(lines))
    (directory / "03.gz").write_bytes(b"\x1f\x8b\x08 no gzip data")
    (directory / "07.gz").write_bytes((directory / "08.gz").read_bytes())
    return directory


def test_what_is_begun_ahead_is_what_each_file_is_alone(captures):
    files = sorted(captures.iterdir())
    alone = [probe(file) for file in files]
    assert {one.state for one in alone} == {"whole", "refused"}
    with Probing(files, None, None, {}) as probing:
        assert [probing.of(file)[1] for file in files] == alone
    with Probing(files, None, None, {}) as probing:  # some of them are not asked for
        assert [probing.of(file)[1] for file in files[1::3]] == alone[1::3]
    with Probing([], None, None, {}) as probing:
        assert probing.of(files[0])[1] == alone[0]


def test_an_error_comes_where_its_file_is_asked_for(captures):
    files = [captures / "00.gz", captures / "gone.gz", captures / "01.gz"]
    with Probing(files, None, None, {}) as probing:
        assert probing.of(files[0])[1].state == "whole"
        with pytest.raises(FileNotFoundError):
            probing.of(files[1])
        assert probing.of(files[2])[1].state == "whole"


def test_a_file_is_given_up_in_its_midst(captures):
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(InterruptedError):
        probe(captures / "00.gz", stopped=stopped)


def test_a_directory_is_registered_in_the_order_of_its_files(captures, tmp_path):
    store = Store.open(tmp_path / "home", create=True)
    found = register(store, [captures])
    assert [one.path for one in found] == [str(file) for file in sorted(captures.iterdir())]
    told = {one.path[-5:]: one.status for one in found}
    assert told.pop("03.gz") == "refused"
    assert told.pop("08.gz") == "same_bytes"
    assert set(told.values()) == {"new"}
    assert {one.status for one in register(store, [captures])} == {"known", "refused"}


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_the_size_is_of_the_bytes_that_were_hashed(tmp_path, monkeypatch, pack):
    """A file goes on growing while it is looked into."""
    file = tmp_path / "capture"
    text = pack(b"".join(LINE % (b"A", n) for n in range(50)))
    file.write_bytes(text)
    recognised = probing_module.recognise

    def while_it_grows(*given):
        with file.open("ab") as more:
            more.write(pack(LINE % (b"A", 99)))
        return recognised(*given)

    monkeypatch.setattr(probing_module, "recognise", while_it_grows)
    found = probe(file)
    assert file.stat().st_size > len(text)
    size = found.size_bytes
    assert found.sha256 == hashlib.sha256(file.read_bytes()[:size]).hexdigest()


def test_a_file_that_is_rewritten_before_its_turn_is_looked_at_again(tmp_path, monkeypatch):
    """Other bytes, as many, between when it was looked into and when it is registered."""
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_bytes(b"".join(LINE % (b"A", n) for n in range(50)))
    second.write_bytes(b"".join(LINE % (b"B", n) for n in range(50)))
    store = Store.open(tmp_path / "home", create=True)
    look, turn = Probing.of, threading.Event()

    def of(probing, path):
        found = look(probing, path)
        if path == first:
            looked = probing._begun.get(second)
            assert looked is None or looked.result()
            second.write_bytes(second.read_bytes().replace(b"1.5", b"2.5"))
            os.utime(second, ns=(1, 1))
            turn.set()
        return found

    monkeypatch.setattr(Probing, "of", of)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    register(store, [first, second])
    assert turn.is_set()
    monkeypatch.undo()
    (_, now) = register(store, [first, second])
    assert now.status in {"new", "replaced"}
    assert now.capture_id == probe(second).capture_id
