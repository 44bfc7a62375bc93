"""What is written to: an output that is full, or has not all characters; texts that are none."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from imbalance.cli.main import COMMANDS, run
from imbalance.store import Home, Store
from tests.cli.process import command, imbalance

NO_TEXT = "a\udcffb"
"""What Python makes of the bytes `a\\xffb` in an argument."""


@pytest.fixture
def home(tmp_path):
    return Store(Home.open(tmp_path / "home", create=True)).home.root


@pytest.mark.parametrize("words", [
    ["sql", "select 1"], ["sql", "from range(100000)", "-f", "csv"],
    ["sql", "from range(100000)", "-f", "json"], ["sql", "from range(100000)", "-f", "parquet"],
    ["sql", "from range(100000)", "--rows", "100000"], ["status"], ["--json", "status"],
])
def test_a_full_output_is_not_put_down_to_the_home(home, words):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command(*words, home=home), stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "error: the output cannot be written: No space left on device\n"
        "  where:   standard output\n"
        "  to do:   make room there, or write to another place\n"
    )


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize("words", [
    ["describe", "bars_1s"], ["status"], ["studies"], ["venues"], ["formats"], ["report"],
    ["sql", "select 'a→b' as c"],
])
def test_characters_that_the_output_has_not_are_replaced(home, monkeypatch, encoding, words):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    done = subprocess.run(command(*words, home=home), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    if words[0] == "sql":
        assert done.stdout == b"c\n---\na?b\n"


def test_json_has_all_characters_in_any_encoding(home, monkeypatch):
    told = imbalance("--json", "describe", "bars_1s", home=home)
    assert not told.stdout.isascii()
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    other = imbalance("--json", "describe", "bars_1s", home=home)
    assert other.stdout.isascii()
    assert json.loads(other.stdout) == json.loads(told.stdout)


@pytest.mark.parametrize("words", [
    ["sql", NO_TEXT], ["report", "--title", NO_TEXT], ["--home", NO_TEXT, "status"],
    ["--home", NO_TEXT, "run", "x"], ["run", NO_TEXT], ["training-set", "-F", NO_TEXT, "-o", "x"],
])
def test_an_argument_that_is_no_text_is_wrong_usage(capsys, words):
    assert run(words) == 2
    assert capsys.readouterr().err == (
        "error: 'a\\udcffb' is not UTF-8 text\n  where:   arguments\n")


def test_a_variable_that_is_no_text_is_wrong_usage(capsys, monkeypatch):
    monkeypatch.setenv("IMBALANCE_HOME", NO_TEXT)
    assert run(["--json", "status"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["error"], told["where"]) == ("'a\\udcffb' is not UTF-8 text", "IMBALANCE_HOME")


def test_an_error_of_ours_whose_words_are_no_text_is_told(capsys, home, monkeypatch):
    import imbalance.cli.tables as module

    def fail():
        raise ValueError(NO_TEXT)

    monkeypatch.setattr(module.catalog, "tables", fail)
    assert run(["--home", str(home), "tables"]) == 1
    (log,) = (home / "logs").glob("imbalance-*.log")
    assert "ValueError: a\\udcffb" in log.read_text()
    assert str(log) in capsys.readouterr().err


@pytest.mark.parametrize("path", ["\0", "x" * 5000])
def test_a_log_that_cannot_be_written_is_no_error_of_its_own(
    capsys, monkeypatch, tmp_path, path
):
    import imbalance.cli.tables as module

    monkeypatch.setattr(module.catalog, "tables", lambda: 1 / 0)
    monkeypatch.setattr("tempfile.tempdir", path)
    monkeypatch.chdir(tmp_path)  # else ./warehouse of the checkout, where there is one, has the log
    assert run(["tables"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: unexpected: ZeroDivisionError")
    assert "where:   the details could not be written: " in said


@pytest.mark.parametrize("words", [["tables"], ["--json", "tables"]])
def test_what_an_interruption_is_made_into_is_one(capsys, monkeypatch, words):
    import imbalance.cli.tables as module
    from imbalance.errors import UserError

    def interrupted():
        query = RuntimeError("Query interrupted")
        query.__cause__ = KeyboardInterrupt()
        raise UserError("no table") from query

    monkeypatch.setattr(module.catalog, "tables", interrupted)
    assert run(words) == 130
    said = capsys.readouterr()
    if "--json" in words:
        assert json.loads(said.out)["exit_code"] == 130
    else:
        assert said.err == "interrupted: what was finished is kept, the next run continues\n"


def test_no_output_at_all_is_no_error(home):
    for name in ("status", "studies"):
        assert name in COMMANDS
        done = subprocess.run(command(name, home=home), stderr=subprocess.PIPE, check=False,
                              preexec_fn=lambda: os.close(1))
        assert (done.returncode, done.stderr) == (0, b"")
