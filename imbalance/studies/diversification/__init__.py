"""How assets move together within and between classes, and what of diversification stress takes."""
