-- Instruments and days from $first on with valid one-second bars for less than the share $least of
-- the day.
select
    instrument,
    strftime(bar_start::timestamp, '%Y-%m-%d') as day,
    count(*) filter (where valid) / 86400.0 as usable
from features.bars_1s
where bar_start >= $first::date
group by all
having count(*) filter (where valid) / 86400.0 < $least
order by instrument, day
