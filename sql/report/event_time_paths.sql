-- How the price moves after an unexpected trade, event by event.
select
    family,
    instrument_x as instrument,
    horizon,
    estimate,
    interval_low,
    interval_high
from studies.event_time
where
    scope = $scope
    and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
    and estimator = 'price_impact'
    and family = $family
    and reason is null
order by
    instrument_x,
    horizon
