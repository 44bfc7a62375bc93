"""`imbalance ingest` and `imbalance formats`: what files are, before anything is made of them."""

import gzip
import json

import pytest

from tests.captures.samples import SPOT, recording
from tests.cli.process import imbalance


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    (made / "good.gz").write_bytes(gzip.compress(b"".join(recording(SPOT, 30))))
    (made / "words.txt").write_text("nothing of this\n")
    return made


def test_what_each_file_is(folder, tmp_path):
    done = imbalance("--json", "ingest", folder, home=tmp_path / "home")
    assert done.returncode == 5, done.stderr
    told = {c["path"].rpartition("/")[2]: c for c in json.loads(done.stdout)["captures"]}
    assert (told["good.gz"]["status"], told["good.gz"]["format"]) == ("new", "binance-lines")
    assert told["words.txt"]["status"] == "refused"
    assert "unknown format" in told["words.txt"]["reason"]
    again = imbalance("ingest", folder / "good.gz", home=tmp_path / "home")
    assert again.returncode == 0
    assert "known" in again.stdout


def test_a_named_format_is_held_to(folder, tmp_path):
    done = imbalance("ingest", "--format", "tables", folder / "good.gz", home=tmp_path / "home")
    assert done.returncode == 5
    assert "not of the format tables" in done.stdout.replace("\n", " ")
    wrong = imbalance("ingest", "--format", "tabels", folder / "good.gz", home=tmp_path / "home")
    assert wrong.returncode == 2
    assert "did you mean 'tables'" in wrong.stderr


def test_formats_are_listed(tmp_path):
    done = imbalance("--json", "formats", home=tmp_path / "home")
    told = json.loads(done.stdout)
    names = {one["format"] for one in told["formats"]}
    assert {"binance-lines", "recorded-connections", "lobster", "tables"} <= names
    assert "zstd" in told["compressions"]
