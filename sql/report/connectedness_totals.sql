-- Total connectedness of every system: by decomposition, band of frequency and quantile.
select
    family,
    bar_size,
    model,
    approach,
    part,
    estimate,
    interval_low,
    interval_high,
    lowest_order,
    highest_order,
    n
from studies.connectedness
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and estimator = 'total'
    and approach <> 'time_varying'
    and reason is null
order by
    starts_with(model, 'across:') desc,
    family asc,
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size) asc,
    model asc,
    list_position(['generalised', 'orthogonal', 'joint', 'frequency', 'quantile'], approach) asc,
    part asc
