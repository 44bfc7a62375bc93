-- What was estimated in which window, by table of a study and bar size: the report shows the widest
-- window, and says what stands in the others.
select
    study,
    scope,
    strftime(window_from, '%Y-%m-%d') as window_day,
    bar_size,
    min(epoch_ns(window_from)) as from_ns,
    max(epoch_ns(window_to)) as to_ns,
    count(*) filter (where reason is null) as estimates,
    count(*) filter (where reason is not null) as refused,
    count(q_value) as tests,
    count(*) filter (where q_value <= $significance) as significant,
    min(n) filter (where reason is null) as smallest_n,
    median(n) filter (where reason is null) as median_n
from query_table($tables, true)
group by study, scope, window_day, bar_size
order by
    list_position($tables, 'studies.' || study),
    scope,
    window_day,
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size)
