-- Usable bars of 100 ms, for comparison with what was planted.
-- Grain: bar of $instrument. Reads: features.bars_100ms.
select
    epoch_ns(bar_start) as bar_start_ns,
    return_bps,
    order_flow_imbalance
from features.bars_100ms
where
    instrument = $instrument
    and valid
    and return_bps is not null
    and order_flow_imbalance is not null
order by bar_start
