-- Why no bar was joined to a row of the spine; for rows of the spine to which none was.
create or replace macro why_missing(spine_table, feature_table, max_age) as table
    with
    bars as (
        select
            instrument,
            bar_start,
            bar_end,
            available_at
        from query_table(feature_table)
    ),

    known as (
        select *
        from bars
        qualify bar_start = max(bar_start) over (partition by instrument order by available_at)
    ),

    bounds as (
        select
            instrument,
            min(bar_start) as first_start,
            max(bar_end) as last_end
        from bars
        group by instrument
    )

    select
        spine.*,
        case
            when bounds.instrument is null then 'no_instrument'
            when
                spine.time < bounds.first_start
                or epoch_ns(spine.time) - epoch_ns(bounds.last_end) > epoch_ns(max_age)
                then 'outside_coverage'
            when bars.instrument is null then 'no_bar'
            when epoch_ns(spine.time) - epoch_ns(bars.bar_end) > epoch_ns(max_age) then 'too_old'
            when epoch_ns(spine.time) - epoch_ns(known.bar_end) <= epoch_ns(max_age)
                then 'not_yet_recorded'
            else 'not_yet_available'
        end as reason
    from query_table(spine_table) as spine
    left join bounds
        on spine.instrument = bounds.instrument
    asof left join bars
        on spine.instrument = bars.instrument and spine.time >= bars.bar_end
    asof left join known
        on spine.instrument = known.instrument and spine.time >= known.available_at
