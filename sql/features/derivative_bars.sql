-- Funding, mark and index price, basis, open interest and liquidations per derivative and bar.
-- Grain: derivative and bar, from its first event of the day to its last. Reads: pairs (derivatives
-- of the day, with the spot instrument or null), bars (of features.bars of this size), ticks (of
-- raw.derivative_ticks) and liquidations (of raw.liquidations), of all venues of the day.
-- A state is what a message known by the bar's end has told last; a mid that of a valid, uncrossed
-- book at the bar's end.
-- Parameters, in nanoseconds: $bar_nanoseconds; $day_start.
with closes as (
    select
        instrument,
        epoch_ns(bar_start) // $bar_nanoseconds as bar,
        available_at,
        poisoned,
        coverage > 0 as has_book,
        if(spread >= 0, mid_close, null) as mid_close
    from bars
),

-- The first bar of the day whose end is not before the message was known.
told as (
    select
        instrument,
        greatest(epoch_ns(available_at) - 1, $day_start) // $bar_nanoseconds as bar,
        max(available_at) as told_at,
        arg_max(mark_price, place) filter (where mark_price is not null) as mark_price,
        arg_max(index_price, place) filter (where index_price is not null) as index_price,
        arg_max(funding_rate, place) filter (where funding_rate is not null) as funding_rate,
        arg_max(next_funding_time, place) filter (where next_funding_time is not null)
            as next_funding_time,
        arg_max(open_interest, place) filter (where open_interest is not null) as open_interest
    from (
        select
            *,
            row_number() over (
                partition by instrument order by available_at, event_time, capture_id, line
            ) as place
        from ticks
    )
    group by all
),

forced as (
    select
        instrument,
        epoch_ns(event_time) // $bar_nanoseconds as bar,
        max(available_at) as available_at,
        if(count(size_base) = count(*), sum(if(side = 'buy', size_base, 0)), null)
            as liquidated_buy_volume,
        if(count(size_base) = count(*), sum(if(side = 'sell', size_base, 0)), null)
            as liquidated_sell_volume,
        count(*) as liquidation_count
    from liquidations
    group by all
),

spans as (
    select
        instrument,
        greatest(min(bar), $day_start // $bar_nanoseconds) as first_bar,
        least(max(bar), ($day_start + 86400000000000) // $bar_nanoseconds - 1) as last_bar
    from (
        select
            instrument,
            bar
        from closes
        union all
        select
            instrument,
            bar
        from told
        union all
        select
            instrument,
            bar
        from forced
    )
    group by instrument
),

liquidated_from as (
    select
        instrument,
        min(bar) as first_bar
    from forced
    group by instrument
),

grid as (
    select
        pairs.instrument,
        pairs.spot_instrument,
        unnest(range(spans.first_bar, spans.last_bar + 1)) as bar
    from pairs
    inner join spans on pairs.instrument = spans.instrument
),

joined as (
    select
        grid.instrument,
        grid.spot_instrument,
        grid.bar,
        -- where a book may come later in the day, nobody knows yet that it is missing
        if(bool_or(own.has_book) over so_far, coalesce(own.poisoned, true), null) as poisoned,
        own.mid_close,
        spot.mid_close as spot_mid_close,
        forced.* exclude (instrument, bar, available_at),
        grid.bar >= liquidated_from.first_bar as liquidations_known,
        max(greatest(
            make_timestamp_ns((grid.bar + 1) * $bar_nanoseconds),
            own.available_at,
            spot.available_at,
            forced.available_at
        )) over so_far as available_at,
        max(told.told_at) over so_far as told_at,
        last_value(told.mark_price ignore nulls) over so_far as mark_price,
        last_value(told.index_price ignore nulls) over so_far as index_price,
        last_value(told.funding_rate ignore nulls) over so_far as funding_rate,
        last_value(told.next_funding_time ignore nulls) over so_far as next_funding_time,
        last_value(told.open_interest ignore nulls) over so_far as open_interest
    from grid
    left join closes as own on grid.instrument = own.instrument and grid.bar = own.bar
    left join closes as spot on grid.spot_instrument = spot.instrument and grid.bar = spot.bar
    left join told on grid.instrument = told.instrument and grid.bar = told.bar
    left join forced on grid.instrument = forced.instrument and grid.bar = forced.bar
    left join liquidated_from on grid.instrument = liquidated_from.instrument
    window so_far as (
        partition by grid.instrument order by grid.bar
        rows between unbounded preceding and current row
    )
),

measured as (
    select
        *,
        ln(nullif(mid_close, 0) / nullif(spot_mid_close, 0)) * 1e4 as basis_bps,
        coalesce(liquidations_known, false) and not coalesce(poisoned, false) as forced_known
    from joined
),

counted as (
    select
        * exclude (liquidated_buy_volume, liquidated_sell_volume, liquidation_count),
        case when forced_known then if(liquidation_count is null, 0, liquidated_buy_volume) end
            as liquidated_buy_volume,
        case when forced_known then if(liquidation_count is null, 0, liquidated_sell_volume) end
            as liquidated_sell_volume,
        if(forced_known, coalesce(liquidation_count, 0), null) as liquidation_count
    from measured
)

select
    instrument,
    make_timestamp_ns(bar * $bar_nanoseconds) as bar_start,
    make_timestamp_ns((bar + 1) * $bar_nanoseconds) as bar_end,
    available_at,
    poisoned,
    spot_instrument,
    mark_price,
    index_price,
    funding_rate,
    next_funding_time,
    open_interest,
    ((bar + 1) * $bar_nanoseconds - epoch_ns(told_at)) / 1e9 as tick_age_seconds,
    ln(nullif(mark_price, 0) / nullif(index_price, 0)) * 1e4 as mark_premium_bps,
    mid_close,
    spot_mid_close,
    basis_bps,
    basis_bps - lag(basis_bps) over in_order as basis_change_bps,
    ln(nullif(mid_close, 0) / nullif(index_price, 0)) * 1e4 as index_basis_bps,
    open_interest - lag(open_interest) over in_order as open_interest_change,
    liquidated_buy_volume,
    liquidated_sell_volume,
    liquidated_buy_volume - liquidated_sell_volume as liquidation_imbalance,
    (liquidated_buy_volume - liquidated_sell_volume)
    / nullif(liquidated_buy_volume + liquidated_sell_volume, 0) as liquidation_imbalance_normalised,
    liquidation_count
from counted
window in_order as (partition by instrument order by bar)
order by instrument, bar
