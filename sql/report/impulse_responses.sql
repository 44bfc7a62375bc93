-- Responses of own systems (one instrument) and, of systems across instruments, per bar size the
-- $most pairs of flow to return whose response stands out most from its band.
with chosen as (
    select
        family,
        model,
        bar_size,
        instrument_x,
        measure_x,
        instrument_y,
        measure_y,
        estimator,
        horizon,
        estimate,
        interval_low,
        interval_high,
        starts_with(model, 'across:') as across,
        max(abs(estimate) / nullif(interval_high - interval_low, 0)) over (
            partition by family, model, bar_size, instrument_x, measure_x, instrument_y, measure_y
        ) as prominence
    from studies.impulse_response
    where
        scope = $scope
        and ($window_day is null or strftime(window_from, '%Y-%m-%d') = $window_day)
        and estimator in ('orthogonal', 'generalised')
        and reason is null
)

select * exclude (prominence)
from chosen
where
    not across
    or (
        instrument_x <> instrument_y
        and measure_x in ('order_flow_imbalance', 'generalised_order_flow_imbalance')
        and measure_y = 'return_bps'
    )
qualify
    not across
    or dense_rank() over (
        partition by across, bar_size
        order by prominence desc nulls last, model asc, instrument_x asc, instrument_y asc
    ) <= $most
order by
    across,
    model,
    list_position(['100ms', '1s', '10s', '1m', '5m'], bar_size),
    instrument_x,
    measure_x,
    instrument_y,
    measure_y,
    estimator,
    horizon
