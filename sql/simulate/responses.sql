-- What a shock in order flow has done to the return in all by the last horizon, per instrument, in
-- the window with the most bars of one second.
-- Grain: instrument. Reads: studies.impulse_response.
select
    model,
    horizon,
    estimate,
    interval_low,
    interval_high
from studies.impulse_response
where
    estimator = 'orthogonal_cumulative'
    and bar_size = '1s'
    and reason is null
    and measure_x = 'order_flow_imbalance'
    and measure_y = 'return_bps'
    and model = instrument_x
    and instrument_x = instrument_y
qualify
    row_number() over (
        partition by model
        order by horizon desc, n desc, window_from asc, family asc
    ) = 1
order by model
