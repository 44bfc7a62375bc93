-- One row per book message out of several captures: the earliest receipt wins, of one receipt the
-- capture that holds more. Differences stand in the order of their ids, a snapshot after those that
-- were known when it was, as in one capture. Where a feed has no ids the capture that begins first
-- is used for its stretch; where it has, the chain of ids tells of breaks, not the recorder.
with messages as (
    -- without the levels, which are put back to what is kept: to sort them costs the most
    select
        instrument,
        kind,
        last_update_id,
        event_time,
        receive_time,
        available_at,
        capture_id,
        line,
        file_row_number,
        bool_or(last_update_id is not null) over (partition by instrument) as has_ids,
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
    where not has_ids
    group by all
),

ranked as (
    select
        *,
        row_number() over (
            partition by
                instrument, kind, last_update_id, if(has_ids, null, (capture_id, file_row_number))
            order by available_at, receive_time, -rows_there, capture_id, line, file_row_number
        ) as receipt_rank
    from messages
    -- what has no id cannot be put among what has
    where not (has_ids and (kind = 'break' or last_update_id is null))
),

kept as (
    select *
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
),

-- what goes one after the other whatever receipts say: all messages without ids, and differences
chained as (
    select
        *,
        row_number() over in_order as place,
        max(available_at) over (in_order rows unbounded preceding) as known_at
    from kept
    where not (has_ids and kind = 'snapshot')
    window
        in_order as (partition by instrument order by last_update_id, event_time, file_row_number)
),

-- of those that became known at one moment, as far as they stand before a line of the same capture
moments as (
    select
        instrument,
        known_at,
        max(place) as last_place
    from chained
    where has_ids
    group by all
),

beside as (
    select
        snapshots.file_row_number,
        coalesce(max(chained.place), 0) as same_moment
    from kept as snapshots
    left join chained
        on
            snapshots.instrument = chained.instrument
            and snapshots.available_at = chained.known_at
            and snapshots.capture_id = chained.capture_id
            and snapshots.line > chained.line
    where snapshots.has_ids and snapshots.kind = 'snapshot'
    group by all
),

placed as (
    select
        instrument,
        kind,
        last_update_id,
        available_at,
        file_row_number,
        place
    from chained
    union all by name
    select
        snapshots.instrument,
        snapshots.kind,
        snapshots.last_update_id,
        snapshots.available_at,
        snapshots.file_row_number,
        greatest(coalesce(moments.last_place, 0), beside.same_moment) as place
    from kept as snapshots
    inner join beside on snapshots.file_row_number = beside.file_row_number
    asof left join moments
        on snapshots.instrument = moments.instrument and snapshots.available_at > moments.known_at
    where snapshots.has_ids and snapshots.kind = 'snapshot'
),

ordered as (
    select
        file_row_number,
        row_number() over in_order as position,
        -- clocks of recorders differ: nothing is known before what comes before it
        max(available_at) over (in_order rows unbounded preceding) as known_at
    from placed
    window
        in_order as (
            partition by instrument
            order by place, kind = 'snapshot', available_at, last_update_id, file_row_number
        )
)

select whole.* exclude (file_row_number) replace (ordered.known_at as available_at)
from ordered
inner join read_parquet($spool, file_row_number = true) as whole
    on ordered.file_row_number = whole.file_row_number
order by whole.instrument, ordered.position
