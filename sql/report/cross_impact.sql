-- The four models of one return side by side: one row per instrument, bar size and horizon.
with gathered as (
    select
        family,
        bar_size,
        instrument_y as instrument,
        horizon,
        max(estimate) filter (
            where estimator = 'r_squared_in' and model = 'own_best'
        ) as in_own_best,
        max(estimate) filter (
            where estimator = 'r_squared_in' and model = 'cross_best'
        ) as in_cross_best,
        max(estimate) filter (
            where estimator = 'r_squared_in' and model = 'own_integrated'
        ) as in_own_integrated,
        max(estimate) filter (
            where estimator = 'r_squared_in' and model = 'cross_integrated'
        ) as in_cross_integrated,
        max(estimate) filter (
            where estimator = 'r_squared_out' and model = 'own_best'
        ) as out_own_best,
        max(estimate) filter (
            where estimator = 'r_squared_out' and model = 'cross_best'
        ) as out_cross_best,
        max(estimate) filter (
            where estimator = 'r_squared_out' and model = 'own_integrated'
        ) as out_own_integrated,
        max(estimate) filter (
            where estimator = 'r_squared_out' and model = 'cross_integrated'
        ) as out_cross_integrated,
        max(estimate) filter (where estimator = 'cross_gain' and model = 'cross_best') as gain,
        max(interval_low) filter (
            where estimator = 'cross_gain' and model = 'cross_best'
        ) as gain_low,
        max(interval_high) filter (
            where estimator = 'cross_gain' and model = 'cross_best'
        ) as gain_high,
        max(q_value) filter (where estimator = 'cross_gain' and model = 'cross_best') as gain_q,
        arg_max(instrument_x, abs(estimate)) filter (
            where
            estimator = 'coefficient' and model = 'cross_best' and instrument_x <> instrument_y
        ) as strongest,
        max(alarm) as alarm,
        max(interval_low) filter (where alarm is not null) as alarm_low,
        max(n) filter (where estimator = 'r_squared_out') as n
    from studies.cross_impact
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and reason is null
    group by all
)

select *
from gathered
where out_own_best is not null
order by
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size) asc,
    horizon asc,
    instrument asc
