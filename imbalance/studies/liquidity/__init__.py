"""What trading costs and how toxic the flow is, beside volume and volatility."""
