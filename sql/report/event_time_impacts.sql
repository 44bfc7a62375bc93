-- One row per instrument and kind of flow: impact at once and for good, the share of trades in the
-- price's way, whether each side causes the other, and whether the fit can be trusted.
with gathered as (
    select
        family,
        any_value(instrument_x) filter (where estimator = 'permanent_impact') as instrument,
        any_value(measure_x) filter (where estimator = 'permanent_impact') as flow,
        max(estimate) filter (where estimator = 'price_impact' and horizon = 0) as at_once,
        max(estimate) filter (where estimator = 'permanent_impact') as permanent,
        max(interval_low) filter (where estimator = 'permanent_impact') as permanent_low,
        max(interval_high) filter (where estimator = 'permanent_impact') as permanent_high,
        max(estimate) filter (where estimator = 'share_of_trades') as share,
        max(interval_low) filter (where estimator = 'share_of_trades') as share_low,
        max(interval_high) filter (where estimator = 'share_of_trades') as share_high,
        max(q_value) filter (where estimator = 'wald_hac' and measure_y = 'return_bps') as q_price,
        max(q_value) filter (where estimator = 'wald_hac' and measure_x = 'return_bps') as q_flow,
        max(p_value) filter (where estimator = 'portmanteau') as p_portmanteau,
        max(n) as n
    from studies.event_time
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and reason is null
    group by family, if(instrument_x = '*', instrument_y, instrument_x)
)

select *
from gathered
where permanent is not null
order by family asc, instrument asc
