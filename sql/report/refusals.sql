-- What could not be estimated, and why, over all windows.
select
    study,
    family,
    scope,
    bar_size,
    reason,
    count(*) as refused,
    count(distinct instrument_x || ' ' || instrument_y) as pairs,
    min(instrument_x) as example_x,
    arg_min(instrument_y, instrument_x) as example_y
from query_table($tables, true)
where reason is not null
group by study, family, scope, bar_size, reason
order by refused desc, study asc, family asc, scope asc, bar_size asc, reason asc
