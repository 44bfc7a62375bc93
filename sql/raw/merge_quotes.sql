-- One row per quote out of several captures: the earliest receipt wins, of one receipt the capture
-- that holds more. Where a feed has no ids the capture that begins first is used for its stretch.
with messages as (
    select
        *,
        count(*) over (partition by instrument, capture_id) as rows_there
    from read_parquet($spool, file_row_number = true)
),

stretches as (
    select
        instrument,
        capture_id,
        min(event_time) as first_time,
        max(event_time) as last_time,
        min(available_at) as first_known
    from messages
    where update_id is null
    group by all
),

ranked as (
    select
        *,
        row_number() over (
            partition by
                instrument,
                update_id,
                if(update_id is null, (capture_id, file_row_number), null)
            order by available_at, receive_time, -rows_there, capture_id, line, file_row_number
        ) as receipt_rank
    from messages
)

select
    * exclude (receipt_rank, rows_there, file_row_number) replace (
        -- clocks of recorders differ: nothing is known before what comes before it
        max(available_at) over (
            partition by instrument
            order by update_id, event_time, file_row_number
            rows unbounded preceding
        ) as available_at
    )
from ranked
where
    receipt_rank = 1
    and (
        update_id is not null or not exists (
            select 1
            from stretches as other
            inner join stretches as own on other.instrument = own.instrument
            where
                own.instrument = ranked.instrument
                and own.capture_id = ranked.capture_id
                and (other.first_known, other.capture_id) < (own.first_known, own.capture_id)
                and ranked.event_time between other.first_time and other.last_time
        )
    )
order by instrument, update_id, event_time, file_row_number
