-- Every row of the spine with the newest bar known at its `time`, unless it ended over `max_age`
-- before: then the columns of the bar are null. The spine has the columns `instrument` and `time`.
create or replace macro point_in_time(spine_table, feature_table, max_age) as table
    with
    _known as (
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
            epoch_ns(spine.time) - epoch_ns(_known.bar_end) <= epoch_ns(max_age),
            columns(_known.* exclude (instrument)),
            null
        )
    from query_table(spine_table) as spine
    asof left join _known
        on spine.instrument = _known.instrument and spine.time >= _known.available_at
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
            from query_table(feature_table)
            where false
        ) as bar_row
            on true
    )
