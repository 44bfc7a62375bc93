-- What the correlation study found between two series at one second, at all lags. A pair is
-- estimated in one of its two orders: lags are turned so that positive ones mean that x leads.
-- Grain: lag. Reads: studies.correlation, the window with the most bars.
with both_orders as (
    select
        window_from,
        n,
        instrument_x,
        measure_x,
        instrument_y,
        measure_y,
        lag,
        estimate,
        standard_error,
        interval_low,
        interval_high
    from studies.correlation
    where
        estimator = 'pearson' and regime = 'all' and bar_size = '1s' and horizon = 1
        and reason is null
    union
    select
        window_from,
        n,
        instrument_y,
        measure_y,
        instrument_x,
        measure_x,
        -lag as lag,
        estimate,
        standard_error,
        interval_low,
        interval_high
    from studies.correlation
    where
        estimator = 'pearson' and regime = 'all' and bar_size = '1s' and horizon = 1
        and reason is null
)

select
    lag,
    estimate,
    standard_error,
    interval_low,
    interval_high
from both_orders
where
    instrument_x = $instrument_x
    and measure_x = $measure_x
    and instrument_y = $instrument_y
    and measure_y = $measure_y
qualify row_number() over (partition by lag order by n desc, window_from asc) = 1
order by lag
