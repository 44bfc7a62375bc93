"""What must hold between the columns of a row because of what they mean: sums, ranges, nesting.

The formulas stand in the registry as words; here those are that a query can hold every row to. Each
holds wherever a table has all of its columns. Not here: rules that one column states by itself
(`gate_rules`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imbalance.contracts import Table

_SIZES = {"100ms": 10**8, "1s": 10**9, "10s": 10**10, "1m": 6 * 10**10, "5m": 3 * 10**11}


@dataclass(frozen=True)
class Identity:
    """`condition` is true of an offending row; a null in it is no offence."""

    name: str
    columns: tuple[str, ...]
    condition: str
    promise: str


def _equal(left: str, right: str, scale: str) -> str:
    """Unequal beyond rounding, of numbers of about the size `scale`."""
    return f"abs({left} - ({right})) > 1e-9 * ({scale})"


_NESTED = [
    (f"{side}_depth_{inner}", f"{side}_depth_{outer}")
    for side in ("bid", "ask")
    for inner, outer in (("5", "10"), ("5bps", "10bps"), ("10bps", "25bps"), ("25bps", "50bps"),
                         ("50bps", "100bps"), ("100bps", "200bps"))
]

IDENTITIES = (
    Identity("mid_of_quotes", ("mid_close", "bid_price", "ask_price"),
             _equal("mid_close", "(bid_price + ask_price) / 2", "mid_close"),
             "the mid is the mean of best bid and ask"),
    Identity("spread_of_quotes", ("spread", "bid_price", "ask_price"),
             _equal("spread", "ask_price - bid_price", "ask_price"), "spread = ask − bid"),
    Identity("mid_range", ("mid_low", "mid_high", "mid_close"),
             "mid_low > mid_high or mid_close < mid_low or mid_close > mid_high",
             "low ≤ close ≤ high"),
    Identity("return_of_mids", ("return_bps", "mid_open", "mid_close"),
             "abs(return_bps - 1e4 * ln(case when mid_close > 0 and mid_open > 0 "
             "then mid_close / mid_open end)) > 1e-6",
             "return = ln(close/open)·1e4"),
    Identity("queue_imbalance_of_sizes", ("queue_imbalance", "bid_size", "ask_size"),
             _equal("queue_imbalance", "(bid_size - ask_size) / nullif(bid_size + ask_size, 0)",
                    "1"), "(bid − ask)/(bid + ask)"),
    Identity("volume_imbalance_of_sizes", ("volume_imbalance", "bid_size", "ask_size"),
             _equal("volume_imbalance", "bid_size - ask_size", "bid_size + ask_size"),
             "bid size − ask size"),
    Identity("trade_imbalance_of_volumes", ("trade_imbalance", "buy_volume", "sell_volume"),
             _equal("trade_imbalance", "buy_volume - sell_volume", "buy_volume + sell_volume"),
             "bought − sold"),
    Identity("first_level", ("order_flow_imbalance", "order_flow_imbalance_level_1"),
             "order_flow_imbalance is distinct from order_flow_imbalance_level_1",
             "the best level is level 1"),
    Identity("common_depth", ("level_depth_mean", "level_depth_sum", "book_event_count"),
             _equal("level_depth_mean * book_event_count", "level_depth_sum", "level_depth_sum"),
             "mean depth · events = their sum"),
    *(Identity("depths_are_nested", (inner, outer), f"{inner} > {outer} * (1 + 1e-9)",
               "what is nearer is part of what is farther") for inner, outer in _NESTED),
    Identity("instrument_is_named", ("instrument",), "instrument not similar to '[^:]+:.+'",
             "venue:symbol"),
    Identity("q_not_below_p", ("p_value", "q_value"), "q_value < p_value - 1e-12",
             "correction for many tests never lowers a p-value"),
    Identity("error_not_negative", ("standard_error",), "standard_error < 0",
             "a standard error is not negative"),
    Identity("effective_n", ("n", "n_effective"), "n_effective > n * (1 + 1e-9)",
             "no more independent observations than observations"),
)


def identities(table: Table) -> Iterator[Identity]:
    """Those a table can be held to."""
    names = set(table.column_names)
    yield from (one for one in IDENTITIES if names.issuperset(one.columns))
    size = _SIZES.get(table.base_name.rpartition("bars_")[2])
    if size is not None and {"bar_start", "bar_end"} <= names:
        yield Identity("bar_on_the_grid", ("bar_start",), f"epoch_ns(bar_start) % {size} <> 0",
                       "a bar starts at a multiple of its size")
        yield Identity("bar_length", ("bar_start", "bar_end"),
                       f"epoch_ns(bar_end) - epoch_ns(bar_start) <> {size}",
                       "a bar is as long as its size")
