"""`imbalance training-set` on a home that a run has filled, and on its generation."""

import json

import pyarrow.parquet as pq
import pytest

from imbalance.cli.main import run
from tests.cli.process import words

FEATURES = ("-F", "bars_1s.order_flow_imbalance", "-F", "bars_10s.queue_imbalance")


@pytest.fixture
def asked(filled, capfd):
    """Ask for a training set of the filled home and return how it ended and what it said."""

    def call(*more):
        code = run(words("--json", "training-set", *FEATURES, *more, home=filled.home,
                         config=filled.config))
        return code, json.loads(capfd.readouterr().out)

    return call


def test_from_the_home_and_from_its_generation(asked, tmp_path):
    code, told = asked("-H", "5s", "--folds", "3", "-o", tmp_path / "a.parquet")
    assert code == 0, told
    rows = pq.read_table(tmp_path / "a.parquet")
    assert told["rows"] == rows.num_rows > 100
    assert told["columns"] == rows.column_names
    assert {"forward_5s_return_bps", "fold", "purged_for"} <= {*told["columns"]}
    assert "ledger_sequence" in told["source"]
    code, published = asked("-H", "5s", "--folds", "3", "-g", "current", "-o",
                            tmp_path / "b.parquet")
    assert code == 0, published
    assert "generation" in published["source"]
    assert pq.read_table(tmp_path / "b.parquet").equals(rows)


def test_at_each_trade(asked, tmp_path):
    code, told = asked("--spine", "trades", "-i", "binance:BTCUSDT", "-o", tmp_path / "a.csv")
    assert code == 0, told
    assert len((tmp_path / "a.csv").read_text().splitlines()) == told["rows"] + 1 > 10


def test_what_cannot_be_is_refused(asked, tmp_path):
    out = ("-o", tmp_path / "a.parquet")
    for more, said in (
        (("-o", tmp_path / "a.xlsx"), "no kind of file"),
        (("--spine", "trade", *out), "did you mean 'raw.trades'"),
        (("--from", "noon", *out), "'noon' is no time"),
        (("-i", "binance:BTCUSD", *out), "did you mean 'binance:BTCUSDT'"),
        (("--as-of", "2024-08-08", "-g", "current", *out), "a record of its own"),
        (("--spine", tmp_path / "none.csv", *out), "cannot be read"),
    ):
        code, told = asked(*more)
        assert code == 2, more
        assert said in told["error"], told
    assert not (tmp_path / "a.parquet").exists()
