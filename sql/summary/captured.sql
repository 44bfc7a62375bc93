-- Captures that have been decoded, with the UTC days of their first and last event; null where they
-- hold none.
select
    capture_id,
    strftime(first_event_time::timestamp, '%Y-%m-%d') as first_day,
    strftime(last_event_time::timestamp, '%Y-%m-%d') as last_day
from raw.captures
where state <> 'refused'
