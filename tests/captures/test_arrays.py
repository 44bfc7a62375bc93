"""JSON arrays that are broken or cut short, and archives of several files."""

import zipfile

import pytest

from imbalance.captures.register import register
from imbalance.tasks import read_current
from tests.captures.building import account, build_all, quarantine
from tests.captures.samples import SPOT, recording


def test_an_archive_of_several_files_is_refused_as_that(store, tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("a.csv", "a.csv.CHECKSUM"):
            file.writestr(name, b"".join(recording(SPOT, 9)))
    (found,) = register(store, [path])
    assert found.status == "refused"
    assert found.reason == (
        "an archive of 2 files, which are no capture together (a.csv, a.csv.CHECKSUM): unpack it; "
        "one file may be zipped, and a LOBSTER archive holds two"
    )


def trades(count):
    """Messages of an array."""
    return [
        f'{{"e":"trade","E":{1_700_000_000_000 + k},"s":"BTCUSDT","t":{k},"p":"100.5","q":"2",'
        f'"T":{1_700_000_000_000 + k},"m":true,"M":true}}'.encode()
        for k in range(count)
    ]


@pytest.mark.parametrize(
    ("left", "told"), [(b',{"e":"tr', "truncated"), (b",", "truncated"), (b"", "truncated"),
                       (b',{"e":trade},{}]', "JSON is malformed")]
)
@pytest.mark.parametrize("begin", [b"[", b"\xef\xbb\xbf[\n "])
def test_the_whole_elements_of_a_broken_array_are_decoded(store, tmp_path, begin, left, told):
    path = tmp_path / "array.json"
    text = begin + b",\n".join(trades(7)) + left
    path.write_bytes(text)
    register(store, [path])
    build_all(store)
    row = account(store, path)
    assert row["state"] == "truncated"
    assert row["reason"].startswith("the array can be read up to element 7: ")
    assert told in row["reason"]
    assert (row["lines_read"], row["decoded_by_kind"]) == (8, {"trade": 7})
    assert row["quarantined_by_reason"] == {"not_json": 1}
    (bad,) = quarantine(store, path)
    rest = left.lstrip(b",")
    assert (bad["line"], bad["byte_offset"], bad["byte_length"]) == (
        8, len(text) - len(rest), len(rest)
    )
    assert read_current(store, "raw.trades", "2023-11-14|binance")["trade_id"].to_pylist() == [
        *range(7)
    ]
