-- One row per capture with both clocks: receive − exchange time as recorded, and the correction.
-- What is left of the median after the correction is latency, as far as one can tell.
select
    clocks.venue,
    captures.path,
    clocks.messages,
    clocks.smallest_ns,
    clocks.p01_ns,
    clocks.p50_ns,
    clocks.p99_ns,
    clocks.largest_ns,
    clocks.correction_ns,
    clocks.p50_ns + clocks.correction_ns as latency_ns,
    clocks.p99_ns + clocks.correction_ns as late_ns
from raw.clock_skew as clocks
inner join raw.captures as captures on clocks.capture_id = captures.capture_id
where clocks.messages > 0
order by clocks.venue, captures.first_event_time nulls last, captures.path
