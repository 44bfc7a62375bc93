-- How far the same flow moves the price in the low and the high level of each regime: one row per
-- family, instrument, bar size and regime, the surest differences first.
select
    family,
    bar_size,
    instrument_y as instrument,
    regexp_replace(regime, '_[a-z]+$', '') as regime,
    max(estimate) filter (where estimator = 'regime_slope' and ends_with(regime, '_low')) as low,
    max(estimate) filter (where estimator = 'regime_slope' and ends_with(regime, '_high')) as high,
    max(estimate) filter (where estimator = 'regime_difference') as difference,
    max(interval_low) filter (where estimator = 'regime_difference') as difference_low,
    max(interval_high) filter (where estimator = 'regime_difference') as difference_high,
    max(q_value) filter (where estimator = 'regime_difference') as q_value,
    max(n) filter (where estimator = 'regime_difference') as n
from studies.price_impact
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and reason is null
    and estimator in ('regime_slope', 'regime_difference')
group by all
having max(estimate) filter (where estimator = 'regime_difference') is not null
order by q_value asc, instrument asc, bar_size asc, regime asc, family asc
