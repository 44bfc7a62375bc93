-- R² out of sample by number of levels, and the response of the price bar after bar.
select
    bar_size,
    instrument_y as instrument,
    estimator,
    case when estimator = 'response' then horizon else levels end as step,
    estimate,
    interval_low,
    interval_high
from studies.price_impact
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and estimator in ('r_squared_in', 'r_squared_out', 'response')
    and reason is null
order by
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size),
    instrument,
    estimator,
    step
