-- Tests of Granger causality at one second, in the window with the most bars.
-- Grain: system, cause, effect. Reads: studies.granger_causality.
select
    model,
    instrument_x,
    measure_x,
    instrument_y,
    measure_y,
    lag,
    q_value
from studies.granger_causality
where estimator = 'wald_hac' and bar_size = '1s' and reason is null
qualify
    rank() over (
        partition by model
        order by n desc, window_from asc, family asc
    ) = 1
