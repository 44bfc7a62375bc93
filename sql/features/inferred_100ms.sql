-- Trades whose side the venue does not say, per instrument and 100 ms bar, by the side found.
-- Grain: instrument and bar with such a trade. Reads: classified (rows of classified_trades.sql);
-- traded (of trades_100ms.sql), for the kind of trades that is counted: none of another is here.
with feeds as (
    select distinct
        instrument,
        kind
    from traded
)

select
    classified.instrument,
    make_timestamp_ns(epoch_ns(classified.event_time) // 100000000 * 100000000) as bar_start,
    max(classified.available_at) as available_at,
    if(
        count(classified.size_base) = count(*),
        sum(if(classified.classified_side = 'buy', classified.size_base, 0)),
        null
    ) as buy_volume,
    if(
        count(classified.size_base) = count(*),
        sum(if(classified.classified_side = 'sell', classified.size_base, 0)),
        null
    ) as sell_volume,
    if(count(classified.size_base) = count(*), sum(classified.size_base), null) as inferred_volume,
    count(*) filter (where classified.classified_side is null) as unclassified_count
from classified
inner join feeds
    on classified.instrument = feeds.instrument and classified.kind = feeds.kind
group by all
order by classified.instrument, bar_start
