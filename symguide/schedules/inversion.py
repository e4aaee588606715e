"""The inverse ``t(u)`` of a mask fraction: compiled from a closed form, or found by bracketing."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import mpmath
import sympy
from sympy import Expr
from sympy.codegen.cfunctions import log1p

from symguide.schedules.faces import Array, with_sums_done
from symguide.symbols import t, u

__all__ = ["compile_inverse", "search_time"]


@lru_cache(maxsize=128)
def compile_inverse(inverse: Expr) -> Callable[[Array], Array]:
    """``u ↦ t``, compiled from a closed inverse.

    >>> import numpy as np
    >>> compile_inverse(sympy.sqrt(u))(np.array([0.25, 1.0]))
    array([0.5, 1. ])
    """
    kept = with_sums_done(inverse).replace(
        sympy.log, lambda x: log1p(x - 1) if x.is_Add and sympy.S.One in x.args else sympy.log(x)
    )
    return sympy.lambdify(u, kept, "numpy")


def search_time(mask_fraction: Expr, horizon: Expr, fraction: Expr, digits: int) -> Expr | None:
    """The time in ``(0, T)`` of ``u = fraction``, bracketed in ``y = ln(T/t)``, on which ``ln u`` bends little.

    ``None`` where the search does not settle.

    >>> search_time(t**2, sympy.Integer(1), sympy.Rational(1, 4), 20)
    0.50000000000000000000
    """
    evaluate = _mask_fraction_kernel(mask_fraction)
    # A plain 1 − α of this size has lost about as many digits as it has leading zeros.
    lost = max(0, -int(sympy.log(fraction, 10).evalf(5)))
    with mpmath.workdps(digits + lost + 10):
        goal, end = (mpmath.mpmathify(sympy.N(value, mpmath.mp.dps)) for value in (fraction, horizon))

        def excess(y: Any) -> Any:
            return mpmath.log(evaluate(end * mpmath.exp(-y)) / goal)

        far = mpmath.mpf(1)
        while excess(far) > 0:
            far *= 2
        try:
            y = mpmath.findroot(excess, (0, far), solver="illinois", maxsteps=300)
        except ValueError:
            return None
        return sympy.Float(end * mpmath.exp(-y), digits)


@lru_cache(maxsize=128)
def _mask_fraction_kernel(mask_fraction: Expr) -> Callable[[Any], Any]:
    """``t ↦ u`` in mpmath, at its working precision."""
    return sympy.lambdify(t, mask_fraction, "mpmath")
