"""A module per study: what it contributes to the report."""
