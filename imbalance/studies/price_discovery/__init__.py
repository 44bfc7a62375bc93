"""Where a price is made that several instruments share: cointegration and information shares."""
