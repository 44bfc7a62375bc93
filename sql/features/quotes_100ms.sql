-- Best bid and ask messages per instrument and 100 ms bar.
-- Grain: instrument and bar with a quote. Reads: quotes (the partition of raw.quotes).
select
    instrument,
    make_timestamp_ns(epoch_ns(event_time) // 100000000 * 100000000) as bar_start,
    max(available_at) as available_at,
    count(*) as quote_count
from quotes
group by all
order by instrument, bar_start
