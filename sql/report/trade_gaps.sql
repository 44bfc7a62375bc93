-- Gaps in the trade feeds, by instrument and cause. A hole in the ids that spans midnight stands on
-- both days, and is one.
with whole as (
    select
        instrument,
        cause,
        any_value(missing_trades) as missing_trades,
        sum(epoch_ns(missing_to) - epoch_ns(missing_from)) as nanoseconds,
        min(epoch_ns(missing_from)) as first_ns
    from book.trade_gaps
    group by
        instrument,
        cause,
        coalesce(expected_trade_id, -epoch_ns(missing_from)),
        found_trade_id
)

select
    instrument,
    cause,
    count(*) as gaps,
    sum(missing_trades) as missing_trades,
    sum(nanoseconds) / 1e9 as seconds,
    min(first_ns) as first_ns
from whole
group by instrument, cause
order by missing_trades desc nulls last, seconds desc, instrument asc, cause asc
