"""How order flow moves prices: of the instrument itself and of others, in the bar and after it."""
