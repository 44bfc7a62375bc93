"""A capture decoded from its path alone, as registering and decoding it would. No fixtures."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pyarrow as pa

from imbalance.captures.clocks import Clocks
from imbalance.captures.decoding import Context
from imbalance.captures.formats.registry import formats
from imbalance.captures.instruments import Contracts
from imbalance.captures.probe import probe
from imbalance.config import Config


@dataclass
class Whole:
    """What became of a capture: its account, rows by table, bad lines."""

    format: str
    layout: str
    venue: str
    lines: int
    decoded: dict
    ignored: dict
    quarantined: dict
    tables: dict = field(default_factory=dict)
    bad: list = field(default_factory=list)
    events_left_out: dict = field(default_factory=dict)
    instruments: list = field(default_factory=list)


def decode(path):
    """Decode a file; fails where its lines do not add up."""
    found = probe(path)
    assert found.state != "refused", found.reason
    context = Context(
        found.capture_id, path, found.sniff.venue, Contracts(Config()),
        clocks=Clocks(None, found.sniff.first_difference),
    )
    decoder = formats()[found.sniff.format].decoder(context, found.sniff)
    parts, bad = defaultdict(list), []
    for batch in decoder:
        bad += batch.bad
        for name, (times, rows) in batch.tables.items():
            assert len(times) == len(rows)
            parts[name].append(rows)
    account = decoder.account
    assert account.balanced, account
    assert decoder.end.sha256 == found.sha256
    return Whole(
        found.sniff.format, found.sniff.layout, found.sniff.venue, account.lines_read,
        dict(account.decoded), dict(account.ignored), dict(account.quarantined),
        {name: pa.concat_tables(some) for name, some in parts.items()}, bad,
        dict(account.events_left_out), list(decoder.instruments),
    )


def counts(paths):
    """Lines decoded by kind, ignored by rule and quarantined, over several files."""
    decoded, ignored, quarantined = Counter(), Counter(), Counter()
    for path in paths:
        found = decode(path)
        decoded.update(found.decoded)
        ignored.update(found.ignored)
        quarantined.update(found.quarantined)
    return dict(decoded), dict(ignored), dict(quarantined)
