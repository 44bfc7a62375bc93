-- One row per band of a sample out of several captures: it carries no id, what it says is it.
select
    * exclude (receipt_rank) replace (
        -- clocks of recorders differ: nothing is known before what comes before it
        max(available_at) over (
            partition by instrument
            order by event_time, capture_id, line rows unbounded preceding
        ) as available_at
    )
from (
    select
        *,
        row_number() over (
            partition by
                instrument,
                event_time,
                exchange_time,
                transaction_time,
                percentage,
                depth,
                notional
            order by available_at, receive_time, capture_id, line
        ) as receipt_rank
    from read_parquet($spool)
)
where receipt_rank = 1
order by instrument, event_time, capture_id, line
