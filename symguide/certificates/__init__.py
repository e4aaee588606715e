"""Inequalities between formulas in the strength, proved on whole ranges."""
