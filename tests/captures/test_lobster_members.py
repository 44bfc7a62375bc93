"""What an archive of LOBSTER holds: the two files of one capture, or it is refused."""

import zipfile
from itertools import permutations

import pytest

from imbalance.captures.probe import probe
from tests.captures.whole import decode


def name_of(kind, day="2012-06-21", symbol="AMZN", end=57_600_000, levels=1):
    return f"{symbol}_{day}_34200000_{end}_{kind}_{levels}.csv"


def text_of(name):
    """Three messages, or the three books after them, at prices of their day."""
    price = 1_000_000 + 10_000 * int(name.split("_")[1][-2:])
    if "message" in name:
        return "".join(f"3420{k}.5,1,{k + 1},10,{price},1\n" for k in range(3))
    return "".join(f"{price + 100},{10 + k},{price},{10 + k}\n" for k in range(3))


def archive(tmp_path, *names, folder="", others=()):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(folder + name, text_of(name))
        for name in others:
            file.writestr(name, "one line\nand another\n")
    return path


PAIR = (name_of("message"), name_of("orderbook"))


@pytest.mark.parametrize("names", [*permutations(PAIR)])
def test_one_pair_is_a_capture_and_other_names_are_left_out(tmp_path, names):
    found = decode(archive(tmp_path, *names, folder="AMZN/", others=["ReadMe.txt"]))
    assert found.decoded == {"message": 3, "order_book": 3}
    assert (found.ignored, found.quarantined) == ({"not_a_capture_by_its_name": 2}, {})
    assert found.tables["raw.orders"]["price"].to_pylist() == [121.0] * 3


NEXT = tuple(name_of(kind, "2012-06-22") for kind in ("message", "orderbook"))


@pytest.mark.parametrize("order", [*permutations(range(4))])
def test_an_archive_of_several_days_is_refused(tmp_path, order):
    """In whichever order its files are: no day is lost, and none has the books of another."""
    names = [(*PAIR, *NEXT)[k] for k in order]
    found = probe(archive(tmp_path, *names, others=["ReadMe.txt"]))
    assert found.state == "refused"
    assert found.reason == (
        "a LOBSTER archive of AMZN of 2012-06-21 from 34200000 to 57600000 ms, levels 1 (1 message "
        "and 1 orderbook); AMZN of 2012-06-22 from 34200000 to 57600000 ms, levels 1 (1 message "
        "and 1 orderbook): split it, an archive holds one message and one orderbook file, both of "
        "the same symbol, day, times and levels"
    )


SEVERAL = {
    "symbol": (*PAIR, *(name_of(kind, symbol="GOOG") for kind in ("message", "orderbook"))),
    "levels": (*PAIR, *(name_of(kind, levels=5) for kind in ("message", "orderbook"))),
    "times": (*PAIR, *(name_of(kind, end=36_000_000) for kind in ("message", "orderbook"))),
    "a further message file": (*PAIR, NEXT[0]),
    "a further book": (*PAIR, NEXT[1]),
    "days of no pair": (PAIR[0], NEXT[1]),
    "depths of no pair": (PAIR[0], name_of("orderbook", levels=5)),
    "twice": (*PAIR, "again/" + PAIR[1]),
    "no book": (PAIR[0], NEXT[0]),
    "many": [name_of("message", f"2012-06-{day}") for day in range(10, 20)],
}


@pytest.mark.parametrize("which", SEVERAL)
def test_what_is_not_one_pair_is_refused_and_says_so(tmp_path, which):
    found = probe(archive(tmp_path, *SEVERAL[which]))
    assert found.state == "refused"
    assert "split it, an archive holds one message and one orderbook file" in found.reason
    assert ("; and 7 more: split" in found.reason) == (which == "many")
    assert len(found.reason) < 500
