-- What captures, settings and registry say of the instruments, as often as it differs.
-- Grain: instrument and what is said of it, in the order in which it was last said.
select
    instrument,
    kind,
    base,
    quote,
    underlying,
    tick,
    lot,
    multiplier,
    inverse,
    expiry,
    asset_class,
    source
from raw.instruments
group by all
order by max(available_at), instrument, source
