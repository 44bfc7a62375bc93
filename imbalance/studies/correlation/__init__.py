"""The correlation study: lagged correlations of measures, own and between instruments."""
