"""Numbers as data gives them: exact rationals, SymPy expressions, or floats that stay floats."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from numbers import Integral, Real
from typing import TypeAlias

import mpmath
import sympy

from symguide.errors import SymguideError
from symguide.numbers.numeral import read_numeral, shortened

__all__ = ["Number", "canonical_string", "is_exact", "read_number", "shown", "to_sympy", "total"]

Number: TypeAlias = Fraction | sympy.Expr | float


def read_number(value: object, what: str, error: type[SymguideError] = SymguideError) -> Number:
    """Read one number without ever evaluating text.

    Integers, fractions, decimals and their spellings (``"1/3"``, ``"0.25"``) become a ``Fraction``; floats stay floats;
    SymPy expressions with symbols stay expressions. ``what`` names the object in the error.

    Raises
    ------
    SymguideError
        Of the class ``error``, for a boolean, ``None``, text that spells no number, ``nan`` and infinities.

    >>> read_number("0.25", "prior"), read_number(0.25, "prior"), read_number(sympy.Symbol("a"), "prior")
    (Fraction(1, 4), 0.25, a)
    >>> read_number("__import__('os')", "prior of 'a'")
    Traceback (most recent call last):
    symguide.errors.SymguideError: prior of 'a' is "__import__('os')": that is no number, and text is never ...
    """
    match value:
        case bool() | None:
            raise error(f"{what} is {value}: that is no number; write a fraction or a decimal")
        case str():
            return read_numeral(value, what, error)
        case Decimal() if value.is_finite():
            return Fraction(value)
        case sympy.Rational():
            return Fraction(int(value.p), int(value.q))
        case sympy.Float():
            return float(value)
        case sympy.Expr() if value.is_finite is not False and value is not sympy.nan:
            return value
        case Fraction():
            return value
        case Integral():
            return Fraction(int(value))
        case Real() if isfinite(value):
            return float(value)
        case Real() | Decimal() | sympy.Expr():
            raise error(f"{what} is {value}: only finite numbers have a meaning here; write a fraction or a decimal")
    if type(value).__name__ == "fmpq":
        return Fraction(int(value.p), int(value.q))  # pyright: ignore[reportAttributeAccessIssue]
    raise error(
        f"{what} is {value!r} of type {type(value).__name__}: a number belongs here; write a fraction or a decimal"
    )


def shown(value: object, most: int = 40) -> str:
    """A value as an error message shows it: in full while short, else its two ends; an exact number by its double.

    >>> shown(Fraction(2, 3)), shown(Fraction(1, 10**50)), shown("x" * 99, 12)
    ('2/3', 'about 1.0e-50', 'xxxxx..xxxxx')
    """
    if isinstance(value, Fraction) and max(value.numerator.bit_length(), value.denominator.bit_length()) > 3 * most:
        return f"about {mpmath.nstr(mpmath.mpf(value.numerator) / value.denominator, 6)}"
    return shortened(str(value), most)


def is_exact(value: Number) -> bool:
    """Whether no floating point stands in the number.

    >>> is_exact(Fraction(1, 3)), is_exact(0.5)
    (True, False)
    """
    return not isinstance(value, float) and not (isinstance(value, sympy.Expr) and value.has(sympy.Float))


def to_sympy(value: Number) -> sympy.Expr:
    """The number as a SymPy expression, exactly (a float becomes a ``Float``).

    >>> to_sympy(Fraction(2, 3))
    2/3
    """
    if isinstance(value, Fraction):
        return sympy.Rational(value.numerator, value.denominator)
    if isinstance(value, int):
        return sympy.Integer(value)
    return value if isinstance(value, sympy.Expr) else sympy.Float(value)


def canonical_string(value: Number) -> str:
    """The canonical spelling of an exact number, as machine output writes it.

    >>> canonical_string(Fraction(-1, 2)), canonical_string(Fraction(3))
    ('-1/2', '3')
    """
    return str(value)


def total(values: Sequence[Number]) -> Number:
    """The sum of some numbers, built in one go where they are expressions.

    >>> total([Fraction(1, 2), Fraction(1, 3)])
    Fraction(5, 6)
    """
    if any(isinstance(value, sympy.Expr) for value in values):
        return sympy.Add(*map(to_sympy, values))
    return sum(values[1:], start=values[0])
