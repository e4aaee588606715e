r"""Signs of exponential sums on ``[a, ∞)``, by exact arguments and never by sampling.

*Partial sums.* With bases in falling order and ``S_j = Σ_{i≤j} c_i b_i^a``, summation by parts gives

    Σ_j c_j b_j^{a+x} = Σ_j S_j (b_j^x − b_{j+1}^x) + S_n b_n^x,

so ``S_j ≥ 0`` for all ``j`` makes the sum nonnegative for all ``x ≥ 0``.
*Pivots.* ``f ≥ 0`` on ``[a, ∞)`` if ``f(a) ≥ 0`` and ``f/p^w`` does not decrease, that is if
``Σ_j c_j ln(b_j/p) b_j^w ≥ 0`` there: again an exponential sum, in which the term of base ``p`` is gone. So
``Z(w) − 1`` is settled with the pivot 1. One pivot for every change of sign is how Descartes' rule is proved.
*Tail.* Beyond a ``T`` the leading term outweighs all negative ones, whose sizes relative to it only fall.

References
----------
Jameson, *Counting zeros of generalised polynomials: Descartes' rule of signs and Laguerre's extensions*, Math. Gazette
90 (2006).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from typing import cast

import flint

from symguide.certificates.formula import Line
from symguide.numbers.arithmetic import BALLS
from symguide.numbers.expsum import ExpSum

__all__ = ["Tail", "expanded", "find_pivots", "find_tail", "has_nonnegative_sums", "leading"]

MAX_TERMS = 20_000
"""Terms beyond which a formula is not multiplied out."""
MAX_PIVOTS = 2
MAX_EXPONENT = 64
"""Largest integer strength at which partial sums are formed exactly."""
FURTHEST = 24
"""A tail begins at most ``2^FURTHEST`` beyond the range's start."""


def expanded(lines: Sequence[Line]) -> ExpSum | None:
    """The numerator of a formula over denominators whose terms are all positive: of the same sign for every ``w``.

    ``None`` where the formula is no quotient of exponential sums, a denominator has negative terms, or the product is
    too long.

    >>> from symguide.certificates.formula import FORMULAS
    >>> z = FORMULAS.term(Fraction(1, 2), Fraction(2), None) + Fraction(1, 3)
    >>> expanded((1 / z - 1).lines).terms
    ((Fraction(2, 1), Fraction(-1, 2)), (Fraction(1, 1), Fraction(2, 3)))
    """
    values: list[_Fraction] = []
    for operation, *parts in lines:
        if operation == "number":
            value = _Fraction(ExpSum.constant(Fraction(parts[0])), Counter())
        elif operation == "power":
            value = _Fraction(ExpSum.of([(Fraction(1), Fraction(parts[0]))]), Counter())
        elif operation in "+*/":
            operands = [values[part] for part in parts]
            made = {"+": _sum, "*": _product, "/": _quotient}[operation](*operands)
            if made is None or len(made.numerator.terms) > MAX_TERMS:
                return None
            value = made
        else:
            return None
        values.append(value)
    return values[-1].numerator


@dataclass(frozen=True, slots=True)
class _Fraction:
    numerator: ExpSum
    denominators: Counter[ExpSum]


def _times(left: ExpSum, factors: Iterable[ExpSum]) -> ExpSum | None:
    for factor in factors:
        if len(left.terms) * len(factor.terms) > 16 * MAX_TERMS:
            return None
        left = left * factor
    return left


def _sum(*items: _Fraction) -> _Fraction | None:
    common: Counter[ExpSum] = Counter()
    for item in items:
        common |= item.denominators
    numerators = [_times(item.numerator, (common - item.denominators).elements()) for item in items]
    known = [numerator for numerator in numerators if numerator is not None]
    return _Fraction(ExpSum.sum(known), common) if len(known) == len(items) else None


def _product(left: _Fraction, right: _Fraction) -> _Fraction | None:
    numerator = _times(left.numerator, [right.numerator])
    return None if numerator is None else _Fraction(numerator, left.denominators + right.denominators)


def _quotient(left: _Fraction, right: _Fraction) -> _Fraction | None:
    terms = _rational(right.numerator)
    if not terms or any(coefficient <= 0 for _, coefficient in terms):
        return None
    numerator = _times(left.numerator, right.denominators.elements())
    if numerator is None:
        return None
    if len(terms) == 1:
        ((base, coefficient),) = terms
        return _Fraction(numerator * ExpSum.of([(1 / coefficient, 1 / base)]), left.denominators)
    return _Fraction(numerator, left.denominators + Counter([right.numerator]))


def has_nonnegative_sums(terms: ExpSum, start: Fraction, pivots: Sequence[Fraction], strict: bool = False) -> bool:
    """Whether partial sums at ``start``, after some pivots, show the sum to be nonnegative on ``[start, ∞)``.

    Parameters
    ----------
    terms
        The exponential sum, with rational data.
    start
        ``a``.
    pivots
        Bases, each of which takes one derivative.
    strict
        Whether the sum must be positive instead.

    >>> z_less_one = ExpSum.of([(Fraction(1, 2), Fraction(3, 2)), (Fraction(1, 2), Fraction(3, 4)), (-1, Fraction(1))])
    >>> [has_nonnegative_sums(z_less_one, Fraction(0), pivots) for pivots in ((), (Fraction(1),))]
    [False, True]
    """
    exact = _at(terms, start)
    if exact is not None:
        value = sum(exact, start=Fraction(0))
        if value < 0 or (strict and value == 0):
            return False
        if not pivots:
            return _rising(exact)
    weights = [(base, BALLS.number(coefficient)) for base, coefficient in _rational(terms)]
    for order in range(len(pivots) + 1):
        sums = [weight * BALLS.number(base) ** BALLS.number(start) for base, weight in weights]
        if order == len(pivots):
            return _surely_rising(sums)
        if (order or exact is None) and not sum(sums, start=flint.arb(0)) > 0:
            return False
        pivot = pivots[order]
        weights = [(base, weight * BALLS.number(base / pivot).log()) for base, weight in weights if base != pivot]
    return False


def _at(terms: ExpSum, start: Fraction) -> list[Fraction] | None:
    """The terms at an integer strength, exactly."""
    if start.denominator != 1 or abs(start) > MAX_EXPONENT:
        return None
    return [coefficient * base ** int(start) for base, coefficient in _rational(terms)]


def _rational(terms: ExpSum) -> list[tuple[Fraction, Fraction]]:
    """The terms of a sum made from a formula, whose numbers are all rational."""
    return cast(list[tuple[Fraction, Fraction]], list(terms))


def _rising(values: Sequence[Fraction]) -> bool:
    total = Fraction(0)
    for value in values:
        total += value
        if total < 0:
            return False
    return True


def _surely_rising(values: Sequence[flint.arb]) -> bool:
    total = flint.arb(0)
    for value in values:
        total += value
        if not total > 0:
            return False
    return True


def find_pivots(terms: ExpSum, start: Fraction, strict: bool = False) -> tuple[Fraction, ...] | None:
    """The fewest pivots with which :func:`has_nonnegative_sums` holds, or ``None``: at most two, at changes of sign.

    >>> find_pivots(ExpSum.of([(2, Fraction(2)), (-3, Fraction(1)), (1, Fraction(1, 2))]), Fraction(0))
    (Fraction(2, 1),)
    """
    changes = [
        base for left, right in pairwise(_rational(terms)) if left[1] * right[1] < 0 for base in (left[0], right[0])
    ]
    candidates = list(dict.fromkeys(changes))[:8]
    for count in range(MAX_PIVOTS + 1):
        for pivots in combinations(candidates, count):
            if has_nonnegative_sums(terms, start, pivots, strict):
                return pivots
    return None


def leading(terms: ExpSum) -> tuple[Fraction, Fraction] | None:
    """Base and coefficient of the term that decides for large ``w``; ``None`` for a sum that vanishes.

    >>> leading(ExpSum.of([(-1, Fraction(2)), (3, Fraction(1))]))
    (Fraction(2, 1), -1)
    """
    return next(iter(_rational(terms)), None)


@dataclass(frozen=True, slots=True)
class Tail:
    """``c b^w`` leads, and from ``start`` on outweighs all negative terms.

    >>> find_tail(ExpSum.of([(1, Fraction(2)), (-3, Fraction(1))]), Fraction(0))
    Tail(start=Fraction(2, 1), base=Fraction(2, 1), coefficient=1)
    """

    start: Fraction
    base: Fraction
    coefficient: Fraction


def find_tail(terms: ExpSum, start: Fraction) -> Tail | None:
    """From where on the leading term decides, or ``None`` where that is negative or takes too long.

    >>> find_tail(ExpSum.of([(-1, Fraction(2)), (3, Fraction(1))]), Fraction(0)) is None
    True
    """
    first = leading(terms)
    if first is None or first[1] < 0:
        return None
    base, coefficient = first
    negative = [(-c / coefficient, b / base) for b, c in _rational(terms) if c < 0]
    for power in range(-1, FURTHEST + 1):
        begin = start + (2**power if power >= 0 else 0)
        weights = [BALLS.number(c) * BALLS.number(b) ** BALLS.number(begin) for c, b in negative]
        if sum(weights, start=flint.arb(0)) < 1:
            return Tail(begin, base, coefficient)
    return None
