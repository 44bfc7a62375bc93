"""The scanner alone, and what `json` and `float` make of the same lines. No fixtures, no tests."""

import json

import numpy as np

from imbalance.captures import columns, scanner
from imbalance.captures.events import Rejected
from imbalance.captures.venues import binance
from tests.captures.samples import VENUES

ROOM = 4096
"""Symbols a scan of the tests may meet: mutated lines bring many."""

KINDS = (
    scanner.KIND_DIFF,
    scanner.KIND_QUOTE,
    scanner.KIND_TRADE,
    scanner.KIND_AGGREGATE,
)
FAR_MS = 300_000


def refused(constant):
    raise ValueError(constant)


def once(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key given twice")
    return found


def message_of(line):
    """The message by `json` at its strictest; ValueError where it is not exactly JSON."""
    payload = line.split(b" ", 1)[1].decode("utf-8")
    outer = json.loads(payload, parse_constant=refused, object_pairs_hook=once)
    return outer["data"]


def expected(line):
    """(kind, symbol, receive ns, E ms, T ms, values) of a line by `json` and `float`."""
    receive = int(line.split(b" ", 1)[0])
    message = message_of(line)
    kind = message.get("e", "bookTicker")
    if kind == "depthUpdate":
        sides = [[(float(p), float(q)) for p, q in message[side]] for side in "ba"]
        values = (message["U"], message["u"], message.get("pu", -1), *sides)
        code = scanner.KIND_DIFF
    elif kind == "bookTicker":
        values = (message["u"], *(float(message[name]) for name in "bBaA"))
        code = scanner.KIND_QUOTE
    else:
        code = scanner.KIND_TRADE if kind == "trade" else scanner.KIND_AGGREGATE
        identity = message["t" if kind == "trade" else "a"]
        values = (identity, float(message["p"]), float(message["q"]), message["m"])
    return (code, message["s"], receive, message.get("E", -1), message.get("T", -1), values)


def parsed(line, venue):
    """The same by the venue's own parser, or None where it does not decode the line."""
    try:
        found = binance.parse(line.split(b" ", 1)[1].rstrip(b"\r\n"), binance.MARKETS[venue])
    except Rejected:
        return None
    if not isinstance(found, binance.Decoded):
        return None
    values = found.values
    if found.kind == scanner.KIND_DIFF:
        first, last, previous, *sides = values
        values = (first, last, -1 if previous is None else previous)
        values += tuple(list(zip(*side, strict=True)) for side in sides)
    times = (-1 if t is None else t for t in (found.exchange, found.transaction))
    return (found.kind, found.symbol, int(line.split(b" ", 1)[0]), *times, values)


def scan(text, venue, digits=19, scale=1):
    """Lines of a text which the scanner takes: by line from 0, the same tuples; and how many lines
    there are.
    """
    market = VENUES.index(venue)
    table = np.zeros((ROOM, scanner.SYMBOL_BYTES), np.uint8)
    lengths = np.zeros(ROOM, np.int64)
    symbols = []
    out = columns.allocate(len(text))
    padded = np.frombuffer(text + bytes(16), np.uint8)
    place, status = 0, scanner.NEW_SYMBOL
    while place < len(text):
        status, place = scanner.scan(
            padded, place, len(text), market, digits, scale, 0, 2**62, table, lengths,
            len(symbols), out,
        )  # fmt: skip
        if status == scanner.NEW_SYMBOL:
            name = message_of(text[place : text.index(b"\n", place)])["s"]
            assert name not in symbols
            table[len(symbols), : len(name)] = np.frombuffer(name.encode(), np.uint8)
            lengths[len(symbols)] = len(name)
            symbols.append(name)
        else:
            assert status == scanner.SCANNED
    return _taken(out, symbols), int(out.used[0])


def _taken(out, symbols):
    count, diffs, quotes, trades, bids, asks = out.used.tolist()
    levels = [
        list(zip(price[:used].tolist(), size[:used].tolist(), strict=True))
        for price, size, used in (
            (out.bid_price, out.bid_size, bids),
            (out.ask_price, out.ask_size, asks),
        )
    ]
    heights = out.level_counts[:diffs].tolist()
    at = np.zeros(2, int)
    books = []
    for ids, height in zip(out.update_ids[:diffs].tolist(), heights, strict=True):
        sides = [levels[k][at[k] : at[k] + height[k]] for k in (0, 1)]
        books.append((*ids, *sides))
        at += height
    values = {
        scanner.KIND_DIFF: iter(books),
        scanner.KIND_QUOTE: (
            (identity, *row)
            for identity, row in zip(
                out.quote_id[:quotes].tolist(), out.quotes[:quotes].tolist(), strict=True
            )
        ),
    }
    dealt = (
        (identity, *row, maker)
        for identity, row, maker in zip(
            out.trade_id[:trades].tolist(),
            out.trades[:trades].tolist(),
            out.maker[:trades].tolist(),
            strict=True,
        )
    )
    values[scanner.KIND_TRADE] = values[scanner.KIND_AGGREGATE] = dealt
    columns = (out.kind, out.symbol, out.receive, out.exchange, out.transaction)
    found = {}
    for k, (kind, symbol, receive, exchange, transaction) in enumerate(
        zip(*(column[:count].tolist() for column in columns), strict=True)
    ):
        if kind in KINDS:
            found[k] = (
                kind, symbols[symbol], receive,
                -1 if exchange < 0 else exchange // 1_000_000,
                -1 if transaction < 0 else transaction // 1_000_000,
                next(values[kind]),
            )  # fmt: skip
    return found
