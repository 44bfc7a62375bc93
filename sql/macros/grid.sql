-- A spine: each instrument of a table at regular moments, the first included, the last not.
create or replace macro grid(feature_table, first_time, last_time, step) as table
    select
        instrument,
        make_timestamp_ns(
            unnest(
                range(
                    epoch_ns(first_time::timestamp_ns),
                    epoch_ns(last_time::timestamp_ns),
                    epoch_ns(step)
                )
            )
        ) as time
    from (select distinct instrument from query_table(feature_table))
