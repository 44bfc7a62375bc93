-- Coefficients of the vector autoregressions of one second, in the window with the most bars.
-- Grain: system, regressor, equation, lag. Reads: studies.vector_autoregression.
select
    model,
    instrument_x,
    measure_x,
    instrument_y,
    measure_y,
    lag,
    estimate,
    standard_error
from studies.vector_autoregression
where estimator = 'coefficient' and bar_size = '1s' and reason is null
qualify
    rank() over (
        partition by model
        order by n desc, window_from asc, family asc
    ) = 1
