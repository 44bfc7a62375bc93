"""The feedback index: how much of an order flow comes back as order flow through the price."""
