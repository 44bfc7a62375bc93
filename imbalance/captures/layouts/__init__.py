"""What the columns of known tables mean: one module per family of tables."""
