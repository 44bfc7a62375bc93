"""The scanner is fast and never lenient: what it takes is what `json` and `float` say, or it
leaves the line to the parser.
"""

import random
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imbalance.captures.decode import Decoder
from imbalance.captures.text import count_newlines, levels_of_words
from tests.captures.mutations import mutated
from tests.captures.samples import (
    INVERSE,
    LINEAR,
    MS,
    SPOT,
    START,
    VENUES,
    aggregate,
    diff,
    line,
    quote,
    recording,
    snapshot,
    text_of,
    trade,
)
from tests.captures.scanning import FAR_MS, expected, parsed, scan

FAST = [
    ("binance-202408/spot/ethusdt_20240808.gz", SPOT),
    ("binance-202408/usdm/ethusdt_20240808.gz", LINEAR),
    ("binance-202408/cm/ethusd_perp_20240808.gz", INVERSE),
    ("binance-nexo/nexousdt_20240723.dat.gz", SPOT),
]
SLOW = [
    ("binance-202408/spot/btcusdt_20240808.gz", SPOT),
    ("binance-202408/spot/btcusdt_20240809.gz", SPOT),
    ("binance-202408/spot/ethusdt_20240809.gz", SPOT),
    ("binance-202408/usdm/btcusdt_20240808.gz", LINEAR),
    ("binance-202408/cm/btcusd_perp_20240808.gz", INVERSE),
    ("binance-202408/cm/btcusd_perp_20240809.gz", INVERSE),
    ("binance-202408/cm/ethusd_perp_20240809.gz", INVERSE),
    ("binance-nexo/nexousdt_20240724.dat.gz", SPOT),
]


@pytest.mark.parametrize(
    ("name", "venue"), FAST + [pytest.param(*case, marks=pytest.mark.slow) for case in SLOW]
)
def test_every_line_of_the_real_captures_has_the_values_of_json_and_float(shared, name, venue):
    text = text_of(shared / "captures" / name)
    unit = (16, 1_000) if "nexo" in name else (19, 1)
    found, count = scan(text, venue, *unit)
    lines = text.splitlines()
    assert count == len(lines)
    left = [k for k in range(count) if k not in found]
    assert all(b'"lastUpdateId"' in lines[k] for k in left)
    assert len(left) <= 1  # the one snapshot of a first file
    for k, values in found.items():
        kind, symbol, receive, *rest = expected(lines[k])
        assert values == (kind, symbol, receive * unit[1], *rest), lines[k]


def every_kind(venue):
    """A line of each kind the scanner knows, of a market."""
    empty = diff(venue, 5, 9)
    full = diff(venue, 5, 9, bids=[("1.5", "0"), ("1.4", "3")], asks=[("1.6", "0.00000001")])
    return [
        line(message)
        for message in (
            empty, full, quote(venue, 7), trade(venue, 1), trade(venue, 2), aggregate(venue, 3)
        )
    ]  # fmt: skip


@pytest.mark.parametrize("venue", VENUES)
def test_all_kinds_of_a_market_are_taken(venue):
    lines = every_kind(venue)
    found, _ = scan(b"".join(lines), venue)
    assert [found[k] for k in range(len(lines))] == [expected(one) for one in lines]


@pytest.mark.parametrize("venue", VENUES)
def test_messages_of_another_market_are_left_alone(venue):
    for other in VENUES:
        if other != venue:
            marked = [
                one for one in every_kind(other)
                # trades of the two futures markets look the same
                if b"rade" not in one or SPOT in (venue, other)
            ]  # fmt: skip
            assert scan(b"".join(marked), venue)[0] == {}


@settings(max_examples=150)
@given(
    st.sampled_from(VENUES),
    st.permutations(range(20)),
    st.integers(0, 2**53 - 1),
    st.decimals(0, 10**6, places=8).map(lambda d: f"{d:f}"),
    st.floats(1e-8, 1e7).map(lambda x: f"{x:.9f}"),
)
def test_the_order_of_keys_does_not_matter_and_decimals_are_rounded_as_float_does(
    venue, order, identity, size, price
):
    for message in (
        diff(venue, identity, identity, previous=identity, bids=[(price, size)]),
        quote(venue, identity) | {"B": size, "a": price},
        trade(venue, identity, price=price),
        aggregate(venue, identity),
    ):
        keys = [list(message)[k] for k in order if k < len(message)]
        one = line({key: message[key] for key in keys})
        found, _ = scan(one, venue)
        if found:
            assert found[0] == expected(one)
        # what it leaves is what a double cannot hold exactly as digits, or a price of zero
        digits = max(len(price.replace(".", "")), len(size.replace(".", "")))
        assert found or digits > 15 or float(price) == 0.0


@pytest.mark.parametrize(
    "change",
    [
        ('"u":9', '"u":09'),
        ('"u":9', '"u":-9'),
        ('"u":9', '"u":9.0'),
        ('"u":9', '"u":9e0'),
        ('"u":9', '"u":"9"'),
        ('"u":9', '"u":9223372036854775808'),
        ('"u":9', '"u":99999999999999999999'),
        ('"u":9', '"u":4'),
        ('"u":9', '"u":9,"u":9'),
        ('"u":9', '"u": 9'),
        ('"u":9', '"u":9,"new":1'),
        ('"u":9', '"u":9,"n":1'),
        ('"u":9', '"u":null'),
        ('"u":9', '"u":NaN'),
        ('"1.5"', '"0"'),
        ('"1.5"', '"-1.5"'),
        ('"1.5"', '"1.5e0"'),
        ('"1.5"', '".5"'),
        ('"1.5"', '"5."'),
        ('"1.5"', '"1.5.0"'),
        ('"1.5"', '""'),
        ('"1.5"', "1.5"),
        ('"1.5"', '"NaN"'),
        ('"1.5"', '"Infinity"'),
        ('"1.5"', '"1.50000000000000000000"'),
        ('["1.4","3"]', '["1.4"]'),
        ('["1.4","3"]', '["1.4","3","0"]'),
        ('["1.4","3"]', "[]"),
        ('["1.4","3"]]', '["1.4","3"],]'),
        ('"BTCUSDT"', '""'),
        ('"BTCUSDT"', '"' + "A" * 101 + '"'),
        ('"BTCUSDT"', '"BTC USDT"'),
        ('"BTCUSDT"', '"BTC\\u0055SDT"'),
        ('"BTCUSDT"', '"BTC\u0405DT"'),
        ('"E":', '"E":0'),
        ('"E":1723161256000', '"E":1723161256000000'),
        (f'"E":{START // MS}', f'"E":{START // MS + FAR_MS + 1}'),
        (f'"E":{START // MS}', f'"E":{START // MS - FAR_MS - 1}'),
        ("}}", "}} "),
        ("}}", "}}}"),
        ("}}", "}},"),
        ("}}", "}\0}"),
        ("}}", ',"x":{}}}'),
        ("data", "Data"),
        ('{"stream"', ' {"stream"'),
    ],
)
def test_anything_unexpected_is_left_to_the_parser(change):
    good = line(diff(SPOT, 5, 9, bids=[("1.5", "0"), ("1.4", "3")])).decode()
    assert scan(good.encode(), SPOT)[0]
    changed = good.replace(*change, 1)
    assert changed != good
    assert scan(changed.encode(), SPOT)[0] == {}
    among = scan(good.encode() * 2 + changed.encode() + good.encode() * 2, SPOT)[0]
    assert sorted(among) == [0, 1, 3, 4], "no more is taken after a line that is alike"


@pytest.mark.parametrize("venue", VENUES)
def test_numbers_of_any_width_are_read_alike_after_a_line_that_is_alike(venue):
    wholes = [0, 7, 10**7, 10**8 - 1, 10**12, 10**16 + 1, 2**53, 10**18, 2**63 - 1, 10]
    decimals = ["0", "9", "0.1", "12345678", "123456789", "1.12345678", "1.123456789",
                "1234567.12345678", "12345678.1234567", "12345678.12345678", "0000.5",
                "0.000000000001", "99999999.9", "1"]  # fmt: skip
    lines = []
    for k, whole in enumerate(wholes * len(decimals)):
        price = decimals[k % len(decimals)]
        size = decimals[(k + 3) % len(decimals)]
        sides = [(price, size), (size, price), (price, price)] if k % 3 else [(price, size)]
        messages = (
            diff(venue, whole, whole, previous=whole, bids=sides[: k % 4], asks=sides),
            quote(venue, whole) | {"B": size, "b": price},
            trade(venue, whole, price=price),
            aggregate(venue, whole),
        )
        lines += [line(message, channel=f"x@{message.get('e')}") for message in messages]
    found, count = scan(b"".join(lines), venue)
    assert count == len(lines)
    alone = [scan(one, venue)[0] for one in lines]
    assert found == {k: one[0] for k, one in enumerate(alone) if one}
    assert all(values == expected(lines[k]) for k, values in found.items())
    assert len(found) > count / 3


@pytest.mark.parametrize("venue", VENUES)
def test_a_line_with_one_byte_changed_is_read_among_its_like_as_it_is_alone(venue):
    price, size = "61800.10", "12.345"
    alike = [
        diff(venue, 5_123_107_832_006, 5_123_107_837_557, previous=5_123_107_831_937,
             bids=[(price, size), ("61800.00", "1.005"), ("61799.90", "0.000")],
             asks=[("61800.20", "0.014")]),
        quote(venue, 5_123_107_839_020) | {"b": price, "B": size},
        trade(venue, 5_266_583_935, price=price),
        aggregate(venue, 17),
    ]  # fmt: skip
    for message in alike:
        good = line(message)
        lines = [good] * 2
        for place in range(len(good) - 1):
            for byte in b'019:/"\x80':
                lines += [good[:place] + bytes([byte]) + good[place + 1 :], good]
        found, count = scan(b"".join(lines), venue)
        assert count == len(lines)
        alone = {one: scan(one, venue)[0].get(0) for one in set(lines)}
        assert alone[good] == expected(good)
        for k, one in enumerate(lines):
            assert found.get(k) == alone[one], one
        assert len(found) > count / 2


@pytest.mark.parametrize("venue", VENUES)
def test_a_receive_time_ends_with_a_space_also_after_a_number_too_wide_for_a_shape(venue):
    message = diff(venue, 5, 9, bids=[("100.4", "1.5")])
    good, wide = line(message), line(message | {"E": 172316125601256018})
    bad = [good[:19] + byte + good[20:] for byte in (b"\xac", b"0", b".", b"{")]
    found, count = scan(b"".join([good, wide, *bad, *[good] * 9]), venue)
    assert count == 15
    assert sorted(found) == [0, *range(6, 15)]


def test_a_stream_of_more_shapes_than_are_held_is_read_as_its_lines_are_alone():
    sizes = [f"{10**whole}{'.' * (decimals > 0)}{'1' * decimals}"
             for whole in range(7) for decimals in range(9)]  # fmt: skip
    lines = [
        line(quote(LINEAR, 10**k) | {"B": size, "A": sizes[-n]})
        for k in range(12)
        for n, size in enumerate(sizes)
    ] * 2
    found, _ = scan(b"".join(lines), LINEAR)
    assert [found.get(k) for k in range(len(lines))] == [expected(one) for one in lines]


def test_levels_of_sixteen_digits_are_taken_only_where_a_double_holds_them():
    held, not_held = "12345678.12345678", "99999999.99999999"
    for price, size, wide in (
        (held, "1.12345678", (not_held, "1.12345678")),
        ("1.5", "1.12345678", ("1.5", not_held)),
    ):
        good = line(diff(SPOT, 5, 9, bids=[(price, size)]))
        one = line(diff(SPOT, 5, 9, bids=[(price, size), wide, (price, size)]))
        found, _ = scan(good * 3 + one + good * 3, SPOT)
        assert sorted(found) == [0, 1, 2, 4, 5, 6]
        assert all(values == expected(good) for values in found.values())


def test_receive_times_outside_the_span_or_of_another_unit_are_left_alone():
    message = diff(SPOT, 5, 9)
    for receive in (START // 1_000, START * 10, 2**63 - 1, 9_999_999_999_999_999_999, 10**18):
        assert scan(line(message, receive), SPOT)[0] == {}
    micro = line(message, 9_999_999_999_999_999)
    assert scan(micro, SPOT, 16, 1_000)[0] == {}, "times wider than 64 bits of nanoseconds"


def test_a_block_of_nothing_but_newlines_fits_the_buffers(tmp_path):
    path = tmp_path / "newlines"
    path.write_bytes(recording(SPOT, 1)[0] + b"\n" * 5_000_000 + recording(SPOT, 2)[1])
    decoder = Decoder(path, SPOT, "ns", [], None)
    assert sum(len(chunk.quotes[0]) + len(chunk.books[0]) for chunk in decoder) == 2
    assert decoder.account.lines_read == 5_000_002
    assert decoder.account.ignored == {"blank_line": 5_000_000}


def some_of(venue):
    """Lines of all kinds, snapshots too."""
    lines = every_kind(venue) * 3 + recording(venue, 30)
    return [*lines, line(snapshot(venue, 12, bids=[("1.5", "2")]))]


def check_mutated(tmp_path, venue, count, seed):
    """Mutate lines and see that nothing crashes, nothing is lost, nothing is let through."""
    rng = random.Random(seed)
    lines = some_of(venue)
    text = b"".join(mutated(rng, rng.choice(lines)) for _ in range(count))
    text = text.removesuffix(b"\n") + b"\n"
    found, total = scan(text, venue)
    pieces = text.split(b"\n")[:-1]
    assert total == len(pieces)
    for k, values in found.items():
        assert values == expected(pieces[k]) == parsed(pieces[k], venue), pieces[k]
    path = tmp_path / "mutated"
    path.write_bytes(text)
    decoder = Decoder(path, venue, "ns", [], None)
    events = 0
    bad = []
    for chunk in decoder:
        events += sum(len(part[0]) for part in (chunk.books, chunk.quotes, chunk.trades))
        events += len(chunk.marks[0])
        bad.extend(chunk.bad_lines)
    account = decoder.account
    assert account.balanced
    assert account.lines_read == total
    assert events == account.decoded.total() >= len(found) > count // 50
    assert len(bad) == account.quarantined.total() > count // 3
    assert account.text_bytes == len(text)
    for one in bad:
        stood = text[one.byte_offset : one.byte_offset + one.byte_length]
        assert stood == pieces[one.line - 1].rstrip(b"\r")
        assert one.reason
        assert one.detail
    return account


@pytest.mark.parametrize("venue", VENUES)
def test_mutated_lines_are_decoded_exactly_or_quarantined(tmp_path, venue):
    account = check_mutated(tmp_path, venue, 34_000, f"mutations of {venue}")
    assert len(account.quarantined) >= 10  # reasons


@pytest.mark.slow
@pytest.mark.parametrize("venue", VENUES)
def test_a_million_mutated_lines(tmp_path, venue):
    for seed in range(4):
        check_mutated(tmp_path, venue, 84_000, f"{seed} {venue}")


@settings(max_examples=200)
@given(st.sampled_from(VENUES), st.binary(max_size=300))
def test_any_bytes_at_all_are_accounted_for(tmp_path_factory, venue, data):
    path = tmp_path_factory.mktemp("bytes") / "capture"
    path.write_bytes(b"1723161256000000000 {" + data)
    decoder = Decoder(path, venue, "ns", [], None)
    for _ in decoder:
        pass
    assert decoder.account.balanced
    assert decoder.account.lines_read == data.count(b"\n") + (not data.endswith(b"\n"))


@given(st.binary(max_size=70), st.integers(0, 70))
@example(b"\n" * 70, 70)
@example(b"\x0b\x8a\n\x09\x8a\x00\xff\n\x7f", 9)
def test_newlines_are_counted_as_they_stand(text, stop):
    stop = min(stop, len(text))
    found = count_newlines(np.frombuffer(text, np.uint8), stop)
    assert found == text[:stop].count(b"\n")


NUMBER = st.from_regex(r"[0-9]{0,10}(\.[0-9]{0,12})?", fullmatch=True) | st.text(max_size=9)


@given(st.lists(st.lists(NUMBER | st.integers() | st.none(), max_size=3), max_size=6))
@example([["1.5", "0.000"], ["12345678", "1234567.8"]])
@example([[2**80, "1"]])
@example([["1", "2", "3"]])
@example([["0", "1"]])
def test_levels_of_a_decoded_message_are_the_floats_of_their_words_or_left_to_the_parser(levels):
    found = levels_of_words(levels)
    if found is not None:
        assert found == ([float(one[0]) for one in levels], [float(one[1]) for one in levels])
        assert all(len(one) == 2 and min(map(len, one)) > 0 for one in levels)
        assert all(float(one[0]) > 0 for one in levels)
    elif all(len(one) == 2 and all(isinstance(word, str) for word in one) for one in levels):
        plain = re.compile(r"[0-9]{1,10}(\.[0-9]{1,5})?")
        assert not all(
            all(plain.fullmatch(word) for word in one) and float(one[0]) > 0 for one in levels
        )
