"""A small simulated market, and a slow reader of its captures that shares no code with them.

The reader is the referee: a plain dictionary book over parsed JSON, with order flow by the printed
formula of Cont, Kukanov and Stoikov (2014).
"""

import datetime as dt
import gzip
import json
from collections import defaultdict
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from imbalance.simulate import Scenario, simulate_market

START = dt.datetime(2025, 3, 4, 23, 54, tzinfo=dt.UTC)  # 6 minutes before midnight
SECONDS = 600
MULTIPLIER = {"BTCUSD_PERP": 100.0}


@dataclass
class Replay:
    """What a capture's book shows. Bars are by exchange time, the first second left out."""

    flow: np.ndarray  # base units per second
    mid_100ms: np.ndarray  # last mid of every 100 ms
    compared: int = 0  # quotes whose update id is that of a difference
    mismatches: int = 0
    breaks: list = field(default_factory=list)  # line numbers at which the chain broke
    stale: int = 0
    bests: list = field(default_factory=list)  # (ms since the start, bid, ask) per difference

    @property
    def returns(self) -> np.ndarray:
        closes = self.mid_100ms.reshape(-1, 10)[:, -1]
        return np.concatenate([[np.nan], 1e4 * np.diff(np.log(closes))])


def read_lines(paths):
    for path in paths:
        with gzip.open(path, "rt") as lines:
            for line in lines:
                received, _, text = line.partition(" ")
                yield int(received), json.loads(text)


def event_flow(old, new, base):
    """e_n of two states (bid, bid size, ask, ask size), sizes converted by `base(size, price)`."""
    (b0, qb0, a0, qa0), (b, qb, a, qa) = old, new
    e = base(qb, b) if b >= b0 else 0.0
    e -= base(qb0, b0) if b <= b0 else 0.0
    e -= base(qa, a) if a <= a0 else 0.0
    e += base(qa0, a0) if a >= a0 else 0.0
    return e


def replay(paths, symbol, start=START, seconds=SECONDS):
    multiplier = MULTIPLIER.get(symbol)

    def base(size, price):
        return size * multiplier / price if multiplier else size

    start_ms = int(start.timestamp() * 1000)
    messages = list(read_lines(paths))
    quotes = {
        m["data"]["u"]: m["data"] for _, m in messages if m.get("stream", "").endswith("bookTicker")
    }
    result = Replay(np.zeros(seconds), np.full(seconds * 10, np.nan))
    book = None
    waiting, previous = [], None
    best = None
    diffs = []
    for number, (_, message) in enumerate(messages):
        if "lastUpdateId" in message:
            snapshot = message
            book = tuple(
                {float(p): float(q) for p, q in snapshot[side]} for side in ("bids", "asks")
            )
            stamp, previous, best = snapshot["lastUpdateId"], None, None
            diffs, waiting = waiting, []
            result.stale += sum(d["u"] <= stamp for _, d in diffs)
            diffs = [(n, d) for n, d in diffs if d["u"] > stamp]
        elif message.get("data", {}).get("e") == "depthUpdate":
            if book is None:
                waiting.append((number, message["data"]))
                continue
            diffs = [(number, message["data"])]
        else:
            continue
        for line, diff in diffs:
            spot = "pu" not in diff
            if previous is None:
                bridged = diff["U"] <= stamp + spot <= diff["u"] or diff.get("pu") == stamp
            else:
                bridged = diff["U"] == previous + 1 if spot else diff["pu"] == previous
            if not bridged:
                result.breaks.append(line)
                book, waiting = None, [(line, diff)]
                break
            previous = diff["u"]
            for side, levels in zip(book, (diff["b"], diff["a"]), strict=True):
                for price, size in levels:
                    if float(size):
                        side[float(price)] = float(size)
                    else:
                        side.pop(float(price), None)
            bid, ask = max(book[0]), min(book[1])
            assert bid < ask
            state = (bid, book[0][bid], ask, book[1][ask])
            at = diff.get("T", diff["E"]) - start_ms
            if best is not None:
                result.flow[at // 1000] += event_flow(best, state, base)
            result.mid_100ms[at // 100] = (bid + ask) / 2
            result.bests.append((at, bid, ask))
            best = state
            quote = quotes.get(diff["u"])
            if quote is not None:
                result.compared += 1
                shown = tuple(float(quote[key]) for key in "bBaA")
                result.mismatches += shown != state
        diffs = []
    return result


def captures(directory, truth, instrument):
    return [directory / file.path for file in truth.files if file.instrument == instrument]


@pytest.fixture(scope="session")
def scenario():
    return replace(Scenario.default(), start=START, duration_seconds=SECONDS, seed=7)


@pytest.fixture(scope="session")
def market(scenario, tmp_path_factory):
    """(directory, truth) of the small market."""
    directory = tmp_path_factory.mktemp("market")
    return directory, simulate_market(directory, scenario)


@pytest.fixture(scope="session")
def replays(market, scenario):
    """Replay of every instrument."""
    directory, truth = market
    return {
        one.name: replay(captures(directory, truth, one.name), one.symbol)
        for one in scenario.instruments
    }


@pytest.fixture(scope="session")
def messages_of(market):
    """Parsed messages of one instrument by kind: diff, snapshot, quote, trade, mark."""
    directory, truth = market

    def read(instrument):
        found = defaultdict(list)
        for received, message in read_lines(captures(directory, truth, instrument)):
            kind = "snapshot" if "lastUpdateId" in message else message["stream"].split("@")[1]
            found[kind].append((received, message.get("data", message)))
        return found

    return read


@pytest.fixture(scope="session")
def reread():
    """The slow reader itself, for captures with losses."""
    return replay
