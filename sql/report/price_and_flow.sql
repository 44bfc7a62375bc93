-- Price, order flow and validity per instrument and bucket of $bucket_ns, from 1 s bars. Low and
-- high stay, so that thinning out hides no move.
select
    instrument,
    epoch_ns(bar_start) // $bucket_ns * $bucket_ns as start_ns,
    arg_max(mid_close, bar_start) as price,
    min(mid_low) as low,
    max(mid_high) as high,
    sum(order_flow_imbalance) filter (where valid) as flow,
    count(*) filter (where valid) / count(*) as valid_share
from features.bars_1s
group by instrument, start_ns
order by instrument, start_ns
