"""Every symbol that symguide speaks of, created once, with its assumptions."""

from sympy import Symbol
from sympy.core.assumptions import _assume_defined

from symguide.errors import SymguideError

__all__ = ["MASK", "s", "symbol", "t", "tau", "u", "w"]

MASK = "M"
"""How the mask prints; in contexts the mask is ``None``."""


def symbol(name: str, **assumptions: bool) -> Symbol:
    """A SymPy symbol whose assumptions are all known to SymPy.

    SymPy accepts ``Symbol('x', nonneg=True)`` without a word; this does not.

    Raises
    ------
    SymguideError
        For an assumption that SymPy does not know.

    >>> symbol("x", positive=True).is_positive
    True
    >>> symbol("x", nonneg=True)
    Traceback (most recent call last):
    symguide.errors.SymguideError: symbol 'x': unknown assumption 'nonneg' would be ignored by SymPy; use one it...
    """
    for key in assumptions:
        if key not in _assume_defined:
            raise SymguideError(
                f"symbol {name!r}: unknown assumption {key!r} would be ignored by SymPy; "
                "use one it knows, such as 'nonnegative'"
            )
    return Symbol(name, **assumptions)


w = symbol("w", real=True)
"""Guidance strength: ``-1`` unconditional, ``0`` conditional, positive amplifies."""
s = symbol("s", nonnegative=True)
"""Clock ``s = -ln u``: 0 at the start, infinity at the end."""
u = symbol("u", positive=True)
"""Mask fraction ``u = exp(-s)``: 1 at the start, 0 at the end."""
t = symbol("t", nonnegative=True)
"""Time of the noise schedule; the reverse chain runs it backwards."""
tau = symbol("tau", nonnegative=True)
"""Reversed time ``T - t``."""
