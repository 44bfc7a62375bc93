"""The features layer: bars of order flow, depth, trades and price."""
