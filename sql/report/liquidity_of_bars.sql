-- Kyle's and Hasbrouck's λ and Amihud beside volume and volatility: a row per bar size.
with gathered as (
    select
        family,
        bar_size,
        instrument_y as instrument,
        max(estimate) filter (where estimator = 'kyle_lambda') as kyle,
        max(interval_low) filter (where estimator = 'kyle_lambda') as kyle_low,
        max(interval_high) filter (where estimator = 'kyle_lambda') as kyle_high,
        max(estimate) filter (where estimator = 'hasbrouck_lambda') as hasbrouck,
        max(estimate) filter (where estimator = 'amihud') as amihud,
        max(interval_low) filter (where estimator = 'amihud') as amihud_low,
        max(interval_high) filter (where estimator = 'amihud') as amihud_high,
        max(n_excluded) filter (where estimator = 'amihud') as without_volume,
        max(estimate) filter (where estimator = 'volume') as volume,
        max(estimate) filter (where estimator = 'volatility') as volatility,
        max(n) as n
    from studies.liquidity
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and bar_size <> 'events'
        and reason is null
    group by all
)

select *
from gathered
order by
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size) asc,
    instrument asc
