"""Lines with bytes changed, as broken recorders and disks leave them. No fixtures, no tests."""

import random

SPECIAL = [
    b"NaN", b"Infinity", b"-Infinity", b"-0", b"00", b"1e400", b"1.0", b"null", b"true", b"[]",
    b"{}", b'""', b'"\\ud800"', b"\xff", b"\xc3\x28", b"\xef\xbb\xbf", b"\0", b"\r\n", b"\n", b" ",
    b"9" * 19, b"9" * 25, b'"0"', b'"-1"', b'"e":"trade",', b'"u":1,', b'[["1","2"]]', b"e", b"ps",
]  # fmt: skip


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
