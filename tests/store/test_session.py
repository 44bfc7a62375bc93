"""Sessions: what they show, at which sequence, and that nobody gets out of them."""

import shutil
from pathlib import Path

import duckdb
import pytest

from imbalance.contracts import Column, Table
from imbalance.errors import UserError
from imbalance.store import Home, Store
from imbalance.store.absent import refusal_in
from imbalance.store.session import check_query
from imbalance.store.sqlfiles import quote_ident, quote_text, read_sql
from imbalance.store.task import remove
from tests.store.samples import BARS, PARTITION, TABLES, bars, events, put


def one(session, query, *parameters):
    return session.execute(query, list(parameters)).fetchone()


def test_every_table_is_there_typed_and_empty_without_files(store):
    with store.session() as session:
        for table in TABLES.values():
            types = {row[0]: row[1] for row in session.execute(f"describe {table.name}").fetchall()}
            assert types == {c.name: c.type for c in table.columns} | {
                "recorded_at": "TIMESTAMP_NS"
            }
            assert session.execute(f"from {table.name}").fetchall() == []


def test_the_real_catalog_opens(tmp_path):
    with Store(Home.open(tmp_path / "it's a home", create=True)).session() as session:
        assert one(session, "select count(*) from features.bars_1s") == (0,)
        assert one(session, "select count(*) from studies.correlation") == (0,)


def test_rows_come_with_the_time_of_their_commit(store):
    put(store, "raw.events", events(10))
    put(store, "raw.events", events(20), "2024-08-09|binance-futures")
    with store.session() as session:
        found = session.execute(
            "select epoch_ns(recorded_at), count(*) from raw.events group by 1 order by 1"
        ).fetchall()
    entries = store.ledger.partitions("raw.events")
    assert found == sorted((entry.recorded_at, entry.row_count) for entry in entries.values())


def test_a_session_reads_at_one_sequence(store):
    put(store, "raw.events", events(10))
    before = store.session()
    put(store, "raw.events", events(20))
    remove(store, tables=["raw.events"], partition=PARTITION)
    query = "select count(*), getvariable('ledger_sequence') from raw.events"
    assert one(before, query) == (10, 1)
    for at, count in ((0, 0), (1, 10), (2, 20), (3, 0), (None, 0)):
        with store.session(at) as session:
            assert one(session, query) == (count, 3 if at is None else at)
    with pytest.raises(UserError, match="no sequence 4"):
        store.session(4)
    before.close()


def test_history_has_every_version(store):
    put(store, "raw.events", events(10))
    put(store, "raw.events", events(10), version="2")  # the same rows: known since the first time
    put(store, "raw.events", events(20))
    put(store, "raw.events", events(10))  # and back again
    put(store, "raw.events", events(5), "2024-08-09|binance-futures")
    remove(store, tables=["raw.events"], partition="2024-08-09|binance-futures")
    times = [entry.recorded_at for entry in store.ledger.history("raw.events")]
    query = (
        "select epoch_ns(recorded_at), epoch_ns(superseded_at), count(*) "
        "from raw.events_history group by all order by 1"
    )
    with store.session() as session:
        assert session.execute(query).fetchall() == [
            (times[0], times[2], 10), (times[2], times[3], 20), (times[3], None, 10),
            (times[4], times[5], 5),
        ]
        for at in (times[0] - 1, times[0], times[2] - 1, times[2], times[4], times[5]):
            recorded = f"make_timestamp_ns({at})"
            (then,) = one(session, f"select count(*) from as_recorded('raw.events_history', "
                                   f"{recorded})")
            with store.session(store.ledger.sequence_at(at)) as earlier:
                assert one(earlier, "select count(*) from raw.events") == (then,)
    store.home.file(store.ledger.history("raw.events")[2].file).unlink()  # given up
    with store.session() as session:
        assert one(session, "select count(*) from raw.events_history") == (25,)


def test_comments_come_from_the_registry(store):
    with store.session() as session:
        assert one(session, "select comment from duckdb_views() where view_name = 'bars'") == (
            'Bars of the tests; it\'s "quoted". Grain: one row per instrument and bar.',
        )
        query = "select comment from duckdb_columns() where table_name = 'bars' and column_name = ?"
        assert one(session, query, "order_flow_imbalance") == (
            "Flow. Unit: base. Null: the bar is poisoned.",
        )
        assert "committed" in one(session, query, "recorded_at")[0]


def test_files_of_an_older_shape_show_null_for_what_they_lack(store):
    put(store, "features.bars", bars(5))
    new = Column("fresh", "DOUBLE", "New.", nullable=True, null_meaning="not computed")
    wider = Table(**{**BARS.__dict__, "columns": (*BARS.columns, new)})
    later = Store(store.home, tables={**TABLES, "features.bars": wider})
    rows = bars(3, day="2024-08-09")
    put(later, "features.bars", rows.append_column("fresh", [[1.0, 2.0, 3.0]]),
        "2024-08-09|binance-futures")
    with later.session() as session:
        assert one(session, "select count(*), count(fresh), sum(fresh) from features.bars") == (
            8, 3, 6.0
        )
        by_day = "select count(distinct recorded_at) from features.bars"
        assert one(session, by_day) == (2,)


ASKED = (
    "from {0}", "select count(*) from {0}", "select count(*) from {0} where event_id = 1",
    "select count(*) from {0} where event_time > '2024-08-09' and instrument in ('x', 'y')",
    "select count(*) from {0} where price is null", "select max(len(sizes)) from {0}",
    "select count(*) from features.bars where instrument not in (select instrument from {0})",
    "select count(*) from features.bars semi join {0} using (instrument)",
    "select count(*) from (from {0} union all by name from features.bars) where instrument = 'x'",
    "select 1 where exists (from {0})", "from {0} limit 1", "summarize {0}",
)


@pytest.mark.parametrize("query", ASKED)
def test_who_asks_a_table_with_a_missing_file_is_refused(store, query):
    put(store, "raw.events", events(5))
    put(store, "raw.events", events(7), "2024-08-09|binance-futures")
    put(store, "features.bars", bars(3))
    path = store.home.file(store.ledger.current("raw.events", PARTITION).file)
    path.unlink()
    with store.session() as session:
        assert one(session, "select count(*) from features.bars") == (3,)
        assert one(session, "select column_type from (describe raw.events) "
                            "where column_name = 'sizes'") == ("DOUBLE[]",)
        for table in ("raw.events", "raw.events_history"):
            with pytest.raises(duckdb.Error) as caught:
                session.execute(query.format(table)).fetchall()
            refusal = refusal_in(caught.value)
            assert refusal.what == f"{table}: a partition file is missing"
            assert refusal.where == str(path)
            assert "imbalance run" in refusal.fix


@pytest.mark.parametrize("spoilt", [b"garbage", bytes(500), b"PAR1" + bytes(500) + b"PAR1"])
@pytest.mark.parametrize("which", [0, 1])
def test_who_asks_a_table_with_a_file_that_is_no_parquet_is_refused(store, which, spoilt):
    put(store, "raw.events", events(5))
    put(store, "raw.events", events(7), "2024-08-09|binance-futures")
    put(store, "features.bars", bars(3))
    names = [entry.file for entry in store.ledger.partitions("raw.events").values()]
    path = store.home.file(names[which])
    path.chmod(0o644)
    path.write_bytes(spoilt)
    with store.session() as session:
        assert one(session, "select count(*) from features.bars") == (3,)
        for table in ("raw.events", "raw.events_history"):
            with pytest.raises(duckdb.Error) as caught:
                session.execute(f"from {table}").fetchall()
            refusal = refusal_in(caught.value)
            assert refusal.what.endswith("a partition file cannot be read")
            assert (refusal.where, refusal.exit_code) == (str(path), 1)
            assert "imbalance run" in refusal.fix


def test_a_survey_leaves_a_file_out_that_is_no_parquet(store):
    put(store, "raw.events", events(5))
    put(store, "raw.events", events(7), "2024-08-09|binance-futures")
    path = store.home.file(store.ledger.current("raw.events", PARTITION).file)
    path.chmod(0o644)
    path.write_bytes(b"garbage")
    with store.survey(["raw.events"]) as session:
        assert one(session, "select count(*) from raw.events") == (7,)


def test_a_home_may_be_named_by_a_way_up(store, monkeypatch, tmp_path):
    put(store, "raw.events", events(5))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    up = Path("..", *store.home.root.relative_to(tmp_path).parts)
    with Store(Home.open(up), tables=TABLES).session() as session:
        assert one(session, "select count(*) from raw.events") == (5,)


def test_other_errors_are_no_refusals():
    assert refusal_in(ValueError("a partition file is missing")) is None


def test_a_survey_leaves_a_missing_file_out_and_is_locked_down(store):
    put(store, "raw.events", events(5))
    put(store, "raw.events", events(7), "2024-08-09|binance-futures")
    store.home.file(store.ledger.current("raw.events", PARTITION).file).unlink()
    put(store, "features.bars", bars(5))
    with store.survey(["raw.events"]) as session:
        assert one(session, "select count(*) from raw.events") == (7,)
        assert one(session, "select count(distinct recorded_at) from raw.events") == (1,)
        hidden = store.home.file(store.ledger.current("features.bars", PARTITION).file)
        for statement in (f"from read_parquet('{hidden}')", "set enable_external_access = true"):
            with pytest.raises(duckdb.Error, match=r"disabled|locked"):
                session.execute(statement)


ESCAPES = [
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/hostname')",
    "select * from read_json('/etc/passwd')",
    "select * from '/etc/passwd'",
    "select * from read_parquet('{other}')",
    "select * from read_parquet('{tables}/*/*/*.parquet')",
    "select * from glob('{tables}/*')",
    "select * from parquet_metadata('{other}')",
    "select * from read_parquet('{file}/../{name}')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from read_csv('https://example.org/x.csv')",
    "select getenv('HOME')",
    "attach '/tmp/escape.duckdb'",
    "attach '{ledger}' (type sqlite)",
    "copy (select 1) to '/tmp/escape.csv'",
    "copy (select 1) to '{other}'",
    "copy (select 1) to '{file}'",
    "copy raw.events to '{tables}/escape.parquet'",
    "export database '/tmp/escape'",
    "import database '/tmp'",
    "install httpfs",
    "load httpfs",
    "load '/tmp/x.duckdb_extension'",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "set allowed_paths = ['/etc/passwd']",
    "set allowed_directories = ['/']",
    "reset lock_configuration",
    "set autoload_known_extensions = true",
    "set profiling_output = '/tmp/escape.json'",
    "set temp_directory = '/tmp'",
    "set log_query_path = '/tmp/escape.log'",
    "select * from frame",
    "create persistent secret s (type s3, key_id 'a', secret 'b')",
    "call force_checkpoint('nowhere')",
]


@pytest.mark.parametrize("statement", ESCAPES)
def test_nobody_gets_out_of_a_session(store, statement):
    put(store, "raw.events", events(5))
    put(store, "features.bars", bars(5))
    put(store, "raw.events", events(6))  # the first file is history, which is read as well
    history = store.ledger.history("raw.events", PARTITION)
    file = str(store.home.file(history[1].file))
    other = f"{store.home.tables_dir}/raw/events/nobody-names-it.parquet"
    shutil.copyfile(file, other)
    before = {p: p.read_bytes() for p in store.home.tables_dir.rglob("*.parquet")}
    frame = bars(1)  # what a replacement scan would find
    text = statement.format(
        file=file, other=other, name=file.rsplit("/", 1)[1], tables=store.home.tables_dir,
        ledger=store.home.ledger_path,
    )
    with store.session() as session:
        with pytest.raises(duckdb.Error):
            session.execute(text).fetchall()
        assert one(session, "select count(*) from raw.events") == (6,)
    assert {p: p.read_bytes() for p in store.home.tables_dir.rglob("*.parquet")} == before
    assert frame.num_rows == 1


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1) to '{file}' (use_tmp_file false)",
        "explain analyze copy (select 1) to '{file}' (use_tmp_file false)",
        "select 1; copy (select 1) to '{file}' (use_tmp_file false)",
        "EXPLAIN (analyze, format json) copy (select 1) to '{file}'",
        "explain/**/analyze copy (select 1) to '{file}' (use_tmp_file false)",
        "explain analyze /* ; /* */ select 1 -- */ copy (select 1) to '{file}'",
        "explain (analyze /* ) select 1 -- */ ) copy (select 1) to '{file}'",
        "explain analyze --\r copy (select 1) to '{file}' --\n select 1",
        "explain analyze /* */ copy (select 1) to '{file}' /* */ --\n select 1",
        "/* /* */ explain */ explain select 1",
        "prepare p as copy (select 1) to '{file}' (use_tmp_file false)",
        "insert into raw.events select * from raw.events",
        "drop view raw.events",
        "attach ':memory:' as other",
        "copy (pivot raw.events on instrument using count(*)) to '{file}' (use_tmp_file false)",
        "/* select */ copy (pivot raw.events on instrument using count(*)) to '{file}'",
        "set threads = 1",
        "create table x as select 1",
        "create or replace temp view x as select 1; from x",
        "create type x as enum (select 'a')",
        "create temp table x as select 1",
        "select 1; create temp table x as select 1",
        "create table x as select 1; from x",
        "create temp table x as select 1; select 1; from x",
        "create temp table x as select 1; copy x to '{file}'",
        "/**/ create table x as pivot raw.events on instrument using count(*)",
        "create table x as pivot raw.events on instrument using count(*); from x",
        "select 1; create table x as pivot raw.events on instrument using count(*)",
        "select 1; select 2",
        "pivot raw.events on instrument using count(*); select 2",
        "",
        "selec 1",
    ],
)
def test_only_queries_pass_the_check(store, query):
    put(store, "raw.events", events(5))
    file = store.home.file(store.ledger.current("raw.events", PARTITION).file)
    with store.session() as session, pytest.raises(UserError):
        check_query(session, query.format(file=file))


@pytest.mark.parametrize(
    "query",
    [
        "select 1",
        "from raw.events",
        "with a as (select 1 as b) select * from a;",
        "describe raw.events",
        "summarize raw.events",
        "show all tables",
        "explain select 1",
        "explain analyze select count(*) from raw.events",
        "EXPLAIN (format json) select 1",
        "explain/**/select 1",
        "-- why\nexplain /* how */ analyze -- how long\n select 1",
        "explain (select 1)",
        "pivot raw.events on instrument using count(*)",
        "-- a pivot\nfrom (pivot raw.events on instrument using count(*))",
        "with p as (pivot raw.events on instrument using count(*)) from p",
        "select 1;;",
        "create temp table x as select 1; from x",
        "/* a */ CREATE OR REPLACE TEMPORARY TABLE x AS select 1;from x",
        "create temp table x as select 1; create temp table y as from x; from y",
        "-- why\nselect 'copy to'",
    ],
)
def test_queries_pass_the_check(store, query):
    with store.session() as session:
        check_query(session, query)
        session.execute(query).fetchall()


def test_what_is_not_one_query_is_said_to_be_what_it_is(store):
    told = {
        "create table x as select 1": "only queries are allowed, this is CREATE",
        "select 1; select 2": "there are 2 queries, and only the last would be answered",
    }
    with store.session() as session:
        for query, what in told.items():
            with pytest.raises(UserError) as caught:
                check_query(session, query)
            assert (caught.value.what, caught.value.exit_code) == (what, 2)


def test_identifiers_and_texts_are_quoted():
    assert quote_ident('a"b; drop') == '"a""b; drop"'
    assert quote_text("it's") == "'it''s'"
    with duckdb.connect() as connection:
        for name in ('x"y', "select", "a b", "ünï", "'"):
            connection.execute(f"select 1 as {quote_ident(name)}")
            assert connection.description[0][0] == name
    for bad in ("", "a\0b"):
        with pytest.raises(ValueError, match="identifier"):
            quote_ident(bad)


def test_queries_are_read_from_sql_only():
    for name in ("../pyproject.toml", "/etc/passwd"):
        with pytest.raises(ValueError, match="leads out"):
            read_sql(name)
    with pytest.raises(FileNotFoundError, match=r"sql/nothing\.sql"):
        read_sql("nothing.sql")
