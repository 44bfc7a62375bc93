-- Rows in folds of equal number by `time`, and for each row the folds it may not be trained for:
-- `purged_for`, since its label overlaps theirs; `embargoed_for`, since it follows too soon.
create or replace macro folds(label_table, fold_count, embargo) as table
    with
    _placed as (
        select
            *,
            (
                (rank() over (order by time) - 1) * fold_count // count(*) over ()
            )::integer as fold
        from query_table(label_table)
    ),

    _spans as (
        select
            fold as other,
            min(time) as first_time,
            epoch_ns(max(label_end)) as last_ns
        from _placed
        group by fold
    ),

    _moments as (
        select distinct
            time,
            label_end,
            fold
        from _placed
    ),

    _exclusions as (
        select
            _moments.time,
            _moments.label_end,
            list(_spans.other order by _spans.other) filter (
                epoch_ns(_moments.time) <= _spans.last_ns
                and _moments.label_end >= _spans.first_time
            ) as purged_for,
            list(_spans.other order by _spans.other) filter (
                epoch_ns(_moments.time) > _spans.last_ns
                and epoch_ns(_moments.time) <= _spans.last_ns + epoch_ns(embargo)
            ) as embargoed_for
        from _moments
        inner join _spans
            on _moments.fold <> _spans.other
        group by all
    )

    select
        _placed.*,
        coalesce(_exclusions.purged_for, []) as purged_for,
        coalesce(_exclusions.embargoed_for, []) as embargoed_for
    from _placed
    left join _exclusions
        on _placed.time = _exclusions.time and _placed.label_end = _exclusions.label_end
    where (
        select names_are_free(json_keys(to_json(own_row)), ['fold', 'purged_for', 'embargoed_for'])
        from (select 1 as one) as single
        left join (
            select *
            from query_table(label_table)
            where false
        ) as own_row
            on true
    )
