-- Spectral radius of every system, one row per baseline and kernel, with how well it fits.
with fits as (
    select
        family,
        model,
        baseline,
        kernel,
        max(estimate) filter (
            where estimator = 'spectral_radius' and stamps = 'randomised'
        ) as radius,
        max(interval_low) filter (
            where estimator = 'spectral_radius' and stamps = 'randomised'
        ) as radius_low,
        max(interval_high) filter (
            where estimator = 'spectral_radius' and stamps = 'randomised'
        ) as radius_high,
        max(estimate) filter (
            where estimator = 'spectral_radius' and stamps = 'as_recorded'
        ) as radius_as_recorded,
        max(estimate) filter (where estimator = 'bic') as bic,
        avg(estimate) filter (where estimator = 'exogenous_share') as exogenous_share,
        max(estimate) filter (where estimator = 'residual_distance') as largest_distance,
        max(n) as n
    from studies.hawkes
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and reason is null
    group by family, model, baseline, kernel
)

select
    *,
    bic = min(bic) over (partition by family, model) as best
from fits
where radius is not null
order by starts_with(model, 'across:'), model, baseline, kernel
