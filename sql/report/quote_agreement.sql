-- The rebuild against the venue's own best quotes, over all days.
select
    instrument,
    sum(compared)::bigint as compared,
    sum(mismatched)::bigint as mismatched
from book.quote_agreement
group by instrument
order by instrument
