-- One family's tests in which x goes before y, from the smallest q: an answer is owed whether
-- or not anything is significant. Significant is what also rests on $fewest independent pairs of
-- bars; it comes first.
select
    family,
    kind,
    bar_size,
    horizon,
    lag,
    instrument_x,
    measure_x,
    instrument_y,
    measure_y,
    estimate,
    interval_low,
    interval_high,
    q_value,
    n,
    n_effective,
    null::double as rank_estimate,
    0.0 as strength,
    row_number() over (
        order by
            q_value <= $significance and coalesce(n_effective, n) >= $fewest desc,
            q_value asc,
            abs(estimate) desc,
            instrument_x asc,
            lag asc
    ) as place,
    count(*) over () as tests,
    count(*) filter (
        where q_value <= $significance and coalesce(n_effective, n) >= $fewest
    ) over () as significant
from studies.correlation
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and family = $family
    and estimator = 'pearson'
    and regime = 'all'
    and lag > 0
    and reason is null
    and q_value is not null
qualify place <= $most
order by place
