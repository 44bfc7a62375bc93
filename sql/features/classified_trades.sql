-- Trades whose side the venue does not say, with the side by the orders that met where a feed shows
-- them, else by the rule of Lee and Ready.
-- Grain: trade without a side. Reads: trades (rows of raw.trades; those with a side tell of changes
-- of price alone), states (of book.book_states), quotes (of raw.quotes), all of the same
-- instruments; and of raw.orders, by imbalance/books/order_matching: matched, the pairs that met
-- (the book side is the maker's), settled, when that was certain of the fills of a size from
-- told_from on, and shown, the instruments whose orders are there.
-- What was known before the trade, strictly, is the later of the book's and the quotes' last best
-- prices; one older than a minute, crossed, or without one of its sides, is none.
-- A pair of orders is a trade's when price and size are its own and no other is nearer in time.
-- Where orders are shown, no trade is classified before all that may be its own have been told and
-- settled: a nearer pair may come, or a nearer trade.
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

-- As one value: a mid that is null must not give way to an older one.
best as (
    select
        instrument,
        available_at,
        max_by(
            struct_pack(
                known_at := available_at,
                mid := (bid_price + ask_price) / 2,
                crossed := bid_price > ask_price
            ),
            (source, place)
        ) as quote
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

directed as materialized (
    select * exclude (step, side)
    from (
        select
            *,
            last_value(step ignore nulls) over (
                partition by instrument, kind order by place
                rows between unbounded preceding and current row
            ) as direction
        from steps
    )
    where side is null
),

candidates as (
    select
        directed.instrument,
        directed.kind,
        directed.place,
        matched.book_side,
        row_number() over (
            partition by directed.instrument, directed.kind, directed.place
            order by abs(epoch_ns(directed.available_at) - epoch_ns(matched.told_at)), sequence
        ) as nearest_pair,
        row_number() over (
            partition by matched.instrument, matched.sequence
            order by abs(epoch_ns(directed.available_at) - epoch_ns(matched.told_at)), place
        ) as nearest_trade
    from directed
    inner join matched
        on
            directed.instrument = matched.instrument
            and directed.price = matched.price
            and round(directed.size * 1e8) = round(matched.size * 1e8)
    where abs(epoch_ns(directed.available_at) - epoch_ns(matched.told_at)) <= $within
),

told as (
    select *
    from candidates
    where nearest_pair = 1 and nearest_trade = 1
),

-- When it was certain which fills of a trade's size belong together, of all near enough to it.
certain as (
    select
        directed.instrument,
        directed.kind,
        directed.place,
        max(settled.settled_at) as settled_at
    from directed
    inner join settled
        on
            directed.instrument = settled.instrument
            and round(directed.size * 1e8) = round(settled.size * 1e8)
    where
        epoch_ns(directed.available_at)
        between epoch_ns(settled.told_from) - $within and epoch_ns(settled.settled_at)
    group by directed.instrument, directed.kind, directed.place
),

-- Trades among the best prices, those of the same moment first: the last before a trade is known.
-- (A window, since an ASOF join of DuckDB 1.5 takes minutes where this takes a tenth of a second.)
merged as (
    select
        instrument,
        kind,
        place,
        available_at,
        null as quote
    from directed
    union all
    select
        instrument,
        null as kind,
        null as place,
        available_at,
        quote
    from best
),

before as (
    select
        instrument,
        kind,
        place,
        last_value(quote ignore nulls) over (
            partition by instrument order by available_at, quote is not null
            rows between unbounded preceding and current row
        ) as quote
    from merged
),

met as (
    select
        directed.* exclude (available_at),
        greatest(
            directed.available_at,
            if(
                shown.instrument is not null,
                make_timestamp_ns(epoch_ns(directed.available_at) + $within), null
            ),
            certain.settled_at
        ) as available_at,
        told.book_side as maker_side,
        if(
            not before.quote.crossed
            and epoch_ns(directed.available_at) - epoch_ns(before.quote.known_at) <= $oldest,
            before.quote.mid, null
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
    left join certain
        on
            directed.instrument = certain.instrument
            and directed.kind = certain.kind
            and directed.place = certain.place
    left join shown on directed.instrument = shown.instrument
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
