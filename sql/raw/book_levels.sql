-- A row per price level of every book message, in the order sent.
create view raw.book_levels as
select
    instrument,
    kind,
    last_update_id,
    event_time,
    available_at,
    side,
    position,
    price,
    size,
    capture_id,
    line,
    recorded_at
from (
    select
        * exclude (bid_prices, bid_sizes, ask_prices, ask_sizes),
        'bid' as side,
        unnest(bid_prices) as price,
        unnest(bid_sizes) as size,
        generate_subscripts(bid_prices, 1) as position
    from raw.book_updates
    union all
    select
        * exclude (bid_prices, bid_sizes, ask_prices, ask_sizes),
        'ask' as side,
        unnest(ask_prices) as price,
        unnest(ask_sizes) as size,
        generate_subscripts(ask_prices, 1) as position
    from raw.book_updates
)
