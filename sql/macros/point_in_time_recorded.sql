-- The same on two clocks: what this system had recorded by `recorded_until` of what was known at
-- `time`. The spine has both columns; the bars are those of a view of history.
create or replace macro point_in_time_recorded(spine_table, history_table, max_age) as table
    with
    _changes as (
        select recorded_at as _since
        from query_table(history_table)
        union
        select superseded_at as _since
        from query_table(history_table)
        where superseded_at is not null
    ),

    -- Between two changes the record stands still: as many states as the spine has met.
    _placed as (
        select
            spine.*,
            _changes._since
        from query_table(spine_table) as spine
        asof left join _changes
            on spine.recorded_until >= _changes._since
    ),

    _states as (
        select
            instrument,
            _since,
            min(time) as first_time,
            max(time) as last_time
        from _placed
        where _since is not null
        group by all
    ),

    _known as (
        select
            history.*,
            _states._since
        from _states
        inner join query_table(history_table) as history
            on _states.instrument = history.instrument
        where
            history.recorded_at <= _states._since
            and coalesce(history.superseded_at > _states._since, true)
            and history.available_at <= _states.last_time
            and epoch_ns(history.bar_end) >= epoch_ns(_states.first_time) - epoch_ns(max_age)
        qualify bar_start = max(bar_start) over (
            partition by history.instrument, _states._since
            order by available_at
        )
    )

    select
        _placed.* exclude (_since),
        if(
            epoch_ns(_placed.time) - epoch_ns(_known.bar_end) <= epoch_ns(max_age),
            columns(_known.* exclude (instrument, _since)),
            null
        )
    from _placed
    asof left join _known
        on
            _placed.instrument = _known.instrument
            and _placed._since = _known._since
            and _placed.time >= _known.available_at
    where (
        select
            names_are_free(
                json_keys(to_json(own_row)),
                [name for name in json_keys(to_json(bar_row)) if name <> 'instrument']
            )
        from (select 1 as one) as single
        left join (
            select *
            from query_table(spine_table)
            where false
        ) as own_row
            on true
        left join (
            select *
            from query_table(history_table)
            where false
        ) as bar_row
            on true
    )
