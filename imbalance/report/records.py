"""What the report's queries return: one dataclass per query, fields named as its columns.

Times are ns since the epoch, UTC. No query and no wording here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Capture:
    """`report/captures.sql`."""

    capture_id: str
    path: str
    venue: str
    compression: str
    state: str
    reason: str | None
    size_bytes: int
    text_bytes: int
    lines_read: int
    lines_decoded: int
    lines_ignored: int
    lines_quarantined: int
    ignored_by_rule: str
    instruments: str
    fields_unknown: str
    clock_skew_ns: int | None
    first_event_ns: int | None
    last_event_ns: int | None

    @property
    def accounted(self) -> bool:
        """Whether every line read went somewhere."""
        went = self.lines_decoded + self.lines_ignored + self.lines_quarantined
        return went == self.lines_read


@dataclass(frozen=True)
class Clock:
    """`report/clocks.sql`: differences as recorded, and what the correction leaves of them."""

    venue: str
    path: str
    messages: int
    smallest_ns: int
    p01_ns: int
    p50_ns: int
    p99_ns: int
    largest_ns: int
    correction_ns: int
    latency_ns: int
    late_ns: int


@dataclass(frozen=True)
class Quarantined:
    """`report/quarantine.sql`."""

    path: str
    reason: str
    quarantined: int
    first_line: int
    first_detail: str
    first_text: str


@dataclass(frozen=True)
class Unhealthy:
    """`report/book_health.sql`."""

    instrument: str
    state: str
    cause: str
    intervals: int
    seconds: float
    first_ns: int


@dataclass(frozen=True)
class TradeGaps:
    """`report/trade_gaps.sql`."""

    instrument: str
    cause: str
    gaps: int
    missing_trades: int | None
    seconds: float
    first_ns: int


@dataclass(frozen=True)
class BookMessages:
    """`report/book_messages.sql`."""

    instrument: str
    messages: int
    stale_messages: int
    crossed_messages: int
    locked_messages: int


@dataclass(frozen=True)
class Agreement:
    """`report/quote_agreement.sql`."""

    instrument: str
    compared: int
    mismatched: int


@dataclass(frozen=True)
class Coverage:
    """`report/coverage.sql`."""

    instrument: str
    first_ns: int
    last_ns: int
    bars: int
    valid_bars: int
    bars_beyond_snapshot: int
    coverage: float
    bars_with_trades: int
    spread_bps: float | None
    trades_per_bar: float | None
    updates_per_bar: float | None

    @property
    def share_valid(self) -> float:
        """Share of the bars that a study may use."""
        return self.valid_bars / self.bars


@dataclass(frozen=True)
class Stretch:
    """`report/stretches.sql`: [start, end) in which there are bars."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Series:
    """`report/price_and_flow.sql` of one instrument: arrays of equal length, NaN where null.

    `price` (at the bucket's end), `low` and `high` are mid prices in quote currency, `flow` is
    order flow imbalance in base units summed over the valid bars of a bucket, `valid_share` the
    share of its bars that are valid.
    """

    instrument: str
    bucket_ns: int
    start_ns: np.ndarray
    price: np.ndarray
    low: np.ndarray
    high: np.ndarray
    flow: np.ndarray
    valid_share: np.ndarray


@dataclass(frozen=True)
class Window:
    """`report/study_windows.sql`: `window_day` is of the start, or both ends of a trailing one.

    The whole span has none: it is empty.
    """

    study: str
    scope: str
    window_day: str
    bar_size: str
    from_ns: int
    to_ns: int
    estimates: int
    refused: int
    tests: int
    significant: int
    smallest_n: int | None
    median_n: float | None


@dataclass(frozen=True)
class Refusal:
    """`report/refusals.sql`."""

    study: str
    family: str
    scope: str
    bar_size: str
    reason: str
    refused: int
    pairs: int
    example_x: str
    example_y: str


@dataclass(frozen=True)
class Measures:
    """`report/correlation_measures.sql`."""

    family: str
    measure_x: str
    measure_y: str
    estimates: int
    significant: int
    thin: int
    """Significant ones that rest on fewer than `FEWEST_INDEPENDENT` pairs of bars."""
    refused: int
    reasons: dict[str, int] | None
    pairs: int
    strongest: float


@dataclass(frozen=True)
class Cell:
    """`report/correlation_cells.sql`."""

    instrument_x: str
    instrument_y: str
    bar_size: str
    horizon: int
    lag: int
    kind: str | None
    estimate: float | None
    interval_low: float | None
    interval_high: float | None
    q_value: float | None
    n: int
    reason: str | None


@dataclass(frozen=True)
class Finding:
    """`report/correlation_strongest.sql`, and the rows of `report/correlation_question.sql`."""

    family: str
    kind: str
    bar_size: str
    horizon: int
    lag: int
    instrument_x: str
    measure_x: str
    instrument_y: str
    measure_y: str
    estimate: float
    interval_low: float | None
    interval_high: float | None
    q_value: float
    n: int
    n_effective: float | None
    place: int
    rank_estimate: float | None
    strength: float
    tests: int
    significant: int


@dataclass(frozen=True)
class System:
    """`report/systems.sql`."""

    family: str
    model: str
    bar_size: str
    lag_order: float | None
    largest_root: float | None
    smallest_r_squared: float | None
    largest_r_squared: float | None
    portmanteau_p: float | None
    arch_p: float | None
    n: int
    n_left_out: int
    reason: str | None


@dataclass(frozen=True)
class Response:
    """`report/impulse_responses.sql`."""

    family: str
    model: str
    bar_size: str
    instrument_x: str
    measure_x: str
    instrument_y: str
    measure_y: str
    estimator: str
    horizon: int
    estimate: float
    interval_low: float | None
    interval_high: float | None
    across: bool


@dataclass(frozen=True)
class Cumulative:
    """`report/cumulative_responses.sql`."""

    model: str
    bar_size: str
    measure_x: str
    measure_y: str
    horizon: int
    estimate: float
    interval_low: float | None
    interval_high: float | None


@dataclass(frozen=True)
class Granger:
    """`report/granger.sql`."""

    family: str
    model: str
    across: bool
    bar_size: str
    instrument_x: str
    measure_x: str
    instrument_y: str
    measure_y: str
    f: float | None
    f_p: float | None
    f_q: float | None
    hc_p: float | None
    hc_q: float | None
    hac_p: float | None
    hac_q: float | None
    instantaneous_q: float | None
    n: int
    transfer_entropy: float | None
    transfer_entropy_q: float | None
    directions: int
    significant: int


@dataclass(frozen=True)
class Family:
    """`report/families.sql`."""

    study: str
    family: str
    question: str
    hypotheses: str
    declaration: str
    definition_version: str
