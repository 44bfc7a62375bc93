-- Comparisons of rebuilt books with quotes of the same update id, over all days.
select
    coalesce(sum(compared), 0)::bigint as compared,
    coalesce(sum(mismatched), 0)::bigint as mismatched
from book.quote_agreement
