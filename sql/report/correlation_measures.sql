-- Pairs of measures that were correlated in the window, those with the most findings first within
-- their family.
select
    family,
    measure_x,
    measure_y,
    count(*) filter (where reason is null) as estimates,
    count(*) filter (where q_value <= $significance) as significant,
    count(*) filter (
        where q_value <= $significance and coalesce(n_effective, n) < $fewest
    ) as thin,
    count(*) filter (where reason is not null) as refused,
    histogram(reason) filter (where reason is not null) as reasons,
    count(distinct instrument_x || ' ' || instrument_y) as pairs,
    coalesce(max(abs(estimate)) filter (where q_value <= $significance), 0) as strongest
from studies.correlation
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and estimator = 'pearson'
    and regime = 'all'
group by family, measure_x, measure_y
order by family asc, strongest desc, measure_x asc, measure_y asc
