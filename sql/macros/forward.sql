-- What came after each row of the spine, over a horizon of whole bars: from the first end of a bar
-- not before `time` (so that nothing known at `time` is part of it) to `horizon` later.
create or replace macro forward(spine_table, bar_table, horizon) as table
    with
    _size as (
        select any_value(epoch_ns(bar_end) - epoch_ns(bar_start)) as bar
        from query_table(bar_table)
    ),

    _bars as (
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

    _bounds as (
        select
            instrument,
            min(start_ns) as first_ns,
            max(end_ns) as last_ns
        from _bars
        group by instrument
    ),

    _placed as (
        select
            spine.*,
            _size.bar as _forward_bar,
            (epoch_ns(spine.time) + _size.bar - 1) // _size.bar * _size.bar as _forward_from_ns
        from query_table(spine_table) as spine
        cross join _size
    ),

    _joined as (
        select
            _placed.*,
            case
                when later.mid_close > 0 and sooner.mid_close > 0
                    then 1e4 * ln(later.mid_close / sooner.mid_close)
            end as _forward_log_return,
            case when later.known * _placed._forward_bar = epoch_ns(horizon) then later.variance end
                as _forward_variance,
            case
                when _bounds.instrument is null then 'no_instrument'
                when
                    _placed._forward_from_ns < _bounds.first_ns
                    or _placed._forward_from_ns + epoch_ns(horizon) > _bounds.last_ns
                    then 'outside_coverage'
                when sooner.instrument is null or later.instrument is null then 'no_bar'
            end as _forward_absent,
            coalesce(sooner.poisoned, false) or coalesce(later.poisoned, false)
                as _forward_poisoned_ends,
            later.bars * _placed._forward_bar < epoch_ns(horizon) as _forward_lacks_bars,
            later.available_at as _forward_available_at
        from _placed
        left join _bounds
            on _placed.instrument = _bounds.instrument
        left join _bars as sooner
            on _placed.instrument = sooner.instrument and _placed._forward_from_ns = sooner.end_ns
        left join _bars as later
            on
                _placed.instrument = later.instrument
                and _placed._forward_from_ns + epoch_ns(horizon) = later.end_ns
    )

    select
        * exclude (
            _forward_bar, _forward_from_ns, _forward_log_return, _forward_variance, _forward_absent,
            _forward_poisoned_ends, _forward_lacks_bars, _forward_available_at
        ),
        make_timestamp_ns(_forward_from_ns) as label_start,
        make_timestamp_ns(_forward_from_ns + epoch_ns(horizon)) as label_end,
        _forward_available_at as label_available_at,
        _forward_log_return as forward_return_bps,
        sign(_forward_log_return)::integer as forward_direction,
        sqrt(_forward_variance) as forward_volatility_bps,
        case
            when _forward_log_return is not null then null
            else coalesce(_forward_absent, if(_forward_poisoned_ends, 'poisoned', 'undefined'))
        end as forward_return_reason,
        case
            when _forward_variance is not null then null
            else coalesce(_forward_absent, if(_forward_lacks_bars, 'no_bar', 'poisoned'))
        end as forward_volatility_reason
    from _joined
    where (
        select
            names_are_free(
                json_keys(to_json(own_row)),
                [
                    'label_start', 'label_end', 'label_available_at', 'forward_return_bps',
                    'forward_direction', 'forward_volatility_bps', 'forward_return_reason',
                    'forward_volatility_reason'
                ]
            )
        from (select 1 as one) as single
        left join (
            select *
            from query_table(spine_table)
            where false
        ) as own_row
            on true
    )
