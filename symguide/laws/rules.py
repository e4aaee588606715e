"""The guidance rules by name, with their formulas and sources; it needs no SymPy."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["RULES"]

RULES: Mapping[str, str] = MappingProxyType(
    {
        "rate": "rate power: q = p(v|x,z)^(1+w) p(v|x)^(-w) (Nisonoff et al., arXiv:2406.01572)",
        "normalised": "the same divided by its sum over tokens (Rojas et al., arXiv:2507.08965)",
    }
)
"""Read-only: guidance rules by name, each with its formula and, in brackets, whom to cite."""
