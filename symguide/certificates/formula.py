"""Formulas as plain data: an arithmetic whose values are expression trees over a handful of operations.

``chain.over(FORMULAS, w)`` makes terminal laws and TV into trees of rationals, ``w``, ``u``, sums, products, quotients,
``b^w``, and divided differences ``exp_dd(…, −ln u)``: what a certificate can carry in a file, and what can be evaluated
in every other arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from symguide.errors import NotExactError
from symguide.numbers.arithmetic import Arithmetic
from symguide.numbers.number import Number, read_number

__all__ = ["FORMULAS", "Formula", "Line", "U", "W", "evaluate"]

Line: TypeAlias = tuple[Any, ...]
"""One line of a formula written out: an operation with numbers spelled exactly, or with earlier lines by number."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Formula:
    """An operation and what it applies to: numbers for ``number`` and ``power``, else formulas.

    ``number c`` is ``c``, ``power b`` is ``b^w``, ``w`` and ``u`` are themselves, ``exp_dd Λ_0 … Λ_n`` is
    ``s^n exp[−Λ_0 s, …, −Λ_n s]`` at ``s = −ln u``, so that ``exp_dd Λ`` is ``u^Λ``.

    >>> formula = 1 / (3 + W)
    >>> formula.lines
    (('number', '1'), ('number', '3'), ('w',), ('+', 1, 2), ('/', 0, 3))
    """

    operation: str
    parts: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"<Formula of {len(self.lines)} lines>"

    @property
    def lines(self) -> tuple[Line, ...]:
        """The formula as a list in which every line occurs once; the last one is its value."""
        known: dict[Line, int] = {}
        placed: dict[int, int] = {}
        stack = [self]
        while stack:
            formula = stack[-1]
            inner = [] if formula.operation in _OF_NUMBERS else formula.parts
            missing = [part for part in inner if id(part) not in placed]
            if missing:
                stack += reversed(missing)
                continue
            stack.pop()
            parts = [placed[id(part)] for part in inner] or [str(part) for part in formula.parts]
            placed[id(formula)] = known.setdefault((formula.operation, *parts), len(known))
        return tuple(known)

    @property
    def value(self) -> Fraction | None:
        """The number that it is, if it is one."""
        return self.parts[0] if self.operation == "number" else None

    def __add__(self, other: Any) -> "Formula":
        return FORMULAS.total([self, _formula(other)])

    def __radd__(self, other: Any) -> "Formula":
        return FORMULAS.total([_formula(other), self])

    def __neg__(self) -> "Formula":
        return self * -1

    def __sub__(self, other: Any) -> "Formula":
        return self + -_formula(other)

    def __rsub__(self, other: Any) -> "Formula":
        return -self + other

    def __mul__(self, other: Any) -> "Formula":
        other = _formula(other)
        if self.value is not None and other.value is not None:
            return _formula(self.value * other.value)
        if self.value == 0 or other.value == 1:
            return self
        if self.value == 1 or other.value == 0:
            return other
        return Formula("*", (self, other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Formula":
        other = _formula(other)
        return self if other.value == 1 or self.value == 0 else Formula("/", (self, other))

    def __rtruediv__(self, other: Any) -> "Formula":
        return _formula(other) / self

    def __pow__(self, exponent: int) -> "Formula":
        out = _formula(1)
        for _ in range(exponent):
            out = out * self
        return out


class _Formulas(Arithmetic):
    name = "formulas"

    def number(self, value: Number) -> Formula:
        exact = read_number(value, "number", NotExactError)
        if not isinstance(exact, Fraction):
            raise NotExactError(
                f"{value} is no rational number, so no formula in a certificate can hold it; give exact data"
            )
        return Formula("number", (exact,))

    def term(self, coefficient: Number, base: Number, w: Any) -> Formula:
        """``w`` stays open, whatever is given for it."""
        power = self.number(base)
        return self.number(coefficient) * (_formula(1) if power.value == 1 else Formula("power", power.parts))

    def exp_dd(self, nodes: Sequence[Formula], s: Any) -> Formula:
        """``s`` is ``−ln u``, whatever is given for it."""
        if len(nodes) == 1 and nodes[0].value == 0:
            return _formula(1)
        return Formula("exp_dd", tuple(nodes))

    def total(self, values: Sequence[Any]) -> Formula:
        terms = [value for value in values if value.value != 0]
        if len(terms) < 2:
            return terms[0] if terms else _formula(0)
        return Formula("+", tuple(terms))


FORMULAS: Arithmetic = _Formulas()
W = Formula("w", ())
"""The guidance strength itself."""
U = Formula("u", ())
"""The mask fraction itself."""

_OF_NUMBERS = ("number", "power")


def evaluate(lines: Sequence[Line], arithmetic: Arithmetic, point: Any, w: Any, u: Any) -> Any:
    """The value of a formula written out, in an arithmetic.

    Parameters
    ----------
    lines
        Of the formula.
    arithmetic
        Where it is evaluated.
    point
        The strength as ``arithmetic.term`` takes it.
    w, u
        Strength and mask fraction as values of the arithmetic; ``None`` where the formula does not speak of them.

    >>> from symguide.numbers.arithmetic import SYMBOLIC
    >>> from symguide.symbols import u, w
    >>> half = FORMULAS.term(Fraction(1, 2), Fraction(3), w)
    >>> evaluate(FORMULAS.exp_dd([half], None).lines, SYMBOLIC, w, w, u)
    u**(3**w/2)
    """
    values: list[Any] = []
    clock = None if u is None else -arithmetic.log(u)
    for operation, *parts in lines:
        match operation:
            case "number":
                value = arithmetic.number(Fraction(parts[0]))
            case "power":
                value = arithmetic.term(Fraction(1), Fraction(parts[0]), point)
            case "w" | "u":
                value = w if operation == "w" else u
            case "+":
                value = arithmetic.total([values[part] for part in parts])
            case "*":
                value = values[parts[0]] * values[parts[1]]
            case "/":
                value = values[parts[0]] / values[parts[1]]
            case _:
                value = arithmetic.exp_dd([values[part] for part in parts], clock)
        values.append(value)
    return values[-1]


def _formula(value: Any) -> Formula:
    return value if isinstance(value, Formula) else FORMULAS.number(value)
