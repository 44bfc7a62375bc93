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
            when bars.available_at > spine.time then 'not_yet_available'
            else 'not_yet_recorded'
        end as reason
    from query_table(spine_table) as spine
    left join bounds
        on spine.instrument = bounds.instrument
    asof left join bars
        on spine.instrument = bars.instrument and spine.time >= bars.bar_end
