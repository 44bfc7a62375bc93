-- Trades whose side the venue does not say, with the side by the rule of Lee and Ready.
-- Grain: trade. Reads: trades (rows of raw.trades without a side), states (of book.book_states) and
-- quotes (of raw.quotes), both of the same instruments.
-- What was known before the trade, strictly, is the later of the book's and the quotes' last best
-- prices; one older than a minute, or crossed, is none.
-- Parameters: $oldest, in nanoseconds.
with known as (
    select
        instrument,
        available_at,
        0 as source,
        sequence as place,
        bid_prices[1] as bid_price,
        ask_prices[1] as ask_price
    from states
    union all
    select
        instrument,
        available_at,
        1 as source,
        line as place,
        bid_price,
        ask_price
    from quotes
),

best as (
    select
        instrument,
        available_at,
        max_by((bid_price + ask_price) / 2, (source, place)) as mid,
        max_by(bid_price > ask_price, (source, place)) as crossed
    from known
    group by instrument, available_at
),

steps as (
    select
        *,
        row_number() over in_order as place,
        nullif(sign(price - lag(price) over in_order), 0) as step
    from trades
    window in_order as (
        partition by instrument, kind
        order by available_at, event_time, trade_id, capture_id, line
    )
),

directed as (
    select
        *,
        last_value(step ignore nulls) over (
            partition by instrument, kind order by place
            rows between unbounded preceding and current row
        ) as direction
    from steps
),

-- Trades among the best prices, those of the same moment first: the last before a trade is known.
-- (A window, since an ASOF join of DuckDB 1.5 takes minutes where this takes a tenth of a second.)
merged as (
    select
        instrument,
        kind,
        place,
        available_at,
        null as known_at,
        null as mid,
        null as crossed
    from directed
    union all
    select
        instrument,
        null as kind,
        null as place,
        available_at,
        available_at as known_at,
        mid,
        crossed
    from best
),

before as (
    select
        instrument,
        kind,
        place,
        available_at,
        last_value(known_at ignore nulls) over until_here as known_at,
        last_value(mid ignore nulls) over until_here as mid,
        last_value(crossed ignore nulls) over until_here as crossed
    from merged
    window until_here as (
        partition by instrument order by available_at, known_at nulls first
        rows between unbounded preceding and current row
    )
),

met as (
    select
        directed.*,
        if(
            not before.crossed
            and epoch_ns(directed.available_at) - epoch_ns(before.known_at) <= $oldest,
            before.mid, null
        ) as mid_before
    from directed
    inner join before
        on
            directed.instrument = before.instrument
            and directed.kind = before.kind
            and directed.place = before.place
)

select
    instrument,
    kind,
    trade_id,
    trade_key,
    event_time,
    available_at,
    price,
    size_base,
    mid_before,
    case
        when price > mid_before then 'buy'
        when price < mid_before then 'sell'
        when direction > 0 then 'buy'
        when direction < 0 then 'sell'
    end as classified_side,
    case
        when price <> mid_before then 'quote'
        when direction is not null then 'tick'
    end as method,
    capture_id,
    line
from met
order by instrument, event_time, capture_id, line, place
