"""Lines decoded to rows, as the raw tables have them. No fixtures, no tests."""

from imbalance.captures.batches import Batches
from imbalance.captures.decode import Decoder
from imbalance.captures.rows import Contract
from tests.captures.samples import (
    INVERSE,
    SPOT,
    SYMBOLS,
)


def decode(tmp_path, lines, venue=SPOT, *, symbols=None, only="", unit="ns", span=None):
    """Decoder and rows by table of some lines; `only` "" stands for the venue's usual symbol."""
    path = tmp_path / "capture"
    path.write_bytes(b"".join(lines))
    only = SYMBOLS[venue] if only == "" else only
    more = {} if span is None else {"span": span}
    decoder = Decoder(path, venue, unit, symbols or [], only, **more)
    contracts = {f"{INVERSE}:BTCUSD_PERP": Contract(100.0, inverse=True)}
    batches = Batches("c" * 16, decoder.instruments, contracts)
    rows = {}
    bad = []
    for chunk in decoder:
        for table, (_, found) in batches.tables(chunk).items():
            rows.setdefault(table, []).extend(found.to_pylist())
        bad.extend(chunk.bad_lines)
    assert decoder.account.balanced
    return decoder, rows, bad


def ns(value):
    """Nanoseconds since the epoch of a time of a row."""
    return None if value is None else value.value


def reasons(decoder):
    return dict(decoder.account.quarantined)
