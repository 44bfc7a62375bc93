"""`imbalance training-set` on a home that a run has filled, and on its generation."""

import json

import pyarrow.parquet as pq

from tests.cli.process import imbalance

FEATURES = ("-F", "bars_1s.order_flow_imbalance", "-F", "bars_10s.queue_imbalance")


def asked(filled, *more):
    done = imbalance("--json", "training-set", *FEATURES, *more, home=filled.home,
                     config=filled.config)
    return done.returncode, json.loads(done.stdout)


def test_from_the_home_and_from_its_generation(filled, tmp_path):
    code, told = asked(filled, "-H", "5s", "--folds", "3", "-o", tmp_path / "a.parquet")
    assert code == 0, told
    rows = pq.read_table(tmp_path / "a.parquet")
    assert told["rows"] == rows.num_rows > 100
    assert told["columns"] == rows.column_names
    assert {"forward_5s_return_bps", "fold", "purged_for"} <= {*told["columns"]}
    assert "ledger_sequence" in told["source"]
    code, published = asked(filled, "-H", "5s", "--folds", "3", "-g", "current",
                            "-o", tmp_path / "b.parquet")
    assert code == 0, published
    assert "generation" in published["source"]
    assert pq.read_table(tmp_path / "b.parquet").equals(rows)


def test_at_each_trade(filled, tmp_path):
    code, told = asked(filled, "--spine", "trades", "-i", "binance:BTCUSDT",
                       "-o", tmp_path / "a.csv")
    assert code == 0, told
    assert len((tmp_path / "a.csv").read_text().splitlines()) == told["rows"] + 1 > 10


def test_what_cannot_be_is_refused(filled, tmp_path):
    out = ("-o", tmp_path / "a.parquet")
    for more, words in (
        (("-o", tmp_path / "a.xlsx"), "no kind of file"),
        (("--spine", "trade", *out), "did you mean 'raw.trades'"),
        (("--from", "noon", *out), "'noon' is no time"),
        (("-i", "binance:BTCUSD", *out), "did you mean 'binance:BTCUSDT'"),
        (("--as-of", "2024-08-08", "-g", "current", *out), "a record of its own"),
        (("--spine", tmp_path / "none.csv", *out), "cannot be read"),
    ):
        code, told = asked(filled, *more)
        assert code == 2, more
        assert words in told["error"], told
    assert not (tmp_path / "a.parquet").exists()
