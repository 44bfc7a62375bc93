-- Total connectedness of the time-varying systems across instruments, in the order of time.
select
    family,
    bar_size,
    model,
    epoch_ns(state_at) as at_ns,
    estimate,
    interval_low,
    interval_high
from studies.connectedness
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and estimator = 'total'
    and approach = 'time_varying'
    and starts_with(model, 'across:')
    and reason is null
order by
    family,
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size),
    model,
    state_at
