-- One row per message out of several captures: it carries no id, what it says and when is it.
-- Rows stand as they became known: a message that one recorder got late holds up no other.
select * exclude (receipt_rank, rows_there, file_row_number)
from (
    select
        *,
        row_number() over (
            partition by
                instrument,
                event_time,
                exchange_time,
                transaction_time,
                underlying,
                underlying_price,
                mark_price,
                mark_volatility,
                bid_price,
                bid_size,
                bid_volatility,
                ask_price,
                ask_size,
                ask_volatility,
                last_price,
                open_interest,
                delta,
                gamma,
                vega,
                theta,
                rho
            order by available_at, receive_time, -rows_there, capture_id, line, file_row_number
        ) as receipt_rank
    from (
        select
            *,
            count(*) over (partition by instrument, capture_id) as rows_there
        from read_parquet($spool, file_row_number = true)
    )
)
where receipt_rank = 1
order by instrument, available_at, file_row_number
