-- Branching of the best fit of every system, one row per pair of kinds of events.
with best as (
    select
        family,
        model,
        baseline,
        kernel
    from studies.hawkes
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and reason is null
        and estimator = 'bic'
    qualify row_number() over (partition by family, model order by estimate) = 1
)

select
    found.model,
    found.instrument_x,
    found.measure_x,
    found.instrument_y,
    found.measure_y,
    found.estimate,
    found.q_value
from studies.hawkes as found
inner join best
    on
        found.family = best.family
        and found.model = best.model
        and found.baseline = best.baseline
        and found.kernel = best.kernel
where
    found.scope = $scope
    and ($window_day is null or strftime(found.window_from, '%Y-%m-%d') = $window_day)
    and found.estimator = 'branching'
    and found.reason is null
order by
    starts_with(found.model, 'across:'),
    found.model,
    found.instrument_y,
    found.measure_y,
    found.instrument_x,
    found.measure_x
