"""What is to be simulated: instruments, how they act on each other, when, and what goes wrong.

Belongs here: the frozen settings of a simulation and the check that they make sense together.
Not here: drawing anything.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from imbalance.errors import UserError

SUBDIVISIONS = 10  # steps of 100 ms in the second that the planted dynamics advance by

EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LATEST = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
"""64 bits of nanoseconds end in 2262; years are left for whoever reckons with margins."""
MOST_SKEW_SECONDS = 86_400

Venue = Literal["binance", "binance-futures", "binance-delivery"]


@dataclass(frozen=True)
class SimulatedInstrument:
    """An instrument: its market conventions, and its own flow and price dynamics per second.

    With f the order flow imbalance (base units) and r the log mid return (bps) of a second:

    f_t = persistence[0] f_{t−1} + persistence[1] f_{t−2} + feedback · r_{t−1} + u_t
    r_t = impact · f_t + (what links add) + v_t

    Parameters
    ----------
    price : first mid price, quote units.
    tick, lot : smallest price step (quote units) and size step (base units, or contracts).
    price_decimals, size_decimals : digits the venue prints.
    multiplier : quote units per contract of an inverse contract; None where sizes are base units.
    flow_deviation : standard deviation of u, base units.
    feedback : base units of flow per bps of the last return.
    impact : bps per base unit.
    return_noise : standard deviation of v, bps.
    diffs_per_second, trades_per_second : mean message rates (spot: one diff every 100 ms).
    """

    venue: Venue
    symbol: str
    price: float
    tick: float
    price_decimals: int
    lot: float
    size_decimals: int
    flow_deviation: float
    persistence: tuple[float, float]
    impact: float
    return_noise: float
    feedback: float = 0.0
    multiplier: float | None = None
    diffs_per_second: float = 20.0
    trades_per_second: float = 4.0

    @property
    def name(self) -> str:
        """`<venue>:<symbol>`, as in every table."""
        return f"{self.venue}:{self.symbol}"


@dataclass(frozen=True)
class Link:
    """What the source adds: r_target,t += cross_impact · f_source,t + follow · r_source,t−lag.

    A lag that is no whole number of seconds takes the target out of the joint VAR(2), which is then
    about the others: the target's lead-lag and own impact stay known.
    """

    source: str
    target: str
    lag_seconds: float
    follow: float
    cross_impact: float = 0.0

    @property
    def steps(self) -> int:
        """The lag in steps of 100 ms."""
        return round(self.lag_seconds * SUBDIVISIONS)

    @property
    def whole_seconds(self) -> bool:
        return self.steps % SUBDIVISIONS == 0


@dataclass(frozen=True)
class CommonShock:
    """Correlation of two instruments' flow innovations u, and of their return noises v."""

    first: str
    second: str
    flow: float
    noise: float


@dataclass(frozen=True)
class Gap:
    """Book messages lost in the recording: `messages` differences from `at_seconds` on.

    With `resynchronise_seconds` the recorder takes a new snapshot so long after the loss, as real
    ones do; without, the book stays broken.
    """

    instrument: str
    at_seconds: float
    messages: int
    resynchronise_seconds: float | None = None


@dataclass(frozen=True)
class Scenario:
    """A whole simulation. Equal scenarios give files equal byte for byte.

    Parameters
    ----------
    start : first instant, UTC, a whole second from 1970 to 2199.
    duration_seconds : whole seconds of market time.
    gaps : losses at given places.
    drop_fraction : share of all book differences lost at random, one by one.
    clock_skew_seconds : added to every receive time (negative: the recorder's clock is behind).
    truncations : (instrument, share of the bytes kept) of files cut off in the middle.
    """

    instruments: tuple[SimulatedInstrument, ...]
    links: tuple[Link, ...] = ()
    common_shocks: tuple[CommonShock, ...] = ()
    start: dt.datetime = dt.datetime(2025, 3, 4, 23, 30, tzinfo=dt.UTC)
    duration_seconds: int = 2400
    seed: int = 1
    gaps: tuple[Gap, ...] = ()
    drop_fraction: float = 0.0
    clock_skew_seconds: float = 0.0
    truncations: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated.

        Raises
        ------
        UserError
            Naming the setting and what it may be.
        """
        names = [instrument.name for instrument in self.instruments]
        if not names or len(set(names)) != len(names):
            raise _refusal("instruments must be given, each once", "instruments")
        if self.start.tzinfo is None or self.start.microsecond:
            raise _refusal(f"start {self.start} is not a whole second with a time zone", "start")
        if not EARLIEST <= self.start < LATEST:
            raise _refusal(f"start {self.start} is out of reach", "start",
                           f"{EARLIEST:%Y-%m-%d} to before {LATEST:%Y-%m-%d}")
        if self.duration_seconds < 10:
            raise _refusal(f"{self.duration_seconds} s is too short", "duration", "10 s or more")
        if not abs(self.clock_skew_seconds) <= MOST_SKEW_SECONDS:
            raise _refusal(f"a clock {self.clock_skew_seconds} s off", "clock_skew_seconds",
                           f"at most {MOST_SKEW_SECONDS:,} s either way")
        if not 0 <= self.drop_fraction < 1:
            raise _refusal(f"{self.drop_fraction} is not a share", "drop_fraction", "[0, 1)")
        named = [link.source for link in self.links] + [link.target for link in self.links]
        named += [shock.first for shock in self.common_shocks]
        named += [shock.second for shock in self.common_shocks]
        named += [gap.instrument for gap in self.gaps] + [name for name, _ in self.truncations]
        for name in named:
            if name not in names:
                raise _refusal(f"{name} is not simulated", "scenario", ", ".join(names))
        if any(not 0 < share < 1 for _, share in self.truncations):
            raise _refusal("a file is cut to a share of its bytes", "truncations", "(0, 1)")
        for instrument in self.instruments:
            if not 2 * SUBDIVISIONS <= instrument.diffs_per_second <= 100 and (
                instrument.venue != "binance"
            ):
                raise _refusal(
                    f"{instrument.name}: {instrument.diffs_per_second} book differences per second",
                    "diffs_per_second",
                    "20 to 100",
                )
        self._check_links()

    def _check_links(self) -> None:
        targets = [link.target for link in self.links]
        if len(set(targets)) != len(targets):
            raise _refusal("an instrument can follow one other only", "links")
        for link in self.links:
            if link.source in targets:
                raise _refusal(f"{link.source} follows another and cannot lead", "links")
            if not 1 <= link.steps <= 2 * SUBDIVISIONS:
                raise _refusal(f"lag of {link.lag_seconds} s", "links", "0.1 s to 2 s")
            if not link.whole_seconds and (
                link.cross_impact
                or self.instrument(link.target).feedback
                or any(link.target in (s.first, s.second) for s in self.common_shocks)
            ):
                raise _refusal(
                    f"{link.target} follows by a fraction of a second: "
                    "it can have no cross-impact, feedback or common shock",
                    "links",
                )

    def instrument(self, name: str) -> SimulatedInstrument:
        """The instrument of that name."""
        return next(one for one in self.instruments if one.name == name)

    def link_to(self, name: str) -> Link | None:
        """What that instrument follows, if anything."""
        return next((link for link in self.links if link.target == name), None)

    @classmethod
    def default(cls) -> Scenario:
        """The demonstration: 40 minutes across midnight UTC.

        A perpetual leads its spot by 1 s and the inverse perpetual by 200 ms; another coin's
        perpetual shares its shocks and neither leads nor follows. Prices, ticks and volatilities
        (about 1 bps per second) are those of August 2024.
        """
        return cls(
            instruments=(BITCOIN_PERPETUAL, ETHER_PERPETUAL, BITCOIN_SPOT, BITCOIN_INVERSE),
            links=(
                Link(BITCOIN_PERPETUAL.name, BITCOIN_SPOT.name, 1.0, 0.6, cross_impact=0.03),
                Link(BITCOIN_PERPETUAL.name, BITCOIN_INVERSE.name, 0.2, 0.8),
            ),
            common_shocks=(CommonShock(BITCOIN_PERPETUAL.name, ETHER_PERPETUAL.name, 0.5, 0.5),),
        )


def _refusal(what: str, where: str, allowed: str | None = None) -> UserError:
    return UserError(what, where=f"simulation: {where}", allowed=allowed)


BITCOIN_PERPETUAL = SimulatedInstrument(
    venue="binance-futures", symbol="BTCUSDT", price=61800.0, tick=0.1, price_decimals=2,
    lot=0.001, size_decimals=3, flow_deviation=8.0, persistence=(0.15, 0.3), impact=0.1,
    return_noise=0.6, feedback=1.5, trades_per_second=5.0,
)  # fmt: skip
ETHER_PERPETUAL = SimulatedInstrument(
    venue="binance-futures", symbol="ETHUSDT", price=2680.0, tick=0.01, price_decimals=2,
    lot=0.001, size_decimals=3, flow_deviation=120.0, persistence=(0.15, 0.3), impact=0.008,
    return_noise=0.8, feedback=15.0,
)  # fmt: skip
BITCOIN_SPOT = SimulatedInstrument(
    venue="binance", symbol="BTCUSDT", price=61830.0, tick=0.01, price_decimals=8,
    lot=0.00001, size_decimals=8, flow_deviation=2.0, persistence=(0.1, 0.3), impact=0.15,
    return_noise=0.35, diffs_per_second=10.0,
)  # fmt: skip
BITCOIN_INVERSE = SimulatedInstrument(
    venue="binance-delivery", symbol="BTCUSD_PERP", price=61790.0, tick=0.1, price_decimals=1,
    lot=1.0, size_decimals=0, flow_deviation=1.0, persistence=(0.1, 0.3), impact=0.3,
    return_noise=0.3, multiplier=100.0, trades_per_second=2.0,
)  # fmt: skip
