-- Trades by instrument, in the order of time: what volume and event bars count.
-- Grain: trade. Reads: trades (the partition of raw.trades), in whatever order it holds them.
-- As in trades_100ms.sql, single trades are used where an instrument has any, else aggregate ones.
-- (Held, since what is read from a stream is read once.)
with held as materialized (
    select * from trades
),

feeds as (
    select
        instrument,
        max(kind) as kind
    from held
    group by instrument
)

select
    held.instrument,
    held.event_time,
    held.available_at,
    held.price,
    held.size_base,
    case held.side when 'buy' then 1 when 'sell' then -1 else 0 end::bigint as sign
from held
inner join feeds on held.instrument = feeds.instrument and held.kind = feeds.kind
order by
    held.instrument,
    held.event_time,
    held.trade_id,
    held.trade_key,
    held.capture_id,
    held.line
