-- Orders that were placed and cancelled whole within $life nanoseconds, counted when they are
-- cancelled.
-- Grain: instrument and 100 ms bar in which an order was first seen or a fleeting one cancelled.
-- Reads: orders (the partition of raw.orders), once: it may be a stream.
-- Whole: with the size that was placed, and without a fill or a change in between. What is told of
-- an order after it was cancelled changes nothing.
with lives as materialized (
    select
        instrument,
        min(epoch_ns(event_time)) as first_seen,
        min(available_at) as first_available_at,
        min(epoch_ns(event_time)) filter (where action = 'add') as placed,
        min(epoch_ns(event_time)) filter (where action = 'delete') as gone,
        min(epoch_ns(event_time)) filter (where action not in ('add', 'delete')) as changed,
        arg_min(size, event_time) filter (where action = 'add') as size_placed,
        arg_min(size, event_time) filter (where action = 'delete') as size_left,
        arg_min(available_at, event_time) filter (where action = 'delete') as gone_available_at
    from orders
    group by instrument, order_key
),

told as (
    select
        instrument,
        first_seen // 100000000 as bar,
        first_available_at as available_at,
        0 as fleeting
    from lives
    union all
    select
        instrument,
        gone // 100000000 as bar,
        gone_available_at as available_at,
        1 as fleeting
    from lives
    where
        gone - placed between 0 and $life
        and size_left > 0
        and size_left = size_placed
        and (changed is null or changed > gone)
)

select
    instrument,
    make_timestamp_ns(bar * 100000000) as bar_start,
    max(available_at) as available_at,
    sum(fleeting)::bigint as fleeting_order_count
from told
group by instrument, bar
order by instrument, bar
