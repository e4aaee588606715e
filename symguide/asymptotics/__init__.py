"""Small and large guidance: series with remainders, regimes, bounds on both sides."""
