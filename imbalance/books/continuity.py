"""Whether a book message continues the book, and the health of the book over time.

Each message says how it chains. Where it names its first update (Binance spot: `U`): differences
with `u ≤ L` of the snapshot are stale, the first used has `U ≤ L+1 ≤ u`, then `U = u+1`. Where it
names the update before it (Binance futures: `pu`): `u < L` is stale, the first used has
`U ≤ L ≤ u` or `pu = L`, then `pu = u`. Where it names neither, nothing can be proved of it and it
is taken as it comes. A break closes the book until a snapshot bridges again; nothing is stitched.
Differences that came before their snapshot are kept here and applied after it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from imbalance.books import state as at
from imbalance.books.ladder import ASK, BID
from imbalance.books.state import Book, Messages, Output
from imbalance.kernels import bare

(
    SNAPSHOT, CLOSING_BOOK, NO_SNAPSHOT, GAP, UNBRIDGEABLE, SILENCE, RESUMED, UNUSABLE, IMAGE,
) = np.arange(9)  # fmt: skip
"""Codes of `state.CAUSES`, the first of those that a recorder's or decoder's break may have."""

IS_VALID, IS_WAITING, IS_SILENT = np.arange(3)
"""Codes of `state.HEALTH_STATES`."""

SUSPICION = 8 * math.log(10)
"""Mean intervals after which a feed of images counts as silent. A suspicion of φ = 8 in the failure
detector of Hayashibara et al. (2004) with exponential intervals, as Cassandra has it: where images
come at random with that mean, one interval in 10⁸ is longer.
"""

SHORTEST_SILENCE = 10_000_000_000
"""Silence of images that is never held against them, ns: some feeds tell changes alone, and the
pace of a busy minute says little of the next quiet one."""

FEWEST_INTERVALS, KEPT_INTERVALS = 20, 1_000
"""Intervals from which a pace is known, and of how many it is the mean, older ones fading."""


@bare
def change_health(
    whole: Any, out: Output, when: int, state: int, cause: int, expected: int, found: int
) -> None:
    """End the running health interval at a time and begin the next."""
    if whole[at.HEALTH_FROM] >= 0 and (
        when > whole[at.HEALTH_FROM] or whole[at.HEALTH_MESSAGES] > 0
    ):
        row = out.used[4]
        out.used[4] += 1
        out.health[row, 0] = whole[at.HEALTH_FROM]
        out.health[row, 1] = when
        for k in range(9):
            out.health[row, 2 + k] = whole[at.HEALTH_STATE + k]
    whole[at.HEALTH_FROM] = when
    whole[at.HEALTH_STATE] = state
    whole[at.HEALTH_CAUSE] = cause
    whole[at.HEALTH_EXPECTED] = expected
    whole[at.HEALTH_FOUND] = found
    for k in range(at.HEALTH_MESSAGES, at.HEALTH_UNKNOWN + 1):
        whole[k] = 0


@bare
def links(whole: Any, first: int, last: int, previous: int) -> bool:
    """Whether a difference continues the book."""
    held = whole[at.LAST_ID]
    if previous != at.NO_ID:
        bridges = first != at.NO_ID and first <= held <= last
        return previous == held or (whole[at.FRESH] != 0 and bridges)
    if min(first, held) == at.NO_ID:
        return True
    return first == held + 1 or (whole[at.FRESH] != 0 and first <= held + 1 <= last)


@bare
def is_stale(whole: Any, last: int, previous: int) -> bool:
    """Whether all of a difference is in the book already."""
    if last == at.NO_ID:
        return False
    if previous != at.NO_ID and whole[at.FRESH]:
        return last < whole[at.LAST_ID]
    return last <= whole[at.LAST_ID]


@bare
def keep(book: Book, m: Messages, k: int) -> None:
    """Keep a difference until a snapshot comes; a broken chain empties what was kept."""
    whole, ids = book.whole, m.ids[k]
    if whole[at.PENDING] and whole[at.PENDING_LAST] != at.NO_ID:
        if ids[2] != at.NO_ID:
            linked = ids[2] == whole[at.PENDING_LAST]
        else:
            linked = ids[0] == at.NO_ID or ids[0] == whole[at.PENDING_LAST] + 1
        if not linked:
            _forget(whole)
    bids = m.bid_offsets[k + 1] - m.bid_offsets[k]
    asks = m.ask_offsets[k + 1] - m.ask_offsets[k]
    if (
        whole[at.PENDING] == at.PENDING_MESSAGES
        or whole[at.PENDING_BIDS] + bids > at.PENDING_LEVELS
        or whole[at.PENDING_ASKS] + asks > at.PENDING_LEVELS
    ):
        _forget(whole)
    if bids > at.PENDING_LEVELS or asks > at.PENDING_LEVELS:
        return
    row = book.pending[whole[at.PENDING]]
    row[0], row[1], row[2] = ids[0], ids[1], ids[2]
    row[3], row[4] = whole[at.PENDING_BIDS] + bids, whole[at.PENDING_ASKS] + asks
    levels = book.pending_levels
    for j in range(bids):
        levels[BID, 0, whole[at.PENDING_BIDS] + j] = m.bid_prices[m.bid_offsets[k] + j]
        levels[BID, 1, whole[at.PENDING_BIDS] + j] = m.bid_sizes[m.bid_offsets[k] + j]
    for j in range(asks):
        levels[ASK, 0, whole[at.PENDING_ASKS] + j] = m.ask_prices[m.ask_offsets[k] + j]
        levels[ASK, 1, whole[at.PENDING_ASKS] + j] = m.ask_sizes[m.ask_offsets[k] + j]
    whole[at.PENDING] += 1
    whole[at.PENDING_BIDS] += bids
    whole[at.PENDING_ASKS] += asks
    whole[at.PENDING_LAST] = ids[1]


@bare
def _forget(whole: Any) -> None:
    whole[at.HEALTH_STALE] += whole[at.PENDING]
    whole[at.PENDING] = 0
    whole[at.PENDING_BIDS] = 0
    whole[at.PENDING_ASKS] = 0
    whole[at.PENDING_LAST] = at.NO_ID


@bare
def lose(book: Book, out: Output, first: int, previous: int) -> None:
    """Close the book at its last proved message: from there on it cannot be trusted."""
    whole = book.whole
    cause = UNBRIDGEABLE if whole[at.FRESH] else GAP
    chained = previous != at.NO_ID
    expected = whole[at.LAST_ID] if chained else whole[at.LAST_ID] + 1
    since = whole[at.LAST_EVENT] if whole[at.STATUS] == at.VALID else whole[at.HEALTH_FROM]
    change_health(whole, out, since, IS_WAITING, cause, expected, previous if chained else first)
    _close(book)


@bare
def break_off(book: Book, out: Output, cause: int) -> None:
    """Close the book as its recorder or decoder says: what comes before a new snapshot is void."""
    whole = book.whole
    since = whole[at.LAST_EVENT] if whole[at.STATUS] == at.VALID else whole[at.HEALTH_FROM]
    _forget(whole)
    change_health(whole, out, since, IS_WAITING, cause, at.NO_ID, at.NO_ID)
    _close(book)


@bare
def _close(book: Book) -> None:
    whole = book.whole
    whole[at.STATUS] = at.WAITING
    whole[at.BAR_POISONED] = 1
    book.real[at.MID] = np.nan
    book.top_count[BID] = 0
    book.top_count[ASK] = 0


@bare
def note_pace(book: Book, event: int, image: bool) -> None:
    """Note when a message came: the pace of images is learned, before the message counts as last.

    An outage is no pace: an interval counts for no more than the limit. A book that differences or
    snapshots carry on is no feed of images.
    """
    whole, real = book.whole, book.real
    if not image:
        whole[at.IMAGE_INTERVALS] = 0
    elif whole[at.STATUS] == at.VALID:
        interval = min(event - whole[at.LAST_EVENT], _limit(book))
        whole[at.IMAGE_INTERVALS] += 1
        kept = min(whole[at.IMAGE_INTERVALS], KEPT_INTERVALS)
        real[at.IMAGE_PACE] += (interval - real[at.IMAGE_PACE]) / kept


@bare
def _limit(book: Book) -> int:
    """Silence beyond which a feed is not believed to be there, ns."""
    whole = book.whole
    if whole[at.IMAGE_INTERVALS] < FEWEST_INTERVALS:
        return whole[at.SILENCE]
    limit = max(np.int64(SUSPICION * book.real[at.IMAGE_PACE]), SHORTEST_SILENCE)
    return min(limit, whole[at.SILENCE])


@bare
def known_from(whole: Any, when: int) -> None:
    """What has been noted of the time since the last message is known from a moment on: no bar of
    that time is available before.
    """
    whole[at.BAR_AVAILABLE] = max(whole[at.BAR_AVAILABLE], when)


@bare
def note_silence(book: Book, out: Output, until: int, available: int) -> bool:
    """Note that a valid book's feed has been silent beyond the limit; True when it has. It is known
    when the limit has passed, or the next message is available.

    A chain of ids proves afterwards that nothing was lost, but at the time nobody could know.
    """
    whole = book.whole
    limit = _limit(book)
    silent = whole[at.STATUS] == at.VALID and until - whole[at.LAST_EVENT] > limit
    if silent:
        known_from(whole, min(whole[at.LAST_AVAILABLE] + limit, available))
        if whole[at.HEALTH_STATE] != IS_SILENT:
            # the last message of a closing book is of the day before, whose health told of its time
            since = max(whole[at.LAST_EVENT], whole[at.HEALTH_FROM])
            change_health(whole, out, since, IS_SILENT, SILENCE, at.NO_ID, at.NO_ID)
    return silent
