-- Coarser bars from finer ones: flows summed, means weighted by the time they are of (crossed and
-- one-sided books have none), the states of the last finer bar.
-- Grain: instrument and bar. Reads: bars (the columns of bars_100ms.sql with the microprice).
-- Parameters: $finer_nanoseconds, the size of those bars; $bar_nanoseconds, a multiple of it.
-- The order of rows is left open (a sort would move every column).
-- A bar that lacks one of its finer bars is poisoned: something happened that nobody saw.
-- A sum (flow, volume, count) is null unless all finer bars have it: what one of them does not
-- know, their sum does not know either.
-- Not kept aside for its two readers: copying a hundred columns costs more than reading them twice.
with slots as not materialized (
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
        least(sum(measured_coverage) * $finer_nanoseconds / $bar_nanoseconds, 1)
            as measured_coverage,
        bool_or(poisoned) or count(*) < $bar_nanoseconds // $finer_nanoseconds as poisoned,
        max(case when since = 0 then mid_open end) as mid_open,
        max(book_feed) as book_feed,
        max(mid_high) as mid_high,
        min(mid_low) as mid_low,
        sum(mid_mean * measured_coverage)
        / nullif(sum(case when mid_mean is not null then measured_coverage end), 0) as mid_mean,
        sum(spread_mean * measured_coverage)
        / nullif(sum(case when spread_mean is not null then measured_coverage end), 0)
            as spread_mean,
        sum(queue_imbalance_mean * measured_coverage)
        / nullif(sum(case when queue_imbalance_mean is not null then measured_coverage end), 0)
            as queue_imbalance_mean,
        sum(depth_touch_mean * measured_coverage)
        / nullif(sum(case when depth_touch_mean is not null then measured_coverage end), 0)
            as depth_touch_mean,
        if(
            count(columns('order_flow_imbalance|_sum$|_volume$|trade_notional|variance'))
            = count(*),
            sum(columns('order_flow_imbalance|_sum$|_volume$|trade_notional|variance')),
            null
        ) as '\0',  -- noqa: RF05
        if(count(columns('_count$')) = count(*), sum(columns('_count$')), null)::bigint
            as '\0'  -- noqa: AL08, RF05
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
