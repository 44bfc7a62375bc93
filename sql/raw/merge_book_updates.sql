-- One row per book message out of several captures: the earliest receipt wins; a snapshot stands
-- after the differences it contains.
select
    * exclude (receipt_rank) replace (
        -- clocks of recorders differ: nothing is known before what comes before it
        max(available_at) over (
            partition by instrument order by last_update_id, kind rows unbounded preceding
        ) as available_at
    )
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
