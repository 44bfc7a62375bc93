-- Shares of the markets in price discovery, one row per system, bar size and market.
select
    family,
    model,
    bar_size,
    instrument_x as instrument,
    max(estimate) filter (where estimator = 'hasbrouck_low') as low,
    max(estimate) filter (where estimator = 'hasbrouck_high') as high,
    max(estimate) filter (where estimator = 'modified') as modified,
    max(interval_low) filter (where estimator = 'modified') as modified_low,
    max(interval_high) filter (where estimator = 'modified') as modified_high,
    max(estimate) filter (where estimator = 'gonzalo_granger') as gonzalo_granger,
    max(interval_low) filter (where estimator = 'gonzalo_granger') as gonzalo_granger_low,
    max(interval_high) filter (where estimator = 'gonzalo_granger') as gonzalo_granger_high,
    max(estimate) filter (where estimator = 'leadership') as leadership,
    max(n) as n
from studies.price_discovery
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and reason is null
    and instrument_x <> '*'
group by family, model, bar_size, instrument_x
order by
    length(model) - length(replace(model, ',', '')),
    model,
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size),
    instrument_x
