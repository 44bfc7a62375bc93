-- Every measure of a bar but those which need the past (trailing, integrated: made in
-- imbalance/features). The same query for all bar sizes, so that a formula stands once.
-- Grain: bar size, instrument and bar, in the order of its input. Reads: bars (of bars_100ms.sql or
-- coarser_bars.sql, with microprice and bar_nanoseconds, their size).
-- Flows and counts are null in a poisoned bar; a ratio whose denominator is 0 is null.
with flows as (
    select
        * replace (
            if(poisoned, null, realised_variance) as realised_variance,
            if(poisoned, null, order_flow_imbalance_level_1) as order_flow_imbalance_level_1,
            if(poisoned, null, order_flow_imbalance_level_2) as order_flow_imbalance_level_2,
            if(poisoned, null, order_flow_imbalance_level_3) as order_flow_imbalance_level_3,
            if(poisoned, null, order_flow_imbalance_level_4) as order_flow_imbalance_level_4,
            if(poisoned, null, order_flow_imbalance_level_5) as order_flow_imbalance_level_5,
            if(poisoned, null, order_flow_imbalance_level_6) as order_flow_imbalance_level_6,
            if(poisoned, null, order_flow_imbalance_level_7) as order_flow_imbalance_level_7,
            if(poisoned, null, order_flow_imbalance_level_8) as order_flow_imbalance_level_8,
            if(poisoned, null, order_flow_imbalance_level_9) as order_flow_imbalance_level_9,
            if(poisoned, null, order_flow_imbalance_level_10) as order_flow_imbalance_level_10,
            if(poisoned, null, order_flow_imbalance_no_price_change)
                as order_flow_imbalance_no_price_change,
            if(poisoned, null, generalised_order_flow_imbalance)
                as generalised_order_flow_imbalance,
            if(poisoned, null, level_depth_sum) as level_depth_sum,
            if(poisoned, null, book_event_count) as book_event_count,
            if(poisoned, null, book_update_count) as book_update_count,
            -- images tell of no changes, which is not that there were none
            if(poisoned or book_feed = 'images', null, level_update_count) as level_update_count,
            if(poisoned or book_feed = 'images', null, level_addition_count)
                as level_addition_count,
            if(poisoned or book_feed = 'images', null, level_cancellation_count)
                as level_cancellation_count,
            -- a trade whose side is not known may have been either
            if(poisoned or unknown_side_count > 0, null, buy_volume) as buy_volume,
            if(poisoned or unknown_side_count > 0, null, sell_volume) as sell_volume,
            if(poisoned, null, trade_notional) as trade_notional,
            if(poisoned or unknown_side_count > 0, null, buy_count) as buy_count,
            if(poisoned or unknown_side_count > 0, null, sell_count) as sell_count,
            if(poisoned, null, traded_volume) as traded_volume,
            if(poisoned, null, trade_count) as trade_count,
            if(poisoned or unclassified_count > 0, null, classified_buy_volume)
                as classified_buy_volume,
            if(poisoned or unclassified_count > 0, null, classified_sell_volume)
                as classified_sell_volume,
            if(poisoned, null, inferred_volume) as inferred_volume,
            if(poisoned, null, quote_count) as quote_count,
            if(poisoned, null, fleeting_quote_count) as fleeting_quote_count,
            if(poisoned, null, fleeting_order_count) as fleeting_order_count
        )
    from bars
),

totals as (
    select
        *,
        buy_volume - sell_volume as trade_imbalance,
        level_depth_sum / nullif(book_event_count, 0) as level_depth_mean
    from flows
)

select
    instrument,
    bar_start,
    make_timestamp_ns(epoch_ns(bar_start) + bar_nanoseconds) as bar_end,
    available_at,
    coverage,
    poisoned,
    not poisoned and mid_open is not null and mid_close is not null as valid,  -- noqa: RF04
    book_feed,
    mid_open,
    mid_high,
    mid_low,
    mid_close,
    mid_mean,
    if(poisoned, null, ln(nullif(mid_close, 0) / nullif(mid_open, 0)) * 1e4) as return_bps,
    realised_variance,
    bid_price,
    ask_price,
    ask_price - bid_price as spread,
    (ask_price - bid_price) / nullif(mid_close, 0) * 1e4 as spread_bps,
    spread_mean,
    spread_mean / nullif(mid_mean, 0) * 1e4 as spread_bps_mean,
    (bid_size * ask_price + ask_size * bid_price)
    / nullif(bid_size + ask_size, 0) as weighted_mid,
    microprice,
    bid_size,
    ask_size,
    (bid_size - ask_size) / nullif(bid_size + ask_size, 0) as queue_imbalance,
    queue_imbalance_mean,
    bid_size - ask_size as volume_imbalance,
    depth_touch_mean,
    bid_depth_5,
    ask_depth_5,
    (bid_depth_5 - ask_depth_5)
    / nullif(bid_depth_5 + ask_depth_5, 0) as depth_imbalance_5,
    bid_depth_10,
    ask_depth_10,
    (bid_depth_10 - ask_depth_10)
    / nullif(bid_depth_10 + ask_depth_10, 0) as depth_imbalance_10,
    bid_depth_5bps,
    ask_depth_5bps,
    (bid_depth_5bps - ask_depth_5bps)
    / nullif(bid_depth_5bps + ask_depth_5bps, 0) as depth_imbalance_5bps,
    if(mid_close is null, null, least(bid_reach_bps, ask_reach_bps) < 5)
        as depth_truncated_5bps,
    bid_depth_10bps,
    ask_depth_10bps,
    (bid_depth_10bps - ask_depth_10bps)
    / nullif(bid_depth_10bps + ask_depth_10bps, 0) as depth_imbalance_10bps,
    if(mid_close is null, null, least(bid_reach_bps, ask_reach_bps) < 10)
        as depth_truncated_10bps,
    bid_depth_25bps,
    ask_depth_25bps,
    (bid_depth_25bps - ask_depth_25bps)
    / nullif(bid_depth_25bps + ask_depth_25bps, 0) as depth_imbalance_25bps,
    if(mid_close is null, null, least(bid_reach_bps, ask_reach_bps) < 25)
        as depth_truncated_25bps,
    bid_depth_50bps,
    ask_depth_50bps,
    (bid_depth_50bps - ask_depth_50bps)
    / nullif(bid_depth_50bps + ask_depth_50bps, 0) as depth_imbalance_50bps,
    if(mid_close is null, null, least(bid_reach_bps, ask_reach_bps) < 50)
        as depth_truncated_50bps,
    bid_depth_100bps,
    ask_depth_100bps,
    (bid_depth_100bps - ask_depth_100bps)
    / nullif(bid_depth_100bps + ask_depth_100bps, 0) as depth_imbalance_100bps,
    if(mid_close is null, null, least(bid_reach_bps, ask_reach_bps) < 100)
        as depth_truncated_100bps,
    bid_depth_200bps,
    ask_depth_200bps,
    (bid_depth_200bps - ask_depth_200bps)
    / nullif(bid_depth_200bps + ask_depth_200bps, 0) as depth_imbalance_200bps,
    if(mid_close is null, null, least(bid_reach_bps, ask_reach_bps) < 200)
        as depth_truncated_200bps,
    bid_depth_weighted_10bps,
    ask_depth_weighted_10bps,
    (bid_depth_weighted_10bps - ask_depth_weighted_10bps)
    / nullif(bid_depth_weighted_10bps + ask_depth_weighted_10bps, 0)
        as depth_imbalance_weighted_10bps,
    bid_reach_bps,
    ask_reach_bps,
    order_flow_imbalance_level_1 as order_flow_imbalance,
    order_flow_imbalance_level_1,
    order_flow_imbalance_level_2,
    order_flow_imbalance_level_3,
    order_flow_imbalance_level_4,
    order_flow_imbalance_level_5,
    order_flow_imbalance_level_6,
    order_flow_imbalance_level_7,
    order_flow_imbalance_level_8,
    order_flow_imbalance_level_9,
    order_flow_imbalance_level_10,
    order_flow_imbalance_no_price_change,
    generalised_order_flow_imbalance,
    level_depth_mean,
    order_flow_imbalance_level_1
    / nullif(level_depth_mean, 0) as order_flow_imbalance_depth_scaled,
    buy_volume,
    sell_volume,
    trade_notional,
    buy_count,
    sell_count,
    trade_count,
    trade_imbalance,
    trade_imbalance / nullif(traded_volume, 0) as trade_imbalance_normalised,
    trade_imbalance / nullif(level_depth_mean, 0) as trade_imbalance_depth_scaled,
    trade_notional / nullif(traded_volume, 0) as vwap,
    traded_volume,
    classified_buy_volume,
    classified_sell_volume,
    classified_buy_volume - classified_sell_volume as classified_trade_imbalance,
    inferred_volume,
    book_event_count,
    level_depth_sum,
    book_update_count,
    level_update_count,
    level_addition_count,
    level_cancellation_count,
    quote_count,
    fleeting_quote_count,
    fleeting_order_count,
    level_cancellation_count / nullif(trade_count, 0) as cancellation_to_trade_ratio,
    if(
        message_count is null,
        null,
        (
            book_update_count
            + coalesce(trade_count, 0)
            + coalesce(quote_count, 0)
        ) / (bar_nanoseconds / 1e9)
    ) as messages_per_second,
    if(
        poisoned,
        null,
        (bar_nanoseconds / 1e8 * message_square_sum - pow(message_count, 2))
        / nullif((bar_nanoseconds / 1e8 - 1) * message_count, 0)
    ) as message_dispersion
from totals
