"""Dependence by frequency: which rhythms two series share, when, and which is ahead."""
