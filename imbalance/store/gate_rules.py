"""What must hold of every table, made from the registry: each rule finds the rows that break it.

A rule is a SQL condition, true of an offending row. Not here: running them (`gate`), and rules
which a column cannot state by itself unless its name is the same everywhere (`bar_end`, …).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from imbalance.contracts import Column, Table
from imbalance.store.gate_identities import identities
from imbalance.store.sqlfiles import quote_ident, quote_text

RULES_VERSION = 3
"""To be raised when a rule's meaning changes without its text: what passed must pass again."""


@dataclass(frozen=True)
class Rule:
    """A rule of one table.

    Parameters
    ----------
    name : which kind of rule; the same in all tables.
    column : the column it is about, or several names.
    condition : SQL, true of an offending row. May use the parameters $day and $venue.
    promise : what should hold, in words.
    """

    name: str
    column: str
    condition: str
    promise: str


# Pairs of columns which, wherever both are in a table, must stand in this order.
_ORDERED = (
    ("bar_end_after_start", "bar_start", "bar_end", "<", "a bar ends after it starts"),
    ("known_after_end", "bar_end", "available_at", "<=", "a bar is known at its end, not before"),
    ("window_order", "window_from", "window_to", "<=", "a window does not end before it starts"),
    ("training_order", "trained_from", "trained_to", "<=", "training ends after it starts"),
    ("trained_on_past", "trained_to", "valid_from", "<=", "what is used was learnt before"),
    ("interval_order", "interval_low", "interval_high", "<=", "an interval's ends are in order"),
)

# Of each layer, the column whose day is the day of its partition.
_DAY_COLUMNS = ("bar_start", "event_time")


def row_rules(table: Table) -> list[Rule]:
    """All rules of a table that a row can break by itself."""
    rules = [rule for column in table.columns for rule in _column_rules(column)]
    names = set(table.column_names)
    for name, first, second, order, promise in _ORDERED:
        if {first, second} <= names:
            left, right = quote_ident(first), quote_ident(second)
            rules.append(
                Rule(name, f"{first}, {second}", f"not ({left} {order} {right})", promise)
            )
    rules.extend(_book_rules(table))
    rules.extend(_study_rules(table))
    rules.extend(_partition_rules(table))
    rules.extend(
        Rule(one.name, ", ".join(one.columns), one.condition, one.promise)
        for one in identities(table)
    )
    return rules


def _column_rules(column: Column) -> Iterator[Rule]:
    name = quote_ident(column.name)
    if not column.nullable:
        yield Rule("not_null", column.name, f"{name} is null", "never null")
    if column.type == "DOUBLE":
        yield Rule("finite", column.name, f"not isfinite({name})",
                   "missing is null, never NaN or infinite")
    if column.type == "DOUBLE[]":
        wrong = "not isfinite(x)" if column.nullable else "x is null or not isfinite(x)"
        bad = f"len(list_filter({name}, lambda x: {wrong})) > 0"
        yield Rule("finite", column.name, bad, "a list holds finite numbers")
    if column.minimum is not None:
        yield Rule("minimum", column.name, f"{name} < {column.minimum!r}",
                   f"at least {column.minimum:g}")
    if column.maximum is not None:
        # NaN, which DuckDB orders above everything, is the business of the rule `finite`.
        known = f"not isnan({name}) and " if column.type == "DOUBLE" else ""
        yield Rule("maximum", column.name, f"{known}{name} > {column.maximum!r}",
                   f"at most {column.maximum:g}")
    if column.allowed:
        choices = ", ".join(quote_text(choice) for choice in column.allowed)
        yield Rule("allowed", column.name, f"{name} not in ({choices})",
                   f"one of {', '.join(column.allowed)}")


def _book_rules(table: Table) -> Iterator[Rule]:
    names = set(table.column_names)
    poisonable = [c for c in table.columns if "poisoned" in c.null_meaning]
    for flag in ("poisoned", "crossed"):
        if flag not in names:
            continue
        for column in poisonable:
            yield Rule(f"{flag}_is_null", column.name,
                       f"{flag} and {quote_ident(column.name)} is not null",
                       f"null where the row is {flag}")
    if {"poisoned", "valid"} <= names:
        yield Rule("poisoned_is_invalid", "valid", "poisoned and valid",
                   "a poisoned row is not valid")
    if {"poisoned", "bid_price", "ask_price"} <= names:
        yield Rule("crossed_is_poisoned", "bid_price, ask_price",
                   "bid_price > ask_price and not poisoned", "a crossed book poisons its bar")


def _study_rules(table: Table) -> Iterator[Rule]:
    if {"estimate", "reason"} <= set(table.column_names):
        yield Rule("estimate_or_reason", "estimate, reason",
                   "(estimate is null) <> (reason is not null)",
                   "a row has an estimate, or the reason why it has none")


MARKETS = {"bitget-futures": "bitget", "bybit-spot": "bybit"}
"""Markets with an id of their own which are recorded in captures of a venue, and so partitioned."""


CARRIED = ("book.closing_books",)
"""Tables of what holds at the end of a day: a row stays as it was where nothing was heard since."""


def _partition_rules(table: Table) -> Iterator[Rule]:
    if table.partitioning != "day_venue":
        return
    names = set(table.column_names)
    day_column = next((name for name in _DAY_COLUMNS if name in names), None)
    if day_column is not None:
        # Not by a cast to date, which DuckDB 2 rounds: a last nanosecond would be of the next day.
        name, start = quote_ident(day_column), "cast($day as timestamp_ns)"
        end = "cast(cast($day as date) + 1 as timestamp_ns)"
        if table.name in CARRIED:
            yield Rule("belongs_to_day", day_column, f"{name} >= {end}",
                       "of the partition's UTC day or before")
        else:
            yield Rule("belongs_to_day", day_column, f"{name} < {start} or {name} >= {end}",
                       "of the partition's UTC day")
    if "instrument" in names:
        within = "".join(
            f" and not ($venue = '{venue}' and starts_with(instrument, '{market}:'))"
            for market, venue in MARKETS.items()
        )
        yield Rule("belongs_to_venue", "instrument",
                   f"not starts_with(instrument, $venue || ':'){within}",
                   "of the partition's venue")


def partition_parameters(table: Table, partition: str) -> dict[str, str]:
    """Values of the parameters which the rules of the table use."""
    if table.partitioning != "day_venue":
        return {}
    day, _, venue = partition.partition("|")
    return {"day": day, "venue": venue}


def rules_hash(table: Table) -> str:
    """Changes when a rule of the table changes: what was validated before must be again."""
    text = repr((RULES_VERSION, row_rules(table), table.key, table.definition_hash()))
    return hashlib.sha256(text.encode()).hexdigest()
