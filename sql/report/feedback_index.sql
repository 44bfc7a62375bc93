-- Loops of the window, one row per pair, bar size and regime; own loops first, then by gain.
select
    family,
    bar_size,
    instrument_x,
    instrument_y,
    measure_x as flow,
    regime,
    estimate as gain,
    interval_low as gain_low,
    interval_high as gain_high,
    p_value,
    q_value,
    half_life_seconds,
    half_life_seconds_high,
    impact_bps,
    impact_bps_low,
    impact_bps_high,
    impact_seconds,
    flow_explained,
    return_explained,
    n
from studies.feedback_index
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and reason is null
    and estimator = 'loop_gain'
order by
    instrument_x <> instrument_y asc,
    regime <> 'all' asc,
    q_value asc nulls last,
    abs(estimate) desc,
    instrument_x asc,
    instrument_y asc,
    bar_size asc,
    family asc
