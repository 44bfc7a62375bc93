-- One row per event of an order out of several captures: the earliest receipt wins.
select
    * exclude (receipt_rank, rows_there, file_row_number) replace (
        -- clocks of recorders differ: nothing is known before what comes before it
        max(available_at) over (
            partition by instrument
            order by sequence, event_time, file_row_number rows unbounded preceding
        ) as available_at
    )
from (
    select
        *,
        row_number() over (
            partition by instrument, order_key, action, coalesce(sequence, epoch_ns(event_time))
            order by available_at, receive_time, -rows_there, capture_id, line, file_row_number
        ) as receipt_rank
    from (
        select
            *,
            count(*) over (partition by instrument, capture_id) as rows_there
        from read_parquet($spool, file_row_number = true)
    )
)
where receipt_rank = 1
order by instrument, sequence, event_time, file_row_number
