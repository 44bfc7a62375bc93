"""What Tab offers, asked as a shell asks."""

import pytest

from imbalance.cli.main import cli
from imbalance.store import Home, Store
from imbalance.store.ledger import CaptureFile
from tests.training.samples import bars, put_bars


@pytest.fixture
def home(tmp_path):
    store = Store(Home.open(tmp_path / "home", create=True))
    put_bars(store, bars(count=20))
    store.ledger.register_capture(
        CaptureFile("c", "f" * 64, "a.gz", 5, 1, "raw", "binance", "2024-08-08", "2024-08-09"))
    (store.home.generations_dir / "000001-abcdef01").mkdir()
    return store.home.root


def offered(home, *words):
    from click.shell_completion import ShellComplete

    shell = ShellComplete(cli, {}, "imbalance", "_IMBALANCE_COMPLETE")
    *before, last = words
    return [item.value for item in shell.get_completions(["--home", str(home), *before], last)]


@pytest.mark.parametrize(("words", "expected"), [
    (("describe", "features.bars_1"), ["features.bars_100ms", "features.bars_10s",
                                       "features.bars_1m", "features.bars_1s"]),
    (("describe", "features.bars_1s.vw"), ["features.bars_1s.vwap"]),
    (("training-set", "-F", "bars_5m.mid_h"), ["bars_5m.mid_high"]),
    (("generations", "pin", "0"), ["000001-abcdef01"]),
    (("sql", "-g", "c"), ["current"]),
    (("plan", "--from", "2024-"), ["2024-08-08", "2024-08-09"]),
    (("plan", "--venue", "b"), ["binance"]),
    (("sea",), ["search"]),
])
def test_what_is_there_is_offered(home, words, expected):
    assert offered(home, *words) == expected


def test_instruments_are_those_with_bars(home):
    assert offered(home, "training-set", "-i", "binance:E") == ["binance:ETHUSDT"]


def test_without_a_home_nothing_is_offered_and_nothing_made(tmp_path):
    assert offered(tmp_path / "none", "sql", "-g", "c") == []
    assert not (tmp_path / "none").exists()


def test_a_home_that_cannot_be_read_fails_no_completion(home):
    for path in home.glob("features/**/*.parquet"):
        path.unlink()
    for path in home.rglob("ledger*"):
        if path.is_file():
            path.write_bytes(b"no database" * 100)
    for words in (("training-set", "-i", "b"), ("plan", "--venue", "b"), ("plan", "--from", "2")):
        assert offered(home, *words) == []
