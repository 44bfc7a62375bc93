"""The studies layer: correlation and feedback between instruments."""
