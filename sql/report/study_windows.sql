-- What was estimated in which window, by table of a study and bar size: the report shows the widest
-- window, and says what stands in the others.
select
    study,
    scope,
    -- A span is one, though regimes by the day or the hour are windows of their own within it.
    case
        when scope = 'span' then ''
        else strftime(window_from, '%Y-%m-%d') || case
            when scope = 'trailing'
                then ' to ' || strftime(make_timestamp_ns(epoch_ns(window_to) - 1), '%Y-%m-%d')
            else ''
        end
    end as window_day,
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
-- The hours of a window are windows of their own, which its days have already.
where not (scope = 'trailing' and starts_with(regime, 'hour_'))
group by study, scope, window_day, bar_size
order by
    list_position($tables, 'studies.' || study),
    scope,
    window_day,
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size)
