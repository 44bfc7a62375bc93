-- Estimates of one pair of measures by pair of instruments, bar size, horizon and lag: all own
-- pairs and those between instruments with the strongest findings, $most pairs in all.
with cells as (
    select
        instrument_x,
        instrument_y,
        bar_size,
        horizon,
        lag,
        kind,
        estimate,
        interval_low,
        interval_high,
        q_value,
        n,
        reason,
        max(abs(estimate)) filter (where q_value <= $significance) over (
            partition by instrument_x, instrument_y
        ) as strongest
    from studies.correlation
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and estimator = 'pearson'
        and regime = 'all'
        and family = $family
        and measure_x = $measure_x
        and measure_y = $measure_y
)

select * exclude (strongest)
from cells
qualify
    dense_rank() over (
        order by
            instrument_x <> instrument_y asc,
            strongest desc nulls last,
            instrument_x asc,
            instrument_y asc
    ) <= $most
order by instrument_x, instrument_x <> instrument_y, instrument_y, bar_size, horizon, lag
