-- One row per pair of variables: the test whether both ways of estimating agree, where the price or
-- flow has come by the last horizon, and how sure it is that regimes differ.
with compared as (
    select
        family,
        bar_size,
        model,
        measure_x,
        measure_y,
        max(estimate) filter (where estimator = 'disagreement') as distance,
        max(p_value) filter (where estimator = 'disagreement') as p_value,
        max(q_value) filter (where estimator = 'disagreement') as q_value,
        max_by(estimate, horizon) filter (where estimator = 'cumulative') as moved,
        max_by(interval_low, horizon) filter (where estimator = 'cumulative') as moved_low,
        max_by(interval_high, horizon) filter (where estimator = 'cumulative') as moved_high,
        max(estimate) filter (where estimator = 'permanent') as permanent,
        max(interval_low) filter (where estimator = 'permanent') as permanent_low,
        max(interval_high) filter (where estimator = 'permanent') as permanent_high,
        min(q_value) filter (where estimator = 'regime_difference') as regime_q_value,
        max(n) filter (where estimator = 'lag_augmented' and regime = 'all') as n
    from studies.local_projection
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and measure_x <> measure_y
        and not starts_with(model, 'across:')
        and reason is null
    group by all
    having p_value is not null
)

select *
from compared
order by
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size) asc,
    model asc,
    measure_x asc,
    measure_y asc
