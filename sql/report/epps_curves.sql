-- Correlation against the length of bars for some pairs ($most, null: all): those with the surest
-- correlation without bars. Estimates that need no bars have a length of 0.
with chosen as (
    select
        instrument_x,
        instrument_y,
        measure_x as measure,
        estimator,
        step_ms,
        estimate,
        interval_low,
        interval_high,
        n,
        rate_x,
        rate_y
    from studies.epps
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and reason is null
),

pairs as (
    select
        instrument_x,
        instrument_y,
        measure,
        abs(estimate) / nullif(estimate - interval_low, 0) as strength
    from chosen
    where estimator = 'hayashi_yoshida'
    order by strength desc nulls last, instrument_x asc, instrument_y asc, measure asc
    limit $most
)

select chosen.*
from chosen
inner join pairs using (instrument_x, instrument_y, measure)
order by
    pairs.strength desc nulls last,
    instrument_x asc,
    instrument_y asc,
    measure asc,
    estimator asc,
    step_ms asc
