-- Measures of bars in volume time and event time, from what was summed in them.
-- Grain: instrument and bar. Reads: bars (what imbalance/features/activity_kernel sums, with the
-- coverage by book.book_health, whether the book was valid at either end, whether some of it was of
-- images, and whether the trade feed is known from the bar's start on, without a gap in the bar).
-- Flows of a bar that touches what nobody saw are null.
with marked as (
    select
        *,
        broken or coverage < 1 or not valid_at_start or not valid_at_end as poisoned
    from bars
),

known as (
    select
        * replace (
            if(valid_at_start, mid_open, null) as mid_open,
            -- else the mid of before a gap would be among them
            if(valid_at_start, mid_high, null) as mid_high,
            if(valid_at_start, mid_low, null) as mid_low,
            if(valid_at_end, mid_close, null) as mid_close,
            if(valid_at_end and mid_close is not null, bid_price, null) as bid_price,
            if(valid_at_end and mid_close is not null, ask_price, null) as ask_price,
            if(valid_at_end and mid_close is not null, bid_size, null) as bid_size,
            if(valid_at_end and mid_close is not null, ask_size, null) as ask_size,
            if(poisoned or images, null, order_flow_imbalance) as order_flow_imbalance,
            if(poisoned or images, null, order_flow_imbalance_no_price_change)
                as order_flow_imbalance_no_price_change,
            if(poisoned or not trades_known, null, traded_volume) as traded_volume,
            if(poisoned or not trades_known or unknown_side_count > 0, null, buy_volume)
                as buy_volume,
            if(poisoned or not trades_known or unknown_side_count > 0, null, sell_volume)
                as sell_volume,
            if(poisoned or not trades_known, null, trade_notional) as trade_notional,
            if(poisoned or not trades_known, null, trade_count) as trade_count,
            if(poisoned, null, book_event_count) as book_event_count
        )
    from marked
)

select
    instrument,
    bar_start,
    bar_end,
    available_at,
    bar_size,
    complete,
    coverage,
    poisoned,
    complete and not poisoned and mid_open is not null and mid_close is not null as valid,
    (epoch_ns(bar_end) - epoch_ns(bar_start)) / 1e9 as duration_seconds,
    mid_open,
    mid_high,
    mid_low,
    mid_close,
    if(poisoned, null, ln(mid_close / mid_open) * 1e4) as return_bps,
    bid_price,
    ask_price,
    ask_price - bid_price as spread,
    (ask_price - bid_price) / nullif(mid_close, 0) * 1e4 as spread_bps,
    bid_size,
    ask_size,
    (bid_size - ask_size) / nullif(bid_size + ask_size, 0) as queue_imbalance,
    bid_size - ask_size as volume_imbalance,
    order_flow_imbalance,
    order_flow_imbalance_no_price_change,
    traded_volume,
    buy_volume,
    sell_volume,
    buy_volume - sell_volume as trade_imbalance,
    (buy_volume - sell_volume) / nullif(buy_volume + sell_volume, 0) as trade_imbalance_normalised,
    trade_notional,
    trade_notional / nullif(traded_volume, 0) as vwap,
    trade_count,
    book_event_count
from known
order by bar_start
