-- Trades per instrument and 100 ms bar.
-- Grain: instrument and bar with a trade. Reads: trades (the partition of raw.trades).
-- An instrument's single trades are used where it has any that day, else its aggregate trades;
-- never both, which would count every fill twice.
-- Where the size of a trade in base units is not known, no volume is.
with sums as materialized (
    select
        instrument,
        kind,
        epoch_ns(event_time) // 100000000 as bar,
        max(available_at) as available_at,
        if(count(size_base) = count(*), sum(if(side = 'buy', size_base, 0)), null) as buy_volume,
        if(count(size_base) = count(*), sum(if(side = 'sell', size_base, 0)), null) as sell_volume,
        if(count(size_base) = count(*), sum(price * size_base), null) as trade_notional,
        count(*) filter (where side = 'buy') as buy_count,
        count(*) filter (where side = 'sell') as sell_count,
        if(count(size_base) = count(*), sum(size_base), null) as traded_volume,
        count(*) as trade_count,
        count(*) filter (where side is null) as unknown_side_count
    from trades
    group by all
),

feeds as (
    select
        instrument,
        case when bool_or(kind = 'trade') then 'trade' else 'aggregate_trade' end as kind
    from sums
    group by instrument
)

select
    sums.instrument,
    sums.kind,
    make_timestamp_ns(sums.bar * 100000000) as bar_start,
    sums.available_at,
    sums.buy_volume,
    sums.sell_volume,
    sums.trade_notional,
    sums.buy_count,
    sums.sell_count,
    sums.traded_volume,
    sums.trade_count,
    sums.unknown_side_count
from sums
inner join feeds on sums.instrument = feeds.instrument and sums.kind = feeds.kind
order by sums.instrument, sums.bar
