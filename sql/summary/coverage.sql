-- Valid share of the bars by instrument and day.
select
    instrument,
    strftime(bar_start::timestamp, '%Y-%m-%d') as day,
    count(*)::bigint as bars,
    round(avg(coverage), 6) as coverage,
    count(*) filter (where poisoned)::bigint as poisoned
from features.bars_1s
group by all
order by instrument, day
