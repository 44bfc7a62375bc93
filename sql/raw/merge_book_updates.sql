-- One row per book message out of several captures: the earliest receipt wins; a snapshot stands
-- after the differences it contains. Where a feed has no ids the capture that begins first is used
-- for its stretch; where it has, the chain of ids tells of breaks, not the recorder.
with messages as (
    select
        *,
        bool_or(last_update_id is not null) over (partition by instrument) as has_ids
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
    where not has_ids
    group by all
),

ranked as (
    select
        *,
        row_number() over (
            partition by
                instrument, kind, last_update_id, if(has_ids, null, (capture_id, file_row_number))
            order by available_at, receive_time, capture_id, line
        ) as receipt_rank
    from messages
    -- what has no id cannot be put among what has
    where not (has_ids and (kind = 'break' or last_update_id is null))
)

select
    * exclude (receipt_rank, has_ids, file_row_number) replace (
        -- clocks of recorders differ: nothing is known before what comes before it
        max(available_at) over (
            partition by instrument
            order by last_update_id, if(has_ids, kind, ''), event_time, file_row_number
            rows unbounded preceding
        ) as available_at
    )
from ranked
where
    receipt_rank = 1
    and (
        has_ids or not exists (
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
order by instrument, last_update_id, if(has_ids, kind, ''), event_time, file_row_number
