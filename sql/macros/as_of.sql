-- The newest bar of each instrument that was known at a moment.
create or replace macro as_of(feature_table, moment) as table
    select *
    from query_table(feature_table)
    where available_at <= moment::timestamp_ns
    qualify bar_start = max(bar_start) over (partition by instrument)
