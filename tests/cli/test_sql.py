"""`imbalance sql` on a home without captures: into which file, in which form, and how it fails."""

import json
import os
import signal
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq
import pytest

from imbalance.cli.main import run
from imbalance.store import Home, Store
from tests.cli.process import command

FAILS_MIDWAY = "select if(a > 200000, error('boom'), a::varchar) as a from range(300000) t(a)"
ENDLESS = "select count(*) from range(100000000000) t(a) where sin(a) > 2"
INTERRUPTED = "interrupted: what was finished is kept, the next run continues\n"


@pytest.fixture
def home(tmp_path):
    return Store(Home.open(tmp_path / "home", create=True)).home.root


@pytest.fixture
def ask(home, capfd):
    """Ask and return the exit code, what was answered and what was said besides."""

    def call(*arguments):
        code = run(["--home", str(home), *map(str, arguments)])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def interrupted(monkeypatch):
    """Whoever asks is interrupted half a second after the query was found to be one."""
    main = threading.main_thread().ident

    def begin(*_):
        threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT)).start()

    monkeypatch.setattr("imbalance.store.session.check_query", begin)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "table"])
def test_a_query_that_fails_midway_leaves_the_file_as_it_was(ask, tmp_path, form):
    out = tmp_path / "in" / "k"
    out.parent.mkdir()
    out.write_text("old\n")
    query = FAILS_MIDWAY if form != "table" else f"from ({FAILS_MIDWAY}) order by a desc"
    code, answer, said = ask("sql", query, "-f", form, "-o", out)
    assert (code, answer) == (2, "")
    assert said.startswith("error: Invalid Input Error: boom\n")
    assert "to do:   imbalance tables; imbalance describe TABLE" in said
    assert out.read_text() == "old\n"
    assert [path.name for path in out.parent.iterdir()] == ["k"]


def test_a_query_that_fails_midway_says_so_on_standard_output_as_well(ask):
    code, _, said = ask("sql", FAILS_MIDWAY, "-f", "csv")
    assert code == 2
    assert said.startswith("error: Invalid Input Error: boom\n")


def test_an_interrupted_query_says_so(ask, interrupted):
    code, answer, said = ask("sql", ENDLESS)
    assert (code, answer) == (130, "")
    assert said.endswith(INTERRUPTED)


def test_an_interrupted_query_says_so_in_json(ask, interrupted):
    code, answer, _ = ask("--json", "sql", ENDLESS)
    assert code == 130
    assert json.loads(answer) == {
        "error": "interrupted", "where": None, "allowed": None,
        "fix": "the same command again: what was finished is kept", "exit_code": 130,
    }


@pytest.mark.parametrize("query", [
    "from range(100000000000)",
    "select a from range(100000000000) t(a) where a < 300000 or sin(a) > 2",  # waits for a batch
])
def test_an_interrupted_answer_leaves_the_file_as_it_was(ask, interrupted, tmp_path, query):
    out = tmp_path / "in" / "k.csv"
    out.parent.mkdir()
    out.write_text("old\n")
    code, _, said = ask("sql", query, "-o", out)
    assert code == 130
    assert said.endswith(INTERRUPTED)
    assert out.read_text() == "old\n"
    assert [path.name for path in out.parent.iterdir()] == ["k.csv"]


def test_the_ending_of_the_file_is_the_format(ask, tmp_path):
    names = ("k.csv", "K.CSV", "k.json", "k.parquet")
    for name in names:
        assert ask("sql", "from range(100)", "-o", tmp_path / name) == (0, "", "")
    lines = "range\n" + "".join(f"{number}\n" for number in range(100))
    assert (tmp_path / "k.csv").read_text() == (tmp_path / "K.CSV").read_text() == lines
    assert len(json.loads((tmp_path / "k.json").read_text())["rows"]) == 100
    assert pq.read_table(tmp_path / "k.parquet")["range"].to_pylist() == list(range(100))
    assert ask("sql", "select 1 as a", "-f", "csv", "-o", tmp_path / "k.parquet")[0] == 0
    assert (tmp_path / "k.parquet").read_text() == "a\n1\n"


def test_an_ending_that_says_no_format_is_refused(ask, tmp_path):
    for name in ("k.txt", "k", "k.csv.gz"):
        code, _, said = ask("sql", "select 1", "-o", tmp_path / name)
        assert code == 2
        assert f"the ending of '{name}' says no format" in said
        assert "allowed: .csv, .json, .parquet" in said
        assert "to do:   --format table|csv|json|parquet" in said
        assert not (tmp_path / name).exists()
    assert ask("sql", "select 1 as a", "-f", "table", "-o", tmp_path / "k")[0] == 0
    assert (tmp_path / "k").read_text() == "a\n-\n1\n"


def test_a_link_stays_one_and_a_pipe_is_no_file_to_be_replaced(ask, tmp_path):
    (tmp_path / "k.csv").write_text("old\n")
    (tmp_path / "link.csv").symlink_to("k.csv")
    assert ask("sql", "select 1 as a", "-o", tmp_path / "link.csv")[0] == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "k.csv").read_text() == "a\n1\n"
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read_text)
        assert ask("sql", "select 1 as a", "-o", pipe)[0] == 0
        assert read.result() == "a\n1\n"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("source", [
    "'set.parquet'", "read_parquet('/any/mine.parquet')", "read_parquet('{home}/tables/a.parquet')",
    "parquet_metadata('set.parquet')", "'set.csv'", "'set.json'",
])
def test_a_file_of_the_users_own_is_not_to_be_deleted(ask, home, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.parquet").write_bytes(b"PAR1")
    code, _, said = ask("sql", f"from {source.format(home=home)}")
    assert code == 2
    assert "Cannot access file" in said
    assert "to do:   a session reads the tables of the home and nothing else" in said
    assert "delete" not in said


def test_control_characters_are_written_out_for_a_terminal_alone(ask):
    query = "select chr(27) || '[2J' as \"a\x1b[1m\", 'b' || chr(155) || chr(9) || chr(10) as c"
    code, answer, _ = ask("sql", query)
    assert code == 0
    assert answer.splitlines()[0].split() == [r"a\x1b[1m", "c"]
    assert answer.splitlines()[2].split() == [r"\x1b[2J", r"b\x9b\t"]
    assert ask("sql", query, "-f", "csv")[1] == 'a\x1b[1m,c\n\x1b[2J,"b\x9b\t\n"\n'
    assert json.loads(ask("--json", "sql", query)[1])["rows"] == [
        {"a\x1b[1m": "\x1b[2J", "c": "b\x9b\t\n"}]
    code, _, said = ask("sql", "select error(chr(27) || '[2J')")
    assert code == 2
    assert said.startswith("error: Invalid Input Error: \\x1b[2J\n")


def test_times_have_the_decimals_of_their_type(ask):
    query = ("select '2024-08-08'::timestamp_ns as n, '2024-08-08'::timestamp as u, "
             "'2024-08-08'::timestamptz as z")
    assert json.loads(ask("--json", "sql", query)[1])["rows"] == [{
        "n": "2024-08-08 00:00:00.000000000", "u": "2024-08-08 00:00:00.000000",
        "z": "2024-08-08 00:00:00.000000Z",
    }]
    told = " ".join(ask("sql", "--help")[1].split())
    assert "nine of the tables' own, TIMESTAMP_NS, six of TIMESTAMP and" in told


def test_any_number_of_rows_may_be_asked_for(ask):
    code, answer, _ = ask("sql", "from range(50)", "--rows", 10**20)
    assert code == 0
    assert answer.splitlines()[-1].strip() == "49"


@pytest.mark.parametrize(("given", "words"), [
    (b"select 1 \xff", "byte 10 is not UTF-8 text"), (None, "there is no standard input"),
])
def test_a_query_that_cannot_be_read_from_standard_input(home, given, words):
    closed = {"preexec_fn": lambda: os.close(0)} if given is None else {"input": given}
    done = subprocess.run(
        command("sql", "-", home=home), capture_output=True, check=False, **closed
    )
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"error: {words}\n  where:   standard input\n")


def test_a_query_is_read_from_standard_input(home):
    done = subprocess.run(command("sql", "-", "-f", "csv", home=home), input="select 'é' as a",
                          capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout == "a\né\n"


def test_without_a_standard_output_there_is_no_answer(home):
    done = subprocess.run(
        command("sql", "select 1", home=home), stderr=subprocess.PIPE, text=True, check=False,
        preexec_fn=lambda: os.close(1),
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no standard output\n")
