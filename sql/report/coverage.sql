-- How much of each instrument's 1 s bars a study may use.
select
    instrument,
    min(epoch_ns(bar_start)) as first_ns,
    max(epoch_ns(bar_end)) as last_ns,
    count(*) as bars,
    count(*) filter (where valid) as valid_bars,
    count(*) filter (
        where valid and least(bid_reach_bps, ask_reach_bps) < 0.0
    ) as bars_beyond_snapshot,
    avg(coverage) as coverage,
    count(*) filter (where trade_count > 0) as bars_with_trades,
    avg(spread_bps_mean) filter (where valid) as spread_bps,
    avg(trade_count) filter (where valid) as trades_per_bar,
    avg(book_update_count) filter (where valid) as updates_per_bar
from features.bars_1s
group by instrument
order by instrument
