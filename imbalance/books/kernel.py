"""The one pass over book messages: order of work, entrances and exits.

What a message may do is in `continuity.py`, what it does in `flow.py`, the bars in `bars.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.books import continuity as rule
from imbalance.books import state as at
from imbalance.books.bars import advance, end_bar, note_mid, start_bar
from imbalance.books.flow import apply_side, follow, on_grid
from imbalance.books.image_flow import add_image_flow
from imbalance.books.ladder import ASK, BID, FAR_USED, Ladder, clear, furthest, settle
from imbalance.books.state import Book, Messages, Output
from imbalance.kernels import bare

DONE, BUFFERS_FULL, FAR_FULL, FINER_TICK = range(4)
"""Why the kernel returned: all messages done; empty the buffers; give the ladder more room for
far levels; a price is no multiple of the tick."""

_NO, _YES = np.array([False, True])
"""NumPy's truths, for the reason of its integers in `ladder`."""


@bare
def _know(whole: Any, ladder: Ladder) -> None:
    """Note how far a whole book tells of its sides: of an empty one, that nothing is anywhere."""
    whole[at.KNOWN_LOW] = furthest(ladder, BID)
    high = furthest(ladder, ASK)
    whole[at.KNOWN_HIGH] = at.FAR_AWAY if high < 0 else high


@bare
def begin(book: Book, last: int) -> None:
    """Start a segment with the levels just put: the prices they span are what is known."""
    whole, ladder = book.whole, book.ladder
    settle(ladder)
    _know(whole, ladder)
    whole[at.LAST_ID] = last
    whole[at.SEGMENT_START] = 1
    book.top_count[BID] = 0
    book.top_count[ASK] = 0


@bare
def _put(book: Book, m: Messages, k: int) -> None:
    clear(book.ladder)
    apply_side(book, BID, m.bid_prices, m.bid_sizes, m.bid_offsets[k], m.bid_offsets[k + 1], _NO)
    apply_side(book, ASK, m.ask_prices, m.ask_sizes, m.ask_offsets[k], m.ask_offsets[k + 1], _NO)


@bare
def _image(book: Book, m: Messages, out: Output, k: int, event: int) -> None:
    """The visible book anew, in the place of the last one: no new segment."""
    whole, ladder = book.whole, book.ladder
    add_image_flow(book, m, k)
    _put(book, m, k)
    settle(ladder)
    _know(whole, ladder)
    whole[at.LAST_ID] = m.ids[k, 1]
    whole[at.HEALTH_MESSAGES] += 1
    follow(book, out, event, m.ids[k, 1], _YES, _YES)


@bare
def _snapshot(book: Book, m: Messages, out: Output, k: int, event: int) -> None:
    whole = book.whole
    cause = rule.IMAGE if m.kind[k] == at.IMAGE else rule.SNAPSHOT
    rule.change_health(whole, out, event, rule.IS_VALID, cause, at.NO_ID, at.NO_ID)
    _put(book, m, k)
    begin(book, m.ids[k, 1])
    whole[at.STATUS] = at.VALID
    whole[at.FRESH] = 1
    start = whole[at.PENDING]
    kept = book.kept_levels
    # int32 as the offsets of messages are: one type, one compilation
    bid_at = ask_at = np.int32(0)
    for j in range(whole[at.PENDING]):
        row = book.pending[j]
        if not rule.is_stale(whole, row[1], row[2]):
            if not rule.links(whole, row[0], row[1], row[2]):
                start = j
                break
            bids, asks = np.int32(row[3]), np.int32(row[4])
            apply_side(book, BID, kept[BID, 0], kept[BID, 1], bid_at, bids, _NO)
            apply_side(book, ASK, kept[ASK, 0], kept[ASK, 1], ask_at, asks, _NO)
            whole[at.LAST_ID] = row[1]
            whole[at.FRESH] = 0
            whole[at.HEALTH_MESSAGES] += 1
        else:
            whole[at.HEALTH_STALE] += 1
        bid_at, ask_at = np.int32(row[3]), np.int32(row[4])
    if start < whole[at.PENDING]:
        # the kept differences lie wholly after the snapshot: it cannot be bridged
        whole[at.STATUS] = at.WAITING
        rule.change_health(
            whole,
            out,
            event,
            rule.IS_WAITING,
            rule.UNBRIDGEABLE,
            whole[at.LAST_ID] + 1,
            book.pending[start, 0],
        )
        return
    whole[at.PENDING] = whole[at.PENDING_BIDS] = whole[at.PENDING_ASKS] = 0
    whole[at.PENDING_LAST] = at.NO_ID
    follow(book, out, event, whole[at.LAST_ID], _YES, _YES)


@bare
def run(book: Book, m: Messages, out: Output, start: int) -> tuple[int, int]:
    """Take messages from `start` on.

    Returns
    -------
    why, position : `DONE` and the number of messages, or a reason to act and the message to go on
    from. Going on is safe: nothing of that message has been applied.
    """
    whole, real = book.whole, book.real
    ladder = book.ladder
    for k in range(start, len(m.event)):
        event = max(m.event[k], whole[at.LAST_EVENT], whole[at.CLOCK])
        if (
            out.used[1] + 2 > len(out.states)
            or out.used[4] + 8 > len(out.health)
            or out.used[5] + 2 > len(out.proof_id)
        ):
            return BUFFERS_FULL, k
        if (
            ladder.meta[FAR_USED] + (m.bid_offsets[k + 1] - m.bid_offsets[k])
            + (m.ask_offsets[k + 1] - m.ask_offsets[k]) + whole[at.PENDING_BIDS]
            + whole[at.PENDING_ASKS] > len(ladder.far_key) // 2
        ):  # fmt: skip
            return FAR_FULL, k
        if not (
            on_grid(whole, real, m.bid_prices, m.bid_offsets[k], m.bid_offsets[k + 1])
            and on_grid(whole, real, m.ask_prices, m.ask_offsets[k], m.ask_offsets[k + 1])
        ):
            return FINER_TICK, k
        first, last, previous = m.ids[k, 0], m.ids[k, 1], m.ids[k, 2]
        if whole[at.HEALTH_FROM] < 0:
            whole[at.HEALTH_FROM] = event
        what = m.kind[k]
        if what == at.BREAK:
            # nothing says how long before it the feed was lost: the book ends with its last message
            if whole[at.STATUS] != at.WAITING:
                rule.break_off(book, out, first)
                rule.known_from(whole, m.available[k])
            continue
        stale = (
            whole[at.STATUS] != at.WAITING
            and at.NO_ID < last <= whole[at.LAST_ID]
            and (what != at.DIFF or rule.is_stale(whole, last, previous))
        )
        # an image of a book that has not changed tells nothing but that the feed is there; one of
        # an older book tells that its counter has begun anew, and nothing of the one that is held
        unchanged = what == at.IMAGE and last == whole[at.LAST_ID] and whole[at.STATUS] == at.VALID
        if stale and not unchanged:
            whole[at.HEALTH_STALE] += 1
            continue
        if (
            what == at.DIFF
            and whole[at.STATUS] != at.WAITING
            and not rule.links(whole, first, last, previous)
        ):
            rule.lose(book, out, first, previous)
            rule.known_from(whole, m.available[k])
        opened = whole[at.STATUS] == at.OPENED and what == at.DIFF
        if opened:
            # the chain reaches over midnight: the closing book held from the first moment on, which
            # nobody knew before this message
            whole[at.STATUS] = at.VALID
            whole[at.BAR_AVAILABLE] = max(whole[at.BAR_AVAILABLE], m.available[k])
        elif whole[at.STATUS] == at.OPENED:
            rule.lose(book, out, last, last)
            rule.known_from(whole, m.available[k])
        silent = rule.note_silence(book, out, event, m.available[k])
        if opened:
            start_bar(book, whole[at.CLOCK] // at.BAR_NS)
        if not advance(book, out, event):
            return BUFFERS_FULL, k
        if silent:
            whole[at.BAR_POISONED] = 1
            rule.change_health(whole, out, event, rule.IS_VALID, rule.RESUMED, at.NO_ID, at.NO_ID)
        rule.note_pace(book, event, what == at.IMAGE)
        whole[at.LAST_EVENT] = event
        whole[at.LAST_AVAILABLE] = max(m.available[k], whole[at.LAST_AVAILABLE])
        whole[at.BAR_AVAILABLE] = whole[at.LAST_AVAILABLE]
        if stale:
            whole[at.HEALTH_STALE] += 1
            note_mid(whole, book.real)
            continue
        whole[at.BAR_COUNTS + at.MESSAGES] += 1
        if what != at.SNAPSHOT:
            # a snapshot may come in either feed
            whole[at.FEED] = what == at.IMAGE
            whole[at.BAR_FEEDS] |= 1 << whole[at.FEED]
        if what == at.IMAGE and whole[at.STATUS] == at.VALID:
            _image(book, m, out, k, event)
        elif what != at.DIFF:
            _snapshot(book, m, out, k, event)
        elif whole[at.STATUS] == at.WAITING:
            if last == at.NO_ID:
                # nothing says that it lies after the snapshot to come
                whole[at.HEALTH_STALE] += 1
            else:
                rule.keep(book, m, k)
        else:
            bids = apply_side(
                book, BID, m.bid_prices, m.bid_sizes, m.bid_offsets[k], m.bid_offsets[k + 1], _YES
            )
            asks = apply_side(
                book, ASK, m.ask_prices, m.ask_sizes, m.ask_offsets[k], m.ask_offsets[k + 1], _YES
            )
            whole[at.LAST_ID] = last
            whole[at.FRESH] = 0
            whole[at.HEALTH_MESSAGES] += 1
            follow(book, out, event, last, bids, asks)
    return DONE, len(m.event)


@bare
def finish(book: Book, out: Output, until: int) -> bool:
    """Close the bars up to `until`, the last moment the captures tell of, and the health.

    A bar that `until` cuts is written poisoned. Returns False when the buffers are full: empty
    them and call again.
    """
    whole = book.whole
    if whole[at.CLOCK] < 0 or whole[at.STATUS] == at.OPENED:
        return True
    rule.note_silence(book, out, until, at.FAR_AWAY << 22)
    if not advance(book, out, max(until, whole[at.CLOCK])):
        return False
    cut = whole[at.STATUS] == at.VALID and whole[at.CLOCK] > whole[at.BAR] * at.BAR_NS
    if cut or whole[at.COVERED] or whole[at.BAR_COUNTS + at.MESSAGES]:
        if out.used[0] == len(out.bars):
            return False
        whole[at.BAR_POISONED] = 1
        end_bar(book, out)
        start_bar(book, whole[at.BAR] + 1)
        whole[at.CLOCK] = whole[at.BAR] * at.BAR_NS
    rule.change_health(
        whole,
        out,
        max(until, whole[at.LAST_EVENT]),
        whole[at.HEALTH_STATE],
        whole[at.HEALTH_CAUSE],
        at.NO_ID,
        at.NO_ID,
    )
    return True
