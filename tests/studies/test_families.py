import json

import pytest

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.families import CorrelationFamily, FeedbackFamily, declare, families_table
from imbalance.studies.pairs import base_asset, instrument_pairs, is_perpetual, series_pairs
from imbalance.studies.tables import FAMILIES


def family(**changes):
    settings = {"name": "f", "question": "?", "x_measures": ("a",), "y_measures": ("b",)}
    return CorrelationFamily(**(settings | changes))


def test_declaration_follows_the_configuration():
    config = StudiesConfig(bar_sizes=("10s", "1m"), replications=199, seed=5, significance=0.1)
    declaration = declare(config)
    assert declaration.bar_sizes == ("10s", "1m")
    assert declaration.columns("1s") == ()
    assert "realised_variance" in declaration.columns("1m")
    assert not any(name.startswith("absolute") for name in declaration.columns("1m"))
    assert declaration.feedback[0].replications == 199
    assert all(f.significance == 0.1 for f in (*declaration.correlation, *declaration.feedback))


def test_the_question_that_started_it_is_declared():
    named = {f.name: f for f in declare().correlation}
    asked = named["perpetual_imbalance_and_spot_volatility"]
    assert asked.y_measures == ("realised_variance",)
    assert asked.pairs == ("perpetual_to_spot",)
    assert any(lag > 0 for lag in asked.lags)


def test_every_family_is_also_estimated_by_depth_and_message_intensity():
    assert {f.regimes for f in declare().correlation} == {("depth", "messages")}


def test_families_are_written_down_whole():
    table = families_table(declare())
    assert table.schema.equals(FAMILIES.arrow_schema())
    names = table.column("family").to_pylist()
    assert len(names) == len(set(names))
    declared = json.loads(table.to_pylist()[0]["declaration"])
    assert declared["lags"] == list(declare().correlation[0].lags)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bar_sizes": ("1sec",)}, "unknown bar size '1sec'"),
        ({"pairs": ("crss",)}, "did you mean 'cross'"),
        ({"estimators": ("kendall",)}, "unknown estimator"),
        ({"regimes": ("depht",)}, "did you mean 'depth'"),
        ({"lags": ()}, "no lag is declared"),
        ({"horizons": (0,)}, "below one bar"),
        ({"minimum_bars": 3}, "minimum_bars = 3"),
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


@pytest.mark.parametrize(
    ("instrument", "base", "perpetual"),
    [
        ("binance:BTCUSDT", "BTC", False),
        ("binance-futures:ETHUSDT", "ETH", True),
        ("binance-futures:BTCUSDT_240927", "BTC", False),
        ("binance-delivery:BTCUSD_PERP", "BTC", True),
        ("binance:ETHBTC", "ETH", False),
        ("binance-futures:1000PEPEUSDC", "1000PEPE", True),
    ],
)
def test_names_of_instruments(instrument, base, perpetual):
    assert base_asset(instrument) == base
    assert is_perpetual(instrument) == perpetual


def test_perpetuals_are_paired_with_the_spot_of_their_base():
    instruments = ["binance:BTCUSDT", "binance:ETHUSDT", "binance-futures:BTCUSDT",
                   "binance-delivery:BTCUSD_PERP", "binance-futures:BTCUSDT_240927"]
    assert instrument_pairs(family(pairs=("perpetual_to_spot",)), instruments) == [
        ("binance-delivery:BTCUSD_PERP", "binance:BTCUSDT"),
        ("binance-futures:BTCUSDT", "binance:BTCUSDT"),
    ]


def test_mirrored_pairs_are_declared_once():
    same = family(y_measures=("a",), pairs=("own", "cross"))
    assert series_pairs(same, ["A", "B"]) == [
        (("A", "a"), ("A", "a")), (("A", "a"), ("B", "a")), (("B", "a"), ("B", "a")),
    ]
    one_sided = family(y_measures=("a",), pairs=("cross",), lags=(0, 1, 2))
    assert len(series_pairs(one_sided, ["A", "B"])) == 2
