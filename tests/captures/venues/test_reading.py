"""What all venues' modules read with."""

import math
from typing import ClassVar

import msgspec
import pytest

from imbalance.captures.events import BookUpdate, Decoded, Ignored, Rejected
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import Feed, known, parameter, split_pair
from imbalance.captures.venues.registry import venue_of_host, venue_of_recorder, venues
from imbalance.captures.venues.venue import PROOFS
from imbalance.store.gate_rules import MARKETS
from tests.captures.venues.recordings import asked, received


class Inner(reading.Message):
    price: reading.Price
    size: reading.Size = 0.0


class Outer(reading.Message):
    inner: Inner
    levels: list[reading.Level] = msgspec.field(default_factory=list)
    unused: ClassVar = reading.names("old older")


class Sided(reading.Message):
    bids: list[reading.Level]
    asks: list[reading.Row] | None = None
    last: reading.Whole | None = msgspec.field(name="u", default=None)


READ = reading.Reader(Outer)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{}", "missing_field"),
        (b'{"inner":{"price":"x"}}', "wrong_type"),
        (b'{"inner":{"price":true}}', "wrong_type"),
        (b'{"inner":{"price":null}}', "wrong_type"),
        (b'{"inner":[]}', "wrong_type"),
        (b'{"inner":{"price":"1_0"}}', "wrong_type"),
        (b'{"inner":{"price":" 1"}}', "wrong_type"),
        (b'{"inner":{"price":"0x1"}}', "wrong_type"),
        (b'{"inner":{"price":"nan"}}', "number_out_of_range"),
        (b'{"inner":{"price":"inf"}}', "number_out_of_range"),
        (b'{"inner":{"price":1e400}}', "number_out_of_range"),
        (b'{"inner":{"price":0}}', "number_out_of_range"),
        (b'{"inner":{"price":"-1"}}', "number_out_of_range"),
        (b'{"inner":{"price":1,"size":-0.5}}', "number_out_of_range"),
        (b'{"inner":{"price":1},"levels":[["1"]]}', "wrong_type"),
        (b'{"inner":{"price":NaN}}', "not_json"),
        (b'{"inner":{"price":1}', "not_json"),
        (b'{"inner":{"price":1}}x', "not_json"),
        (b'\xff{"inner":{"price":1}}', "not_json"),
        (b"", "not_json"),
    ],
)
def test_a_message_of_another_shape_has_a_reason(text, reason):
    with pytest.raises(Rejected) as refused:
        READ(text)
    assert refused.value.reason == reason


def test_numbers_are_read_from_text_and_from_numbers():
    found = READ(b'{"inner":{"price":"1.50","size":2},"levels":[["3e-7",4]]}')
    assert (found.inner.price, found.inner.size, found.levels) == (1.5, 2.0, [(3e-7, 4.0)])


def test_fields_no_rule_knows_are_named():
    text = b'{"inner":{"price":1,"new":2},"old":3,"newer":{"x":1}}'
    assert READ.unknown(text) == ("inner.new", "newer")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01 00:00:01.000000007", 1_000_000_007),
        ("2021-12-12T23:05:29.9692063Z", 1_639_350_329_969_206_300),
        ("2026-08-09T21:05:48.228568804Z", 1_786_309_548_228_568_804),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
    ],
)
def test_times_are_read_digit_by_digit(text, ns):
    assert reading.iso_time(text) == ns


def test_a_clock_ahead_of_utc():
    assert reading.iso_time("1970-01-01 09:00:01", hours_ahead=9) == 1_000_000_000


@pytest.mark.parametrize("text", ["", "noon", "1970-13-01T00:00:00Z", "1970-01-01T25:00:00Z",
                                  "1970-01-01", "9999-01-01T00:00:00Z", "1970-01-01T00:00:61Z",
                                  "2023-02-29T00:00:00Z"])  # fmt: skip
def test_what_is_no_time_is_refused(text):
    with pytest.raises(Rejected):
        reading.iso_time(text)


def test_decimals_of_a_unit():
    assert reading.point_time("1619093543708.2642", reading.MS) == 1_619_093_543_708_264_200
    assert reading.point_time("1618678142.557535", reading.SECOND) == 1_618_678_142_557_535_000
    for text in ("1e9", "", "-1618678142", "99999999999999999999", "9999999999999"):
        with pytest.raises(Rejected):
            reading.point_time(text, reading.SECOND)


def test_decimals_of_which_the_text_is_kept():
    assert reading.decimal("0.000000001461") == 1.461e-9
    assert reading.decimal("1.5e-7") == 1.5e-7
    for text in ("", ".", "-1", "1_0", "nan", "1e400", "1e9", "٣"):
        with pytest.raises(Rejected):
            reading.decimal(text)
    with pytest.raises(Rejected) as refused:
        reading.decimal("9" * 40)
    assert refused.value.reason == "number_out_of_range"
    assert reading.empty_or("") is None
    assert reading.empty_or("-0.5") == -0.5
    assert math.isnan(reading.empty_or_nan(""))


class Session(Feed):
    def received(self, record):
        book = BookUpdate(symbol=record.payload.decode(), kind="snapshot")
        return Decoded("book", [book])


def test_symbols_must_be_fit_to_be_kept():
    session = Session()
    assert session.take(received(b"trioeth")).events[0].symbol == "trioeth"
    for symbol in (b"", b"a\nb", b"x" * 101):
        with pytest.raises(Rejected) as refused:
            session.take(received(symbol))
        assert refused.value.reason == "bad_symbol"


def test_a_reconnection_breaks_the_books_of_that_connection():
    session = Session()
    assert session.take(asked("connect", "wss://x", connection="a")) == Ignored("connected")
    session.take(received(b"A", connection="a"))
    session.take(received(b"B", connection="b"))
    found = session.take(asked("connect", "wss://x", connection="a"))
    assert [(event.symbol, event.kind, event.note) for event in found.events] == [
        ("A", "break", "reconnected")
    ]
    assert session.take(asked("connect", "wss://x", connection="a")) == Ignored("connected")


def test_a_counter_tells_holes_and_duplicates():
    session = Session()
    assert [session.hole("a", n) for n in (5, 6, 9, 9, 7, 10)] == [0, 0, 2, None, None, 0]
    assert session.hole("b", 1) == 0
    session.reset("a")
    assert session.hole("a", 1) == 0
    assert session.hole("b", 1) is None


def test_a_pair_is_split_where_only_one_quote_currency_fits():
    assert split_pair("BTCUSDT", "USDT USD BTC") == ("BTC", "USDT")
    assert split_pair("BNBUSD", "BUSD USD") == (None, None)
    assert split_pair("USDT", "USDT") == (None, None)
    assert split_pair("X:Y", "USDT") == (None, None)


def test_facts_have_their_sources():
    one = known("A", "symbol", kind="spot", base=None, rules={"multiplier": 1.0, "inverse": None})
    assert one.source == {"kind": "symbol", "multiplier": "venue"}
    assert parameter("https://x/y?a=1&symbol=BTC", "symbol") == "BTC"
    with pytest.raises(Rejected):
        parameter("https://x/y", "symbol")


def test_what_venues_declare():
    for name, one in venues().items():
        assert one.name == name
        assert one.channels
        assert one.continuity
        for host in one.hosts:
            assert venue_of_host(f"wss://{host}") is not None
        for proof in one.continuity:
            assert proof.proof in PROOFS
            assert proof.blind
            if proof.proof == "checksum":
                assert proof.source, "a checksum has its source"
    # no recorder calls a market that comes in another venue's captures: the gate knows of each
    assert {name for name, one in venues().items() if not one.recorders} == MARKETS.keys()
    assert venue_of_host("wss://example.org/x") is None
    assert venue_of_recorder("NOBODY") is None


def filled(level, count=100, **others):
    """A message of many levels, all alike but one in the middle."""
    levels = [f'["1{k}.50","{k}"]' for k in range(count)]
    levels[count // 2] = level
    rest = "".join(f',"{name}":{value}' for name, value in others.items())
    return f'{{"bids":[{",".join(levels)}]{rest}}}'.encode()


@pytest.mark.parametrize(
    "level",
    ["[5,0]", '["0.1","1e-7"]', "[0.575610404535042,9.121E-7]", '["1e-22","9007199254740992"]',
     "[9007199254740991,0.0000000001]", '["123456789.12345678","0.30000000000000004"]',
     "[1.0E+2,3]", "[ 1, 2]", '["1e-300",17.00]', '["7.0","0.000"]', "[1E-07,1e-7]"],
)  # fmt: skip
def test_many_levels_are_the_numbers_that_json_says(level):
    found = reading.Reader(Sided)(filled(level, u=7))
    told = msgspec.json.decode(filled(level))["bids"]
    assert [list(side) for side in reading.sides(found.bids)] == [
        [float(level[part]) for level in told] for part in (0, 1)
    ]
    assert (found.last, found.asks) == (7, None)
    levels = [(float(price), float(size)) for price, size in told]
    assert (list(found.bids), len(found.bids)) == (levels, len(levels))
    assert (found.bids[-1], found.bids[1:3]) == (levels[-1], levels[1:3])


@pytest.mark.parametrize(
    ("level", "reason"),
    [
        ('["00.5","1"]', "wrong_type"), ('[".5","1"]', "wrong_type"), ('["5.","1"]', "wrong_type"),
        ('["1_0","1"]', "wrong_type"), ('["5","1","2"]', "wrong_type"), ('["5"]', "wrong_type"),
        ("[true,1]", "wrong_type"), ('{"p":1}', "wrong_type"), ("[0,1]", "number_out_of_range"),
        ("[-1,1]", "number_out_of_range"), ('["9007199254740994","1"]', "number_out_of_range"),
        ('["1","-0.1"]', "number_out_of_range"), ("[1,01]", "not_json"), ("[1,2x]", "not_json"),
    ],
)  # fmt: skip
def test_a_level_among_many_has_the_reason_it_has_alone(level, reason):
    read = reading.Reader(Sided)
    refusals = []
    for message in (filled(level), f'{{"bids":[{level}]}}'.encode()):
        with pytest.raises(Rejected) as refused:
            read(message)
        refusals.append(refused.value)
    assert [one.reason for one in refusals] == [reason, reason]
    if reason != "not_json":
        assert refusals[0].detail.replace("[50]", "[0]") == refusals[1].detail


def test_what_follows_in_a_row_is_left_alone_however_many_rows_there_are():
    rows = ['["7.25",3,"0]",null,-1e9]', "[2,0.5]", '[1,1,{"a":[]}]', '["4","0","x\\"y"]']
    read = reading.Reader(Sided)
    for some in (rows[:1], rows[:2], rows, rows[:2] * 60, rows * 60):
        found = read(f'{{"bids":[],"asks":[{",".join(some)}]}}'.encode())
        numbers = [msgspec.json.decode(row)[:2] for row in some]
        prices, sizes = reading.sides(found.asks)
        assert list(prices) == [float(price) for price, _ in numbers]
        assert list(sizes) == [float(size) for _, size in numbers]


@pytest.mark.parametrize("key", ['"bids"', '"bid\\u0073"'])
def test_a_field_that_stands_twice_in_a_long_message_is_judged_twice(key):
    message = filled("[1,2]").replace(b'{"bids"', b"{" + key.encode() + b':"x","bids"')
    with pytest.raises(Rejected) as refused:
        reading.Reader(Sided)(message)
    assert refused.value.reason == "wrong_type"


def test_a_field_that_stands_twice_in_one_message_of_several_is_judged_twice():
    doubled = filled("[1,2]", asks='[["-5","1"]],"asks":[["5","1"]]')
    with pytest.raises(Rejected) as refused:
        reading.Reader(list[Sided])(b"[" + doubled + b',{"bids":[]}]')
    assert refused.value.reason == "number_out_of_range"
