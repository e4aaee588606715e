r"""Truncated power series as one more arithmetic: the Taylor coefficients of every formula, with no second formula.

A jet ``c_0 + c_1 δ + … + c_n δ^n`` stands for a quantity at ``w_0 + δ``. Its coefficients live in another arithmetic,
so ``chain.over(Jets(SYMBOLIC, 3), 0)`` carries logarithms exactly, and over balls the coefficients are enclosed: at a
point, or on a whole interval of ``w_0``, which is what Lagrange's remainder asks for.

    c b^{w_0 + δ} = c b^{w_0} Σ_k (ln b)^k/k! · δ^k,
    exp_dd((Λ_0 + ε_0, …, Λ_n + ε_n), s) = Σ_k Π_j (−ε_j)^{k_j} · exp_dd((Λ_0 repeated k_0 + 1, …), s),

the second because ``exp_dd`` is entire in its nodes and a derivative repeats a node.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symguide.errors import SymguideError
from symguide.numbers.arithmetic import Arithmetic
from symguide.numbers.number import Number

__all__ = ["Jet", "Jets"]


@dataclass(frozen=True, slots=True, eq=False)
class Jet:
    """``Σ_k c_k δ^k``, cut off after the last coefficient.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> x = Jet((Fraction(1), Fraction(1), Fraction(0)), RATIONAL)
    >>> (1 / x).coefficients
    (Fraction(1, 1), Fraction(-1, 1), Fraction(1, 1))
    """

    coefficients: tuple[Any, ...]
    arithmetic: Arithmetic
    """What the coefficients are."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        left, right = self.coefficients, self._coerced(other)
        return all(bool(a == b) for a, b in zip(left, right, strict=True))

    def __add__(self, other: Any) -> "Jet":
        return self._of(a + b for a, b in zip(self.coefficients, self._coerced(other), strict=True))

    __radd__ = __add__

    def __neg__(self) -> "Jet":
        return self._of(-a for a in self.coefficients)

    def __sub__(self, other: Any) -> "Jet":
        return self._of(a - b for a, b in zip(self.coefficients, self._coerced(other), strict=True))

    def __rsub__(self, other: Any) -> "Jet":
        return -self + other

    def __mul__(self, other: Any) -> "Jet":
        if not isinstance(other, Jet):
            factor = self._number(other)
            return self._of(a * factor for a in self.coefficients)
        left, right = self.coefficients, other.coefficients
        return self._of(self._sum([left[j] * right[k - j] for j in range(k + 1)]) for k in range(len(left)))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Jet":
        if not isinstance(other, Jet):
            divisor = self._number(other)
            return self._of(a / divisor for a in self.coefficients)
        head, *tail = other.coefficients
        out: list[Any] = []
        for k, value in enumerate(self.coefficients):
            out.append((value - self._sum([tail[j - 1] * out[k - j] for j in range(1, k + 1)])) / head)
        return self._of(out)

    def __rtruediv__(self, other: Any) -> "Jet":
        return self._of(self._coerced(other)) / self

    def __pow__(self, exponent: Any) -> "Jet":
        """A power with constant exponent: ``x_0 y_k = Σ_j (e j/k − 1 + j/k) x_j y_{k−j}`` for ``y = x^e``."""
        if isinstance(exponent, Jet):
            exponent = exponent.constant()
        if isinstance(exponent, int) and exponent >= 0:
            out = self._of(self._coerced(1))
            for _ in range(exponent):
                out = out * self
            return out
        x, e = self.coefficients, self._number(exponent)
        y = [x[0] ** e]
        for k in range(1, len(x)):
            terms = [(e * j + (j - k)) * x[j] * y[k - j] / k for j in range(1, k + 1)]
            y.append(self._sum(terms) / x[0])
        return self._of(y)

    def __abs__(self) -> "Jet":
        """``|x|`` near a point where the sign of ``x`` is known.

        Raises
        ------
        SymguideError
            Where the constant term vanishes or its sign is open: there the absolute value has no Taylor series.
        """
        head = self.coefficients[0]
        if _surely(head > 0):
            return self
        if _surely(head < 0):
            return -self
        if self == 0:
            return self
        raise SymguideError(
            f"absolute value of a series that starts with {head}: its sign is not known, so there is no Taylor series; "
            "take another centre"
        )

    def log(self) -> "Jet":
        """``ln x``, from ``x (ln x)' = x'``.

        >>> from symguide.numbers.arithmetic import SYMBOLIC
        >>> from sympy import Integer
        >>> Jet((Integer(1), Integer(1), Integer(0)), SYMBOLIC).log().coefficients
        (0, 1, -1/2)
        """
        head, *tail = self.coefficients
        out = [self.arithmetic.log(head)]
        for k in range(1, len(self.coefficients)):
            rest = self._sum([out[j] * tail[k - j - 1] * j / k for j in range(1, k)])
            out.append((tail[k - 1] - rest) / head)
        return self._of(out)

    @property
    def is_constant(self) -> bool:
        """Whether all coefficients but the first are zero."""
        return all(bool(value == 0) for value in self.coefficients[1:])

    def constant(self) -> Any:
        """The constant term of a jet that is one.

        Raises
        ------
        SymguideError
            For any other.

        >>> from symguide.numbers.arithmetic import RATIONAL
        >>> Jet((Fraction(2), Fraction(0)), RATIONAL).constant()
        Fraction(2, 1)
        """
        if not self.is_constant:
            raise SymguideError(f"series {self.coefficients} varies, where a constant belongs; give a number")
        return self.coefficients[0]

    def _of(self, coefficients: Any) -> "Jet":
        return Jet(tuple(coefficients), self.arithmetic)

    def _number(self, value: Any) -> Any:
        return self.arithmetic.number(value) if isinstance(value, Fraction) else value

    def _coerced(self, value: Any) -> tuple[Any, ...]:
        if isinstance(value, Jet):
            return value.coefficients
        zero = self.arithmetic.number(Fraction(0))
        return (self._number(value) + zero, *[zero] * (len(self.coefficients) - 1))

    def _sum(self, values: list[Any]) -> Any:
        return self.arithmetic.total(values)


class Jets(Arithmetic):
    """Power series in ``w − w_0`` up to an order, with coefficients in another arithmetic.

    >>> from symguide.numbers.arithmetic import SYMBOLIC
    >>> Jets(SYMBOLIC, 2).term(Fraction(1, 3), Fraction(2), 0).coefficients
    (1/3, log(2)/3, log(2)**2/6)
    """

    def __init__(self, base: Arithmetic, order: int) -> None:
        if isinstance(order, bool) or not isinstance(order, int) or order < 0:
            raise SymguideError(f"order is {order!r}: a Taylor polynomial has an order of 0 or more; give a whole one")
        self.base = base
        self.order = order
        self.name = f"jets of order {order} over {base.name}"

    def number(self, value: Number) -> Jet:
        return self.constant(self.base.number(value))

    def constant(self, value: Any) -> Jet:
        """A value of the base, whatever ``δ``."""
        zero = self.base.number(Fraction(0))
        return Jet((value, *[zero] * self.order), self.base)

    def term(self, coefficient: Number, base: Number, w: Any) -> Jet:
        head = self.base.term(coefficient, base, w)
        if base == 1 or self.order == 0:
            return self.constant(head)
        slope = self.base.log(self.base.number(base))
        out = [head]
        for k in range(1, self.order + 1):
            out.append(out[-1] * slope / k)
        return Jet(tuple(out), self.base)

    def log(self, value: Jet) -> Jet:
        return value.log()

    def total(self, values: Sequence[Any]) -> Jet:
        columns = zip(*(value.coefficients for value in values), strict=True)
        return Jet(tuple(map(self.base.total, columns)), self.base) if len(values) else self.number(Fraction(0))

    def exp_dd(self, nodes: Sequence[Jet], s: Any) -> Jet:
        return self.exp_dds(nodes, [tuple(range(len(nodes)))], s)[0]

    def exp_dds(self, rates: Sequence[Jet], needed: Sequence[tuple[int, ...]], s: Any) -> Sequence[Jet]:
        """``s`` is a value of the base, or itself a jet: then ``exp_dd(Λ, s) = s^n exp_dd(Λ s, 1)``."""
        if isinstance(s, Jet) and s.is_constant:
            s = s.coefficients[0]
        if isinstance(s, Jet):
            values = self.exp_dds([rate * s for rate in rates], needed, self.base.number(Fraction(1)))
            return [value * s ** (len(nodes) - 1) for nodes, value in zip(needed, values, strict=True)]
        shifts = [self._powers(rate) for rate in rates]
        one = self.number(Fraction(1))
        spread = {nodes: list(self._spread(nodes, shifts, one, self.order)) for nodes in dict.fromkeys(needed)}
        repeated = list(dict.fromkeys(longer for terms in spread.values() for longer, _ in terms))
        heads = [rate.coefficients[0] for rate in rates]
        known = dict(zip(repeated, self.base.exp_dds(heads, repeated, s), strict=True))
        sums = {
            nodes: self.total([shift * known[longer] for longer, shift in terms]) for nodes, terms in spread.items()
        }
        return [sums[nodes] for nodes in needed]

    def _powers(self, rate: Jet) -> list[Jet]:
        """``(−ε)^k`` for ``k = 1 … order``, where ``ε`` is the rate without its constant term; none if that is zero."""
        if rate.is_constant:
            return []
        shift = Jet((self.base.number(Fraction(0)), *(-value for value in rate.coefficients[1:])), self.base)
        out = [shift]
        while len(out) < self.order:
            out.append(out[-1] * shift)
        return out

    def _spread(
        self, nodes: tuple[int, ...], shifts: Sequence[Sequence[Jet]], one: Jet, left: int
    ) -> Iterator[tuple[tuple[int, ...], Jet]]:
        """Nodes with up to ``left`` repetitions, each with its product of powers of shifts."""
        if not nodes:
            yield (), one
            return
        first, *rest = nodes
        for k in range(min(left, len(shifts[first])) + 1):
            for longer, product in self._spread(tuple(rest), shifts, one, left - k):
                yield (first,) * (k + 1) + longer, shifts[first][k - 1] * product if k else product


def _surely(condition: Any) -> bool:
    """Whether a comparison of any arithmetic holds; one that SymPy leaves open does not."""
    return condition in (True,)
