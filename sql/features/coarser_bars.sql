-- Coarser bars from finer ones: flows summed, means weighted by covered time, the states of the
-- last finer bar.
-- Grain: instrument and bar. Reads: bars (the columns of bars_100ms.sql with the microprice).
-- Parameters: $finer_nanoseconds, the size of those bars; $bar_nanoseconds, a multiple of it.
-- The order of rows is left open (a sort would move every column).
-- A bar that lacks one of its finer bars is poisoned: something happened that nobody saw.
with slots as (
    select
        *,
        epoch_ns(bar_start) // $bar_nanoseconds as bar,
        epoch_ns(bar_start) % $bar_nanoseconds as since
    from bars
),

sums as (
    select
        instrument,
        bar,
        max(available_at) as available_at,
        least(sum(coverage) * $finer_nanoseconds / $bar_nanoseconds, 1) as coverage,
        bool_or(poisoned) or count(*) < $bar_nanoseconds // $finer_nanoseconds as poisoned,
        max(case when since = 0 then mid_open end) as mid_open,
        max(mid_high) as mid_high,
        min(mid_low) as mid_low,
        sum(mid_mean * coverage)
        / nullif(sum(case when mid_mean is not null then coverage end), 0) as mid_mean,
        sum(spread_mean * coverage)
        / nullif(sum(case when spread_mean is not null then coverage end), 0) as spread_mean,
        sum(queue_imbalance_mean * coverage)
        / nullif(sum(case when queue_imbalance_mean is not null then coverage end), 0)
            as queue_imbalance_mean,
        sum(depth_touch_mean * coverage)
        / nullif(sum(case when depth_touch_mean is not null then coverage end), 0)
            as depth_touch_mean,
        sum(order_flow_imbalance_level_1) as order_flow_imbalance_level_1,
        sum(order_flow_imbalance_level_2) as order_flow_imbalance_level_2,
        sum(order_flow_imbalance_level_3) as order_flow_imbalance_level_3,
        sum(order_flow_imbalance_level_4) as order_flow_imbalance_level_4,
        sum(order_flow_imbalance_level_5) as order_flow_imbalance_level_5,
        sum(order_flow_imbalance_level_6) as order_flow_imbalance_level_6,
        sum(order_flow_imbalance_level_7) as order_flow_imbalance_level_7,
        sum(order_flow_imbalance_level_8) as order_flow_imbalance_level_8,
        sum(order_flow_imbalance_level_9) as order_flow_imbalance_level_9,
        sum(order_flow_imbalance_level_10) as order_flow_imbalance_level_10,
        sum(order_flow_imbalance_no_price_change) as order_flow_imbalance_no_price_change,
        sum(level_depth_sum) as level_depth_sum,
        sum(book_event_count)::bigint as book_event_count,
        sum(book_update_count)::bigint as book_update_count,
        sum(level_update_count)::bigint as level_update_count,
        sum(level_addition_count)::bigint as level_addition_count,
        sum(level_cancellation_count)::bigint as level_cancellation_count,
        sum(buy_volume) as buy_volume,
        sum(sell_volume) as sell_volume,
        sum(trade_notional) as trade_notional,
        sum(buy_count)::bigint as buy_count,
        sum(sell_count)::bigint as sell_count,
        sum(quote_count)::bigint as quote_count,
        case
            when count(realised_variance) = count(*) then sum(realised_variance)
        end as realised_variance
    from slots
    group by instrument, bar
),

-- The row of the last finer bar holds the states at the end; where it is missing, they are null.
closing as (
    select *
    from slots
    where since = $bar_nanoseconds - $finer_nanoseconds
)

select
    sums.instrument,
    make_timestamp_ns(sums.bar * $bar_nanoseconds) as bar_start,
    greatest(
        sums.available_at, make_timestamp_ns((sums.bar + 1) * $bar_nanoseconds)
    ) as available_at,
    sums.* exclude (instrument, bar, available_at, queue_imbalance_mean),
    -- A weighted mean of values in [-1, 1] may leave it by a rounding.
    case
        when sums.queue_imbalance_mean is not null
            then greatest(least(sums.queue_imbalance_mean, 1), -1)
    end as queue_imbalance_mean,
    closing.mid_close,
    closing.microprice,
    closing.bid_price,
    closing.ask_price,
    closing.bid_size,
    closing.ask_size,
    closing.bid_depth_5,
    closing.ask_depth_5,
    closing.bid_depth_10,
    closing.ask_depth_10,
    closing.bid_depth_5bps,
    closing.ask_depth_5bps,
    closing.bid_depth_10bps,
    closing.ask_depth_10bps,
    closing.bid_depth_25bps,
    closing.ask_depth_25bps,
    closing.bid_depth_50bps,
    closing.ask_depth_50bps,
    closing.bid_depth_100bps,
    closing.ask_depth_100bps,
    closing.bid_depth_200bps,
    closing.ask_depth_200bps,
    closing.bid_depth_weighted_10bps,
    closing.ask_depth_weighted_10bps,
    closing.bid_reach_bps,
    closing.ask_reach_bps
from sums
left join closing on sums.instrument = closing.instrument and sums.bar = closing.bar
