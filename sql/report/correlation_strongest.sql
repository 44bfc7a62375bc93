-- The strongest significant correlations of each family, those in the same bar and those that lead
-- apart, one per pair of series; with the rank correlation of the same pair beside it. Strength is
-- the end of the interval nearer to zero, so that a few bars do not outdo many. What rests on fewer
-- than $fewest independent pairs of bars is left out: two or three spikes make such a correlation.
with chosen as (
    select *
    from studies.correlation
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and regime = 'all'
        and reason is null
),

beside as (
    select
        *,
        any_value(estimate) filter (where estimator = 'spearman') over (
            partition by
                family, bar_size, window_from, horizon, lag,
                instrument_x, measure_x, instrument_y, measure_y
        ) as rank_estimate,
        case
            when interval_low * interval_high > 0
                then least(abs(interval_low), abs(interval_high))
            else 0
        end as strength
    from chosen
),

best as (
    select *
    from beside
    where
        estimator = 'pearson'
        and q_value <= $significance
        and coalesce(n_effective, n) >= $fewest
        and not (instrument_x = instrument_y and measure_x = measure_y)
    qualify row_number() over (
        partition by family, kind, instrument_x, measure_x, instrument_y, measure_y
        order by strength desc, bar_size asc, horizon asc, lag asc
    ) = 1
)

select
    family,
    kind,
    bar_size,
    horizon,
    lag,
    instrument_x,
    measure_x,
    instrument_y,
    measure_y,
    estimate,
    interval_low,
    interval_high,
    q_value,
    n,
    n_effective,
    rank_estimate,
    strength,
    row_number() over (
        partition by family, kind
        order by strength desc, instrument_x asc, instrument_y asc, measure_x asc
    ) as place,
    count(*) over (partition by family, kind) as significant,
    count(*) over (partition by family, kind) as tests
from best
qualify place <= $most
order by kind, family, place
