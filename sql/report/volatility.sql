-- Imbalance of x and later volatility of y: one row per pair, bar size and horizon of forecasts.
with gathered as (
    select
        family,
        bar_size,
        instrument_x as imbalance_of,
        instrument_y as volatility_of,
        horizon,
        max(estimate) filter (where estimator = 'partial_r_squared' and regime = 'all') as partial,
        max(q_value) filter (where estimator = 'partial_r_squared' and regime = 'all') as partial_q,
        max(estimate) filter (
            where estimator = 'partial_r_squared' and regime = 'depth_low'
        ) as thin,
        max(estimate) filter (
            where estimator = 'partial_r_squared' and regime = 'depth_high'
        ) as deep,
        max(estimate) filter (where estimator = 'r_squared_in' and regime = 'all') as inside,
        max(estimate) filter (where estimator = 'r_squared_out') as outside,
        max(estimate) filter (where estimator = 'gain') as gain,
        max(interval_low) filter (where estimator = 'gain') as gain_low,
        max(interval_high) filter (where estimator = 'gain') as gain_high,
        max(q_value) filter (where estimator = 'gain') as gain_q,
        max(n) filter (where estimator = 'gain') as n
    from studies.volatility
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and estimator in ('partial_r_squared', 'r_squared_in', 'r_squared_out', 'gain')
        and reason is null
    group by all
)

select *
from gathered
where partial is not null
order by
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size) asc,
    horizon asc,
    imbalance_of asc,
    volatility_of asc
