-- What an instrument's trades had on average.
-- Grain: instrument with enough trades. Reads: trades (the partition of raw.trades of a day).
-- As in trades_100ms.sql, single trades are used where an instrument has any, else aggregate ones;
-- where the size of one is not known, nothing is said.
-- Parameter: $least, trades below which nothing is said.
with feeds as (
    select
        instrument,
        kind,
        if(count(size_base) = count(*), sum(size_base), null) as size,
        count(*) as trades
    from trades
    group by instrument, kind
)

select
    instrument,
    arg_max_null(size / trades, kind) as mean_size,
    arg_max(trades, kind) as trades
from feeds
group by instrument
having arg_max(trades, kind) >= $least and arg_max_null(size, kind) > 0
order by instrument
