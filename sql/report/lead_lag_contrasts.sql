-- The correlation at every lag, of the pairs whose peak stands out most from the edge of the grid.
with contrasts as (
    select
        instrument_x,
        instrument_y,
        measure_x as measure,
        lag_ms,
        estimate,
        interval_low,
        interval_high
    from studies.lead_lag
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and regime = 'all'
        and estimator = 'contrast'
        and reason is null
),

pairs as (
    select
        instrument_x,
        instrument_y,
        measure,
        max(
            case
                when interval_low * interval_high > 0
                    then least(abs(interval_low), abs(interval_high))
                else 0
            end
        ) as strength
    from contrasts
    group by all
    order by strength desc, instrument_x asc, instrument_y asc, measure asc
    limit $most
)

select contrasts.*
from contrasts
inner join pairs using (instrument_x, instrument_y, measure)
order by pairs.strength desc, instrument_x asc, instrument_y asc, measure asc, lag_ms asc
