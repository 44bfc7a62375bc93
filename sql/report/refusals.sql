-- What could not be estimated, and why, over all windows.
with refused as (
    select
        'correlation' as study,
        family,
        scope,
        bar_size,
        instrument_x,
        instrument_y,
        reason
    from studies.correlation
    where reason is not null
    union all
    select
        'vector_autoregression' as study,
        family,
        scope,
        bar_size,
        instrument_x,
        instrument_y,
        reason
    from studies.vector_autoregression
    where reason is not null
    union all
    select
        'impulse_response' as study,
        family,
        scope,
        bar_size,
        instrument_x,
        instrument_y,
        reason
    from studies.impulse_response
    where reason is not null
    union all
    select
        'granger_causality' as study,
        family,
        scope,
        bar_size,
        instrument_x,
        instrument_y,
        reason
    from studies.granger_causality
    where reason is not null
)

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
from refused
group by study, family, scope, bar_size, reason
order by refused desc, study asc, family asc, scope asc, bar_size asc, reason asc
limit $most
