"""Data sets for models, joined as known at each moment: spines, features, labels, frames."""
