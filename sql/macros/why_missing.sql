-- Why no bar was joined to a row of the spine; for rows of the spine to which none was.
create or replace macro why_missing(spine_table, feature_table, max_age) as table
    with
    _bars as (
        select
            instrument,
            bar_start,
            bar_end,
            available_at
        from query_table(feature_table)
    ),

    _known as (
        select *
        from _bars
        qualify bar_start = max(bar_start) over (partition by instrument order by available_at)
    ),

    _bounds as (
        select
            instrument,
            min(bar_start) as first_start,
            max(bar_end) as last_end
        from _bars
        group by instrument
    )

    select
        spine.*,
        case
            when _bounds.instrument is null then 'no_instrument'
            when
                spine.time < _bounds.first_start
                or epoch_ns(spine.time) - epoch_ns(_bounds.last_end) > epoch_ns(max_age)
                then 'outside_coverage'
            when _bars.instrument is null then 'no_bar'
            when epoch_ns(spine.time) - epoch_ns(_bars.bar_end) > epoch_ns(max_age) then 'too_old'
            when epoch_ns(spine.time) - epoch_ns(_known.bar_end) <= epoch_ns(max_age)
                then 'not_yet_recorded'
            else 'not_yet_available'
        end as reason
    from query_table(spine_table) as spine
    left join _bounds
        on spine.instrument = _bounds.instrument
    asof left join _bars
        on spine.instrument = _bars.instrument and spine.time >= _bars.bar_end
    asof left join _known
        on spine.instrument = _known.instrument and spine.time >= _known.available_at
    where (
        select names_are_free(json_keys(to_json(own_row)), ['reason'])
        from (select 1 as one) as single
        left join (
            select *
            from query_table(spine_table)
            where false
        ) as own_row
            on true
    )
