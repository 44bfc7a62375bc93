import hashlib
import json

import pytest

from imbalance.config import StudiesConfig
from imbalance.config_file import load_config
from imbalance.errors import UserError
from imbalance.studies.correlation.series_pairs import series_pairs
from imbalance.studies.correlation.study import CorrelationFamily
from imbalance.studies.families import bar_sizes, declare, families_table
from imbalance.studies.feedback.study import FeedbackFamily
from imbalance.studies.measures import REGIME_LEVELS
from imbalance.studies.pairs import base_asset, instrument_pairs, is_perpetual
from imbalance.studies.tables import FAMILIES


def family(**changes):
    settings = {"name": "f", "question": "?", "x_measures": ("a",), "y_measures": ("b",)}
    return CorrelationFamily(**(settings | changes))


def test_declaration_follows_the_configuration():
    config = StudiesConfig(bar_sizes=("10s", "1m"), replications=199, seed=5, significance=0.1)
    declaration = declare(config)
    correlation = declaration["correlation"]
    assert bar_sizes(correlation) == ("10s", "1m")
    read = {name for one in correlation for name in one.measures}
    assert "realised_variance" in read
    assert not any(name.startswith("absolute") for name in read)
    assert declaration["feedback"][0].replications == 199
    assert all(f.significance == 0.1 for families in declaration.values() for f in families)


def test_the_question_that_started_it_is_declared():
    named = {f.name: f for f in declare()["correlation"]}
    asked = named["perpetual_imbalance_and_spot_volatility"]
    assert asked.y_measures == ("realised_variance",)
    assert asked.pairs == ("perpetual_to_spot",)
    assert any(lag > 0 for lag in asked.lags)


def test_every_family_is_also_estimated_by_every_regime():
    assert {f.regimes for f in declare()["correlation"]} == {tuple(REGIME_LEVELS)}


def test_families_are_written_down_whole():
    table = families_table(declare())
    assert table.schema.equals(FAMILIES.arrow_schema())
    rows = table.to_pylist()
    assert len({(row["study"], row["family"]) for row in rows}) == len(rows)
    declared = json.loads(rows[0]["declaration"])
    assert declared["lags"] == list(declare()["correlation"][0].lags)
    for row in rows:
        text = row["declaration"].encode()
        assert row["declaration_hash"] == hashlib.sha256(text).hexdigest()


def configured(tmp_path, text):
    path = tmp_path / "imbalance.toml"
    path.write_text(text)
    return declare(load_config(path).studies)


def test_a_family_is_changed_and_another_one_added_by_the_configuration(tmp_path):
    declaration = configured(tmp_path, """
        [studies.families.correlation.market_correlation]
        lags = [-1, 0, 1]
        significance = 0.01
        [studies.families.correlation.spread_and_depth]
        question = "Does a wide spread go with a thin book?"
        x_measures = ["spread_bps_mean"]
        y_measures = ["depth_touch_mean"]
    """)
    named = {f.name: f for f in declaration["correlation"]}
    assert named["market_correlation"].lags == (-1, 0, 1)
    assert named["market_correlation"].significance == 0.01
    assert named["market_correlation"].y_measures == ("return_bps",)
    assert named["spread_and_depth"].measures == ("spread_bps_mean", "depth_touch_mean")
    assert declaration["feedback"] == declare()["feedback"]


@pytest.mark.parametrize(
    ("header", "setting", "message", "line"),
    [
        ("correlatoin.f", "lags = [1]", "did you mean 'correlation'", 1),
        ("correlation.market_corelation", "lags = [1]", "did you mean 'market_correlation'", 1),
        ("correlation.market_correlation", "lag = [1]", "did you mean 'lags'", 2),
        ("correlation.market_correlation", 'lags = ["one"]', "not allowed", 2),
        ("correlation.market_correlation", "lags = [true]", "not allowed", 2),
        ("correlation.market_correlation", 'bar_sizes = ["1sec"]', "unknown bar size", 1),
        ("correlation.new", 'question = "?"', "not declared whole", 1),
        ("feedback.flow_and_return", 'criterion = "cv"', "not allowed", 2),
    ],
)
def test_what_a_configuration_gets_wrong_is_named_with_its_line(
    tmp_path, header, setting, message, line
):
    with pytest.raises(UserError, match=message) as caught:
        configured(tmp_path, f"[studies.families.{header}]\n{setting}\n")
    assert caught.value.where.endswith(f"imbalance.toml:{line}")
    assert caught.value.allowed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bar_sizes": ("1sec",)}, "unknown bar size '1sec'"),
        ({"pairs": ("crss",)}, "did you mean 'cross'"),
        ({"estimators": ("kendal",)}, "did you mean 'kendall'"),
        ({"regimes": ("depht",)}, "did you mean 'depth'"),
        ({"lags": ()}, "no lag is declared"),
        ({"horizons": (0,)}, "below one bar"),
        ({"minimum_bars": 3}, "minimum_bars = 3"),
        ({"replications": 98}, "replications = 98"),
        ({"regimes": ("depth",), "regime_lags": ()}, "no regime lag is declared"),
    ],
)
def test_wrong_declarations_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        family(**changes)


def test_wrong_feedback_declarations_are_named():
    with pytest.raises(UserError, match="two or more"):
        FeedbackFamily(variables=("return_bps",))
    with pytest.raises(UserError, match="unknown criterion"):
        FeedbackFamily(criterion="cv")
    with pytest.raises(UserError, match="maximum_lag = 0"):
        FeedbackFamily(maximum_lag=0)


@pytest.mark.parametrize(
    ("instrument", "base", "perpetual"),
    [
        ("binance:BTCUSDT", "BTC", False),
        ("binance-futures:ETHUSDT", "ETH", True),
        ("binance-futures:BTCUSDT_240927", "BTC", False),
        ("binance-delivery:BTCUSD_PERP", "BTC", True),
        ("binance:ETHBTC", "ETH", False),
        ("binance-futures:1000PEPEUSDC", "1000PEPE", True),
        ("okex-swap:BTC-USDT-SWAP", "BTC", True),
        ("deribit:BTC-PERPETUAL", "BTC", True),
        ("bybit:BTCUSDT", "BTC", True),
        ("coinbase:BTC-USD", "BTC", False),
        ("kraken:XBT/USD", "BTC", False),
        ("huobi:btcusdt", "BTC", False),
        ("deribit:BTC-27SEP24-60000-C", "BTC-27SEP24-60000-C", False),
        ("nobody:BTCUSDT", "BTC", False),
    ],
)
def test_names_of_instruments(instrument, base, perpetual):
    assert base_asset(instrument) == base
    assert is_perpetual(instrument) == perpetual


def test_perpetuals_are_paired_with_the_spot_of_their_base():
    instruments = ["binance:BTCUSDT", "binance:ETHUSDT", "binance-futures:BTCUSDT",
                   "binance-delivery:BTCUSD_PERP", "binance-futures:BTCUSDT_240927"]
    assert instrument_pairs(("perpetual_to_spot",), instruments, ()) == [
        ("binance-delivery:BTCUSD_PERP", "binance:BTCUSDT"),
        ("binance-futures:BTCUSDT", "binance:BTCUSDT"),
    ]


def test_perpetuals_of_every_venue_are_paired():
    instruments = ["coinbase:BTC-USD", "deribit:BTC-PERPETUAL", "okex:ETH-USDT",
                   "okex-swap:ETH-USDT-SWAP"]
    assert instrument_pairs(("perpetual_to_spot",), instruments, ()) == [
        ("deribit:BTC-PERPETUAL", "coinbase:BTC-USD"),
        ("okex-swap:ETH-USDT-SWAP", "okex:ETH-USDT"),
    ]


def test_mirrored_pairs_are_declared_once():
    same = family(y_measures=("a",), pairs=("own", "cross"))
    assert series_pairs(same, ["A", "B"], ["A", "B"]) == [
        (("A", "a"), ("A", "a")), (("A", "a"), ("B", "a")), (("B", "a"), ("B", "a")),
    ]
    one_sided = family(y_measures=("a",), pairs=("cross",), lags=(0, 1, 2))
    assert len(series_pairs(one_sided, ["A", "B"], ["A", "B"])) == 2
