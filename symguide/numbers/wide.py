r"""Arrays of wide numbers ``(h + l) 2^e``: some 31 digits, and exponents that never overflow.

The significand is an unevaluated sum of two doubles, ``1/2 ≤ |h| < 1`` and ``|l| ≤ ulp(h)/2``; the exponent is a double
that holds an integer. Sums, products and quotients are good to a few units of ``2^−104``, exponentials and logarithms
to ``2^−70``: enough for ``e^{−Λ s}`` to be right to the last bits wherever it is a normal double, and for rates and
weights of any size on the way there.

Zero has the exponent ``−∞``, infinity ``+∞``. A zero wins every product, also against an infinity: ``0 · ∞ = 0`` is the
limit that ``Λ s`` at ``Λ = 0`` and ``p ln p`` at ``p = 0`` call for.

References
----------
Dekker, Numer. Math. 18 (1971); Joldes, Muller, Popescu, *Tight and rigorous error bounds for basic building blocks of
double-word arithmetic*, ACM Trans. Math. Softw. 44 (2017), algorithms 6, 12 and 17.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Wide", "product_error", "stack", "where"]

Array = NDArray[np.float64]

_quiet = np.errstate(all="ignore")
"""Infinities and what becomes of them are values here, not accidents."""
_FAR = 2200.0
"""No double tells apart powers of two beyond this."""
_STEPS = 64
"""Table entries per unit of the exponent; the remainder is at most ``1/128``."""


@dataclass(frozen=True, slots=True)
class Wide:
    """An array of wide numbers.

    Attributes
    ----------
    high, low
        The significand, as a sum.
    exponent
        Of two, integers as doubles; all three have one shape.

    >>> big = Wide.of(np.array([1000.0, -1000.0])).exp()
    >>> float((big[0] * big[0] * big[1] * big[1]).value())
    1.0
    """

    high: Array
    low: Array
    exponent: Array

    @classmethod
    def of(cls, value: ArrayLike) -> "Wide":
        """Doubles, exactly."""
        high, exponent = np.frexp(np.asarray(value, dtype=np.float64))
        power = np.where(high == 0, -np.inf, np.where(np.isinf(high), np.inf, exponent))
        return cls(np.where(np.isinf(high), 0.5 * np.sign(high), high), np.zeros_like(high), power)

    @classmethod
    def near(cls, value: Any) -> "Wide":
        """A rational or mpmath number of any size, rounded to the significand."""
        with mpmath.workdps(60):
            exact = mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value
            if not mpmath.isfinite(exact):
                return cls.of(float(exact))
            mantissa, exponent = mpmath.frexp(exact)
            high = float(mantissa)
            return _normal(np.float64(high), np.float64(float(mantissa - high)), np.float64(float(exponent)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.high.shape

    def each(self, view: Callable[[Array], Any]) -> "Wide":
        """The three arrays seen through one view, such as a reshaping."""
        return Wide(view(self.high), view(self.low), view(self.exponent))

    def __getitem__(self, key: Any) -> "Wide":
        return Wide(self.high[key], self.low[key], self.exponent[key])

    def put(self, key: Any, other: "Wide") -> None:
        """Write other numbers in the place of some of these."""
        self.high[key], self.low[key], self.exponent[key] = other.high, other.low, other.exponent

    @_quiet
    def parts(self) -> tuple[Array, Array]:
        """The sum of two doubles that is nearest; large numbers overflow, small ones underflow."""
        return _shift(self.high, self.exponent), _shift(self.low, self.exponent)

    @_quiet
    def value(self) -> Array:
        """The nearest double."""
        return _shift(self.high + self.low, self.exponent)

    def sign(self) -> Array:
        """−1, 0 or 1."""
        return np.sign(self.high)

    def order(self) -> NDArray[np.intp]:
        """The places that sort it along the first axis."""
        sign = self.sign()
        with np.errstate(invalid="ignore"):
            size = np.where(sign == 0, 0.0, sign * self.exponent)
        return np.lexsort((self.low, self.high, size, sign), axis=0)

    def pick(self, order: NDArray[np.intp]) -> "Wide":
        """Chosen places along the first axis."""
        return self.each(lambda part: np.take_along_axis(part, order, axis=0))

    def __neg__(self) -> "Wide":
        return Wide(-self.high, -self.low, self.exponent)

    @_quiet
    def __add__(self, other: "Wide") -> "Wide":
        top = np.maximum(self.exponent, other.exponent)
        one, two = self._aligned(top), other._aligned(top)
        high, low = _sum(*one, *two)
        return _normal(high, low, top)

    def __sub__(self, other: "Wide") -> "Wide":
        return self + -other

    @_quiet
    def __mul__(self, other: "Wide") -> "Wide":
        product = self.high * other.high
        error = product_error(self.high, other.high, product)
        error = error + (self.high * other.low + self.low * other.high)
        return _normal(product, error, np.where(product == 0, -np.inf, self.exponent + other.exponent))

    @_quiet
    def __truediv__(self, other: "Wide") -> "Wide":
        divisor = np.where(other.high == 0, 0.5, other.high)
        first = self.high / divisor
        product = first * divisor
        rest = ((self.high - product) - product_error(first, divisor, product)) + (self.low - first * other.low)
        power = np.where(
            other.high == 0,
            np.where(self.high == 0, np.nan, np.inf),
            np.where(self.high == 0, -np.inf, self.exponent - other.exponent),
        )
        return _normal(np.where(np.isnan(power), np.nan, first), rest / divisor, power)

    def half(self) -> "Wide":
        """Half of it, exactly."""
        return Wide(self.high, self.low, self.exponent - 1)

    @_quiet
    def sum(self) -> "Wide":
        """Over the first axis, in pairs."""
        top = self.exponent.max(axis=0)
        high, low = self._aligned(top)
        while len(high) > 1:
            even = len(high) // 2 * 2
            pairs = _sum(high[0:even:2], low[0:even:2], high[1:even:2], low[1:even:2])
            high, low = (np.concatenate([new, old[even:]]) for new, old in zip(pairs, (high, low), strict=True))
        return _normal(high[0], low[0], top)

    @_quiet
    def product(self) -> "Wide":
        """Over the first axis, in pairs."""
        value = self
        while len(value.high) > 1:
            even = len(value.high) // 2 * 2
            pairs = value[0:even:2] * value[1:even:2]
            rest = value[even:]
            value = Wide(
                np.concatenate([pairs.high, rest.high]),
                np.concatenate([pairs.low, rest.low]),
                np.concatenate([pairs.exponent, rest.exponent]),
            )
        return value[0]

    def power(self, count: int) -> "Wide":
        """To an integer power; ``x^0 = 1``."""
        if count < 0:
            return _one(self.shape) / self.power(-count)
        out, square = _one(self.shape), self
        while count:
            if count & 1:
                out = out * square
            count >>= 1
            if count:
                square = square * square
        return out

    @_quiet
    def exp(self) -> "Wide":
        """``e^x``; of numbers beyond ``2^1000`` the limit."""
        high, low = self.parts()
        base = np.rint(np.clip(high, -1e300, 1e300) / _LN2[0])
        tame = np.abs(base) < 2.0**50
        steps = np.where(tame, base, 0.0)
        product = steps * _LN2[0]
        rest, error = _two_sum(np.where(tame, high, 0.0), -product)
        error = error - product_error(steps, np.float64(_LN2[0]), product)
        error = error + (np.where(tame, low, 0.0) - steps * _LN2[1])
        rest, error = _quick_sum(rest, error)
        grid = np.rint(np.where(np.isnan(rest), 0.0, rest) * _STEPS)
        rest, error = _quick_sum(rest - grid / _STEPS, error)  # exact: both are multiples of one ulp
        square = rest * rest
        squared = product_error(rest, rest, square) + 2.0 * rest * error
        tail = 1 / 720 + rest * (1 / 5040 + rest * (1 / 40320 + rest / 362880))
        tail = rest * square * (1 / 6 + rest * (1 / 24 + rest * (1 / 120 + rest * tail)))
        small, more = _two_sum(rest, 0.5 * square)
        small, more = _quick_sum(small, more + (error + 0.5 * squared + tail))
        table = _exponentials()
        place = grid.astype(np.int64) + _STEPS
        scale, scale_low = table[0][place], table[1][place]
        grown = scale * small
        grown_low = product_error(scale, small, grown) + (scale * more + scale_low * small)
        out = _normal(*_sum(scale, scale_low, grown, grown_low), base)
        ended = self.exponent > 1020
        if not ended.any():
            return out
        over, under = ended & (self.high > 0), ended & (self.high < 0)
        return Wide(
            np.where(over, 0.5, np.where(under, 0.0, out.high)),
            np.where(ended, 0.0, out.low),
            np.where(over, np.inf, np.where(under, -np.inf, out.exponent)),
        )

    @_quiet
    def log(self) -> "Wide":
        """The natural logarithm; of negative numbers not a number."""
        small = self.high < 0.75  # so that numbers just below one keep their relative accuracy
        scale = np.where(small, 2.0, 1.0)
        high, low = self.high * scale, self.low * scale
        place = np.rint(np.where(high > 0, high, 1.0) * 128).astype(np.int64)
        inverse, offset, offset_low = (column[place] for column in _reciprocals())
        product = high * inverse
        rest, error = _two_sum(product, np.float64(-1.0))
        rest, error = _quick_sum(rest, error + (product_error(high, inverse, product) + low * inverse))
        square = rest * rest
        squared = product_error(rest, rest, square) + 2.0 * rest * error
        tail = 1 / 6 - rest * (1 / 7 - rest * (1 / 8 - rest * (1 / 9 - rest / 10)))
        tail = rest * square * (1 / 3 - rest * (1 / 4 - rest * (1 / 5 - rest * tail)))
        first, more = _two_sum(rest, -0.5 * square)
        first, more = _quick_sum(first, more + (error - 0.5 * squared + tail))
        first, more = _sum(offset, offset_low, first, more)
        power = np.where(np.isfinite(self.exponent), self.exponent - small, 0.0)
        near = _normal(first, more, np.zeros_like(first))
        out = near + Wide.of(power) * Wide.near(_ln2()).each(lambda part: np.broadcast_to(part, first.shape))
        ended = ~np.isfinite(self.exponent)
        negative = (self.high < 0) | np.isnan(self.high)
        if not (ended.any() or negative.any()):
            return out
        return Wide(
            np.where(negative, np.nan, np.where(ended, np.where(self.high == 0, -0.5, 0.5), out.high)),
            np.where(ended | negative, 0.0, out.low),
            np.where(ended, np.inf, out.exponent),
        )

    @_quiet
    def log1m(self) -> "Wide":
        """``ln(1 − x)`` for ``x < 1``, relatively accurate for small ``x``."""
        shape = self.shape
        one = _one(shape)
        direct = (one - self).log()
        tiny = self.exponent < -40
        if not tiny.any():
            return direct
        series = -(self * (one + self.half() + self * self * Wide.near(Fraction(1, 3))))
        return where(tiny, series, direct)

    def _aligned(self, top: Array) -> tuple[Array, Array]:
        shift = np.where(self.exponent == top, 0.0, self.exponent - top)
        return _shift(self.high, shift), _shift(self.low, shift)


def stack(values: Sequence[Wide]) -> Wide:
    """Several, broadcast against each other, along a new first axis.

    >>> stack([Wide.of([1.0, 2.0]), Wide.of(3.0)]).value().tolist()
    [[1.0, 2.0], [3.0, 3.0]]
    """
    return Wide(
        np.stack(np.broadcast_arrays(*(value.high for value in values))),
        np.stack(np.broadcast_arrays(*(value.low for value in values))),
        np.stack(np.broadcast_arrays(*(value.exponent for value in values))),
    )


def where(condition: Any, yes: Wide, no: Wide) -> Wide:
    """Elementwise choice.

    >>> where(np.array([True, False]), Wide.of(1.0), Wide.of(2.0)).value().tolist()
    [1.0, 2.0]
    """
    return Wide(
        np.where(condition, yes.high, no.high),
        np.where(condition, yes.low, no.low),
        np.where(condition, yes.exponent, no.exponent),
    )


def product_error(left: Any, right: Any, product: Any) -> Any:
    """The rounding error of a product of doubles, exactly (Dekker 1971, Veltkamp's splitting).

    >>> third = 1 / 3
    >>> exact = Fraction(third) * Fraction(third) - Fraction(third * third)
    >>> Fraction(product_error(third, third, third * third)) == exact
    True
    """
    split = 134217729.0
    c = split * left
    left_high = c - (c - left)
    left_low = left - left_high
    d = split * right
    right_high = d - (d - right)
    right_low = right - right_high
    return ((left_high * right_high - product) + left_high * right_low + left_low * right_high) + left_low * right_low


def _one(shape: tuple[int, ...]) -> Wide:
    return Wide(np.full(shape, 0.5), np.zeros(shape), np.ones(shape))


def _two_sum(left: Any, right: Any) -> tuple[Any, Any]:
    total = left + right
    virtual = total - left
    return total, (left - (total - virtual)) + (right - virtual)


def _quick_sum(left: Any, right: Any) -> tuple[Any, Any]:
    """Where ``|left| ≥ |right|``."""
    total = left + right
    return total, right - (total - left)


def _sum(high: Any, low: Any, other: Any, other_low: Any) -> tuple[Any, Any]:
    first, second = _two_sum(high, other)
    third, fourth = _two_sum(low, other_low)
    first, second = _quick_sum(first, second + third)
    return _quick_sum(first, second + fourth)


def _shift(value: Any, exponent: Any) -> Any:
    power = np.clip(np.where(np.isnan(exponent), 0.0, exponent), -_FAR, _FAR)
    return np.ldexp(value, power.astype(np.int64))


def _normal(high: Any, low: Any, exponent: Any) -> Wide:
    high, low = _quick_sum(high, low)
    mantissa, power = np.frexp(high)
    exponent = exponent + power
    if not np.isfinite(exponent).all():  # infinities that met their like
        mantissa = np.where(np.isnan(exponent) | ((mantissa == 0) & (exponent == np.inf)), np.nan, mantissa)
    return Wide(mantissa, np.ldexp(low, -power), np.where(mantissa == 0, -np.inf, exponent))


def _ln2() -> Any:
    with mpmath.workdps(60):
        return +mpmath.ln2


def _split(value: Any) -> tuple[float, float]:
    high = float(value)
    return high, float(value - high)


_LN2 = (0.6931471805599453, 2.3190468138462996e-17)


@lru_cache(maxsize=1)
def _exponentials() -> tuple[Array, Array]:
    """``e^{j/64}`` for ``|j| ≤ 64``."""
    with mpmath.workdps(50):
        pairs = [_split(mpmath.exp(mpmath.mpf(j) / _STEPS)) for j in range(-_STEPS, _STEPS + 1)]
    high, low = np.array(pairs).T
    return high, low


@lru_cache(maxsize=1)
def _reciprocals() -> tuple[Array, Array, Array]:
    """Short doubles ``r ≈ 128/j``, and ``−ln r``; exactly 1 around one."""
    with mpmath.workdps(50):
        short = [round(128 / max(j, 1) * 256) / 256 for j in range(257)]
        pairs = [_split(-mpmath.log(value)) for value in short]
    high, low = np.array(pairs).T
    return np.array(short), high, low
