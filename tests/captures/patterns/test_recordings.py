"""Recordings of real venues come to the same with patterns and without, altered ones too."""

import random
import re
from itertools import islice

import pytest
import zstandard

from imbalance.captures.probe import probe
from tests.captures.mutations import hostile, mutated
from tests.captures.patterns.both_ways import both

READ = {
    "v3/BINANCE_FUTURES.jsonl.zst": 0.9, "v3/BITFLYER.jsonl.zst": 0.9, "v3/BYBIT.jsonl.zst": 0.7,
    "v3/COINBASE.jsonl.zst": 0.9, "v3/CRYPTO.COM.jsonl.zst": 0.5,
    "v3/GATEIO_FUTURES.jsonl.zst": 0.7, "v3/GEMINI.jsonl.zst": 0.5,
    "v3/KRAKEN_FUTURES.jsonl.zst": 0.9, "v3/KUCOIN.jsonl.zst": 0.9,
    "v3/POLONIEX.jsonl.zst": 0.8, "legacy/BINANCE_DELIVERY.ws.7.0": 0.9,
    "legacy/HITBTC.ws.1.0": 0.6, "legacy/KUCOIN.ws.1.0": 0.9,
}  # fmt: skip
"""Share of lines that are read by patterns at least."""

def recordings(cryptofeed):
    """All recordings of sockets."""
    paths = [*sorted((cryptofeed / "v3").iterdir()), *sorted((cryptofeed / "legacy").iterdir())]
    return [path for path in paths if path.suffix == ".zst" or ".ws." in path.name]


def lines_of(path):
    """The lines of a recording."""
    content = path.read_bytes()
    if path.suffix == ".zst":
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return content.split(b"\n")


def test_recordings_come_to_the_same(cryptofeed):
    for path in recordings(cryptofeed):
        _, differences = both(path, probe(path).sniff.venue)
        assert differences == [], path.name


@pytest.mark.parametrize("name", READ)
def test_most_lines_are_read_by_patterns(cryptofeed, name):
    path = cryptofeed / name
    found, differences = both(path, probe(path).sniff.venue)
    assert differences == []
    assert 1 - found.alone / found.account.lines_read > READ[name]


def altered(path, chance, to, most):
    """A recording with some of its lines altered, as a file of the same kind."""
    lines = [line for line in lines_of(path) if 0 < len(line) < 5_000][:most]
    text = b"\n".join(mutated(chance, line) if chance.random() < 0.05 else line for line in lines)
    target = to / path.name.removesuffix(".zst")
    target.write_bytes(text)
    return target


@pytest.mark.parametrize(
    ("seeds", "most"), [(1, 600), pytest.param(20, 10_000, marks=pytest.mark.slow)]
)
def test_altered_recordings_come_to_the_same(cryptofeed, tmp_path, seeds, most):
    for path in recordings(cryptofeed):
        venue = probe(path).sniff.venue
        for seed in range(seeds):
            _, differences = both(altered(path, random.Random(seed), tmp_path, most), venue)
            assert differences == [], (path.name, seed)


def examples(lines, kinds, each):
    """Of the commonest kinds of short received lines some each, by their text without digits."""
    found = {}
    for line in lines:
        begin = max(line.find(b'"data":'), 0)
        if len(line) < 1_500 and (b'"t":"recv"' in line or line[:1].isdigit()):
            kind = re.sub(rb"[\d.]+", b"", line[begin : begin + 60])
            found.setdefault(kind, []).append(line)
    most = sorted(found.values(), key=len, reverse=True)[:kinds]
    return [line for known in most for line in known[1 : 1 + each]]


@pytest.mark.parametrize(
    ("kinds", "each", "share"), [(3, 1, 25), pytest.param(12, 2, 1, marks=pytest.mark.slow)]
)
def test_any_value_comes_to_the_same(cryptofeed, tmp_path, kinds, each, share):
    for path in recordings(cryptofeed):
        lines = lines_of(path)
        odd = [other for line in examples(lines, kinds, each) for other in hostile(line)]
        target = tmp_path / path.name.removesuffix(".zst")
        begin = [line for line in islice(lines, 1_500) if len(line) < 5_000]
        target.write_bytes(b"\n".join((*begin, *odd[::share], *begin[-30:], b" " * 80, b"")))
        _, differences = both(target, probe(path).sniff.venue)
        assert differences == [], path.name
