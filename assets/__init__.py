"""Dagster assets, one module per layer of the data's way; they bind the library, nothing more."""
