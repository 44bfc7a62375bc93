"""What a reader must know before trusting the figures: bad lines, gaps, clocks, refusals, small n.

Belongs here: which facts deserve a caution. A clean recording yields none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imbalance.captures.instruments import (
    CONTRACT_SIZE,
    CONTRACT_SIZE_IN_PART,
    KIND,
    setting_of,
)
from imbalance.report import words
from imbalance.report.records import (
    Agreement,
    BookMessages,
    Capture,
    Coverage,
    Refusal,
    System,
    TradeGaps,
    Unhealthy,
    Window,
)

LITTLE_VALID = 0.95
"""Share of valid bars below which an instrument is named."""

SKEW_NS = 100_000_000
"""Clock skew, ns, from which a capture's clock is mentioned."""

LONG_UNRECORDED = 60.0
"""Seconds without a capture of an instrument's trades from which it is mentioned."""

SMALL_N = 100
"""Observations below which an estimate rests on little."""

_NAMED = 4


@dataclass(frozen=True)
class Caution:
    """A sentence, and the section of the report that has the particulars."""

    text: str
    section: str


def of_plan(due: Mapping[str, int]) -> list[Caution]:
    """Tables of which not all partitions are current: what the page shows may be out of date.

    Parameters
    ----------
    due : table to how many of its partitions are missing, stale or failed.
    """
    if not due:
        return []
    return [Caution(
        f"Not current when this was written: {words.plural(sum(due.values()), 'partition')} of "
        f"{_some(list(due))}. imbalance status says which and why, imbalance run brings them up "
        "to date.", "reproduce")]


def of_captures(captures: Sequence[Capture]) -> list[Caution]:
    """Quarantine, damaged files, lines unaccounted for, unknown fields, clocks."""
    found = []
    quarantined = sum(c.lines_quarantined for c in captures)
    if quarantined:
        where = sum(c.lines_quarantined > 0 for c in captures)
        found.append(
            f"{_lines(quarantined)} of {words.plural(where, 'capture')} could not be understood "
            "and stand in quarantine with their reasons."
        )
    for state, meaning in (("refused", "nothing of it is used"),
                           ("truncated", "it ends in the middle, its complete lines are used")):
        files = [c for c in captures if c.state == state]
        found += [f"{_file(c.path)} is {state}: {c.reason or meaning}." for c in files[:_NAMED]]
        if len(files) > _NAMED:
            found.append(f"{len(files) - _NAMED} more captures are {state}.")
    astray = [c for c in captures if not c.accounted]
    if astray:
        found.append(
            f"The lines of {words.plural(len(astray), 'capture')} do not add up: read is not "
            "decoded + ignored + quarantined."
        )
    unknown = sorted({name for c in captures for name in _keys(c.fields_unknown)})
    if unknown:
        found.append(f"Messages carry fields no rule knows: {_some(unknown, 12)}.")
    behind = [c.clock_skew_ns for c in captures if c.clock_skew_ns is not None]
    skewed = [skew for skew in behind if skew < -SKEW_NS]
    if skewed:
        found.append(
            f"The recorder's clock of {words.plural(len(skewed), 'capture')} is behind the "
            f"exchange's by at least {words.duration(-min(skewed) / 1e9)} at worst; receive times "
            "are corrected for it."
        )
    return [Caution(text[:1].upper() + text[1:], "ingestion") for text in found]


def of_instruments(unknown: Mapping[str, Sequence[str]]) -> list[Caution]:
    """Instruments whose kind or contract size nobody said, and what that costs."""
    found = []
    unsized = [name for name, what in unknown.items() if CONTRACT_SIZE in what]
    partly = [name for name, what in unknown.items() if CONTRACT_SIZE_IN_PART in what]
    if unsized:
        found.append(
            f"What a contract of {_some(unsized)} is worth is not known: sizes in base units, and "
            f"all that is made of them, are null. To say it, in the settings: "
            f"{setting_of(unsized[0])}."
        )
    if partly:
        found.append(
            f"Some captures do not say what a contract of {_some(partly)} is worth: sizes of their "
            "trades in base units, and what is made of them, are null. To say it, in the "
            f"settings: {setting_of(partly[0])}."
        )
    unkind = [name for name, what in unknown.items() if KIND in what]
    if unkind:
        found.append(f"Whether they are spot or derivatives is not known of {_some(unkind)}: they "
                     "are compared with no spot, and no spot with them.")
    return [Caution(text, "ingestion") for text in found]


def of_book(
    coverage: Sequence[Coverage],
    unhealthy: Sequence[Unhealthy],
    messages: Sequence[BookMessages],
    agreements: Sequence[Agreement],
) -> list[Caution]:
    """Poisoned bars, broken chains, crossed books, disagreement with quotes."""
    found = []
    little = sorted(
        (c for c in coverage if c.share_valid < LITTLE_VALID), key=lambda c: c.share_valid
    )
    if little:
        named = _some([f"{c.instrument} {words.percent(c.share_valid)}" for c in little])
        found.append(
            f"Less than {LITTLE_VALID:.0%} of the 1 s bars are valid for {named}; no study uses "
            "the others.".replace("%", " %", 1)
        )
    beyond = sorted(
        (c for c in coverage if c.bars_beyond_snapshot),
        key=lambda c: -c.bars_beyond_snapshot / c.valid_bars,
    )
    if beyond:
        named = _some([
            f"{c.instrument} {words.percent(c.bars_beyond_snapshot / c.valid_bars)}"
            for c in beyond
        ])
        found.append(
            "The mid has left the prices that the last snapshot told of in valid 1 s bars of "
            f"{named}: a level behind the touch that has not changed since is missing there "
            "from depths and flows of levels 2 to 10 (bid_reach_bps, ask_reach_bps)."
        )
    for cause, text in (("sequence_gap", "chain of update ids broke"),
                        ("unbridgeable_snapshot", "snapshot did not meet the differences"),
                        ("silence", "feed fell silent beyond the limit")):
        rows = [row for row in unhealthy if row.cause == cause]
        times = sum(row.intervals for row in rows)
        if times:
            seconds = sum(row.seconds for row in rows)
            found.append(
                f"The {text} {words.times(times)}, "
                f"{words.duration(seconds)} without a valid book in all."
            )
    crossed = sum(row.crossed_messages for row in messages)
    if crossed:
        found.append(f"The book was crossed after {words.plural(crossed, 'message')}.")
    wrong = [row for row in agreements if row.mismatched]
    if wrong:
        found.append(
            f"The rebuilt book differs from the venue's own quote in "
            f"{words.plural(sum(r.mismatched for r in wrong), 'comparison')} "
            f"({_some([r.instrument for r in wrong])})."
        )
    return [Caution(text, "coverage") for text in found]


def of_trades(coverage: Sequence[Coverage], gaps: Sequence[TradeGaps]) -> list[Caution]:
    """Holes in the trade feeds, captures with trades that end early, feeds without a trade."""
    holes = [row for row in gaps if row.missing_trades]
    found = [
        f"Of {row.instrument} {words.plural(row.missing_trades or 0, 'trade')} "
        f"{'is' if row.missing_trades == 1 else 'are'} missing in "
        f"{words.plural(row.gaps, 'hole')} of the ids, over {words.duration(row.seconds)}: "
        "trade measures are null there."
        for row in holes[:_NAMED]
    ]
    if len(holes) > _NAMED:
        others = {row.instrument for row in holes} - {row.instrument for row in holes[:_NAMED]}
        if others:
            found.append(f"Trades of {words.plural(len(others), 'more instrument')} are missing.")
    ended = [row for row in gaps if row.cause == "not_recorded" and row.seconds > LONG_UNRECORDED]
    if ended:
        named = _some([f"{row.instrument} {words.duration(row.seconds)}" for row in ended])
        found.append(f"Captures without trades go on where those with trades have ended or not "
                     f"begun ({named}): trade measures are null there.")
    silent = [c.instrument for c in coverage if c.bars_with_trades == 0]
    if silent:
        found.append(f"No trades were recorded for {_some(silent)}: trade measures are null there.")
    return [Caution(text, "coverage") for text in found]


def of_studies(
    windows: Sequence[Window], refusals: Sequence[Refusal], systems: Sequence[System]
) -> list[Caution]:
    """Refusals, few bars, residuals that are still autocorrelated."""
    found = []
    refused = sum(row.refused for row in windows)
    if refused:
        reasons = ", ".join(dict.fromkeys(words.family(row.reason) for row in refusals))
        found.append(f"{words.count(refused)} {'row' if refused == 1 else 'rows'} of the studies "
                     f"{'holds' if refused == 1 else 'hold'} a reason in place of an estimate: "
                     f"{reasons}.")
    small = [w for w in windows if w.smallest_n is not None and w.smallest_n < SMALL_N]
    if small:
        least = min(w.smallest_n for w in small if w.smallest_n is not None)
        sizes = ", ".join(dict.fromkeys(w.bar_size for w in small))
        found.append(f"Some estimates ({sizes}) rest on fewer than {SMALL_N} observations, the "
                     f"fewest on {least}.")
    fitted = [s for s in systems if s.portmanteau_p is not None]
    left = [s for s in fitted if s.portmanteau_p is not None and s.portmanteau_p < 0.01]
    if left:
        found.append(f"Residuals are still autocorrelated (portmanteau p < 0.01) in "
                     f"{words.small(len(left))} of {words.plural(len(fitted), 'fitted system')}: "
                     "more lags than allowed would be needed.")
    return [Caution(text, "refusals") for text in found]


def _some(names: Sequence[str], most: int = _NAMED) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _lines(count: int) -> str:
    return words.plural(count, "line")


def _file(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _keys(text: str) -> list[str]:
    try:
        return list(json.loads(text))
    except (TypeError, ValueError):
        return []
