-- Quarantined lines by capture and reason.
select
    path,
    reason,
    count(*)::bigint as lines,
    min(line)::bigint as first_line,
    any_value(detail order by line) as example
from raw.quarantine
group by all
order by path, reason
