-- Tests of Granger causality, one row per system and direction: of own systems and of those across
-- instruments the $most (null: all) with the smallest q; own ones by instrument. Beside each the
-- transfer entropy of the same two series, which knows no linear model and no third series, where
-- the study of dependence has it.
with directions as (
    select
        family,
        model,
        bar_size,
        instrument_x,
        measure_x,
        instrument_y,
        measure_y,
        starts_with(model, 'across:') as across,
        max(estimate) filter (where estimator = 'f') as f,
        max(p_value) filter (where estimator = 'f') as f_p,
        max(q_value) filter (where estimator = 'f') as f_q,
        max(p_value) filter (where estimator = 'wald_hc') as hc_p,
        max(q_value) filter (where estimator = 'wald_hc') as hc_q,
        max(p_value) filter (where estimator = 'wald_hac') as hac_p,
        max(q_value) filter (where estimator = 'wald_hac') as hac_q,
        max(q_value) filter (where estimator = 'instantaneous') as instantaneous_q,
        max(n) as n
    from studies.granger_causality
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and reason is null
        and not starts_with(estimator, 'block')
    group by family, model, bar_size, instrument_x, measure_x, instrument_y, measure_y
),

entropies as (
    select
        bar_size,
        instrument_x,
        measure_x,
        instrument_y,
        measure_y,
        max(estimate) filter (where estimator = 'effective_transfer_entropy') as transfer_entropy,
        max(q_value) filter (where estimator = 'transfer_entropy') as transfer_entropy_q
    from studies.dependence
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and regime = 'all'
        and reason is null
    group by bar_size, instrument_x, measure_x, instrument_y, measure_y
)

select
    directions.*,
    transfer_entropy,
    transfer_entropy_q,
    count(*) over (partition by across) as directions,
    count(*) filter (where hc_q <= $significance) over (partition by across) as significant
from directions
left join entropies using (bar_size, instrument_x, measure_x, instrument_y, measure_y)
qualify
    $most is null
    or row_number() over (
        partition by across
        order by
            coalesce(hc_q, 1),
            hc_p nulls last,
            model, bar_size, instrument_x, measure_x, instrument_y, measure_y
    ) <= $most
order by
    across,
    case when across then coalesce(hc_q, 1) end,
    case when across then hc_p end nulls last,
    model,
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size),
    instrument_x,
    measure_x,
    instrument_y,
    measure_y
