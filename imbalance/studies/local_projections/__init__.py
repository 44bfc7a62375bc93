"""Responses by a regression for each horizon, beside those that a vector autoregression implies."""
