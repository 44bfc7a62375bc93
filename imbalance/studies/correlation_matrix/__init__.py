"""Correlation matrices that can be used: shrunk, cleaned of noise, and read as structure."""
