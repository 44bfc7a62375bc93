-- One row per capture: where its lines went. Published generations leave this table out.
select
    capture_id,
    path,
    venue,
    compression,
    state,
    reason,
    size_bytes,
    text_bytes,
    coalesce(lines_read, 0) as lines_read,
    lines_decoded,
    lines_ignored,
    lines_quarantined,
    ignored_by_rule,
    instruments,
    fields_unknown,
    clock_skew_ns,
    epoch_ns(first_event_time) as first_event_ns,
    epoch_ns(last_event_time) as last_event_ns
from raw.captures
order by venue, first_event_time nulls last, path
