-- What each series gives, and net, in all and between each two: the network of the systems across.
select
    family,
    bar_size,
    model,
    estimator,
    instrument_x,
    measure_x,
    instrument_y,
    measure_y,
    estimate,
    interval_low,
    interval_high,
    q_value
from studies.connectedness
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and estimator in ('net', 'net_pairwise', 'transmitted')
    and approach = 'generalised'
    and starts_with(model, 'across:')
    and reason is null
order by
    family,
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size),
    model,
    estimator,
    measure_x,
    instrument_x,
    measure_y,
    instrument_y
