-- The same on two clocks: what this system had recorded by `recorded_until` of what was known at
-- `time`. The spine has both columns; the bars are those of a view of history.
create or replace macro point_in_time_recorded(spine_table, history_table, max_age) as table
    with
    changes as (
        select recorded_at as since
        from query_table(history_table)
        union
        select superseded_at as since
        from query_table(history_table)
        where superseded_at is not null
    ),

    -- Between two changes the record stands still: as many states as the spine has met.
    placed as (
        select
            spine.*,
            changes.since
        from query_table(spine_table) as spine
        asof left join changes
            on spine.recorded_until >= changes.since
    ),

    states as (
        select
            instrument,
            since,
            min(time) as first_time,
            max(time) as last_time
        from placed
        where since is not null
        group by all
    ),

    known as (
        select
            history.*,
            states.since
        from states
        inner join query_table(history_table) as history
            on states.instrument = history.instrument
        where
            history.recorded_at <= states.since
            and coalesce(history.superseded_at > states.since, true)
            and history.available_at <= states.last_time
            and epoch_ns(history.bar_end) >= epoch_ns(states.first_time) - epoch_ns(max_age)
        qualify bar_start = max(bar_start) over (
            partition by history.instrument, states.since
            order by available_at
        )
    )

    select
        placed.* exclude (since),
        if(
            epoch_ns(placed.time) - epoch_ns(known.bar_end) <= epoch_ns(max_age),
            columns(known.* exclude (instrument, since)),
            null
        )
    from placed
    asof left join known
        on
            placed.instrument = known.instrument
            and placed.since = known.since
            and placed.time >= known.available_at
