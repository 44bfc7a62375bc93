-- Whether own order flow and return, in the same bar, go together otherwise at another level of a
-- regime: the difference of the highest and the lowest, and the test that all levels are equal.
select
    family,
    instrument_x as instrument,
    bar_size,
    regime,
    any_value(estimate) filter (where estimator = 'high_less_low') as difference,
    any_value(interval_low) filter (where estimator = 'high_less_low') as interval_low,
    any_value(interval_high) filter (where estimator = 'high_less_low') as interval_high,
    any_value(q_value) filter (where estimator = 'high_less_low') as q_value,
    any_value(q_value) filter (where estimator = 'equality') as equality_q_value
from studies.correlation_difference
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and instrument_x = instrument_y
    and measure_x in ('order_flow_imbalance', 'generalised_order_flow_imbalance')
    and measure_y = 'return_bps'
    and lag = 0
    and horizon = 1
group by family, instrument_x, bar_size, regime
order by
    instrument_x,
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size),
    regime,
    family
