"""Price impact in event time: trade by trade, what flow does to price and price to flow."""
