-- What came after each row of the spine, over a horizon of whole bars: from the first end of a bar
-- not before `time` (so that nothing known at `time` is part of it) to `horizon` later.
create or replace macro forward(spine_table, bar_table, horizon) as table
    with
    size as (
        select any_value(epoch_ns(bar_end) - epoch_ns(bar_start)) as bar
        from query_table(bar_table)
    ),

    bars as (
        select
            instrument,
            epoch_ns(bar_start) as start_ns,
            epoch_ns(bar_end) as end_ns,
            available_at,
            mid_close,
            poisoned,
            sum(realised_variance) over past as variance,
            count(realised_variance) over past as known,
            count(*) over past as bars
        from (
            select
                *,
                epoch_ns(horizon) - 1 as reach
            from query_table(bar_table)
        )
        window past as (
            partition by instrument
            order by epoch_ns(bar_end)
            range between reach preceding and current row
        )
    ),

    bounds as (
        select
            instrument,
            min(start_ns) as first_ns,
            max(end_ns) as last_ns
        from bars
        group by instrument
    ),

    placed as (
        select
            spine.*,
            size.bar as forward_bar,
            (epoch_ns(spine.time) + size.bar - 1) // size.bar * size.bar as forward_from_ns
        from query_table(spine_table) as spine
        cross join size
    ),

    joined as (
        select
            placed.*,
            case
                when later.mid_close > 0 and sooner.mid_close > 0
                    then 1e4 * ln(later.mid_close / sooner.mid_close)
            end as forward_log_return,
            case when later.known * placed.forward_bar = epoch_ns(horizon) then later.variance end
                as forward_variance,
            case
                when bounds.instrument is null then 'no_instrument'
                when
                    placed.forward_from_ns < bounds.first_ns
                    or placed.forward_from_ns + epoch_ns(horizon) > bounds.last_ns
                    then 'outside_coverage'
                when sooner.instrument is null or later.instrument is null then 'no_bar'
            end as forward_absent,
            coalesce(sooner.poisoned, false) or coalesce(later.poisoned, false)
                as forward_poisoned_ends,
            later.bars * placed.forward_bar < epoch_ns(horizon) as forward_lacks_bars,
            later.available_at as forward_available_at
        from placed
        left join bounds
            on placed.instrument = bounds.instrument
        left join bars as sooner
            on placed.instrument = sooner.instrument and placed.forward_from_ns = sooner.end_ns
        left join bars as later
            on
                placed.instrument = later.instrument
                and placed.forward_from_ns + epoch_ns(horizon) = later.end_ns
    )

    select
        * exclude (
            forward_bar, forward_from_ns, forward_log_return, forward_variance, forward_absent,
            forward_poisoned_ends, forward_lacks_bars, forward_available_at
        ),
        make_timestamp_ns(forward_from_ns) as label_start,
        make_timestamp_ns(forward_from_ns + epoch_ns(horizon)) as label_end,
        forward_available_at as label_available_at,
        forward_log_return as forward_return_bps,
        sign(forward_log_return)::integer as forward_direction,
        sqrt(forward_variance) as forward_volatility_bps,
        case
            when forward_log_return is not null then null
            else coalesce(forward_absent, if(forward_poisoned_ends, 'poisoned', 'undefined'))
        end as forward_return_reason,
        case
            when forward_variance is not null then null
            else coalesce(forward_absent, if(forward_lacks_bars, 'no_bar', 'poisoned'))
        end as forward_volatility_reason
    from joined
