"""The Epps effect: what short bars hide of a correlation, beside estimates that do not hide it."""
