-- Stretches of time in which some instrument has bars: a pause longer than ten minutes and than a
-- tenth of the whole separates two, so that there are ten at most.
with bars as (
    select distinct
        epoch_ns(bar_start) as start_ns,
        epoch_ns(bar_end) as end_ns
    from features.bars_1s
),

whole as (
    select greatest(600000000000, (max(end_ns) - min(start_ns)) // 10) as pause_ns
    from bars
),

marked as (
    select
        bars.start_ns,
        bars.end_ns,
        coalesce(
            bars.start_ns - lag(bars.end_ns) over (order by bars.start_ns) > whole.pause_ns, true
        ) as begins
    from bars cross join whole
),

numbered as (
    select
        start_ns,
        end_ns,
        sum(begins::int) over (order by start_ns) as stretch
    from marked
)

select
    min(start_ns) as start_ns,
    max(end_ns) as end_ns
from numbered
group by stretch
order by start_ns
