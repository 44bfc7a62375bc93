-- What the rebuild met, over all intervals of an instrument.
select
    instrument,
    sum(messages)::bigint as messages,
    sum(stale_messages)::bigint as stale_messages,
    sum(crossed_messages)::bigint as crossed_messages,
    sum(locked_messages)::bigint as locked_messages
from book.book_health
group by instrument
order by instrument
