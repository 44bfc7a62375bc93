"""Lines of JSON as rows: each line is one object, or is told of."""

import random

import pytest

from tests.captures.levels import as_json, config, row
from tests.captures.test_continued import decoded

A, B = as_json(row(0)).strip(), as_json(row(1)).strip()


@pytest.fixture
def own(tmp_path):
    return config(tmp_path).formats


def told(path, own, text):
    """Lines decoded, ignored, and reasons by line."""
    path.write_bytes(text)
    found, decoder = decoded(path, own=own)
    account = decoder.account
    assert account.balanced
    assert account.lines_read == len(text.splitlines())
    reasons = {one.line: one.reason for batch in found for one in batch.bad}
    return account.decoded.total(), account.ignored.total(), reasons


@pytest.mark.parametrize("rest", [b"", b"\n", b"[1]\n", b"{\n"])
def test_two_objects_on_a_line_are_told_whatever_else_is_there(tmp_path, own, rest):
    more = b"".join(as_json(row(k)) for k in range(2, 7))
    decoded, ignored, reasons = told(tmp_path / "a", own, A + b"\n" + B + B + b"\n" + rest + more)
    assert (decoded, ignored) == (6, rest == b"\n")
    assert reasons[2] == "not_json"
    assert len(reasons) == 1 + (rest not in (b"", b"\n"))


def test_an_object_over_several_lines_is_none(tmp_path, own):
    broken = b'{"t":\n' + A[len(b'{"t": ') :] + b"\n"
    lines = A + b"\n" + broken + B + B + b"\n" + B + b"\n"
    assert told(tmp_path / "a", own, lines) == (2, 0, {2: "not_json", 3: "not_json", 4: "not_json"})
    nested = b'{"a": {}\n}{}\n'  # two values on two lines
    assert told(tmp_path / "a", own, A + b"\n" + nested) == (1, 0, {2: "not_json", 3: "not_json"})


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \n", b"\t\r\n"])
@pytest.mark.parametrize("start", [b"", b"  "])
def test_blanks_about_objects_do_not_matter(tmp_path, own, start, end):
    text = b"".join(start + as_json(row(k)).strip() + end for k in range(9))
    assert told(tmp_path / "a", own, text) == (9, 0, {})
    assert told(tmp_path / "a", own, text.rstrip()) == (9, 0, {})


def test_lines_of_any_pieces_are_told_as_each_by_itself(tmp_path, own):
    """Whatever stands about a line, its verdict is its own."""
    rng = random.Random(3)
    pieces = [b"{", b"}", b"{}", b"}{", b"[", b"]", b",", b'"', b" ", b"5", b'"a":', b"\r", A, B]
    for _ in range(100):
        lines = [A] + [b"".join(rng.choices(pieces, k=rng.randrange(4))).replace(b"\r", b" ")
                       for _ in range(rng.randrange(1, 7))]
        alone = [told(tmp_path / "a", own, A + b"\n" + line + b"\n") for line in lines[1:]]
        decoded, ignored, reasons = told(tmp_path / "a", own, b"\n".join(lines) + b"\n")
        assert (decoded, ignored) == (
            1 + sum(one[0] - 1 for one in alone), sum(one[1] for one in alone)
        )
        assert reasons == {
            at: one[2][2] for at, one in enumerate(alone, 2) if one[2]
        }
