-- Trades whose side the venue does not say, with the side by the orders that met where a feed shows
-- them, else by the rule of Lee and Ready.
-- Grain: trade. Reads: trades (rows of raw.trades without a side), states (of book.book_states),
-- quotes (of raw.quotes) and matched (pairs of raw.orders: imbalance/books/order_matching; the book
-- side is the maker's), all of the same instruments.
-- What was known before the trade, strictly, is the later of the book's and the quotes' last best
-- prices; one older than a minute, or crossed, is none.
-- A pair of orders is a trade's when price and size are its own and no other is nearer in time.
-- Parameters, in nanoseconds: $oldest; $within, what a trade and its orders may be apart.
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

candidates as (
    select
        steps.instrument,
        steps.kind,
        steps.place,
        matched.book_side,
        matched.available_at,
        row_number() over (
            partition by steps.instrument, steps.kind, steps.place
            order by abs(epoch_ns(steps.available_at) - epoch_ns(matched.available_at)), sequence
        ) as nearest_pair,
        row_number() over (
            partition by matched.instrument, matched.sequence
            order by abs(epoch_ns(steps.available_at) - epoch_ns(matched.available_at)), place
        ) as nearest_trade
    from steps
    inner join matched
        on
            steps.instrument = matched.instrument
            and steps.price = matched.price
            and round(steps.size * 1e8) = round(matched.size * 1e8)
    where abs(epoch_ns(steps.available_at) - epoch_ns(matched.available_at)) <= $within
),

told as (
    select *
    from candidates
    where nearest_pair = 1 and nearest_trade = 1
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
        directed.* exclude (available_at),
        greatest(directed.available_at, told.available_at) as available_at,
        told.book_side as maker_side,
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
    left join told
        on
            directed.instrument = told.instrument
            and directed.kind = told.kind
            and directed.place = told.place
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
        when maker_side = 'ask' then 'buy'
        when maker_side = 'bid' then 'sell'
        when price > mid_before then 'buy'
        when price < mid_before then 'sell'
        when direction > 0 then 'buy'
        when direction < 0 then 'sell'
    end as classified_side,
    case
        when maker_side is not null then 'orders'
        when price <> mid_before then 'quote'
        when direction is not null then 'tick'
    end as method,
    capture_id,
    line,
    row_number() over (
        partition by instrument, event_time, capture_id, line order by kind, place
    ) as position
from met
order by instrument, event_time, capture_id, line, position
