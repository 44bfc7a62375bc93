-- The rows of a table as this system had them at a moment, from its view of history.
create or replace macro as_recorded(history_table, recorded) as table
    select *
    from query_table(history_table)
    where
        recorded_at <= recorded::timestamp_ns
        and coalesce(superseded_at > recorded::timestamp_ns, true)
