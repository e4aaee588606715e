"""Two cubes in closed form, in the strength ``w`` and the number of positions ``D``.

Classes uniform on ``{0, …, n−1}^D`` and ``{n−o, …, 2n−o−1}^D``, the target being the second. Of the ``n`` tokens that
the target uses at a position, ``o`` are *shared*. While only shared tokens show, every class gives a context the same
weight, the posterior stays the prior ``a``, and with ``B = a^{−w}``

    Z = (o + (n − o) B)/n

at every masked position. The first private token settles the class; from then on positions reveal at rate 1.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import cast

from sympy import Add, Dummy, Expr, Integer, Piecewise, Rational, Sum, Tuple, binomial, factorial, log

from symguide.errors import DataError
from symguide.numbers.exp_dd import exp_dd
from symguide.numbers.number import Number, read_number, shown, to_sympy
from symguide.symbols import u, w

__all__ = ["TwoCubes"]


@dataclass(frozen=True, slots=True)
class TwoCubes:
    """Closed forms for two cubes of side ``n`` that share ``o`` tokens at each of ``D`` positions.

    Attributes
    ----------
    length
        ``D``, an integer or a symbol.
    side, overlap
        ``n`` and ``o``.
    prior
        ``a``, the prior of the target.

    References
    ----------
    The family of the five-token experiment of He, Rojas, Tao, arXiv:2506.10971 (there ``D = 5``, ``n = 3``, ``o = 1``).

    >>> from sympy import Symbol
    >>> cubes = TwoCubes(Symbol("D", integer=True, positive=True), 3, 1)
    >>> cubes.rate
    2*2**w/3 + 1/3
    >>> TwoCubes(Integer(5), 3, 1).probability(0).subs(w, 1)
    2/405
    """

    length: Expr
    side: int
    overlap: int
    prior: Number = Fraction(1, 2)

    def __post_init__(self) -> None:
        for name, value, least in (("side", self.side, 1), ("overlap", self.overlap, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise DataError(f"two cubes: {name} is {value!r}; give a whole number of at least {least}")
        if self.overlap > self.side:
            raise DataError(
                f"two cubes: overlap is {self.overlap}, but the side is {self.side}, so the cubes cannot share as "
                "much; lower it"
            )
        prior = read_number(self.prior, "two cubes: prior", DataError)
        if not isinstance(prior, Expr) and not 0 < prior < 1:
            raise DataError(f"two cubes: prior is {shown(prior)}: both classes need a positive one; give one in (0, 1)")

    @property
    def gain(self) -> Expr:
        """``B = a^{−w}``, by which a private token is revealed faster."""
        return (1 / to_sympy(self.prior)) ** w

    @property
    def rate(self) -> Expr:
        """``Z``, the rate of a position while the class is open."""
        return Rational(self.overlap, self.side) + Rational(self.side - self.overlap, self.side) * self.gain

    def probability(self, shared: object) -> Expr:
        """The terminal probability of one tuple with ``m`` shared tokens, the same under both rules.

        In ``m!/(m−j)! · (D−m) (D−j−1)!`` of the ``D!`` orders, ``j`` shared tokens show before the first private one:

            h = n^{−D} B Σ_{j=0}^{m} m!/(m−j)! (D−m) (D−j−1)!/D! · Z^{−(j+1)}    (m < D),    n^{−D} Z^{−D}    (m = D).

        >>> TwoCubes(Integer(2), 3, 1).probability(2)
        1/(9*(2*2**w/3 + 1/3)**2)
        """
        length, m = self.length, to_sympy(read_number(shared, "number of shared tokens", DataError))
        if m.is_integer is False or m.is_negative or (length - m).is_negative:
            raise DataError(f"number of shared tokens is {m}: it runs from 0 to D = {length}; correct it")
        settled = m == length
        j = Dummy("j", integer=True, nonnegative=True)
        orders = factorial(m) / factorial(m - j) * (length - m) * factorial(length - j - 1) / factorial(length)
        some = self.gain * _total(orders / self.rate ** (j + 1), (j, m))
        every = self.rate**-length
        if settled:
            return every / Integer(self.side) ** length
        if (length - m).is_positive:
            return some / Integer(self.side) ** length
        return Piecewise((every, (m - length).is_zero or m >= length), (some, True)) / Integer(self.side) ** length

    def tuples(self, shared: object) -> Expr:
        """How many tuples have ``m`` shared tokens: ``C(D, m) o^m (n−o)^{D−m}``."""
        m = to_sympy(read_number(shared, "number of shared tokens", DataError))
        return (
            binomial(self.length, m)
            * Integer(self.overlap) ** m
            * Integer(self.side - self.overlap) ** (self.length - m)
        )

    def tv(self) -> Expr:
        """``TV(P(u), P(0))`` under the rate rule.

        All tokens show by ``u`` if all are shared and came at rate ``Z``, or one is the first private one, at ``y`` on
        the way from 1 to ``u``, each of the others being shared and shown by then or coming later at rate 1:

            1 − (c (1 − u^Z))^D − D g ∫_u^1 y^{Z−1} [c (1 − y^Z) + y^Z − y^{Z−1} u]^{D−1} dy

        with ``c = o/(nZ)`` and ``g = (n−o) B/n``. The integral of every term of the expanded power is elementary.

        >>> tv = TwoCubes(Integer(2), 3, 1).tv()
        >>> round(float(tv.subs({w: 1, u: Rational(1, 2)})), 6)
        0.643562
        """
        length, rate = self.length, self.rate
        chance = Rational(self.overlap, self.side) / rate
        i, j = (Dummy(name, integer=True, nonnegative=True) for name in "ij")
        rest = length - 1 - i - j
        ways = factorial(length - 1) / (factorial(i) * factorial(j) * factorial(rest))
        # ∫_u^1 y^{p−1} dy, whatever the sign of p.
        area = exp_dd(Tuple(Integer(0), (1 + i + j) * rate - j), -log(u))
        term = ways * chance**rest * (1 - chance) ** i * (-u) ** j * area
        settled = length * Rational(self.side - self.overlap, self.side) * self.gain
        return 1 - (chance * (1 - u**rate)) ** length - settled * _total(term, (i, length - 1 - j), (j, length - 1))


def _total(term: Expr, *ranges: tuple[Dummy, Expr]) -> Expr:
    """A sum from 0 on, written out where its ranges are numbers; the innermost range comes first."""
    if not ranges:
        return term
    *inner, (index, last) = ranges
    if not last.is_Integer:
        return cast(Expr, Sum(term, *((i, 0, end) for i, end in ranges)))

    def at(expression: Expr, k: int) -> Expr:
        return cast(Expr, expression.xreplace({index: Integer(k)}))

    return Add(*(_total(at(term, k), *((i, at(end, k)) for i, end in inner)) for k in range(int(last) + 1)))
