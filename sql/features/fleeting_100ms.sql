-- Orders that were placed and cancelled whole within $life nanoseconds, counted when they are
-- cancelled.
-- Grain: instrument and 100 ms bar in which an order was first seen or a fleeting one cancelled.
-- Reads: orders (the partition of raw.orders), once: it may be a stream.
-- Whole: with the size that was placed, and without a fill or a change in between.
with lives as materialized (
    select
        instrument,
        min(epoch_ns(event_time)) // 100000000 as first_bar,
        min(available_at) as first_available_at,
        max(epoch_ns(event_time)) // 100000000 as last_bar,
        max(available_at) as last_available_at,
        count(*) = 2
        and count(*) filter (where action = 'add') = 1
        and count(*) filter (where action = 'delete') = 1
        and min(size) > 0
        and min(size) = max(size)
        and max(epoch_ns(event_time)) - min(epoch_ns(event_time)) <= $life as fleeting
    from orders
    group by instrument, order_key
),

told as (
    select
        instrument,
        first_bar as bar,
        first_available_at as available_at,
        0 as fleeting
    from lives
    union all
    select
        instrument,
        last_bar as bar,
        last_available_at as available_at,
        1 as fleeting
    from lives
    where fleeting
)

select
    instrument,
    make_timestamp_ns(bar * 100000000) as bar_start,
    max(available_at) as available_at,
    sum(fleeting)::bigint as fleeting_order_count
from told
group by instrument, bar
order by instrument, bar
