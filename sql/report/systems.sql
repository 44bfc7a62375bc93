-- Fitted systems with what says whether they can be trusted.
select
    family,
    model,
    bar_size,
    max(estimate) filter (where estimator = 'lag_order') as lag_order,
    max(estimate) filter (where estimator = 'root_modulus') as largest_root,
    min(estimate) filter (where estimator = 'r_squared') as smallest_r_squared,
    max(estimate) filter (where estimator = 'r_squared') as largest_r_squared,
    min(p_value) filter (where estimator = 'portmanteau') as portmanteau_p,
    min(p_value) filter (where estimator = 'arch') as arch_p,
    max(n) as n,
    max(n_left_out) as n_left_out,
    any_value(reason) filter (where reason is not null) as reason
from studies.vector_autoregression
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
group by family, model, bar_size
order by
    starts_with(model, 'across:'),
    model,
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size),
    family
limit $most
