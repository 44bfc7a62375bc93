-- What trading costs and how toxic the flow is: one row per instrument, from its trades.
select
    family,
    instrument_y as instrument,
    estimator,
    seconds,
    controls,
    estimate,
    interval_low,
    interval_high,
    q_value,
    n,
    n_windows
from studies.liquidity
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and bar_size = 'events'
    and reason is null
order by
    instrument asc,
    estimator asc,
    seconds asc,
    controls asc
