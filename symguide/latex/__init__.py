"""Formulas, notation and articles in LaTeX."""
