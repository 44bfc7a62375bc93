"""How much of what moves a series comes from others: tables of shares, and what they say."""
