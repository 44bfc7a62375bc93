-- Coherence by period of the pairs that share most, $most pairs in all.
with chosen as (
    select
        family,
        bar_size,
        instrument_x,
        measure_x,
        instrument_y,
        measure_y,
        estimator,
        period,
        estimate,
        interval_low,
        interval_high,
        surrogate_limit,
        delay,
        phase_error,
        n,
        q_value,
        max(estimate) filter (where estimator = 'multitaper' and q_value <= $significance) over (
            partition by family, bar_size, instrument_x, measure_x, instrument_y, measure_y
        ) as strongest
    from studies.coherence
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and regime = 'all'
        and estimate is not null
)

select *
from chosen
qualify
    dense_rank() over (
        order by
            strongest desc nulls last,
            family asc,
            bar_size asc,
            instrument_x asc,
            measure_x asc,
            instrument_y asc,
            measure_y asc
    ) <= $most
order by
    strongest desc nulls last,
    family asc,
    bar_size asc,
    instrument_x asc,
    measure_x asc,
    instrument_y asc,
    measure_y asc,
    estimator asc,
    period asc
