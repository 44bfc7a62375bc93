"""Lines with bytes or values changed, as broken recorders and disks leave them. No fixtures, no
tests.
"""

import random
import re

SPECIAL = [
    b"NaN", b"Infinity", b"-Infinity", b"-0", b"00", b"1e400", b"1.0", b"null", b"true", b"[]",
    b"{}", b'""', b'"\\ud800"', b"\xff", b"\xc3\x28", b"\xef\xbb\xbf", b"\0", b"\r\n", b"\n", b" ",
    b"9" * 19, b"9" * 25, b'"0"', b'"-1"', b'"e":"trade",', b'"u":1,', b'[["1","2"]]', b"e", b"ps",
]  # fmt: skip


HOSTILE = [
    b"0", b"-1", b"00", b"01", b"1e5", b"1E-5", b"null", b"true", b"false", b"9223372036854775807",
    b"9223372036854775808", b"9007199254740993", b"0.0000000000001", b"0.000000000001", b"1.",
    b".5", b"-0", b"0.0", b"3" * 30, b"7" * 5000, b"8" * 400 + b".5", b"sell", b"Sell", b"SELL",
    b"buy", b"bid", b"ask", b"offer", b"delete", b"new", b"", b"x" * 101, b"\xc3\xa9", b"\xff",
    b"a b", b"1618677485000", b"9223372036854", b"9223372036855", b"1_0", b"nan", b"[]", b"{}",
    b"1,2", b"snapshot", b"\x01", b"1.5", b"12345678901234567890.5",
]  # fmt: skip
"""What may stand in the place of a value."""

VALUE = re.compile(rb"-?\d+(?:\.\d+)?|[A-Za-z_]+")


def mutated(rng: random.Random, one: bytes) -> bytes:
    """A line with one to three changes of its bytes."""
    text = bytearray(one)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(text))
        to = min(len(text), at + rng.randrange(1, 12))
        kind = rng.randrange(8)
        if kind == 0:
            text[at] = rng.randrange(256)
        elif kind == 1:
            del text[at]
        elif kind == 2:
            text[at:at] = rng.choice(SPECIAL)
        elif kind == 3:
            text[at:to] = rng.choice(SPECIAL)
        elif kind == 4:
            text[at:at] = text[at:to]
        elif kind == 5:  # one digit for another: still JSON
            digits = [k for k in range(len(text)) if 48 <= text[k] <= 57]
            text[rng.choice(digits)] = rng.randrange(48, 58) if digits else 48
        elif kind == 6:  # one letter for another: other keys, other words
            letters = [k for k in range(len(text)) if chr(text[k]).isalpha()]
            text[rng.choice(letters or [at])] = text[rng.choice(letters or [at])]
        else:
            other = rng.randrange(len(text))
            text[at], text[other] = text[other], text[at]
        if len(text) < 4:
            break
    return bytes(text)


def hostile(line):
    """The line with each of its values another one; of many values some."""
    begin = max(line.find(b'"data":') + 7, line.find(b": ") + 1)
    values = list(VALUE.finditer(line, begin))
    for value in values[:: max(len(values) // 60, 1)]:
        for other in HOSTILE:
            yield line[: value.start()] + other + line[value.end() :]
