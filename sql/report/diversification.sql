-- Correlations by class and state of the market, and the diversification that is left.
select
    family,
    bar_size,
    estimator,
    class_x,
    class_y,
    regime as state,
    estimate,
    interval_low,
    interval_high,
    benchmark,
    q_value,
    pairs,
    n
from studies.diversification
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and reason is null
order by
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size),
    class_x,
    class_y,
    estimator,
    state
