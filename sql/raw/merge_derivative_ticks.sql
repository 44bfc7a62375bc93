-- One row per mark price message out of several captures: they carry no id, the time sent is it.
select * exclude (receipt_rank)
from (
    select
        *,
        row_number() over (
            partition by instrument, event_time
            order by available_at, receive_time, capture_id, line
        ) as receipt_rank
    from read_parquet($spool)
)
where receipt_rank = 1
order by instrument, event_time
