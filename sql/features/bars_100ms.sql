-- The book's 100 ms bars joined with trades and quotes: what every measure is made from.
-- Grain: instrument and bar; a bar in which only trades are known is there, and poisoned.
-- Reads: book (book.bars_100ms), traded, quoted, inferred and fleeting (the queries beside this
-- one), earlier, the trades of the 100 ms before, and missing, bars that touch a gap in the trade
-- feed (touched) or come after one, with when that could be known (known_at); and feeds, of every
-- instrument of these, in nanoseconds or null: trades_from, the day's first bar with a trade;
-- trades_until, how long the day before vouches for the feed; likewise for quotes; orders_from,
-- from when on the life of every cancelled order is known.
-- The order of rows is left open (a sort would move every column).
-- A feed not known to be there is null, one in which nothing happened is 0. A bar asks what came
-- before it, never what comes later.
with joined as (
    select
        instrument,
        bar_start,
        greatest(
            make_timestamp_ns(epoch_ns(bar_start) + 100000000),
            book.available_at,
            traded.available_at,
            quoted.available_at,
            inferred.available_at,
            fleeting.available_at,
            missing.known_at
        ) as available_at,
        coalesce(book.coverage, 0) as coverage,
        coalesce(book.measured_coverage, 0) as measured_coverage,
        coalesce(book.poisoned, true) as poisoned,
        book.mid_open,
        book.mid_high,
        book.mid_low,
        book.mid_close,
        book.mid_mean,
        book.bid_price,
        book.ask_price,
        book.spread_mean,
        book.bid_size,
        book.ask_size,
        book.queue_imbalance_mean,
        book.depth_touch_mean,
        book.bid_depth_5,
        book.ask_depth_5,
        book.bid_depth_10,
        book.ask_depth_10,
        book.bid_depth_5bps,
        book.ask_depth_5bps,
        book.bid_depth_10bps,
        book.ask_depth_10bps,
        book.bid_depth_25bps,
        book.ask_depth_25bps,
        book.bid_depth_50bps,
        book.ask_depth_50bps,
        book.bid_depth_100bps,
        book.ask_depth_100bps,
        book.bid_depth_200bps,
        book.ask_depth_200bps,
        book.bid_depth_weighted_10bps,
        book.ask_depth_weighted_10bps,
        book.bid_reach_bps,
        book.ask_reach_bps,
        book.order_flow_imbalance_level_1,
        book.order_flow_imbalance_level_2,
        book.order_flow_imbalance_level_3,
        book.order_flow_imbalance_level_4,
        book.order_flow_imbalance_level_5,
        book.order_flow_imbalance_level_6,
        book.order_flow_imbalance_level_7,
        book.order_flow_imbalance_level_8,
        book.order_flow_imbalance_level_9,
        book.order_flow_imbalance_level_10,
        book.order_flow_imbalance_no_price_change,
        book.generalised_order_flow_imbalance,
        book.book_feed,
        book.level_depth_sum,
        book.book_events as book_event_count,
        book.book_messages as book_update_count,
        book.level_updates as level_update_count,
        book.level_additions as level_addition_count,
        book.level_cancellations as level_cancellation_count,
        -- null where trades were that nobody knows the size of
        if(traded.trade_count is null, 0, traded.buy_volume) as buy_volume,
        if(traded.trade_count is null, 0, traded.sell_volume) as sell_volume,
        if(traded.trade_count is null, 0, traded.trade_notional) as trade_notional,
        coalesce(traded.buy_count, 0) as buy_count,
        coalesce(traded.sell_count, 0) as sell_count,
        if(traded.trade_count is null, 0, traded.traded_volume) as traded_volume,
        coalesce(traded.trade_count, 0) as trade_count,
        coalesce(traded.unknown_side_count, 0) as unknown_side_count,
        if(traded.trade_count is null, 0, traded.buy_volume)
        + if(inferred.unclassified_count is null, 0, inferred.buy_volume)
            as classified_buy_volume,
        if(traded.trade_count is null, 0, traded.sell_volume)
        + if(inferred.unclassified_count is null, 0, inferred.sell_volume)
            as classified_sell_volume,
        if(inferred.unclassified_count is null, 0, inferred.inferred_volume) as inferred_volume,
        coalesce(inferred.unclassified_count, 0) as unclassified_count,
        coalesce(quoted.quote_count, 0) as quote_count,
        -- a best price that somebody may have traded away, told up to 100 ms later by the book, is
        -- not one that was taken back
        book.bid_withdrawals * if(
            coalesce(traded.sell_count, 0) + coalesce(traded.unknown_side_count, 0)
            + coalesce(earlier.sell_count, 0) + coalesce(earlier.unknown_side_count, 0) = 0, 1, 0
        )
        + book.ask_withdrawals * if(
            coalesce(traded.buy_count, 0) + coalesce(traded.unknown_side_count, 0)
            + coalesce(earlier.buy_count, 0) + coalesce(earlier.unknown_side_count, 0) = 0, 1, 0
        ) as fleeting_quote_count,
        if(
            epoch_ns(bar_start) >= feeds.orders_from,
            coalesce(fleeting.fleeting_order_count, 0),
            null
        ) as fleeting_order_count,
        pow(ln(nullif(book.mid_close, 0) / nullif(book.mid_open, 0)) * 1e4, 2) as realised_variance,
        (
            epoch_ns(bar_start) >= feeds.trades_from
            or epoch_ns(bar_start) + 100000000 <= feeds.trades_until
        )
        and not coalesce(missing.touched, false) as trades_known,
        coalesce(missing.touched, false) as trades_missing,
        missing.touched is not null as earlier_missing,
        epoch_ns(bar_start) >= feeds.quotes_from
        or epoch_ns(bar_start) + 100000000 <= feeds.quotes_until as quotes_known
    from book
    full outer join traded using (instrument, bar_start)
    left join quoted using (instrument, bar_start)
    left join inferred using (instrument, bar_start)
    left join earlier using (instrument, bar_start)
    left join fleeting using (instrument, bar_start)
    left join missing using (instrument, bar_start)
    left join feeds using (instrument)
)

select
    * exclude (trades_known, trades_missing, earlier_missing, quotes_known)
    replace (
        if(trades_known, buy_volume, null) as buy_volume,
        if(trades_known, sell_volume, null) as sell_volume,
        if(trades_known, trade_notional, null) as trade_notional,
        if(trades_known, buy_count, null) as buy_count,
        if(trades_known, sell_count, null) as sell_count,
        if(trades_known, traded_volume, null) as traded_volume,
        if(trades_known, trade_count, null) as trade_count,
        if(trades_known, unknown_side_count, null) as unknown_side_count,
        if(trades_known, classified_buy_volume, null) as classified_buy_volume,
        if(trades_known, classified_sell_volume, null) as classified_sell_volume,
        if(trades_known, inferred_volume, null) as inferred_volume,
        if(trades_known, unclassified_count, null) as unclassified_count,
        if(quotes_known, quote_count, null) as quote_count,
        if(trades_known and not earlier_missing, fleeting_quote_count, null)
            as fleeting_quote_count
    ),
    -- of a feed that is not known nothing is counted; where some of it is missing nobody knows how
    -- many messages there were
    if(
        trades_missing, null,
        book_update_count + if(trades_known, trade_count, 0) + if(quotes_known, quote_count, 0)
    ) as message_count,
    pow(message_count, 2) as message_square_sum
from joined
