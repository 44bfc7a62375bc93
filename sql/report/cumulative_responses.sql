-- What a shock has done in all by the last horizon: flow to return and return to flow within one
-- instrument.
select
    model,
    bar_size,
    measure_x,
    measure_y,
    horizon,
    estimate,
    interval_low,
    interval_high
from studies.impulse_response
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and estimator = 'orthogonal_cumulative'
    and reason is null
    and not starts_with(model, 'across:')
    and measure_x <> measure_y
qualify horizon = max(horizon) over (partition by family, model, bar_size)
order by model, list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size), measure_x, measure_y
