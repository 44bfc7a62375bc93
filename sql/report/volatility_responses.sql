-- Responses by local projection in both directions, over all bars, and how regimes differ.
with gathered as (
    select
        family,
        bar_size,
        instrument_x as cause,
        measure_x,
        instrument_y as effect,
        measure_y,
        horizon,
        max(estimate) filter (where estimator = 'local_projection') as estimate,
        max(interval_low) filter (where estimator = 'local_projection') as interval_low,
        max(interval_high) filter (where estimator = 'local_projection') as interval_high,
        max(q_value) filter (where estimator = 'local_projection') as q_value,
        min(q_value) filter (where estimator = 'regime_difference') as regime_q_value,
        max(n) as n
    from studies.volatility
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and (
            (estimator = 'local_projection' and regime = 'all')
            or estimator = 'regime_difference'
        )
        and reason is null
    group by all
)

select *
from gathered
where estimate is not null
order by
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size) asc,
    measure_y desc,
    cause asc,
    effect asc,
    horizon asc
