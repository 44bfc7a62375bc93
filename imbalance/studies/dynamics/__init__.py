"""How dependence moves over time: rolling, conditional, broken, switching."""
