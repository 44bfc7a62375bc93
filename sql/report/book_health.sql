-- Stretches without a valid book, by instrument and what began them.
select
    instrument,
    state,
    cause,
    count(*) as intervals,
    sum(epoch_ns(valid_to) - epoch_ns(valid_from)) / 1e9 as seconds,
    min(epoch_ns(valid_from)) as first_ns
from book.book_health
where state <> 'valid'
group by instrument, state, cause
order by seconds desc, instrument asc, cause asc
