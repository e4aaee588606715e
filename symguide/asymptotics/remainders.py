"""Large ``w`` as one more arithmetic: exponential sums with a remainder that is bounded from a stated ``w_0`` on.

    ``f(w) = Σ_j c_j b_j^w + R(w)``,  ``|R(w)| ≤ r β^w`` for every ``w ≥ w_0``.

Sums and products of such functions are again such functions; quotients by the geometric series: with
``D = c b^w (1 + ε)`` and ``|ε| ≤ e(w) ≤ 1/2`` for ``w ≥ w_0``,

    ``1/(1 + ε) = Σ_{k≤K} (−ε)^k + R``,  ``|R| = |ε|^{K+1} / |1 + ε| ≤ 2 e(w)^{K+1}``.

Bases are rational and compared exactly, so ties are seen and cancelled terms are gone; a quotient whose leading term is
not known for certain is refused. All that a chain computes by ``+ − × ÷`` runs in this arithmetic as it stands.

SymPy's ``gruntz`` gives limits only, and its ``series`` at infinity writes bases as quotients of logarithms, does not
gather them, takes seconds for a quotient of two terms, and states no constant in its ``O``. SageMath's asymptotic ring
has error terms with constants, and comes only with all of SageMath. Neither is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import flint
import numpy as np

from symguide.asymptotics.brackets import nonnegative_from
from symguide.chains.chain import Chain
from symguide.errors import NotExactError
from symguide.numbers.arithmetic import BALLS, Arithmetic
from symguide.numbers.expsum import ExpSum
from symguide.numbers.number import Number

__all__ = ["Asymptotic", "LargeStrength", "LogAsymptotic", "at_large_strength"]

_ZERO = ExpSum(())


@dataclass(frozen=True, slots=True)
class Asymptotic:
    """``main + R`` with ``|R| ≤ remainder`` for ``w ≥ start``.

    Attributes
    ----------
    main
        The terms that are known, all of larger base than the remainder.
    remainder
        One term with a positive coefficient, or none where ``main`` is exact.
    start
        ``w_0``, an integer.
    order
        How many terms are kept.

    >>> three, two, one = (Asymptotic.exact(ExpSum.of([(Fraction(1), Fraction(b))]), order=2) for b in (3, 2, 1))
    >>> quotient = (two + one) / (three + two)
    >>> quotient.main.terms
    ((Fraction(2, 3), Fraction(1, 1)), (Fraction(4, 9), Fraction(-1, 1)))
    >>> [(base, round(float(size), 2)) for base, size in quotient.remainder], quotient.start
    ([(Fraction(1, 3), 3.31)], Fraction(2, 1))
    """

    main: ExpSum
    remainder: ExpSum
    start: Fraction
    order: int

    @classmethod
    def exact(cls, value: ExpSum, order: int) -> "Asymptotic":
        """An exponential sum; what is beyond ``order`` terms is counted as remainder."""
        return _kept(value, _ZERO, Fraction(0), order)

    @property
    def leading(self) -> tuple[Fraction, Fraction]:
        """``(base, coefficient)`` of the leading term.

        Raises
        ------
        NotExactError
            Where all known terms have cancelled.
        """
        if not self.main.terms:
            raise NotExactError(
                f"all terms above the remainder have cancelled at order {self.order}, so the leading term is unknown; "
                "raise the order"
            )
        return self.main.rational_terms[0]

    def enclosure(self, w: Fraction) -> flint.arb:
        """A ball that holds ``f(w)``, for ``w ≥ start``."""
        assert w >= self.start, f"w = {w} is below w_0 = {self.start}, where the remainder is not bounded"
        bound = self.remainder.at(BALLS, w)
        return self.main.at(BALLS, w) + bound * flint.arb(0, 1)

    def __add__(self, other: "Asymptotic") -> "Asymptotic":
        return _total([self, other])

    def __neg__(self) -> "Asymptotic":
        return Asymptotic(_times(self.main, Fraction(-1)), self.remainder, self.start, self.order)

    def __sub__(self, other: "Asymptotic") -> "Asymptotic":
        return _total([self, -other])

    def __mul__(self, other: "Asymptotic") -> "Asymptotic":
        errors = [
            _absolute(self.main) * other.remainder,
            _absolute(other.main) * self.remainder,
            self.remainder * other.remainder,
        ]
        start, order = max(self.start, other.start), min(self.order, other.order)
        return _kept(self.main * other.main, ExpSum.sum(errors), start, order)

    def __truediv__(self, other: "Asymptotic") -> "Asymptotic":
        return self * other.reciprocal()

    def __rtruediv__(self, other: int) -> "Asymptotic":
        return _times_number(self.reciprocal(), Fraction(other))

    def reciprocal(self) -> "Asymptotic":
        """``1/f``."""
        base, coefficient = self.leading
        scale = ExpSum.of([(1 / coefficient, 1 / base)])
        deviation, bound = self._deviation(scale)
        one = Asymptotic.exact(ExpSum.constant(Fraction(1)), self.order)
        series = one
        for _ in range(self.order):
            series = one - deviation * series
        tail = _times(_power(bound, self.order + 1), Fraction(2))
        series = _kept(series.main, series.remainder + tail, deviation.start, self.order)
        return _kept(series.main * scale, series.remainder * _absolute(scale), series.start, self.order)

    def logarithm(self) -> "LogAsymptotic":
        """``ln f = w ln b + ln c + ln(1 + ε)`` of a function with positive leading coefficient ``c``.

        ``ln(1 + ε) = Σ_{k≤K} (−1)^{k+1} ε^k/k + R`` with ``|R| ≤ 2 e^{K+1}/(K + 1)``.
        """
        base, coefficient = self.leading
        if coefficient < 0:
            raise NotExactError(
                f"the leading coefficient is {coefficient}, so the function is negative for large w and has no "
                "logarithm; take that of its negative"
            )
        deviation, bound = self._deviation(ExpSum.of([(1 / coefficient, 1 / base)]))
        series = Asymptotic.exact(_ZERO, self.order)
        for k in range(self.order, 0, -1):
            inverse = Asymptotic.exact(ExpSum.constant(Fraction(1, k)), self.order)
            series = deviation * (inverse - series)
        tail = _times(_power(bound, self.order + 1), Fraction(2, self.order + 1))
        rest = _kept(series.main, series.remainder + tail, deviation.start, self.order)
        return LogAsymptotic(base, coefficient, rest)

    def _deviation(self, scale: ExpSum) -> tuple["Asymptotic", ExpSum]:
        """``ε`` with ``f·scale = 1 + ε``, from where on it is at most 1/2, and one term that bounds it there."""
        rest = ExpSum.sum([self.main * scale, ExpSum.constant(Fraction(-1))])
        error = self.remainder * _absolute(scale)
        bound = _absolute(rest) + error
        half = ExpSum.sum([ExpSum.constant(Fraction(1)), _times(bound, Fraction(-2))])
        start = max(self.start, nonnegative_from(half))
        return _kept(rest, error, start, self.order), _merged(bound, start)


@dataclass(frozen=True, slots=True)
class LogAsymptotic:
    """``ln f(w) = w ln base + ln coefficient + rest(w)``, where ``rest`` vanishes as ``w → ∞``.

    >>> value = Asymptotic.exact(ExpSum.of([(Fraction(1, 2), Fraction(2)), (Fraction(1, 2), Fraction(1))]), order=2)
    >>> value.logarithm().rest.main.terms
    ((Fraction(1, 2), Fraction(1, 1)), (Fraction(1, 4), Fraction(-1, 2)))
    """

    base: Fraction
    coefficient: Fraction
    rest: Asymptotic

    def enclosure(self, w: Fraction) -> flint.arb:
        """A ball that holds ``ln f(w)``, for ``w ≥ rest.start``."""
        logs = [BALLS.number(value).log() for value in (self.base, self.coefficient)]
        return BALLS.number(w) * logs[0] + logs[1] + self.rest.enclosure(w)


class LargeStrength(Arithmetic):
    """The arithmetic of functions of ``w → ∞``, to some number of terms.

    >>> LargeStrength(3).term(Fraction(1, 3), Fraction(2), None).leading
    (Fraction(2, 1), Fraction(1, 3))
    """

    name = "large w"

    def __init__(self, order: int) -> None:
        if order < 1:
            raise NotExactError(f"order is {order}: an expansion needs a leading term; give 1 or more")
        self.order = order

    def number(self, value: Number) -> Asymptotic:
        """A constant."""
        return self.term(value, Fraction(1), None)

    def term(self, coefficient: Number, base: Number, w: Any) -> Asymptotic:
        """``c b^w`` as a function of ``w``, whatever ``w`` was given."""
        return Asymptotic.exact(ExpSum.of([(coefficient, base)]), self.order)

    def exp_dd(self, nodes: Sequence[Asymptotic], s: Any) -> Any:
        """Refused: powers ``u^{b^w}`` are no exponential sums."""
        raise NotExactError(
            "powers of u with growing exponents are no exponential sums in w; use the bounds of the regime"
        )

    def log(self, value: Asymptotic) -> Any:
        """The expansion of a logarithm, which is no value of this arithmetic."""
        return value.logarithm()

    def total(self, values: Sequence[Asymptotic] | np.ndarray) -> Asymptotic:
        """The sum of several, cut once."""
        return _total(list(values)) if len(values) else self.number(Fraction(0))


def at_large_strength(chain: Chain[Any], order: int) -> Chain[Asymptotic]:
    """A chain of exponential sums with its values expanded at ``w → ∞``, to ``order`` terms each.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> chain = at_large_strength(guided_chain(guidance(load("squares-overlap"))), 3)
    >>> law = dict(zip(chain.states, chain.jump_law(), strict=True))
    >>> law[2, 2].leading, law[4, 4].leading
    ((Fraction(1, 4), Fraction(1, 4)), (Fraction(1, 1), Fraction(1, 6)))
    """
    arithmetic = LargeStrength(order)
    for rate in chain.exit_rates:
        rate.rational_terms  # refuses floats and symbols  # noqa: B018
    return chain.map(lambda rate: rate.at(arithmetic, None), arithmetic)


def _total(values: Sequence[Asymptotic]) -> Asymptotic:
    main, errors = ExpSum.sum(value.main for value in values), ExpSum.sum(value.remainder for value in values)
    return _kept(main, errors, max(v.start for v in values), min(v.order for v in values))


def _kept(main: ExpSum, errors: ExpSum, start: Fraction, order: int) -> Asymptotic:
    """The first terms above the remainder; the others join it."""
    floor = errors.rational_terms[0][0] if errors.terms else Fraction(0)
    known = [(c, b) for b, c in main.rational_terms if b > floor]
    lost = [(abs(c), b) for b, c in main.rational_terms if b <= floor] + [(abs(c), b) for c, b in known[order:]]
    remainder = _merged(ExpSum.sum([errors, ExpSum.of(lost)]), start)
    return Asymptotic(ExpSum.of(known[:order]), remainder, start, order)


def _merged(positive: ExpSum, start: Fraction) -> ExpSum:
    """One term that is at least a sum of positive terms for ``w ≥ start``: ``Σ_j k_j (β_j/β)^start · β^w``."""
    terms = positive.rational_terms
    if len(terms) < 2:
        return positive if not terms else ExpSum.of([(_rounded_up(terms[0][1]), terms[0][0])])
    largest = terms[0][0]
    with flint.ctx.workprec(64):
        size = BALLS.total([BALLS.term(k, base / largest, start) for base, k in terms])
        man, exp = size.upper().man_exp()
    return ExpSum.of([(_rounded_up(Fraction(int(man)) * Fraction(2) ** int(exp)), largest)])


def _rounded_up(value: Fraction, bits: int = 32) -> Fraction:
    """A number of few digits that is no smaller."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) <= bits:
        return value
    unit = Fraction(2) ** (value.numerator.bit_length() - value.denominator.bit_length() - bits)
    return ceil(value / unit) * unit


def _absolute(value: ExpSum) -> ExpSum:
    return ExpSum.of((abs(c), b) for b, c in value.rational_terms)


def _times(value: ExpSum, factor: Fraction) -> ExpSum:
    return ExpSum.of((c * factor, b) for b, c in value.rational_terms)


def _times_number(value: Asymptotic, factor: Fraction) -> Asymptotic:
    return value if factor == 1 else value * Asymptotic.exact(ExpSum.constant(factor), value.order)


def _power(term: ExpSum, exponent: int) -> ExpSum:
    """A power of one term or none."""
    return ExpSum.of((c**exponent, b**exponent) for b, c in term.rational_terms)
