-- Breaks and differences between calm and stress, one row per instrument, bar size and test.
select
    estimator,
    bar_size,
    instrument_x as instrument,
    measure_x as flow,
    estimate,
    interval_low,
    interval_high,
    p_value,
    q_value,
    epoch_ns(part_from) as part_from_ns,
    n
from studies.feedback_index
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and reason is null
    and estimator in ('break', 'stress_difference')
order by estimator, q_value nulls last, instrument, bar_size, flow
