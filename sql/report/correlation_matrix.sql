-- All estimates of the matrices, the shortest bars of each family: correlations shrunk and cleaned,
-- eigenvalues, tree and clusters.
with chosen as (
    select *
    from studies.correlation_matrix
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and regime = 'all'
        and reason is null
),

largest as (
    select
        family,
        arg_max(bar_size, n) as bar_size
    from chosen
    group by family
)

select
    family,
    bar_size,
    measure_x as measure,
    instrument_x,
    instrument_y,
    estimator,
    rank,
    estimate,
    interval_low,
    interval_high,
    support,
    n,
    n_effective
from chosen
inner join largest using (family, bar_size)
order by family desc, estimator asc, rank asc, instrument_x asc, instrument_y asc
