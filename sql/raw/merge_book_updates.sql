-- One row per book message out of several captures: the earliest receipt wins; a snapshot stands
-- after the differences it contains.
select * exclude (receipt_rank)
from (
    select
        *,
        row_number() over (
            partition by instrument, kind, last_update_id
            order by available_at, receive_time, capture_id, line
        ) as receipt_rank
    from read_parquet($spool)
)
where receipt_rank = 1
order by instrument, last_update_id, kind
