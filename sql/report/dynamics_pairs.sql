-- How each pair's correlation moves: range of the weighted path, the test of constancy, breaks,
-- persistence of the conditional correlation, correlation in the calmest and the wildest regime.
with chosen as (
    select *
    from studies.dynamics
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and regime = 'all'
),

figures as (
    select
        family,
        bar_size,
        instrument_x,
        measure_x,
        instrument_y,
        measure_y,
        max(n) as n,
        min(estimate) filter (where estimator = 'exponentially_weighted') as lowest,
        max(estimate) filter (where estimator = 'exponentially_weighted') as highest,
        max(p_value) filter (where estimator = 'constancy') as constancy_p,
        max(q_value) filter (where estimator = 'constancy') as constancy_q,
        count(*) filter (where estimator = 'change_point') as breaks,
        sum(estimate) filter (where estimator in ('dcc_a', 'dcc_b')) as persistence,
        arg_min(estimate, state) filter (where estimator = 'regime_correlation') as calm,
        arg_max(estimate, state) filter (where estimator = 'regime_correlation') as wild,
        arg_max(share, state) filter (where estimator = 'regime_correlation') as wild_share
    from chosen
    group by family, bar_size, instrument_x, measure_x, instrument_y, measure_y
    having count(estimate) > 0
)

select *
from figures
order by constancy_p asc nulls last, highest - lowest desc, instrument_x asc, instrument_y asc
