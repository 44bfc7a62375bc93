"""Dependence beyond correlation: distance correlation, information, tails and quantiles."""
