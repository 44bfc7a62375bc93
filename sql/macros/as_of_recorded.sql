-- The newest bar of each instrument known at a moment, by what was recorded at another.
create or replace macro as_of_recorded(history_table, moment, recorded) as table
    select *
    from query_table(history_table)
    where
        available_at <= moment::timestamp_ns
        and recorded_at <= recorded::timestamp_ns
        and coalesce(superseded_at > recorded::timestamp_ns, true)
    qualify bar_start = max(bar_start) over (partition by instrument)
