-- What was estimated in which window, by study and bar size: the report shows the widest window,
-- and says what stands in the others.
with estimates as (
    select
        'correlation' as study,
        scope,
        strftime(window_from, '%Y-%m-%d') as window_day,
        window_from,
        window_to,
        bar_size,
        reason,
        q_value,
        n
    from studies.correlation
    union all
    select
        'vector_autoregression' as study,
        scope,
        strftime(window_from, '%Y-%m-%d') as window_day,
        window_from,
        window_to,
        bar_size,
        reason,
        q_value,
        n
    from studies.vector_autoregression
    union all
    select
        'impulse_response' as study,
        scope,
        strftime(window_from, '%Y-%m-%d') as window_day,
        window_from,
        window_to,
        bar_size,
        reason,
        q_value,
        n
    from studies.impulse_response
    union all
    select
        'granger_causality' as study,
        scope,
        strftime(window_from, '%Y-%m-%d') as window_day,
        window_from,
        window_to,
        bar_size,
        reason,
        q_value,
        n
    from studies.granger_causality
)

select
    study,
    scope,
    window_day,
    bar_size,
    min(epoch_ns(window_from)) as from_ns,
    max(epoch_ns(window_to)) as to_ns,
    count(*) filter (where reason is null) as estimates,
    count(*) filter (where reason is not null) as refused,
    count(q_value) as tests,
    count(*) filter (where q_value <= $significance) as significant,
    min(n) filter (where reason is null) as smallest_n,
    median(n) filter (where reason is null) as median_n
from estimates
group by study, scope, window_day, bar_size
order by study, scope, window_day, list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size)
