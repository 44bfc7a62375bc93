-- Trades that the ids of venues which count theirs show to be missing, by instrument. A hole that
-- spans midnight stands on both days, and is one.
with holes as (
    select
        instrument,
        any_value(missing_trades) as missing
    from book.trade_gaps
    where cause = 'id_hole'
    group by instrument, kind, expected_trade_id, found_trade_id
)

select
    instrument,
    count(*)::bigint as holes,
    sum(missing) as missing
from holes
group by instrument
order by missing desc, instrument asc
