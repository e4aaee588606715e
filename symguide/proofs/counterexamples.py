"""Formulas on a concrete instance: laws for their token probabilities, values for their symbols and functions.

A formula that is false there is refuted. One that is true there is not proved by it.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

from sympy import Add, Integer, Integral, Lambda, Limit, Rational, Sum, Symbol, Tuple, log
from sympy.core.function import AppliedUndef

from symguide.chains.family import MASK_SYMBOL, PositionRate, TokenProbability, vocabulary_size
from symguide.laws.law import TableLaw
from symguide.numbers.number import to_sympy
from symguide.proofs.meaning import Meaning, unfold
from symguide.symbols import s, u, w

__all__ = ["Trial", "tried"]

_TOKENS = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """What a formula says of an instance.

    Attributes
    ----------
    sides
        The numbers on its two sides; ``None`` where one has none.
    where
        The values of its symbols, in words.

    >>> Trial(None, "").sides
    """

    sides: tuple[Any, Any] | None
    where: str


@dataclass(frozen=True)
class _Point:
    """Values of the free symbols of a formula, and laws of ``D`` tokens for its token probabilities."""

    values: Mapping[Any, Any]
    conditional: TableLaw
    unconditional: TableLaw

    def sentence(self, relation: Any) -> str:
        shown = [f"{key} = {value}" for key, value in self.values.items() if relation.has(key)]
        return " at " + ", ".join(shown) if shown else ""

    def probability(self, position: Any, token: Any, context: Any, conditional: Any) -> Any:
        law = self.conditional if conditional == 1 else self.unconditional
        shown = tuple(None if value == MASK_SYMBOL else int(value) for value in context)
        return to_sympy(law.conditional(shown, int(position) - 1)[int(token)])

    def rate(self, position: Any, context: Any) -> Any:
        laws = [[self.probability(position, v, context, k) for v in range(_TOKENS)] for k in (1, 0)]
        strength = self.values[w]
        return Add(*(p ** (1 + strength) * q**-strength for p, q in zip(*laws, strict=True)))


def tried(relation: Any, meaning: Meaning) -> Trial:
    """Both sides of a relation as numbers, on an instance that satisfies the assumptions of its meaning.

    Names are opened and the example of the meaning is used; whatever is left gets a value of its own.

    >>> from sympy import Eq
    >>> tried(Eq(u, u**2), Meaning())
    Trial(sides=(1/3, 1/9), where=' at u = 1/3')
    """
    point = _point(relation, meaning)
    return Trial(_sides(relation, point, meaning), point.sentence(relation))


def _point(relation: Any, meaning: Meaning) -> _Point:
    parts = [*meaning.functions.values(), *meaning.rules.items(), *meaning.sums.items(), *meaning.example.values()]
    whole = Tuple(relation, *(Tuple(*part) if isinstance(part, tuple) else part for part in parts))
    contexts = [atom.args[-1] for atom in whole.atoms(PositionRate)] + [
        x.args[2] for x in whole.atoms(TokenProbability)
    ]
    length = max((len(context) for context in contexts), default=1)
    tokens = list(product(range(_TOKENS), repeat=length))
    weights = [[Fraction(1 + (5 * i * i + k * i + 3 * k) % 11) for i in range(len(tokens))] for k in (1, 4)]
    laws = [TableLaw(_TOKENS, length, {x: v / sum(row) for x, v in zip(tokens, row, strict=True)}) for row in weights]
    mixture = TableLaw.mixture([(Fraction(2, 5), laws[0]), (Fraction(3, 5), laws[1])])
    values: dict[Any, Any] = {w: Rational(3, 2), u: Rational(1, 3), s: log(3), vocabulary_size: Integer(_TOKENS)}
    free = sorted(whole.free_symbols - values.keys() - {MASK_SYMBOL}, key=str)
    for number, item in enumerate(free):
        if item.is_integer:
            values[item] = Integer(2 + number % 2 if item.is_positive else number % _TOKENS)
        else:
            values[item] = Rational(number + 2, number + 5)
    values |= {key: value for key, value in meaning.example.items() if isinstance(key, Symbol)}
    return _Point(values, laws[0], mixture)


def _sides(relation: Any, point: _Point, meaning: Meaning) -> tuple[Any, Any] | None:
    # Names are opened; a rule between token laws, such as Bayes', is not used but put to the test.
    rules = {key: value for key, value in meaning.rules.items() if isinstance(key, Symbol | AppliedUndef)}
    examples = {key: value for key, value in meaning.example.items() if isinstance(value, Lambda)}
    names = replace(meaning, functions={**meaning.functions, **examples}, rules=rules)
    sides = Tuple(*(unfold(side, names) for side in relation.args))
    if sides.has(Limit):
        return None
    sides = sides.subs(dict(point.values)).replace(Sum, lambda function, *limits: _spelled(function, limits))
    sides = sides.replace(TokenProbability, point.probability).replace(PositionRate, point.rate)
    rest = sorted(sides.atoms(AppliedUndef), key=str)
    exact = sides.xreplace({item: Rational(i + 3, i + 7) for i, item in enumerate(rest)})
    exact = exact.replace(Integral, lambda function, *limits: Integral(function, *limits).doit())
    left, right = (side if side.is_Rational else side.evalf(40) for side in exact.args)
    return (left, right) if all(x.is_Number and x.is_finite for x in (left, right)) else None


def _spelled(function: Any, limits: Sequence[Any]) -> Any:
    for variable, low, high in limits:
        function = Add(*(function.subs(variable, value) for value in range(int(low), int(high) + 1)))
    return function
