"""The commands on a filled home: what they answer, in text and in JSON."""

import csv
import io
import json
import re
import sqlite3
import subprocess

import pyarrow.parquet as pq
import pytest

from imbalance import catalog
from imbalance.cli.main import run
from imbalance.cli.process import environment
from imbalance.store.home import Home
from imbalance.store.store import Store
from tests.cli.conftest import SECRET
from tests.cli.process import command, words

INSTRUMENTS = ["binance-futures:BTCUSDT", "binance:BTCUSDT"]


@pytest.fixture
def ask(filled, capfd):
    """Run a command on the filled home and return its output."""

    def call(*arguments, code=0):
        ended = run(words(*arguments, home=filled.home, config=filled.config))
        said = capfd.readouterr()
        assert ended == code, said
        assert "Traceback" not in said.err
        assert SECRET not in said.out + said.err
        return said.out if code in {0, 5} else said.err

    return call


def test_the_run_accounts_for_every_line(filled):
    summary = filled.summary
    captures = summary["captures"]
    assert summary["status"] == "done"
    assert captures["new"] == captures["files"] == 4
    assert captures["lines_read"] == (
        captures["lines_decoded"] + captures["lines_ignored"] + captures["lines_quarantined"]
    )
    assert captures["lines_read"] > 3_000
    assert summary["proof"]["compared"] > 100
    assert summary["proof"]["mismatched"] == 0
    assert summary["partitions"]["left"] == 0
    assert summary["failures"] == []
    assert all(summary["bars"].values())
    assert summary["generation"].startswith("000001-")


def test_a_second_run_does_nothing_and_says_so(filled, ask):
    before = Store.open(filled.home).ledger.last_sequence()
    said = ask("run", filled.captures)
    assert said.startswith("nothing to do: all ")
    assert Store.open(filled.home).ledger.last_sequence() == before
    document = json.loads(ask("--json", "run"))
    assert document["status"] == "nothing_to_do"
    assert document["log"] is None  # Dagster was not started
    assert document["partitions"]["built"] == 0


def test_the_same_bytes_under_another_name_add_nothing(filled, ask, tmp_path):
    first = next(filled.captures.rglob("*.gz"))
    (tmp_path / "copy.gz").write_bytes(first.read_bytes())
    assert ask("run", tmp_path / "copy.gz").startswith("nothing to do")


def test_a_refused_file_is_told_of_by_each_run_and_each_ingest(ask, filled, tmp_path):
    captures = tmp_path / "in"
    captures.mkdir()
    (captures / "words.txt").write_text("nothing of this\n")
    (captures / "gone.gz").symlink_to(tmp_path / "nowhere")
    for code, new in ((5, True), (0, False)):
        said = ask("run", captures, code=code)
        assert said.startswith("nothing to do: all ")
        assert re.search(rf"{captures}/words\.txt +unknown format", said)
        assert re.search(rf"skipped:.*{captures}/gone\.gz +a link to nothing", said, re.DOTALL)
        assert ("1 line newly quarantined" in said) == new
    (captures / "others.txt").write_text("nothing of that\n")
    for code in (5, 0):  # which is for what is new
        said = ask("ingest", captures, code=code)
        assert re.search(r"words\.txt +refused", said)
        assert re.search(r"others\.txt +refused", said)
        assert re.search(r"gone\.gz +skipped +a link to nothing", said)


def test_status(ask):
    document = json.loads(ask("status", "--json"))
    assert set(document) == {
        "home", "ledger_sequence", "generation", "captures", "tables", "due", "coverage",
        "quarantine", "overdue", "unknown_instruments", "missing_trades",
    }
    assert document["due"] == document["missing_trades"] == []
    states = {row["table"]: row for row in document["tables"]}
    assert states["features.bars_1s"] == {
        "table": "features.bars_1s", "current": 4, "stale": 0, "missing": 0, "failed": 0,
    }
    assert states["studies.correlation"]["current"] == 4  # two days, the window of both, the span
    assert sorted({row["instrument"] for row in document["coverage"]}) == INSTRUMENTS
    assert document["overdue"] == []
    said = ask("status")
    assert "features.bars_1s" in said
    assert "missing by their ids" not in said  # of nothing that is missing


def test_tables_and_describe(ask):
    tables = {row["table"]: row for row in json.loads(ask("tables", "--json"))["tables"]}
    assert set(tables) == {*catalog.tables(), "raw.book_levels"}
    assert tables["features.bars_1s"]["partitions"] == 4
    assert tables["features.bars_1s"]["rows"] == 120
    column = json.loads(ask("--json", "describe", "features.bars_1s.order_flow_imbalance"))
    assert column["type"] == "DOUBLE"
    assert column["unit"] == "base units"
    assert "recorded_at" in ask("describe", "bars_1s")
    bare = json.loads(ask("--json", "describe", "bars_1s.order_flow_imbalance"))
    assert bare == column
    assert "did you mean 'spread_bps'?" in ask("describe", "bars_1s.spread_bp", code=2)
    assert "did you mean 'spread_bps'?" in ask("describe", "features.bars_1s.spread_bp", code=2)
    assert "did you mean 'features.bars_1s'?" in ask("describe", "features.bars_1", code=2)


def test_the_view_of_levels_is_told_of_as_it_is(ask):
    document = json.loads(ask("--json", "describe", "book_levels"))
    told = [(c["column"], c["type"]) for c in document["columns"]]
    query = "select column_name, column_type from (describe raw.book_levels)"
    rows = json.loads(ask("--json", "sql", query))["rows"]
    assert told == [(row["column_name"], row["column_type"]) for row in rows]
    assert "a view of raw.book_updates" in ask("describe", "raw.book_levels")
    tables = {row["table"]: row for row in json.loads(ask("tables", "--json"))["tables"]}
    assert tables["raw.book_levels"]["view_of"] == "raw.book_updates"
    assert tables["raw.book_updates"]["view_of"] is None


def test_sql_writes_intervals_and_bytes_as_text(ask, tmp_path):
    query = ("select max(available_at - bar_end) as late, interval '14 months -1.5 seconds' as i, "
             "null::interval as none, '\\xAA\\x01'::blob as b, ['\\xBB'::blob] as more "
             "from features.bars_1s")
    row = json.loads(ask("--json", "sql", query))["rows"][0]
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{6}", row.pop("late"))
    assert row == {"i": "14 months -00:00:01.500000", "none": None, "b": "aa01", "more": ["bb"]}
    (line,) = csv.DictReader(io.StringIO(ask("sql", query, "-f", "csv")))
    assert (line["i"], line["b"]) == (row["i"], "aa01")
    assert "14 months -00:00:01.500000  NULL  aa01  ['bb']" in ask("sql", query)
    assert "cast it in the query" in ask(
        "sql", query, "-f", "parquet", "-o", tmp_path / "x.parquet", code=2
    )


@pytest.mark.parametrize("form", ["table", "csv", "json", "parquet"])
def test_sql_into_a_directory_that_is_not_there(ask, tmp_path, form):
    said = ask("sql", "select 1", "-f", form, "-o", tmp_path / "none" / "x", code=2)
    assert "cannot write" in said
    assert "--output" in said


def test_sql_formats_agree(ask, tmp_path):
    query = "select instrument, count(*) as n from features.bars_1s group by all order by all"
    table = ask("sql", query)
    rows = list(csv.DictReader(io.StringIO(ask("sql", query, "-f", "csv"))))
    document = json.loads(ask("sql", query, "-f", "json"))
    ask("sql", query, "-f", "parquet", "-o", tmp_path / "out.parquet")
    parquet = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["instrument"] for row in rows] == INSTRUMENTS
    assert [{**row, "n": str(row["n"])} for row in document["rows"]] == rows
    assert parquet == document["rows"]
    assert document["columns"] == [
        {"name": "instrument", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT"},
    ]
    assert all(name in table for name in INSTRUMENTS)


def test_sql_keeps_nanoseconds_and_nulls(ask):
    query = ("select max(event_time) as t, null::double as nothing, 'nan'::double as odd "
             "from raw.trades")
    row = json.loads(ask("--json", "sql", query))["rows"][0]
    assert len(row["t"].split(".")[1]) == 9
    assert row["nothing"] is None
    assert row["odd"] is None


def test_sql_loses_no_column_of_a_name_that_comes_again(ask):
    query = "select 1 as a, 2 as a, 3 as a_1, 4 as a, 5 as b"
    document = json.loads(ask("sql", query, "--json"))
    assert document["rows"] == [{"a": 1, "a_2": 2, "a_1": 3, "a_3": 4, "b": 5}]
    assert [column["name"] for column in document["columns"]] == list(document["rows"][0])
    assert ask("sql", query, "-f", "csv") == "a,a,a_1,a,b\n1,2,3,4,5\n"


def test_sql_writes_whole_numbers_of_any_size_as_numbers(ask):
    query = (f"select sum(trade_count) as s, {2**100}::hugeint as power, [7::hugeint] as more, "
             "1.50::decimal(9, 2) as d, 0::decimal(9, 0) as zero, null::hugeint as none "
             "from features.bars_1s")
    row = json.loads(ask("--json", "sql", query))["rows"][0]
    assert isinstance(row.pop("s"), int)
    assert row == {"power": 2**100, "more": [7], "d": "1.50", "zero": 0, "none": None}
    assert f"{2**100}  [7]" in ask("sql", query)


def test_sql_shows_a_screenful_and_says_so(ask):
    said = ask("sql", "from features.bars_1s", "--rows", "3")
    assert "… more rows" in said
    assert len(said.splitlines()) == 6


def test_sql_from_a_generation(filled, ask):
    query = "select count(*) as n from features.bars_1s"
    live = json.loads(ask("--json", "sql", query))["rows"]
    assert json.loads(ask("--json", "sql", query, "-g", "current"))["rows"] == live
    name = filled.summary["generation"]
    assert json.loads(ask("--json", "sql", query, "-g", name))["rows"] == live
    assert "there is no generation 'x'" in ask("sql", query, "-g", "x", code=2)


def test_sql_tells_what_is_not_published_from_what_there_is_not(ask):
    shown = json.loads(ask("--json", "sql", "show all tables", "-g", "current"))["rows"]
    published = {f"{row['schema']}.{row['name']}" for row in shown}
    assert "features.bars_1s" in published
    for query in ("from raw.trades", "from book.book_states", 'from raw."trades"'):
        said = ask("sql", query, "-g", "current", code=2)
        assert "is not published: it is a table of the home alone" in said
        assert "without --generation" in said
        (allowed,) = re.findall(r"allowed: (.*)", said)
        assert set(allowed.split(", ")) == published
    said = ask("sql", "from bars_1s", "-g", "current", code=2)
    assert "there is no table 'bars_1s'; did you mean 'features.bars_1s'?" in said
    said = ask("sql", "from raw.tradesx", "-g", "current", code=2)
    assert "did you mean 'raw.trades'" not in said
    assert "allowed: catalog." in said


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("from features.bars_1x", "did you mean 'features.bars_1s'?"),
        ("from bars_1s", "did you mean 'features.bars_1s'?"),
        ("select mid_clos from features.bars_1s", "did you mean 'mid_close'?"),
        ("selct 1", "syntax error"),
        ("from read_csv('/etc/passwd')", "a session reads the tables of the home"),
        ("from '/etc/passwd'", "/etc/passwd"),
    ],
)
def test_sql_errors_say_what_was_meant(ask, query, hint):
    assert hint in ask("sql", query, code=2)


def test_sql_into_a_closed_pipe(filled):
    reader = subprocess.Popen(
        [*command("sql", "select unnest(range(2000000))", "-f", "csv", home=filled.home)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    reader.stdout.readline()
    reader.stdout.close()
    error = reader.stderr.read()
    reader.stderr.close()
    reader.wait()
    assert b"Traceback" not in error


def test_generations_publish_verify_doctor(filled, ask):
    generations = json.loads(ask("--json", "generations"))["generations"]
    assert [g["current"] for g in generations] == [True]
    assert ask("publish").startswith("nothing to do")
    verified = json.loads(ask("--json", "verify"))
    assert verified["whole"]
    assert verified["missing_captures"] == []
    health = json.loads(ask("--json", "doctor"))
    assert health["healthy"]
    assert {d["subject"] for d in health["diagnoses"]} >= {"versions", "disk", "locks", "ledger"}


def test_report(filled, ask, tmp_path):
    document = json.loads(ask("--json", "report", tmp_path / "out.html"))
    page = (tmp_path / "out.html").read_text()
    assert document["size_bytes"] == (tmp_path / "out.html").stat().st_size
    assert "<script src" not in page
    assert "binance-futures:BTCUSDT" in page
    assert SECRET not in page
    assert "no directory" in ask("report", tmp_path / "none" / "out.html", code=2)


def test_dagster_has_seen_it_all(filled):
    events = filled.home / "dagster" / "history" / "runs"
    assert list(events.glob("*.db"))
    with sqlite3.connect(filled.home / "dagster" / "history" / "runs.db") as runs:
        statuses = [row[0] for row in runs.execute("select status from runs")]
    assert set(statuses) == {"SUCCESS"}


def test_no_captures_of_that_venue(ask):
    said = ask("run", "--venue", "binance-future", code=2)
    assert "did you mean 'binance-futures'?" in said
    said = ask("run", "--from", "2030-01-01", code=2)
    assert "no registered capture holds a day" in said


def test_linear_algebra_has_one_thread_where_the_user_has_not_said_otherwise(
    tmp_path, monkeypatch
):
    home = Home.open(tmp_path / "home", create=True)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert environment(home, None)["OPENBLAS_NUM_THREADS"] == "1"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "6")
    assert environment(home, None)["OPENBLAS_NUM_THREADS"] == "6"
