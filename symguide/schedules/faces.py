"""The two faces of a noise schedule in floating point: what is masked and what is revealed, whichever is smaller."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import sympy
from sympy import Expr
from sympy.codegen.cfunctions import expm1

from symguide.symbols import t, tau

__all__ = ["Array", "Faces", "compile_faces", "with_sums_done"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


class Faces(NamedTuple):
    """``m = 1 − α`` and ``r = α − α(T)`` at some times, two faces of one function, and its speed read off each.

    ``whole`` is ``m + r = 1 − α(T)`` and ``rest`` is ``α(T)``.

    >>> faces = compile_faces(1 - t**2, sympy.Integer(1), sympy.Integer(0), None)(np.array([0.0, 0.5, 1.0]))
    >>> faces.mask_fraction(), faces.hazard()
    (array([0.  , 0.25, 1.  ]), array([inf,  4.,  2.]))
    """

    masked: Array
    masked_speed: Array
    revealed: Array
    revealed_speed: Array
    whole: float
    rest: float

    def smaller(self, from_masked: Array, from_revealed: Array) -> Array:
        """The value taken from the face that is the smaller one there: it has lost nothing to cancellation."""
        return np.where(self.masked <= self.revealed, from_masked, from_revealed)

    def alpha(self) -> Array:
        """``α``."""
        return self.smaller(1 - self.masked, self.rest + self.revealed)

    def mask_fraction(self) -> Array:
        """``u = (1 − α) / (1 − α(T))``."""
        return np.minimum(self.smaller(self.masked / self.whole, 1 - self.revealed / self.whole), 1.0)

    def clock(self) -> Array:
        """``s = −ln u``."""
        return self.smaller(-np.log(self.masked / self.whole), -np.log1p(-self.revealed / self.whole))

    def hazard(self) -> Array:
        """``β = −α' / (1 − α)``, infinite where nothing is masked."""
        clean = self.masked == 0
        speed = self.smaller(self.masked_speed, self.revealed_speed)
        return np.where(clean, np.inf, speed / np.where(clean, 1.0, self.masked))


@lru_cache(maxsize=128)
def compile_faces(alpha: Expr, horizon: Expr, rest: Expr, revealed: Expr | None) -> Callable[[Array], Faces]:
    """``t ↦`` the faces of ``α``, compiled from a schedule's own expressions.

    Parameters
    ----------
    alpha, horizon
        ``α(t)`` and ``T``.
    rest
        ``α(T)``.
    revealed
        ``α − α(T)`` in ``t`` and ``tau = T − t`` without cancellation; ``None``: the plain difference.
    """
    masked = _uncancelled(1 - alpha)
    if revealed is None:
        revealed = _uncancelled(cast(Expr, alpha.subs(t, horizon - tau)) - rest)
    revealed_speed = revealed.diff(tau) - revealed.diff(t)
    parts = (masked, masked.diff(t), revealed, revealed_speed, 1 - rest, rest)
    compiled = sympy.lambdify((t, tau), [with_sums_done(part) for part in parts], "numpy", cse=True)
    # T in two doubles, so that T − t keeps its relative accuracy for a T that is no double.
    high = float(horizon)
    low = 0.0 if horizon == sympy.oo else float(horizon - sympy.Rational(*high.as_integer_ratio()))
    return lambda times: Faces(*compiled(times, np.where(times == high, 0.0, high - times + low)))


def _uncancelled(expr: Expr) -> Expr:
    """The same expression with ``1 − b^x`` and ``1 − cos`` in forms that lose no digits where they are small."""

    def regrouped(total: Expr) -> Expr:
        constant, rest = total.as_coeff_Add()
        terms = []
        for term in sympy.Add.make_args(rest):
            factor, function = term.as_coeff_Mul()
            base, exponent = function.as_base_exp()
            if factor * constant < 0 and (base.is_number or isinstance(function, sympy.cos)):
                if isinstance(function, sympy.cos):
                    term = -2 * factor * sympy.sin(cast(Expr, function.args[0]) / 2) ** 2
                else:
                    term = factor * expm1(exponent * sympy.log(base))
                constant += factor
            terms.append(term)
        return sympy.Add(constant, *terms)

    return cast(Expr, expr.replace(lambda part: part.is_Add, regrouped))


def with_sums_done(expr: Expr) -> Expr:
    """Constants like ``1 − e^{−T}`` as rationals good to 30 digits, so that they do not cancel in doubles.

    >>> with_sums_done(t * (1 - sympy.exp(-sympy.Rational(1, 10**20)))).args[0].q > 10**20
    True
    """
    return cast(
        Expr, expr.replace(lambda part: part.is_Add and part.is_number, lambda part: sympy.Rational(part.evalf(30)))
    )
