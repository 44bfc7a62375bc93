-- Own order flow and return in the same bar, by regime.
select
    family,
    instrument_x as instrument,
    bar_size,
    regime,
    estimate,
    reason
from studies.correlation
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and estimator = 'pearson'
    and instrument_x = instrument_y
    and measure_x in ('order_flow_imbalance', 'generalised_order_flow_imbalance')
    and measure_y = 'return_bps'
    and lag = 0
    and horizon = 1
order by instrument, list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size), regime
