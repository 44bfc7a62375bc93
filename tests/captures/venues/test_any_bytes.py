"""Any bytes at all end in events, a rule, or a reason: nothing else escapes from a session."""

import random

import msgspec
import pytest

from imbalance.captures.events import Decoded, Ignored, Rejected
from imbalance.captures.venues.registry import venue_of_host, venue_of_recorder, venues
from tests.captures.venues.recordings import asked, received, recorded

TOKENS = (
    b"null", b"-0", b"1e400", b"NaN", b'"nan"', b'"1_0"', b"{}", b"[]", b"[[]]", b'""', b"true",
    b'"\\ud800"', b"\xff", b"-1", b"99999999999999999999", b'"' + b"x" * 200 + b'"', b"0", b'"0"',
    b"0.5", b'"\\u0000"', b'"a\\nb"',
)  # fmt: skip
FILES = {
    "BINANCE": "binance", "BINANCE_US": "binance-us", "BINANCE_FUTURES": "binance-futures",
    "BINANCE_DELIVERY": "binance-delivery", "BITFINEX": "bitfinex", "BITFLYER": "bitflyer",
    "BITGET": "bitget", "BITHUMB": "bithumb", "BITSTAMP": "bitstamp", "BYBIT": "bybit",
    "COINBASE": "coinbase", "CRYPTO.COM": "crypto-com", "DERIBIT": "deribit", "GATEIO": "gate-io",
    "GATEIO_FUTURES": "gate-io-futures", "GEMINI": "gemini", "HUOBI": "huobi",
    "HUOBI_SWAP": "huobi-dm-swap", "INDEPENDENT_RESERVE": "independent-reserve",
    "KRAKEN": "kraken", "KRAKEN_FUTURES": "cryptofacilities", "KUCOIN": "kucoin", "OKX": "okex",
    "PHEMEX": "phemex", "POLONIEX": "poloniex", "UPBIT": "upbit",
}  # fmt: skip
OLDER = {
    "BYBIT.ws.25.0": "bybit", "BYBIT.ws.26.0": "bybit", "COINBASE.ws.28.0": "coinbase",
    "DYDX.ws.1.0": "dydx", "HITBTC.ws.1.0": "hitbtc", "OKEX.ws.56.0": "okex",
    "OKX.ws.1.0": "okex",
}  # fmt: skip


def mutated(payload, chance):
    """A payload with one thing wrong: a byte, a gap, a repetition, a value of another kind."""
    place = chance.randrange(len(payload) + 1)
    what = chance.randrange(5)
    if what == 0:
        return payload[:place] + bytes([chance.randrange(256)]) + payload[place + 1 :]
    if what == 1:
        return payload[:place] + payload[place + chance.randrange(1, 12) :]
    if what == 2:
        return payload[:place] + payload[max(0, place - 9) : place] + payload[place:]
    start = payload.find(chance.choice((b":", b",", b"[")), place) + 1
    end = next((i for i in range(start, len(payload)) if payload[i] in b",]}"), len(payload))
    return payload[:start] + chance.choice(TOKENS) + payload[end:]


def hold(venue, records, times, seed=3):
    """Mutations of a sample of messages, given to a session which knows the real ones too."""
    chance = random.Random(seed)
    session = venue.session()
    short = [r for r in records if len(r.payload) < 4000]
    for record in short[:200]:
        outcome(session, record)
    sample = chance.sample(short, min(60, len(short))) + short[:40]
    for _ in range(times):
        record = chance.choice(sample)
        changed = mutated(record.payload, chance)
        outcome(session, msgspec.structs.replace(record, payload=changed))


def outcome(session, record):
    try:
        found = session.take(record)
    except Rejected as rejected:
        found = rejected
    assert isinstance(found, Decoded | Ignored | Rejected)


@pytest.mark.parametrize("name", FILES)
def test_mutations_of_real_messages(cryptofeed, name):
    hold(venues()[FILES[name]], recorded(cryptofeed / "v3" / f"{name}.jsonl.zst"), 1200)


@pytest.mark.parametrize("name", OLDER)
def test_mutations_of_older_messages(cryptofeed, name):
    hold(venues()[OLDER[name]], recorded(cryptofeed / "legacy" / name), 600)


@pytest.mark.parametrize("name", sorted(venues()))
def test_bytes_that_mean_nothing(name):
    session = venues()[name].session()
    deep = b"[" * 10_000 + b"]" * 10_000
    for payload in (b"", b"\x00", b"pong", deep, b'{"a":' * 3000 + b"1" + b"}" * 3000, *TOKENS):
        outcome(session, received(payload))
        for kind in ("http", "send", "connect"):
            outcome(session, asked(kind, "https://example.org/?x=1", payload))


def test_every_recording_has_a_venue(cryptofeed):
    names = {path.name.removesuffix(".jsonl.zst") for path in (cryptofeed / "v3").glob("*.zst")}
    assert names == FILES.keys()
    for name, venue in FILES.items():
        records = recorded(cryptofeed / "v3" / f"{name}.jsonl.zst")
        addresses = {record.address for record in records if record.address}
        assert venue_of_recorder(name) == venue
        for address in addresses:
            told = venue_of_host(address)
            assert told is not None, address
            assert told.split("-")[0] == venue.split("-")[0], address
