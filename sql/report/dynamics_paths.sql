-- Paths of the weighted and the conditional correlation, and the moments of breaks, of one pair.
select
    estimator,
    epoch_ns(moment) as moment_ns,
    estimate,
    interval_low,
    interval_high
from studies.dynamics
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and family = $family
    and bar_size = $bar_size
    and instrument_x = $instrument_x
    and measure_x = $measure_x
    and instrument_y = $instrument_y
    and measure_y = $measure_y
    and estimator in ('exponentially_weighted', 'conditional', 'change_point')
    and estimate is not null
order by estimator, moment
