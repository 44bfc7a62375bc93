-- Captures of the home and where their lines went, summed.
select
    count(*)::bigint as files,
    count(*) filter (where state = 'refused')::bigint as refused,
    coalesce(sum(size_bytes), 0)::bigint as size_bytes,
    coalesce(sum(lines_read), 0)::bigint as lines_read,
    coalesce(sum(lines_decoded), 0)::bigint as lines_decoded,
    coalesce(sum(lines_ignored), 0)::bigint as lines_ignored,
    coalesce(sum(lines_quarantined), 0)::bigint as lines_quarantined
from raw.captures
