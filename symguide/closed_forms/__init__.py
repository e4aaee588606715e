"""Closed forms in SymPy, compiled to NumPy, mpmath and balls, and as documents."""
