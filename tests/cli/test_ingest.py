"""`imbalance ingest` and `imbalance formats`: what files are, before anything is made of them."""

import gzip
import json

import pytest

from imbalance.cli.main import run
from imbalance.cli.run import told as told_run
from imbalance.store import Store
from tests.captures.building import build_all
from tests.captures.samples import DAY, SPOT, START, recording
from tests.cli.process import words

NEXT = START + DAY


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    (made / "good.gz").write_bytes(gzip.compress(b"".join(recording(SPOT, 30))))
    (made / "words.txt").write_text("nothing of this\n")
    return made


@pytest.fixture
def imbalance(tmp_path, capfd):
    """Run a command on a home of the test: how it ended, its output, its errors."""

    def call(*arguments):
        code = run(words(*arguments, home=tmp_path / "home"))
        return code, *capfd.readouterr()

    return call


def test_what_each_file_is(imbalance, folder):
    code, said, error = imbalance("--json", "ingest", folder)
    assert code == 5, error
    told = {c["path"].rpartition("/")[2]: c for c in json.loads(said)["captures"]}
    assert (told["good.gz"]["status"], told["good.gz"]["format"]) == ("new", "binance-lines")
    assert told["words.txt"]["status"] == "refused"
    assert "unknown format" in told["words.txt"]["reason"]
    code, said, _ = imbalance("ingest", folder / "good.gz")
    assert code == 0
    assert "known" in said


def test_a_named_format_is_held_to(imbalance, folder):
    code, said, _ = imbalance("ingest", "--format", "tables", folder / "good.gz")
    assert code == 5
    assert "not of the format tables" in said.replace("\n", " ")
    assert "next: imbalance run" not in said  # which would do nothing with it
    assert "give a good copy" in said
    code, _, error = imbalance("ingest", "--format", "tabels", folder / "good.gz")
    assert code == 2
    assert "did you mean 'tables'" in error


def test_formats_are_listed(imbalance):
    _, said, _ = imbalance("--json", "formats")
    told = json.loads(said)
    names = {one["format"] for one in told["formats"]}
    assert {"binance-lines", "recorded-connections", "lobster", "tables"} <= names
    assert "zstd" in told["compressions"]


def test_a_venue_is_assumed_or_named(imbalance, tmp_path):
    path = tmp_path / "ob200.data"
    path.write_text('{"topic":"orderbook.200.BTCUSDT","type":"snapshot","ts":1747440000831,"data":'
                    '{"s":"BTCUSDT","b":[["1","2"]],"a":[["3","4"]],"u":1,"seq":2}}\n')
    code, said, _ = imbalance("ingest", path)
    assert code == 0
    assert "taken for bybit" in said
    code, said, _ = imbalance("--json", "ingest", "--venue", "bybit-spot", path)
    (told,) = json.loads(said)["captures"]
    assert (code, told["venue"], told["assumed"]) == (0, "bybit-spot", None)
    code, _, error = imbalance("ingest", "--venue", "Bybit!", path)
    assert code == 2
    assert "'Bybit!' is no venue" in error


def test_a_run_says_what_was_assumed():
    said = told_run({
        "status": "done", "generation": "g", "seconds": 1.0, "failures": [], "bars": {},
        "partitions": {"built": 1, "unchanged": 0, "left": 0},
        "proof": {"compared": 0, "mismatched": 0},
        "captures": {
            "files": 1, "registered": 1, "new": 1, "refused": 0, "not_read": 0, "failed": 0,
            "grown": 0, "replaced": 0, "changed_files": [], "lines_read": 1, "lines_decoded": 1,
            "lines_ignored": 0, "lines_quarantined": 0, "refused_files": [], "skipped_files": [],
            "assumed_files": [{"path": "a.data", "assumed": "taken for bybit"}],
            "new_quarantined": 0,
        },
    })  # fmt: skip
    before, _, after = said.partition("assumed, as nothing says otherwise:")
    assert "a.data" not in before
    assert ["a.data", "taken", "for", "bybit"] in [line.split() for line in after.splitlines()]


def test_status_accounts_for_every_registered_file(imbalance, folder, tmp_path):
    (folder / "next.gz").write_bytes(gzip.compress(b"".join(recording(SPOT, 30, receive=NEXT))))
    imbalance("ingest", folder)
    code, said, _ = imbalance("--json", "status")
    told = json.loads(said)["captures"]
    sizes = sum(path.stat().st_size for path in folder.iterdir())
    assert (code, told) == (0, {
        "registered": 3, "files": 1, "refused": 1, "not_read": 2, "failed": 0,
        "size_bytes": sizes, "lines_read": 0, "lines_decoded": 0, "lines_ignored": 0,
        "lines_quarantined": 0,
    })
    _, said, _ = imbalance("status")
    assert said.splitlines()[1].startswith("3 captures registered, 1 refused, 2 not yet read, ")
    assert said.splitlines()[2] == "0 lines: 0 decoded, 0 ignored, 0 quarantined"
    (folder / "next.gz").unlink()
    build_all(Store.open(tmp_path / "home"))
    told = json.loads(imbalance("--json", "status")[1])["captures"]
    places = ("registered", "files", "refused", "not_read", "failed", "lines_read", "size_bytes")
    assert [told[place] for place in places] == [3, 2, 1, 0, 1, 30, sizes]
    _, said, _ = imbalance("status")
    assert "3 captures registered, 1 refused, 1 not read because its day failed, " in said


def test_grown_and_replaced_files_are_told_of(imbalance, folder):
    path = folder / "good.gz"
    imbalance("ingest", path)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(gzip.compress(b"".join(recording(SPOT, 30, receive=START + 30 * 10**9))))
    (told,) = json.loads(imbalance("--json", "ingest", path)[1])["captures"]
    assert (told["status"], len(told["replaces"])) == ("grown", 16)
    assert told["reason"].startswith(f"its first {size:,} bytes are as they were, ")
    (known,) = json.loads(imbalance("--json", "ingest", path)[1])["captures"]
    assert (known["status"], known["replaces"]) == ("known", None)
    path.write_bytes(gzip.compress(b"".join(recording(SPOT, 40))))
    code, said, _ = imbalance("ingest", path)
    assert code == 0
    assert f"other bytes than the {size:,}" not in said
    assert "1 replaced" in said
    assert told["capture_id"] in " ".join(said.split())


def test_run_says_what_has_grown_and_what_is_replaced():
    changed = [{"path": "a.gz", "status": "grown", "reason": "longer", "replaces": "0" * 16}]
    counts = {"registered": 3, "refused": 0, "not_read": 0, "failed": 0, "new": 2, "grown": 1,
              "replaced": 0, "lines_read": 1, "lines_decoded": 1, "lines_ignored": 0,
              "lines_quarantined": 0, "changed_files": changed, "refused_files": [],
              "assumed_files": [], "skipped_files": [], "new_quarantined": 0}  # fmt: skip
    said = told_run({
        "status": "done", "captures": counts, "bars": {}, "generation": None, "failures": [],
        "partitions": {"built": 0, "unchanged": 0, "left": 0}, "seconds": 1.0,
        "proof": {"compared": 0, "mismatched": 0},
    })
    assert "3 captures registered; 2 new, 1 grown\n" in said
    assert "grown or replaced since they were last registered:" in said
    assert [line.split() for line in said.splitlines() if "a.gz" in line] == [
        ["a.gz", "grown", "longer"]
    ]


def test_a_capture_is_forgotten_and_taken_up_again(imbalance, folder):
    _, said, _ = imbalance("--json", "ingest", folder / "good.gz")
    (known,) = json.loads(said)["captures"]
    kept = (folder / "good.gz").read_bytes()
    (folder / "good.gz").unlink()
    code, said, error = imbalance("--json", "ingest", "--forget", folder / "good.gz")
    assert (code, error) == (0, "")
    assert json.loads(said) == {
        "captures": [], "exit_code": 0,
        "forgotten": [{"path": known["path"], "capture_id": known["capture_id"]}],
    }  # fmt: skip
    code, _, error = imbalance("ingest", "--forget", known["capture_id"])
    assert code == 2
    assert f"no capture {known['capture_id']!r} is in use" in error
    (folder / "good.gz").write_bytes(kept)
    code, said, _ = imbalance("ingest", folder / "good.gz")
    assert (code, "1 new" in said) == (0, True)
    code, said, _ = imbalance("ingest", folder / "good.gz", "--forget", known["capture_id"])
    assert code == 0
    assert f"forgotten: {known['path']} ({known['capture_id']})" in said
    assert "1 new" in said


@pytest.mark.parametrize(("arguments", "said"), [
    (("--venue", "binnace"), "there is no venue 'binnace'; did you mean 'binance'?"),
    (("--venue", "hyperliqud"), "did you mean 'hyperliquid'?"),
    (("--venue", "A b"), "'A b' is no venue"),
])
def test_a_venue_that_is_misspelt_is_none(imbalance, folder, tmp_path, arguments, said):
    code, _, error = imbalance("ingest", *arguments, folder)
    assert code == 2
    assert said in error
    assert not (tmp_path / "home").exists()


def test_nothing_named_and_nothing_there_make_no_home(imbalance, tmp_path):
    for arguments, said in (((), "nothing is named"), ((tmp_path / "no",), "there is no file")):
        code, _, error = imbalance("ingest", *arguments)
        assert code == 2
        assert said in error
    code, _, error = imbalance("ingest", "--forget", "a.gz")
    assert code == 2
    assert "there is no home" in error
    assert not (tmp_path / "home").exists()
