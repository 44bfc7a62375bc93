-- Whether what a study estimates differs between the levels of a regime, the surest first: of the
-- difference table $difference, one row per family, pair of series, estimator
-- and regime: the surest of its periods, spans and lags.
with chosen as (
    select
        *,
        estimator = 'high_less_low' as ends
    from query_table($difference)
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and q_value is not null
)

select
    family,
    instrument_x,
    measure_x,
    instrument_y,
    measure_y,
    bar_size,
    of,
    regime,
    arg_min(estimate, p_value) filter (where ends) as difference,
    arg_min(interval_low, p_value) filter (where ends) as interval_low,
    arg_min(interval_high, p_value) filter (where ends) as interval_high,
    min(q_value) filter (where ends) as q_value,
    min(q_value) filter (where not ends) as equality_q_value,
    count(*) over () as compared,
    sum(count(*)) over () as tests,
    sum(count(*) filter (where q_value <= $significance)) over () as significant
from chosen
group by family, instrument_x, measure_x, instrument_y, measure_y, bar_size, of, regime
order by
    min(q_value),
    min(p_value),
    family,
    instrument_x,
    measure_x,
    instrument_y,
    measure_y,
    bar_size,
    of,
    regime
limit $most
