"""What is known of instruments: who says it, whose word counts, what follows where nobody does."""

import json
import math

import pytest

from imbalance import catalog
from imbalance.books.build import materialise_book
from imbalance.captures.event_tables import NO_CONTRACT_SIZE
from imbalance.captures.instruments import (
    UNKNOWN,
    Contracts,
    by_symbol,
    check_venues,
    contract_of,
    facts_from,
    told_from_outside,
    unknown_instruments,
    unsized_of,
)
from imbalance.captures.published import published
from imbalance.captures.register import register
from imbalance.captures.rows import Contract
from imbalance.captures.venues.venue import Instrument
from imbalance.cli.status import _told, status
from imbalance.config import Config
from imbalance.config_file import as_settings, load_config, to_toml
from imbalance.errors import UserError
from imbalance.features.tasks import features_task
from imbalance.plan import make_plan
from imbalance.store import Store
from imbalance.store.task import materialise
from imbalance.tasks import read_current
from tests.captures.building import build_all

BASE = Contract(1.0, inverse=False)
CONTRACTS = {
    "okex:YFI-USD-SWAP": Contract(10.0, inverse=True),
    "okex:BTC-USD-SWAP": Contract(100.0, inverse=True),
    "okex:BTC-USD-210924": Contract(100.0, inverse=True),
    "okex:BTC-USDT-SWAP": Contract(0.01, inverse=False),
    "okex:KNC-USDT-SWAP": UNKNOWN,
    "okex:BTC-USD-210418-63000-P": UNKNOWN,
    "okex:BTC-USDT": BASE,
    "okex-swap:ETH-USD-SWAP": Contract(10.0, inverse=True),
    "phemex:XMRUSD": Contract(0.01, inverse=False),
    "phemex:YFIUSD": Contract(0.0001, inverse=False),
    "phemex:BTCUSD": Contract(1.0, inverse=True),
    "phemex:NEWUSD": UNKNOWN,
    "phemex:sBTCUSDT": BASE,
    "bitmex:XBTUSD": Contract(1.0, inverse=True),
    "bitmex:XBTM21": Contract(1.0, inverse=True),
    "bitmex:ETHUSD": UNKNOWN,
    "hyperliquid:BTC": BASE,
    "hyperliquid:@107": UNKNOWN,
    "edgex:PAXG": BASE,
    "standx:BTC-USD": BASE,
    "standx:XAU-USD": UNKNOWN,
    "nasdaq:AMZN": BASE,
    "ftx:ETH-PERP": BASE,
    "ftx:BTC-0326": BASE,
    "ftx:BTC/USD": BASE,
    "ftx:BTC-MOVE-0326": UNKNOWN,
    "btcbox:BTCJPY": BASE,
    "bitflyer:BTCJPY": UNKNOWN,
    "bitflyer:FX_BTC_JPY": BASE,
    "huobi-dm-swap:BTC-USD": Contract(100.0, inverse=True),
    "huobi-dm-swap:ETH-USD": Contract(10.0, inverse=True),
    "gate-io-futures:BTC_USDT": Contract(0.0001, inverse=False),
    "gate-io-futures:BTC_USD": Contract(1.0, inverse=True),
    "bitget-futures:BTCUSDT": BASE,
    "bitget-futures:BTCUSD": UNKNOWN,
    "gemini:BTCGUSDPERP": BASE,
    "deribit:BTC-24SEP21-8000-P": BASE,
    "cryptofacilities:PV_XRPXBT": UNKNOWN,
    "binance:BTCUSDT": BASE,
    "binance-delivery:ETHUSD_PERP": Contract(10.0, inverse=True),
    "nowhere:X": UNKNOWN,
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_a_contract_is_worth(name):
    known = by_symbol(name)
    assert contract_of(known) == CONTRACTS[name]
    if CONTRACTS[name] is not BASE:
        assert Contracts(Config())[name] == CONTRACTS[name]


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("hyperliquid:BTC", {"kind": "perpetual", "base": "BTC", "quote": None, "lot": 1e-5,
                             "asset_class": "crypto"}),
        ("edgex:SOL", {"kind": "perpetual", "base": "SOL", "quote": None}),
        ("standx:BTC-USD", {"kind": "perpetual", "base": "BTC", "quote": "DUSD", "tick": 0.01,
                            "lot": 0.0001, "underlying": "BTC-USD"}),
        ("bitmex:XBTUSD", {"kind": "perpetual", "base": "XBT", "quote": "USD",
                           "underlying": ".BXBT", "tick": None}),
        ("bitmex:XBTM21", {"kind": "future", "base": "XBT"}),
        ("nasdaq:AMZN", {"kind": "equity", "base": "AMZN", "quote": "USD",
                         "asset_class": "equity", "inverse": None}),
        ("bitflyer:BTCJPY", {"kind": None, "base": "BTC", "quote": "JPY", "inverse": None}),
        ("btcbox:BTCJPY", {"kind": "spot", "base": "BTC", "quote": "JPY"}),
        ("ftx:BTC-0326", {"kind": "future", "base": "BTC", "quote": "USD"}),
        ("okex-swap:ETH-USD-SWAP", {"kind": "perpetual", "base": "ETH", "quote": "USD"}),
        ("nowhere:X", {"kind": None, "base": None, "inverse": None, "multiplier": None}),
    ],
)  # fmt: skip
def test_facts_of_venues_without_a_module(name, facts):
    known = by_symbol(name)
    assert {fact: getattr(known, fact) for fact in facts} == facts
    told = {fact for fact, value in facts.items() if value is not None}
    assert told <= known.source.keys()
    assert "inverse" not in known.source or known.inverse is not None
    if name != "bitflyer:BTCJPY":
        assert all(said.startswith("registry: ") for said in known.source.values())


def test_the_registry_names_a_source_for_every_fact():
    known = published("bitmex", "XBTUSD")
    assert known.source["kind"] == "registry: BitMEX contract guide, XBTUSD perpetual"
    assert known.source["multiplier"].endswith("a contract is worth 1 USD of XBT")
    assert published("bitmex", "XBTUSDT") == Instrument("XBTUSDT")


def row(name, **facts):
    source = facts.pop("source")
    empty = dict.fromkeys(("kind", "base", "quote", "underlying", "tick", "lot", "multiplier",
                           "inverse", "expiry", "asset_class"))
    return {"instrument": name, **empty, **facts, "source": json.dumps(source)}


def test_settings_stand_above_the_capture_above_the_venue_above_the_registry():
    name = "phemex:XMRUSD"
    known = by_symbol(name)
    assert (known.source["kind"], known.source["multiplier"][:8]) == ("symbol", "registry")
    contracts = Contracts(Config())
    said = Instrument("XMRUSD", multiplier=0.5, source={"multiplier": "capture"})
    contracts.learn("phemex", [said])
    assert contracts[name] == Contract(0.5, inverse=False)
    assert contracts.facts(name).source["multiplier"] == "capture"
    contracts = Contracts(Config(multipliers={name: {"linear": 2.0}}), {name: said})
    assert contracts[name] == Contract(2.0, inverse=False)
    source = contracts.facts(name).source
    assert (source["multiplier"], source["inverse"]) == ("configuration", "configuration")


def test_a_later_capture_does_not_take_back_what_an_earlier_one_said():
    listed = row("okex:A", multiplier=5.0, kind="future", source={"multiplier": "capture",
                                                                  "kind": "symbol"})
    silent = row("okex:A", multiplier=10.0, kind="perpetual",
                 source={"multiplier": "registry: a list", "kind": "symbol"})
    for rows in ([listed, silent], [silent, listed]):
        found = facts_from(rows)["okex:A"]
        assert (found.multiplier, found.source["multiplier"]) == (5.0, "capture")
    assert facts_from([listed, silent])["okex:A"].kind == "perpetual"


def test_instruments_of_which_too_little_is_known():
    symbol = {"kind": "symbol", "multiplier": "symbol", "inverse": "symbol"}
    rows = [
        row("a:spot", kind="spot", source=symbol),
        row("a:known", kind="perpetual", multiplier=1.0, inverse=False, source=symbol),
        row("a:unsized", kind="perpetual", inverse=False, source=symbol),
        row("a:either", kind="perpetual", multiplier=1.0, source=symbol),
        row("a:option", kind="option", multiplier=1.0, source=symbol),
        row("a:what", source={}),
        row("a:sized", multiplier=2.0, inverse=False, source=symbol),
    ]
    assert unknown_instruments(rows) == {
        "a:either": ["contract size"], "a:sized": ["kind"], "a:unsized": ["contract size"],
        "a:what": ["kind", "contract size"],
    }  # fmt: skip


def test_an_instrument_that_one_capture_does_not_know_is_named_for_it():
    listed = row("a:b", kind="perpetual", multiplier=2.0, inverse=False,
                 source={"multiplier": "capture", "inverse": "capture", "kind": "capture"})
    without = row("a:b", source={})
    for rows in ([listed, without], [without, listed]):
        found = unknown_instruments(rows)
        assert found == {"a:b": ["contract size in some captures"]}
        assert unsized_of(found) == ["a:b"]
    assert unknown_instruments([listed, listed]) == {}
    assert unsized_of({"a:b": ["kind"], "a:c": ["kind", "contract size"]}) == ["a:c"]


# --- settings -----------------------------------------------------------------------------------


def settings(tmp_path, text):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return load_config(path)


def test_a_contract_is_said_to_be_linear_or_inverse(tmp_path):
    config = settings(tmp_path, """
[multipliers]
"a:old" = 100
"a:inverse" = { inverse = 10 }
"a:linear" = { linear = 0.01 }
[multipliers."a:table"]
linear = 1
""")
    contracts = Contracts(config)
    assert [contracts.get(f"a:{name}") for name in ("old", "inverse", "linear", "table")] == [
        Contract(100.0, inverse=True), Contract(10.0, inverse=True), Contract(0.01, inverse=False),
        None,
    ]  # fmt: skip
    again = settings(tmp_path, to_toml(as_settings(config)))
    assert again.multipliers == config.multipliers


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("0", 4), ("-1", 4), ("true", 4), ('"100"', 4), ("inf", 4), ("{ linear = 0 }", 4),
        ("{ linear = 1, inverse = 1 }", 4), ("{ liner = 1 }", 4), ("{}", 4), ("[1]", 4),
    ],
)  # fmt: skip
def test_what_a_contract_cannot_be_is_refused_with_its_line(tmp_path, value, line):
    with pytest.raises(UserError) as refused:
        settings(tmp_path, f'[volume_bars]\n"a:b" = 5\n[multipliers]\n"a:b" = {value}\n')
    assert refused.value.where.endswith(f"settings.toml:{line}")
    assert "{ linear = NUMBER }" in refused.value.allowed
    assert "a:b = " in refused.value.what


def test_a_table_that_is_wrong_is_refused_with_its_line(tmp_path):
    with pytest.raises(UserError) as refused:
        settings(tmp_path, '\n[multipliers."a:b"]\nlinear = "much"\n')
    assert refused.value.where.endswith("settings.toml:2")


def test_what_is_made_is_made_again_when_settings_or_registry_change():
    config = Config(multipliers={"okex:A": 1.0, "other:B": 2.0})
    assert told_from_outside(config, "binance") == {}
    told = told_from_outside(config, "okex")
    assert told["multipliers"] == {"okex:A": 1.0}
    assert len(told["registry"]) == 16


# --- from capture to features -------------------------------------------------------------------

DAY, SIZED, UNSIZED = "2021-04-17", "okex:YFI-USD-SWAP", "okex:KNC-USDT-SWAP"


def made(store, capture):
    register(store, [capture])
    build_all(store)
    days = {key.partition("|")[0] for key in store.ledger.partitions("raw.trades")}
    for day in sorted(days):
        materialise_book(store, "okex", day)
        task = features_task("okex", day)
        materialise(store, outputs=task.outputs, partition=task.partition, inputs=task.inputs,
                    version=task.version, build=task.build)

    def read(table, name):
        return [r for key in store.ledger.partitions(table)
                for r in read_current(store, table, key).to_pylist() if r["instrument"] == name]

    return read


@pytest.fixture(scope="module")
def capture(shared):
    return shared / "captures/cryptofeed/legacy/OKEX.ws.56.0"


@pytest.fixture(scope="module")
def unsized(capture, tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("unsized") / "home", create=True)
    return store, made(store, capture)


def test_sizes_in_base_units_are_null_where_a_contract_s_size_is_not_known(unsized):
    _, read = unsized
    trades = read("raw.trades", UNSIZED)
    assert sum(trade["size"] for trade in trades) == 112.0
    assert {trade["size_base"] for trade in trades} == {None}
    for state in read("book.book_states", UNSIZED):
        assert len(state["bid_prices"]) == len(state["bid_sizes"])
        assert {*state["bid_sizes"], *state["ask_sizes"]} == {None}
    bars = [bar for bar in read("features.bars_1s", UNSIZED) if bar["valid"]]
    assert len(bars) == 28
    nothing = ("bid_size", "bid_depth_10", "ask_depth_50bps", "queue_imbalance",
               "queue_imbalance_mean", "order_flow_imbalance", "level_depth_mean",
               "depth_touch_mean", "depth_imbalance_10bps", "microprice")
    for bar in bars:
        assert {bar[name] for name in nothing} == {None}
        assert None not in (bar["mid_close"], bar["spread"], bar["return_bps"],
                            bar["book_event_count"], bar["trade_count"])
        assert (bar["traded_volume"] is None) == (bar["trade_count"] > 0)
        assert (bar["trade_notional"] is None) == (bar["trade_count"] > 0)


def test_what_null_means_says_so_of_every_column_that_is_made_of_sizes(unsized):
    _, read = unsized
    table = catalog.table("features.bars_1s")
    unknown, known = (
        [bar for bar in read(table.name, name) if bar["valid"]] for name in (UNSIZED, SIZED)
    )
    lacking = {
        column.name: column.null_meaning for column in table.columns
        if sum(bar[column.name] is None for bar in unknown)
        > sum(bar[column.name] is None for bar in known)
    }
    # made of counts: no trade in one bar more
    del lacking["cancellation_to_trade_ratio"]
    assert len(lacking) == 65
    assert {"buy_volume", "vwap", "classified_buy_volume", "weighted_mid"} < set(lacking)
    assert [name for name, told in lacking.items() if NO_CONTRACT_SIZE not in told] == []
    sums = {"order_flow_imbalance", "traded_volume", "buy_volume", "trade_imbalance_normalised",
            "trade_notional", "vwap"}
    for column in catalog.table("features.volume_bars").columns:
        assert column.name not in sums or NO_CONTRACT_SIZE in column.null_meaning, column.name
    counts = [column for column in table.columns if column.unit == "count"]
    assert not any(NO_CONTRACT_SIZE in (column.null_meaning or "") for column in counts)


def test_contracts_of_ten_dollars_are_worth_ten_dollars(unsized):
    _, read = unsized
    trades = read("raw.trades", SIZED)
    assert sum(trade["size"] for trade in trades) == 97.0
    assert all(math.isclose(t["size_base"], t["size"] * 10.0 / t["price"]) for t in trades)
    assert math.isclose(sum(t["size_base"] * t["price"] for t in trades), 970.0)


def test_status_names_them_and_what_to_do(unsized):
    store, _ = unsized
    document = status(store)
    found = document["unknown_instruments"]
    assert found[UNSIZED] == ["contract size"]
    assert SIZED not in found
    assert len(found) == 6
    text = _told(document, everything=False)
    assert "6 instruments of unknown kind or contract size: " in text
    assert " and 3 more: --all" in text
    assert '[multipliers] "okex:BTC-USD-210418-63000-P" = { linear = NUMBER }' in text
    assert UNSIZED in _told(document, everything=True)


def test_the_settings_say_it_and_what_was_made_is_made_again(unsized, capture, tmp_path):
    config = Config(multipliers={UNSIZED: {"linear": 0.5}})
    store = Store.open(unsized[0].home.root, config=config)
    assert "raw.trades" in {name for step in make_plan(store).due() for name in step.tables}
    store = Store.open(tmp_path / "home", create=True, config=config)
    read = made(store, capture)
    trades = read("raw.trades", UNSIZED)
    assert [t["size_base"] for t in trades] == [t["size"] * 0.5 for t in trades]
    (known,) = read("raw.instruments", UNSIZED)
    assert (known["multiplier"], known["inverse"]) == (0.5, False)
    assert json.loads(known["source"])["inverse"] == "configuration"
    raw = read("raw.book_updates", UNSIZED)[0]
    (first, *_) = read("book.book_states", UNSIZED)
    assert first["bid_sizes"][0] == max(
        zip(raw["bid_prices"], raw["bid_sizes"], strict=True)
    )[1] * 0.5
    assert UNSIZED not in status(store)["unknown_instruments"]


@pytest.mark.parametrize(("section", "name"), [
    ("multipliers", "x"), ("volume_bars", "A"), ("multipliers", "okex:"), ("multipliers", ":A"),
])
def test_what_is_no_instrument_is_refused(tmp_path, section, name):
    with pytest.raises(UserError, match="is no instrument") as refused:
        settings(tmp_path, f'[{section}]\n"{name}" = 3\n')
    assert refused.value.where.endswith(":2")


@pytest.mark.parametrize(("section", "name", "meant"), [
    ("multipliers", "okx:A", "'okex:A'"),
    ("volume_bars", "binance-future:A", "'binance-futures:A'"),
])
def test_a_venue_that_is_nearly_known_is_a_slip(tmp_path, section, name, meant):
    config = settings(tmp_path, f'[{section}]\n"{name}" = 3\n')
    with pytest.raises(UserError, match="there is no venue") as refused:
        make_plan(Store.open(tmp_path / "home", create=True, config=config))
    assert f"did you mean {meant}?" in str(refused.value)
    assert refused.value.where == f'[{section}] "{name}"'


def test_a_venue_of_the_user_s_own_may_be_called_nearly_like_another(tmp_path):
    own = '[formats.mine]\nvenue = "okx"\n[multipliers]\n"okx:A" = 3\n"lab:B" = 2\n'
    check_venues(settings(tmp_path, own))
