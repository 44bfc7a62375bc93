-- How much of an instrument's return its order flow explains: one row per instrument and bar size.
with gathered as (
    select
        family,
        bar_size,
        instrument_y as instrument,
        max(estimate) filter (where estimator = 'slope' and flow) as slope,
        max(interval_low) filter (where estimator = 'slope' and flow) as slope_low,
        max(interval_high) filter (where estimator = 'slope' and flow) as slope_high,
        max(estimate) filter (where estimator = 'r_squared' and flow and lag = 0) as r_squared,
        max(interval_low) filter (where estimator = 'r_squared' and flow and lag = 0) as low,
        max(interval_high) filter (where estimator = 'r_squared' and flow and lag = 0) as high,
        max(estimate) filter (
            where estimator = 'r_squared' and measure_x = 'order_flow_imbalance_no_price_change'
        ) as control,
        max(estimate) filter (
            where estimator = 'r_squared' and measure_x = 'trade_imbalance'
        ) as trades,
        max(estimate) filter (
            where estimator = 'r_squared' and contains(measure_x, ',')
        ) as together,
        max(estimate) filter (where estimator = 'r_squared' and lag = 1) as next_bar,
        max(estimate) filter (where estimator = 'depth_exponent') as exponent,
        max(interval_low) filter (where estimator = 'depth_exponent') as exponent_low,
        max(interval_high) filter (where estimator = 'depth_exponent') as exponent_high,
        max(estimate) filter (where estimator = 'rmse_reduction') as rmse_reduction,
        max(n) filter (where estimator = 'r_squared' and flow and lag = 0) as n,
        max(n_windows) filter (where estimator = 'r_squared' and flow and lag = 0) as half_hours
    from (
        select
            *,
            measure_x in ('order_flow_imbalance', 'generalised_order_flow_imbalance') as flow
        from studies.price_impact
        where
            scope = $scope
            and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
            and reason is null
    )
    group by all
)

select *
from gathered
where r_squared is not null
order by
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size) asc,
    instrument asc
