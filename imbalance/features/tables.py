"""Registry of the feature layer: what each column of the bars means, its formula, unit and source.

The five bar tables have the same columns; `sql/features/` computes most of them and
`imbalance/features/` the rest, and a test holds all three together. No code that computes.
"""

from __future__ import annotations

from imbalance.books.columns import or_unsized
from imbalance.books.tables import BANDS_BPS, FLOW_LEVELS, WEIGHT_REACH_BPS, WEIGHT_SCALE_BPS
from imbalance.captures.event_tables import INSTRUMENT
from imbalance.contracts import Column, Table
from imbalance.features.columns import (
    FEED_SILENCE,
    FEW,
    LEAST_BARS,
    TRAILING,
    count,
    depth,
    flow,
    mean,
    no_feed,
    number,
    ratio,
    sided,
    state,
    time,
    trade_count,
    trade_flow,
)
from imbalance.features.side_tables import CLASSIFIED, SIDES

BAR_SIZES: dict[str, int] = {
    "100ms": 100_000_000,
    "1s": 1_000_000_000,
    "10s": 10_000_000_000,
    "1m": 60_000_000_000,
    "5m": 300_000_000_000,
}
"""Bar size to its nanoseconds; the suffix of the table's name."""

TRAINING_WINDOWS = 48
"""Preceding half-hour windows which weights and microprice chains are trained on, at most."""

_CKS = "Cont, Kukanov, Stoikov 2014"
_CCZ = "Cont, Cucuringu, Zhang 2023"
IDENTITY = (
    INSTRUMENT,
    time("bar_start", "Start of the bar, inclusive; the bar belongs to its day."),
    time("bar_end", "End of the bar, exclusive: `bar_start` plus the bar size."),
    time(
        "available_at",
        "When the row could have been known: the latest of its end and of the arrival of "
        "everything it was made from, never falling within instrument and day.",
    ),
    Column("coverage", "DOUBLE", "Share of the bar with a valid book.", unit="fraction",
           minimum=0.0, maximum=1.0, formula="Σ covered time / bar size"),
    Column("poisoned", "BOOLEAN",
           "The bar touches a gap, an edge of the captures, a snapshot, a crossed book or a "
           "silence beyond the limit, or lacks a 100 ms bar. Its flows and counts are null."),
    Column("valid", "BOOLEAN", "The bar can be used: not poisoned, a mid at its start and end.",
           formula="not poisoned and mid_open and mid_close are not null"),
    Column("book_feed", "VARCHAR",
           "What the book was rebuilt from: `events`, every change of it; `images`, the visible "
           "book again and again, where flows of events are null. A bar of both is of `images`, "
           "without the flow of either.", nullable=True,
           null_meaning="no book in the bar", allowed=("events", "images")),
)

PRICE = (
    Column("mid_open", "DOUBLE", "Mid price at the start of the bar.", minimum=0.0,
           unit="quote currency", nullable=True,
           null_meaning="no valid book with both sides at the bar's start", formula="(a + b)/2"),
    *(
        state(f"mid_{extreme}", f"{word} mid price in the bar", "quote currency", minimum=0.0,
              null_meaning="no valid book with both sides in the bar")
        for extreme, word in (("high", "Highest"), ("low", "Lowest"))
    ),
    state("mid_close", "Mid price at the end of the bar", "quote currency", minimum=0.0,
          formula="(a + b)/2"),
    mean("mid_mean", "Mid price", "quote currency", minimum=0.0),
    flow("return_bps", "Log return of the mid from the bar's start to its end", "bps",
         formula="ln(mid_close/mid_open)·1e4",
         null_meaning="poisoned, or no mid at the start or the end"),
    flow("realised_variance", "Realised variance of the mid", "bps²", minimum=0.0,
         formula="Σ squared 100 ms log returns",
         null_meaning="poisoned, or a 100 ms return is missing"),
    state("bid_price", "Best bid at the end of the bar", "quote currency", minimum=0.0),
    state("ask_price", "Best ask at the end of the bar", "quote currency", minimum=0.0),
    state("spread", "Spread at the end of the bar; negative when crossed", "quote currency",
          formula="a − b"),
    state("spread_bps", "Relative spread at the end of the bar", "bps",
          formula="(a − b)/mid_close·1e4"),
    mean("spread_mean", "Spread", "quote currency", formula="a − b"),
    mean("spread_bps_mean", "Relative spread: mean spread over mean mid", "bps",
         formula="spread_mean/mid_mean·1e4"),
    state("weighted_mid", "Weighted mid at the end of the bar", "quote currency", minimum=0.0,
          formula="(q^b a + q^a b)/(q^a + q^b)",
          null_meaning=or_unsized("no valid book with both sides at the bar's end")),
    state("microprice",
          "Microprice at the end of the bar, from the chain in `features.microprice_chains` that "
          "was trained on the half-hours before the bar's",
          "quote currency",
          formula="mid_close + tick·G*(imbalance bucket, spread)", source="Stoikov 2018",
          null_meaning=or_unsized("no chain with enough past, or a state it has not seen")),
)

_SIDES = ("bid", "ask")
_KNOWN = (
    ", of those that are known: beyond what the last snapshot told of (bid_reach_bps, "
    "ask_reach_bps) a level that has not changed since is missing"
)

RESTING = (
    state("bid_size", "Size at the best bid at the end of the bar", "base units", minimum=0.0),
    state("ask_size", "Size at the best ask at the end of the bar", "base units", minimum=0.0),
    ratio("queue_imbalance", "Queue imbalance at the end of the bar",
          formula="(q^b − q^a)/(q^b + q^a); Stoikov's I = (1 + QI)/2",
          source="Gould, Bonart 2016"),
    mean("queue_imbalance_mean", "Queue imbalance", "fraction", minimum=-1.0, maximum=1.0,
         formula="(q^b − q^a)/(q^b + q^a)"),
    state("volume_imbalance", "Resting volume at the touch: best bid size − best ask size",
          "base units", formula="q^b − q^a; by their sum it is queue_imbalance"),
    mean("depth_touch_mean", "Mean of the best bid's and the best ask's size", "base units",
         minimum=0.0, formula="(q^b + q^a)/2"),
    *(
        column
        for levels in (5, 10)
        for column in (
            state(f"bid_depth_{levels}", f"Size of the {levels} best bid levels{_KNOWN}",
                  "base units", minimum=0.0),
            state(f"ask_depth_{levels}", f"Size of the {levels} best ask levels{_KNOWN}",
                  "base units", minimum=0.0),
            ratio(f"depth_imbalance_{levels}",
                  f"Imbalance of the {levels} best populated levels at the end of the bar{_KNOWN}",
                  formula="(Σ q^b − Σ q^a)/(Σ q^b + Σ q^a)"),
        )
    ),
    *(column for bps in BANDS_BPS for column in depth(bps)),
    *(
        state(f"{side}_depth_weighted_{WEIGHT_SCALE_BPS}bps",
              f"{side.title()} size weighted by distance d from the mid, to "
              f"{WEIGHT_REACH_BPS} bps",
              "base units", minimum=0.0, formula=f"Σ exp(−d/κ)·q, κ = {WEIGHT_SCALE_BPS} bps")
        for side in _SIDES
    ),
    ratio(f"depth_imbalance_weighted_{WEIGHT_SCALE_BPS}bps",
          "Imbalance of the distance-weighted sizes at the end of the bar",
          formula=f"Σ w q^b and Σ w q^a: difference over sum, w = exp(−d/κ), "
          f"κ = {WEIGHT_SCALE_BPS} bps"),
    *(
        state(f"{side}_reach_bps", "How far from the mid the book is known on the "
              f"{side} side, by the last snapshot", "bps")
        for side in _SIDES
    ),
)

_E_N = (
    "Σ e_n, e_n = 1{b_n≥b_{n−1}}q^b_n − 1{b_n≤b_{n−1}}q^b_{n−1} − 1{a_n≤a_{n−1}}q^a_n "
    "+ 1{a_n≥a_{n−1}}q^a_{n−1}"
)

ORDER_FLOW = (
    flow("order_flow_imbalance", "Order flow imbalance at the best level", "base units",
         formula=_E_N, source=_CKS),
    *(
        flow(f"order_flow_imbalance_level_{m}", f"Order flow imbalance at level {m}",
             "base units", formula=_E_N + f", prices and sizes of level {m}",
             source=f"Xu, Gould, Howison 2019; {_CCZ}",
             null_meaning=or_unsized(f"poisoned, or an event of the bar lacks level {m} on a side"))
        for m in range(1, FLOW_LEVELS + 1)
    ),
    flow("order_flow_imbalance_no_price_change",
         "Order flow imbalance at the best level without the events that change a best price: "
         "the control against tautology", "base units", formula="Σ e_n over events with "
         "b_n = b_{n−1} and a_n = a_{n−1}", source=f"{_CKS}, footnote 3"),
    flow("generalised_order_flow_imbalance",
         "Order flow imbalance between images of the book, of feeds that show no changes: each "
         "level that the best price has passed is credited", "base units",
         formula="bids: Σ_{p>b_{n−1}} q_n when the best rises, q_n − q_{n−1} when it stays, "
         "−Σ_{p>b_n} q_{n−1} when it falls; asks mirrored; bids less asks",
         source="Su et al. 2021",
         null_meaning=or_unsized("poisoned, or the feed shows every change, at least in part: see "
                                 "order_flow_imbalance")),
    number("level_depth_mean", "Common depth Q: mean size per level and side over ten levels and "
           "the bar's book events; divides the scaled flows", "base units",
           or_unsized("poisoned, or no book event"), minimum=0.0,
           formula="level_depth_sum / book_event_count", source=f"{_CCZ}, eq. 3"),
    number("order_flow_imbalance_depth_scaled",
           "Order flow imbalance at the best level by common depth", "1",
           or_unsized("poisoned, or no book event"),
           formula="order_flow_imbalance / level_depth_mean", source=f"{_CCZ}, eq. 3"),
    number("order_flow_imbalance_integrated",
           "Integrated order flow imbalance over ten levels: first principal component of the "
           "scaled level flows, weights of `features.order_flow_weights`, from past data only, "
           "applied without centring", "1",
           "see order_flow_imbalance_integrated_reason",
           formula="w₁ᵀofi/‖w₁‖₁, ofi_m = order_flow_imbalance_level_m / level_depth_mean",
           source=f"{_CCZ}, eq. 4"),
    Column("order_flow_imbalance_integrated_reason", "VARCHAR",
           "Why order_flow_imbalance_integrated is null.", nullable=True,
           null_meaning="it is not null",
           allowed=("poisoned", "no_events", "missing_levels", "no_past_weights")),
    number("order_flow_imbalance_volatility_scaled",
           "Order flow imbalance by its trailing standard deviation", "standard deviations",
           or_unsized(FEW + ", or they do not vary"),
           formula=f"order_flow_imbalance / standard deviation over {TRAILING}"),
    number("order_flow_imbalance_rank", "Trailing rank of the order flow imbalance", "fraction",
           or_unsized(FEW), minimum=0.0, maximum=1.0,
           formula=f"share below + half the share equal, among {TRAILING}"),
)

_SIDED = sided(no_feed("trade"))
_SIDED_SIZES = or_unsized(_SIDED)

TRADES = (
    trade_flow("buy_volume", "Volume of trades whose aggressor bought", "base units",
               minimum=0.0, null_meaning=_SIDED_SIZES),
    trade_flow("sell_volume", "Volume of trades whose aggressor sold", "base units",
               minimum=0.0, null_meaning=_SIDED_SIZES),
    trade_flow("trade_notional", "Value traded", "quote currency", minimum=0.0,
               formula="Σ price·size"),
    trade_count("buy_count", "Trades whose aggressor bought", null_meaning=_SIDED),
    trade_count("sell_count", "Trades whose aggressor sold", null_meaning=_SIDED),
    trade_count("trade_count", "Trades: single ones where the feed has them, else aggregate ones"),
    trade_flow("trade_imbalance", "Trade imbalance", "base units",
               formula="buy_volume − sell_volume", source=_CKS, null_meaning=_SIDED_SIZES),
    number("trade_imbalance_normalised", "Trade imbalance by volume", "fraction",
           or_unsized("poisoned, the trade feed is not known, or no trade in the bar"),
           minimum=-1.0, maximum=1.0,
           formula="(buy_volume − sell_volume)/(buy_volume + sell_volume)"),
    number("trade_imbalance_depth_scaled", "Trade imbalance by common depth", "1",
           or_unsized("poisoned, the trade feed is not known, or no book event"),
           formula="trade_imbalance / level_depth_mean"),
    number("trade_imbalance_volatility_scaled",
           "Trade imbalance by its trailing standard deviation", "standard deviations",
           or_unsized(FEW + ", the trade feed is not known, or they do not vary"),
           formula=f"trade_imbalance / standard deviation over {TRAILING}"),
    number("trade_imbalance_rank", "Trailing rank of the trade imbalance", "fraction",
           or_unsized(FEW + ", or the trade feed is not known"), minimum=0.0, maximum=1.0,
           formula=f"share below + half the share equal, among {TRAILING}"),
    number("vwap", "Volume-weighted average price of the trades", "quote currency",
           or_unsized("poisoned, the trade feed is not known, or no trade in the bar"), minimum=0.0,
           formula="trade_notional / traded_volume"),
    *SIDES,
)

_CHANGES = "poisoned, or the book was made of images, at least in part: they tell of no changes"
ACTIVITY = (
    count("book_event_count", "Book events with a flow (messages on a valid, uncrossed book)"),
    flow("level_depth_sum", "Σ over the book events of the mean size per level and side over ten "
         "levels", "base units", minimum=0.0, source=f"{_CCZ}, eq. 3"),
    count("book_update_count", "Book messages"),
    count("level_update_count", "Level updates in the book messages", null_meaning=_CHANGES),
    count("level_addition_count", "Level updates that raised the size at a price",
          null_meaning=_CHANGES),
    count("level_cancellation_count",
          "Level updates that lowered the size at a price or removed it, fills included: a book "
          "of levels cannot tell them apart", null_meaning=_CHANGES),
    count("quote_count", "Best bid and ask messages (bookTicker)",
          null_meaning=no_feed("quote")),
    count("fleeting_quote_count",
          "Improvements of a best price that the next move took back within a second, while nobody "
          "traded against that side in the 100 ms of it and those before: all orders at the better "
          "price were fleeting. In a feed that shows every order, see fleeting_order_count",
          null_meaning=f"{no_feed('trade')}, or just after a gap"),
    count("fleeting_order_count",
          "Orders cancelled whole within a second of being placed, counted when they are cancelled",
          null_meaning="poisoned, the feed does not show single orders, or it began less than a "
          "second before", source="Hasbrouck, Saar 2009, of two seconds"),
    number("cancellation_to_trade_ratio", "Cancellations to trades", "1",
           f"the trade feed is not known, no trade in the bar, {_CHANGES}", minimum=0.0,
           formula="level_cancellation_count / trade_count"),
    flow("messages_per_second", "Messages of the instrument: book, trades and quotes",
         "messages/s", minimum=0.0,
         null_meaning="poisoned, or in a gap of book.trade_gaps (coarser bars: in part)",
         formula="(book_update_count + trade_count + quote_count)/bar size; the count of a feed "
         "that is not known counts 0"),
    number("message_dispersion", "Index of dispersion of the messages over the 100 ms of the bar: "
           "1 when they come independently of one another, more in bursts, less when they come at "
           "intervals", "1",
           "poisoned in part, in part in a gap of book.trade_gaps, a bar of 100 ms, or no message",
           minimum=0.0,
           formula="Σ (m_k − m)²/((K − 1) m), m_k the messages in each of the K stretches of "
           "100 ms, of the feeds known by then, m their mean",
           source="Cox, Lewis 1966"),
)

BAR_COLUMNS = (*IDENTITY, *PRICE, *RESTING, *ORDER_FLOW, *TRADES, *ACTIVITY)

BARS = tuple(
    Table(
        name=f"features.bars_{size}",
        description=f"Imbalance and market state per instrument and {size} bar [bar_start, "
        "bar_end). States are the last value, means are weighted by time, flows and counts are "
        "sums (0: valid and nothing happened; null: poisoned or not known), ratios are null over "
        "0. Where trades are missing is told by book.trade_gaps; a quote feed that stops during "
        "the day cannot be told from a quiet market and counts 0 until midnight, and "
        f"{FEED_SILENCE // 10**9} s of the next day.",
        grain="instrument and bar",
        partitioning="day_venue",
        key=("instrument", "bar_start"),
        order=("instrument", "bar_start"),
        columns=BAR_COLUMNS,
        published=True,
    )
    for size in BAR_SIZES
)

_BAR_SIZE = Column("bar_size", "VARCHAR", "Size of the bars.", allowed=tuple(BAR_SIZES))
_TRAINED = (
    time("trained_from", "Start of the first half-hour trained on."),
    time("trained_to", "End of the last one; never after `valid_from`."),
    time("valid_from", "Start of the half-hour of bars it is used for."),
    time("valid_to", "End of that half-hour."),
)

MOMENTS = Table(
    name="features.order_flow_moments",
    description="Sums and sums of products of the ten depth-scaled level flows per half-hour: "
    "what the weights of the integrated flow are made from.",
    grain="instrument, bar size and half-hour",
    partitioning="day_venue",
    key=("instrument", "bar_size", "window_start"),
    order=("instrument", "bar_size", "window_start"),
    columns=(
        INSTRUMENT,
        _BAR_SIZE,
        time("window_start", "Start of the half-hour."),
        time("window_end", "End of the half-hour."),
        time("available_at", "When its last bar could have been known."),
        Column("n", "BIGINT", "Bars summed: valid ones with a book event.", unit="count",
               minimum=1),
        Column("sums", "DOUBLE[]", "Σ ofi_m, m = 1..10.", unit="1"),
        Column("products", "DOUBLE[]",
               "Σ ofi_m·ofi_k, the upper triangle by rows: (1,1), (1,2), … (10,10).", unit="1"),
    ),
)

WEIGHTS = Table(
    name="features.order_flow_weights",
    description="Weights of the integrated order flow imbalance per half-hour, trained on the "
    f"{TRAINING_WINDOWS} half-hours before it, as far as they have data.",
    grain="instrument, bar size and half-hour",
    partitioning="day_venue",
    key=("instrument", "bar_size", "valid_from"),
    order=("instrument", "bar_size", "valid_from"),
    published=True,
    may_be_empty="captures shorter than the least training leave nothing to learn from",
    columns=(
        INSTRUMENT,
        _BAR_SIZE,
        *_TRAINED,
        time("available_at", "When the data trained on could have been known."),
        Column("n", "BIGINT", "Bars trained on.", unit="count", minimum=LEAST_BARS),
        Column("first_component_share", "DOUBLE",
               "Share of the variance of the scaled flows in the first principal component.",
               unit="fraction", minimum=0.0, maximum=1.0, source=_CCZ),
        *(
            Column(f"weight_{m}", "DOUBLE", f"Weight of level {m}, already divided by ‖w₁‖₁.",
                   unit="1", minimum=-1.0, maximum=1.0, formula="w₁/‖w₁‖₁, sign: Σ w₁ > 0",
                   source=f"{_CCZ}, eq. 4")
            for m in range(1, FLOW_LEVELS + 1)
        ),
    ),
)

CHAINS = Table(
    name="features.microprice_chains",
    description="Stoikov's microprice adjustment by imbalance and spread per half-hour, from a "
    f"chain over 100 ms steps in the {TRAINING_WINDOWS} half-hours before it, as far as they have "
    "data. No rows for a half-hour whose past is too short.",
    grain="instrument, half-hour, imbalance bucket and spread",
    partitioning="day_venue",
    key=("instrument", "valid_from", "spread_ticks", "imbalance_bucket"),
    order=("instrument", "valid_from", "spread_ticks", "imbalance_bucket"),
    columns=(
        INSTRUMENT,
        *_TRAINED,
        time("available_at", "When the data trained on could have been known."),
        Column("spread_ticks", "INTEGER", "Spread.", unit="ticks", minimum=1),
        Column("imbalance_bucket", "INTEGER", "Bucket of I = q^b/(q^b + q^a), from 0.",
               minimum=0),
        Column("imbalance_low", "DOUBLE", "Lower edge of the bucket, inclusive.",
               unit="fraction", minimum=0.0, maximum=1.0),
        Column("imbalance_high", "DOUBLE", "Upper edge, exclusive (the last: inclusive).",
               unit="fraction", minimum=0.0, maximum=1.0),
        Column("tick_size", "DOUBLE", "Smallest step of prices in the data trained on.",
               unit="quote currency", minimum=0.0),
        Column("adjustment_ticks", "DOUBLE", "Microprice less mid.", unit="ticks", nullable=True,
               null_meaning="the state was not seen", formula="Σ_n B^n G¹, B = (I − Q)⁻¹R², "
               "G¹ = (I − Q)⁻¹R¹K", source="Stoikov 2018"),
        Column("state_count", "BIGINT", "Transitions seen from the state, mirrored ones included.",
               unit="count", minimum=0),
        Column("n", "BIGINT", "Transitions the chain was trained on, without the mirrored ones.",
               unit="count", minimum=1),
    ),
)

TABLES = (*BARS, WEIGHTS, MOMENTS, CHAINS, CLASSIFIED)
