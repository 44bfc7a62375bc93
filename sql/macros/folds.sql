-- Rows in folds of equal number by `time`, and for each row the folds it may not be trained for:
-- `purged_for`, since its label overlaps theirs; `embargoed_for`, since it follows too soon.
create or replace macro folds(label_table, fold_count, embargo) as table
    with
    placed as (
        select
            *,
            (
                (rank() over (order by time) - 1) * fold_count // count(*) over ()
            )::integer as fold
        from query_table(label_table)
    ),

    spans as (
        select
            fold as other,
            min(time) as first_time,
            epoch_ns(max(label_end)) as last_ns
        from placed
        group by fold
    ),

    moments as (
        select distinct
            time,
            label_end,
            fold
        from placed
    ),

    exclusions as (
        select
            moments.time,
            moments.label_end,
            list(spans.other order by spans.other) filter (
                epoch_ns(moments.time) <= spans.last_ns and moments.label_end >= spans.first_time
            ) as purged_for,
            list(spans.other order by spans.other) filter (
                epoch_ns(moments.time) > spans.last_ns
                and epoch_ns(moments.time) <= spans.last_ns + epoch_ns(embargo)
            ) as embargoed_for
        from moments
        inner join spans
            on moments.fold <> spans.other
        group by all
    )

    select
        placed.*,
        coalesce(exclusions.purged_for, []) as purged_for,
        coalesce(exclusions.embargoed_for, []) as embargoed_for
    from placed
    left join exclusions
        on placed.time = exclusions.time and placed.label_end = exclusions.label_end
