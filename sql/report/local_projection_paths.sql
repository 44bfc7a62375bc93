-- Responses between flow and return within an instrument, by local projection and by the system.
select
    family,
    bar_size,
    model,
    estimator,
    measure_x,
    measure_y,
    horizon,
    estimate,
    interval_low,
    interval_high
from studies.local_projection
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and estimator in ('vector_autoregression', 'lag_augmented')
    and regime = 'all'
    and measure_x <> measure_y
    and not starts_with(model, 'across:')
    and reason is null
order by
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size),
    model,
    measure_x,
    measure_y,
    estimator,
    horizon
