-- Estimates of one pair of measures by pair of instruments, bar size, horizon and lag: $most pairs
-- in all, own ones and then those between instruments, the strongest findings first; of many own
-- pairs half of that, so that there is room for the others.
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
),

ranked as (
    select
        *,
        dense_rank() over (
            partition by instrument_x = instrument_y
            order by strongest desc nulls last, instrument_x asc, instrument_y asc
        ) as place,
        count(distinct instrument_x || ' ' || instrument_y) filter (
            where instrument_x <> instrument_y
        ) over () as between_pairs
    from cells
)

select * exclude (strongest, place, between_pairs)
from ranked
where
    instrument_x <> instrument_y
    or place <= $most - least(between_pairs, $most // 2)
qualify
    dense_rank() over (
        order by
            instrument_x <> instrument_y asc,
            strongest desc nulls last,
            instrument_x asc,
            instrument_y asc
    ) <= $most
order by instrument_x, instrument_x <> instrument_y, instrument_y, bar_size, horizon, lag
