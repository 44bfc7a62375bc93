-- Non-linear dependence, one row per pair of series and bar size: every estimator beside the
-- others, transfer entropy in both directions.
with chosen as (
    select *
    from studies.dependence
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and regime = 'all'
),

pairs as (
    select
        family,
        bar_size,
        instrument_x,
        measure_x,
        instrument_y,
        measure_y,
        max(n) as n,
        max(estimate) filter (where estimator = 'distance_correlation') as distance,
        max(interval_low) filter (where estimator = 'distance_correlation') as distance_low,
        max(interval_high) filter (where estimator = 'distance_correlation') as distance_high,
        max(surrogate_mean) filter (where estimator = 'distance_correlation') as distance_nothing,
        max(q_value) filter (where estimator = 'distance_correlation') as distance_q,
        max(estimate) filter (where estimator = 'effective_mutual_information') as information,
        max(q_value) filter (where estimator = 'mutual_information') as information_q,
        max(estimate) filter (where estimator = 'lower_tail_dependence' and level = 0.05) as lower,
        max(estimate) filter (where estimator = 'upper_tail_dependence' and level = 0.05) as upper,
        arg_min(estimator, aic) filter (where aic is not null) as copula
    from chosen
    where not contains(estimator, 'transfer_entropy')
    group by family, bar_size, instrument_x, measure_x, instrument_y, measure_y
    having count(estimate) > 0
),

transfers as (
    select
        family,
        bar_size,
        instrument_x,
        measure_x,
        instrument_y,
        measure_y,
        max(estimate) filter (where estimator = 'effective_transfer_entropy') as effective,
        max(q_value) filter (where estimator = 'transfer_entropy') as q_value
    from chosen
    group by family, bar_size, instrument_x, measure_x, instrument_y, measure_y
)

select
    pairs.*,
    ahead.effective as ahead,
    ahead.q_value as ahead_q,
    back.effective as back,
    back.q_value as back_q
from pairs
left join transfers as ahead
    using (family, bar_size, instrument_x, measure_x, instrument_y, measure_y)
left join transfers as back
    on
        pairs.family = back.family
        and pairs.bar_size = back.bar_size
        and pairs.instrument_x = back.instrument_y
        and pairs.measure_x = back.measure_y
        and pairs.instrument_y = back.instrument_x
        and pairs.measure_y = back.measure_x
order by pairs.distance desc, pairs.instrument_x asc, pairs.instrument_y asc
