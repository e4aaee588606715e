"""The arithmetics in which one mathematics is carried out: SymPy, rationals, floats, mpmath, balls.

Values of all of them know ``+ − × ÷``; an :class:`Arithmetic` adds what differs: how an exact number enters, what
``c b^w`` is, the logarithm, and the divided difference of the exponential.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import flint
import mpmath
import numpy as np
import sympy
from sympy import Add, Expr, Pow

from symguide.errors import NotExactError, StrengthError
from symguide.numbers.divided_differences import exp_dd_float, exp_dd_mp
from symguide.numbers.exp_dd import exp_dd
from symguide.numbers.newton import exp_dd_balls
from symguide.numbers.number import Number, read_number, to_sympy
from symguide.numbers.wide import product_error

__all__ = ["BALLS", "FLINT", "FLOATS", "PRECISE", "RATIONAL", "SYMBOLIC", "Arithmetic", "power_float", "power_parts"]


class Arithmetic(ABC):
    """How exact data become values, and the three functions that values need."""

    name: str

    @abstractmethod
    def number(self, value: Number) -> Any:
        """An exact number as a value."""

    @abstractmethod
    def term(self, coefficient: Number, base: Number, w: Any) -> Any:
        """``c b^w`` for a positive base."""

    @abstractmethod
    def exp_dd(self, nodes: Sequence[Any], s: Any) -> Any:
        """``s^n exp[−Λ_0 s, …, −Λ_n s]``."""

    def exp_dds(self, rates: Sequence[Any], needed: Sequence[tuple[int, ...]], s: Any) -> Sequence[Any]:
        """Many of them, each given by the places of its nodes among some rates."""
        return [self.exp_dd([rates[j] for j in nodes], s) for nodes in needed]

    def log(self, value: Any) -> Any:
        """The natural logarithm of a positive value."""
        return value.log()

    def total(self, values: Sequence[Any] | np.ndarray) -> Any:
        """The sum of values."""
        return sum(values[1:], start=values[0]) if len(values) else self.number(Fraction(0))


class _Symbolic(Arithmetic):
    name = "sympy"

    def number(self, value: Number) -> Expr:
        return to_sympy(value)

    def term(self, coefficient: Number, base: Number, w: Any) -> Expr:
        return to_sympy(coefficient) * Pow(to_sympy(base), w)

    def exp_dd(self, nodes: Sequence[Expr], s: Expr) -> Any:
        return exp_dd(sympy.Tuple(*nodes), s)

    def log(self, value: Expr) -> Expr:
        return sympy.log(value)

    def total(self, values: Sequence[Expr] | np.ndarray) -> Expr:
        return Add(*values)


class _Rational(Arithmetic):
    name = "rational"

    def number(self, value: Number) -> Fraction:
        if not isinstance(value, Fraction):
            raise NotExactError(
                f"{value} is no rational number, so rational arithmetic cannot carry it; give the data as fractions"
            )
        return value

    def term(self, coefficient: Number, base: Number, w: Any) -> Fraction:
        power = self.number(base) ** w
        if not isinstance(power, Fraction):
            raise NotExactError(
                f"{base} to the power {w} is irrational, so rational arithmetic cannot carry it; use an integer w"
            )
        return self.number(coefficient) * power

    def exp_dd(self, nodes: Sequence[Fraction], s: Any) -> Any:
        raise NotExactError("the law at u > 0 is irrational in general; use SymPy, floats or balls, or ask for u = 0")

    def log(self, value: Fraction) -> Any:
        raise NotExactError("logarithms of rationals are irrational; use SymPy, floats or balls")


class _Flint(_Rational):
    """Rationals of python-flint: the same numbers as ``Fraction``, many times faster where they are long."""

    name = "fmpq"

    def number(self, value: Number) -> Any:
        exact = super().number(value)
        return flint.fmpq(exact.numerator, exact.denominator)

    def term(self, coefficient: Number, base: Number, w: Any) -> Any:
        if Fraction(w).denominator != 1:
            return RATIONAL.term(coefficient, base, w)  # which refuses
        return self.number(coefficient) * self.number(base) ** int(w)


class _Floats(Arithmetic):
    """Double precision on arrays; ``b^w`` by double-double logarithms, good to two units in the last place."""

    name = "float"

    def number(self, value: Number) -> Any:
        return np.float64(float(value))

    def term(self, coefficient: Number, base: Number, w: Any) -> Any:
        with np.errstate(over="ignore", under="ignore"):
            return float(coefficient) * power_float(base, w)

    def exp_dd(self, nodes: Sequence[Any], s: Any) -> Any:
        return exp_dd_float(nodes, s)

    def log(self, value: Any) -> Any:
        return np.log(value)

    def total(self, values: Sequence[Any] | np.ndarray) -> Any:
        return values.sum(axis=0) if isinstance(values, np.ndarray) else super().total(values)


class _Precise(Arithmetic):
    """mpmath at its working precision."""

    name = "mpmath"

    def number(self, value: Number) -> Any:
        if isinstance(value, Fraction):
            return mpmath.mpf(value.numerator) / value.denominator
        if isinstance(value, float):
            return mpmath.mpf(value)
        return to_sympy(value).evalf(mpmath.mp.dps + 5)._to_mpmath(mpmath.mp.prec + 10)

    def term(self, coefficient: Number, base: Number, w: Any) -> Any:
        return self.number(coefficient) * mpmath.power(self.number(base), self._strength(w))

    def _strength(self, w: Any) -> Any:
        return self.number(w) if isinstance(w, Fraction) else mpmath.mpf(w)

    def exp_dd(self, nodes: Sequence[Any], s: Any) -> Any:
        return exp_dd_mp(nodes, s)

    def log(self, value: Any) -> Any:
        return mpmath.log(value)


class _Balls(Arithmetic):
    """python-flint's ``arb`` at its working precision: enclosures."""

    name = "balls"

    def number(self, value: Number) -> flint.arb:
        if isinstance(value, Fraction):
            return flint.arb(flint.fmpq(value.numerator, value.denominator))
        if isinstance(value, float):
            return flint.arb(value)
        exact = read_number(value, "coefficient", NotExactError)
        if isinstance(exact, Fraction):
            return self.number(exact)
        raise NotExactError(f"{value} is not rational, so no ball is known to hold it; substitute rational data first")

    def term(self, coefficient: Number, base: Number, w: Any) -> flint.arb:
        exponent = self.number(w) if isinstance(w, Fraction) else w
        return self.number(coefficient) * self.number(base) ** exponent

    def exp_dd(self, nodes: Sequence[flint.arb], s: flint.arb) -> flint.arb:
        return exp_dd_balls(nodes, [tuple(range(len(nodes)))], s)[0]

    def exp_dds(
        self, rates: Sequence[flint.arb], needed: Sequence[tuple[int, ...]], s: flint.arb
    ) -> Sequence[flint.arb]:
        return exp_dd_balls(rates, needed, s)


SYMBOLIC: Arithmetic = _Symbolic()
RATIONAL: Arithmetic = _Rational()
FLINT: Arithmetic = _Flint()
FLOATS: Arithmetic = _Floats()
PRECISE: Arithmetic = _Precise()
BALLS: Arithmetic = _Balls()


def power_float(base: Number, w: Any) -> Any:
    """``b^w`` for an exact positive base and float ``w``, accurate to about an ulp for any size of the exponent.

    ``ln b`` is rounded once to a sum of two doubles; ``w ln b`` is formed in double-double, so the error does not grow
    with ``w`` as that of ``float(b)**w`` does.

    >>> float(power_float(Fraction(4, 3), 1000.0)), float(Fraction(4, 3) ** 1000)
    (8.68433580377441e+124, 8.68433580377441e+124)
    """
    if base == 1:
        return np.ones_like(np.asarray(w, dtype=np.float64))[()]
    return power_parts(*_log_parts(base), w)


def power_parts(high: float, low: float, w: Any) -> Any:
    """``exp(w (high + low))`` for a logarithm given as the sum of two doubles.

    >>> float(power_parts(0.6931471805599453, 2.3190468138462996e-17, 3.0))
    8.0
    """
    w = np.asarray(w, dtype=np.float64)
    product = w * high
    error = product_error(w, high, product)
    with np.errstate(over="ignore", under="ignore"):
        value = np.exp(product)
        return value * (1.0 + (w * low + error))


@lru_cache(maxsize=65536)
def _log_parts(base: Number) -> tuple[float, float]:
    if isinstance(base, Expr) and base.free_symbols:
        raise StrengthError(f"base {base} has free symbols, so it has no float value; substitute numbers for the data")
    with mpmath.workdps(50):
        value = mpmath.log(PRECISE.number(base))
        high = float(value)
        return high, float(value - high)
