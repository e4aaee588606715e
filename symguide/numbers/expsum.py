"""Exponential sums in the guidance strength: what every intensity and every exit rate is."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from sympy import Expr, cancel, default_sort_key

from symguide.errors import NotExactError
from symguide.numbers.arithmetic import SYMBOLIC, Arithmetic
from symguide.numbers.number import Number, is_exact, shown, to_sympy, total

__all__ = ["ExpSum", "Quotient"]


@dataclass(frozen=True, slots=True)
class ExpSum:
    """``Σ_j c_j b_j^w`` with distinct positive bases ``b_j``, largest first, and coefficients ``c_j ≠ 0``.

    An intensity of a guided chain is one term, an exit rate a sum. The functions ``b ↦ b^w`` are linearly independent,
    so for rational data two sums are equal for all ``w`` exactly when their terms are.

    >>> ExpSum.of([(1, Fraction(4, 3)), (2, Fraction(1)), (1, Fraction(4, 3))]).terms
    ((Fraction(4, 3), 2), (Fraction(1, 1), 2))
    """

    terms: tuple[tuple[Number, Number], ...]
    """Pairs (base, coefficient)."""

    @classmethod
    def of(cls, terms: Iterable[tuple[Number, Number]]) -> "ExpSum":
        """From pairs (coefficient, base); equal bases are gathered."""
        gathered: dict[Number, list[Number]] = defaultdict(list)
        for coefficient, base in terms:
            gathered[base].append(coefficient)
        summed = [(base, total(values)) for base, values in gathered.items()]
        return cls(tuple(sorted((pair for pair in summed if pair[1] != 0), key=_term_key)))

    @classmethod
    def constant(cls, value: Number) -> "ExpSum":
        """``value``, whatever ``w``."""
        return cls.of([(value, Fraction(1))])

    @classmethod
    def sum(cls, parts: Iterable["ExpSum"]) -> "ExpSum":
        """The sum of several, gathered once."""
        return cls.of((coefficient, base) for part in parts for base, coefficient in part.terms)

    def __iter__(self) -> Iterator[tuple[Number, Number]]:
        return iter(self.terms)

    def __add__(self, other: "ExpSum") -> "ExpSum":
        return ExpSum.sum((self, other))

    def __mul__(self, other: "ExpSum") -> "ExpSum":
        return ExpSum.of((c * d, a * b) for a, c in self.terms for b, d in other.terms)

    @property
    def is_constant(self) -> bool:
        """Whether ``w`` does not matter."""
        return all(base == 1 for base, _ in self.terms)

    @property
    def rational_terms(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """The terms, where all bases and coefficients are rational.

        Raises
        ------
        NotExactError
            Where one is not.
        """
        for pair in self.terms:
            for part in pair:
                if not isinstance(part, Fraction):
                    raise NotExactError(
                        f"{shown(part)} is no rational number, so bases cannot be compared exactly; "
                        "convert floats by Fraction(x).limit_denominator(10**12), and substitute rationals for symbols"
                    )
        return cast("tuple[tuple[Fraction, Fraction], ...]", self.terms)

    @property
    def is_exact(self) -> bool:
        """Whether no float stands in it."""
        return all(is_exact(base) and is_exact(coefficient) for base, coefficient in self.terms)

    def at(self, arithmetic: Arithmetic, w: Any) -> Any:
        """The value at strength ``w`` in an arithmetic."""
        return arithmetic.total([arithmetic.term(coefficient, base, w) for base, coefficient in self.terms])

    def expression(self, w: Expr) -> Expr:
        """As a SymPy expression.

        >>> from symguide.symbols import w
        >>> ExpSum.of([(Fraction(1, 3), Fraction(2))]).expression(w)
        2**w/3
        """
        return self.at(SYMBOLIC, w)

    def equals(self, other: "ExpSum") -> bool | None:
        """Whether both are the same function of ``w``; ``None`` where symbols leave that open.

        >>> ExpSum.constant(Fraction(1)).equals(ExpSum.constant(Fraction(2)))
        False
        """
        if self.terms == other.terms:
            return True
        difference = ExpSum.of([(c, b) for b, c in self.terms] + [(-c, b) for b, c in other.terms])
        if not any(isinstance(part, Expr) for pair in difference.terms for part in pair):
            return False
        rest = ExpSum.of((cancel(to_sympy(c)), cancel(to_sympy(b))) for b, c in difference.terms)
        return True if not rest.terms else None


@dataclass(frozen=True, slots=True)
class Quotient:
    """``numerator / denominator`` of two exponential sums: an intensity of the normalised rule, ``q_i(v) / Z_i``.

    >>> from symguide.symbols import w
    >>> one = ExpSum.constant(Fraction(1))
    >>> Quotient(one, ExpSum.of([(1, Fraction(2)), (1, Fraction(1))])).expression(w)
    1/(2**w + 1)
    """

    numerator: ExpSum
    denominator: ExpSum

    def at(self, arithmetic: Arithmetic, w: Any) -> Any:
        """The value at strength ``w`` in an arithmetic."""
        if len(self.numerator.terms) != 1:
            return self.numerator.at(arithmetic, w) / self.denominator.at(arithmetic, w)
        # Relative to its numerator the denominator overflows only where the quotient vanishes.
        ((base, coefficient),) = self.numerator.terms
        relative = ExpSum.of((c / coefficient, b / base) for b, c in self.denominator.terms)
        return 1 / relative.at(arithmetic, w)

    def expression(self, w: Expr) -> Expr:
        """As a SymPy expression, numerator over denominator."""
        return self.numerator.expression(w) / self.denominator.expression(w)


def _term_key(pair: tuple[Number, Number]) -> tuple[int, Any, Any]:
    base = pair[0]
    return (1, 0, default_sort_key(base)) if isinstance(base, Expr) else (0, -base, ())
