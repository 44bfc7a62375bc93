-- Every row of the spine with the newest bar known at its `time`, unless it ended over `max_age`
-- before: then the columns of the bar are null. The spine has the columns `instrument` and `time`.
create or replace macro point_in_time(spine_table, feature_table, max_age) as table
    with
    known as (
        select *
        from query_table(feature_table)
        where
            available_at <= (select max(time) from query_table(spine_table))
            and epoch_ns(bar_end)
            >= (select min(epoch_ns(time)) from query_table(spine_table)) - epoch_ns(max_age)
        -- Of bars that become known together the newest; of those that come late the ones newer
        -- than all known before. The frame takes in the bars of the same moment.
        qualify bar_start = max(bar_start) over (partition by instrument order by available_at)
    )

    select
        spine.*,
        if(
            epoch_ns(spine.time) - epoch_ns(known.bar_end) <= epoch_ns(max_age),
            columns(known.* exclude (instrument)),
            null
        )
    from query_table(spine_table) as spine
    asof left join known
        on spine.instrument = known.instrument and spine.time >= known.available_at
