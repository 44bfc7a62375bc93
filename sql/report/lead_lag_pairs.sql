-- One row per pair of instruments and price: the lead with its band, the ratio, the correlation at
-- the peak, and what is left of the sign under clock errors. The surest leads come first.
select
    instrument_x,
    instrument_y,
    measure_x as measure,
    max(estimate) filter (where estimator = 'lead') as lead_ms,
    max(interval_low) filter (where estimator = 'lead') as low_ms,
    max(interval_high) filter (where estimator = 'lead') as high_ms,
    max(q_value) filter (where estimator = 'lead') as q_value,
    max(estimate) filter (where estimator = 'peak_correlation') as correlation,
    max(estimate) filter (where estimator = 'lead_lag_ratio') as ratio,
    max(estimate) filter (
        where estimator = 'sign_kept' and clock_error_ms = 10
    ) as kept_at_10_ms,
    max(estimate) filter (where estimator = 'sign_kept_at_measured_skew') as kept_at_skew,
    max(clock_error_ms) filter (where estimator = 'sign_kept_at_measured_skew') as skew_ms,
    max(rate_x) as rate_x,
    max(rate_y) as rate_y
from studies.lead_lag
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and regime = 'all'
group by all
having lead_ms is not null
order by measure asc, q_value asc, abs(lead_ms) desc, instrument_x asc, instrument_y asc
