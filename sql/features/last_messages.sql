-- When each instrument was last heard of.
-- Grain: instrument. Reads: messages (a partition of raw.trades or raw.quotes).
select
    instrument,
    max(event_time) as event_time
from messages
group by instrument
