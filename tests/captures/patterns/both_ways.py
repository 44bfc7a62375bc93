"""Captures decoded with patterns and without. No fixtures, no tests."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from imbalance.captures.clocks import Clocks
from imbalance.captures.decoding import Context
from imbalance.captures.instruments import Contracts
from imbalance.captures.patterns.counters import Counters
from imbalance.captures.patterns.held import Held
from imbalance.captures.patterns.reader import PatternReader
from imbalance.captures.recorded import RecordedDecoder
from imbalance.captures.records import JsonRecords, LegacyLines
from imbalance.config import Config


class Counted(RecordedDecoder):
    """Counts the lines that are understood by themselves."""

    alone = 0

    def _line(self, number, offset, line):
        self.alone += 1
        super()._line(number, offset, line)


class WithoutPatterns(RecordedDecoder):
    """Understands each line by itself."""

    def __init__(self, context, lines):
        super().__init__(context, lines)
        self._alike = PatternReader({}, self._gathering.columns, Counters(), Held())


@dataclass
class Made:
    """What a capture came to; `alone` counts the lines that no pattern read."""

    arrow: dict
    bad: list
    account: object
    last_receive: int | None
    last_available: int | None
    alone: int = 0

    @property
    def tables(self):
        """Rows by table."""
        return {name: rows.to_pylist() for name, rows in self.arrow.items()}


def made(path, venue, kind):
    """Decode a capture of a venue, by one of both classes."""
    lines = LegacyLines() if ".ws." in path.name or ".http." in path.name else JsonRecords()
    context = Context("c" * 16, path, venue, Contracts(Config()), clocks=Clocks(None, None))
    decoder, tables, bad = kind(context, lines), {}, []
    for batch in decoder:
        for name, (_, rows) in batch.tables.items():
            tables.setdefault(name, []).append(rows)
        bad += batch.bad
    assert decoder.account.balanced
    rows = {
        name: pa.concat_tables(all_, promote_options="permissive")
        for name, all_ in tables.items()
    }
    return Made(rows, bad, decoder.account, decoder.last_receive, decoder.last_available,
                getattr(decoder, "alone", 0))  # fmt: skip


def signs(rows):
    """Of which numbers the sign is set; −0 and 0 equal each other otherwise."""
    return {
        name: np.signbit(column.fill_null(0.0).to_numpy()).tolist()
        for name, column in zip(rows.column_names, rows.columns, strict=True)
        if pa.types.is_floating(column.type)
    }


def differences(one, other):
    """In what two decodings of a capture differ: names of tables and of what else is compared."""
    names = one.arrow.keys() | other.arrow.keys()
    same = {
        "account": repr(one.account) == repr(other.account),
        "bad": one.bad == other.bad,
        "last receive time": one.last_receive == other.last_receive,
        "last available time": one.last_available == other.last_available,
        **{name: name in one.arrow and name in other.arrow for name in names},
    }
    for name in one.arrow.keys() & other.arrow.keys():
        same[name] = one.arrow[name].equals(other.arrow[name])
        same[f"signs of {name}"] = signs(one.arrow[name]) == signs(other.arrow[name])
    return sorted(name for name, is_same in same.items() if not is_same)


def both(path, venue):
    """What a capture comes to by patterns, and in what it differs from what it comes to without."""
    by_patterns = made(path, venue, Counted)
    return by_patterns, differences(by_patterns, made(path, venue, WithoutPatterns))
