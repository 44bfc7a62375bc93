"""Whether imbalance, of a perpetual before all, tells of later volatility, and volatility of it."""
