"""Lead-lag: which of two prices moves first, by how long, and whether that can be trusted."""
