"""The book layer: from updates to book states, order flow and health."""
