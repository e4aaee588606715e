"""Finite sums with symbolic ranges: split, named, exchanged, and told to cancel.

``Σ_i a(i) Σ_j b(j)`` is ``Σ_{i,j} a(i) b(j)``, in either order of the indices and whatever they are called. Sums over
tokens, positions, contexts and sets of positions are all of this kind; their ranges may be symbols.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import permutations, product
from typing import Any, TypeAlias

from sympy import Add, Dummy, Expr, Integer, Mul, Pow, Sum, Tuple, cancel, expand, factor, fraction, together
from sympy.core.function import AppliedUndef

from symguide.chains.family import PositionRate, TokenProbability, vocabulary_size

__all__ = ["cancels", "expanded", "split"]

_INDEX = Dummy("v", integer=True, nonnegative=True)
_EVERY = Tuple(_INDEX, 0, vocabulary_size - 1)

Range: TypeAlias = tuple[Any, Any]
Form: TypeAlias = tuple[Any, tuple[tuple[Any, Any, Any], ...]]
"""A summand and what it is summed over."""


def cancels(expression: Any, named: Iterable[tuple[Any, Any]] = ()) -> bool:
    """Whether an expression is zero identically, powers with different exponents and opaque sums taken as unknowns.

    Parameters
    ----------
    expression
        With sums, nested ones too, whose ranges do not depend on one another.
    named
        Pairs of a sum and what it equals.

    >>> from sympy import Function, Symbol
    >>> i, j, n = (Symbol(name, integer=True, positive=True) for name in "ijn")
    >>> a, b = Function("a"), Function("b")
    >>> cancels(Sum(a(i), (i, 1, n)) * Sum(b(i), (i, 1, n)) - Sum(Sum(b(i) * a(j), (j, 1, n)), (i, 1, n)))
    True
    >>> cancels(Sum(a(i) * b(i), (i, 1, n)) - Sum(a(i), (i, 1, n)) * Sum(b(i), (i, 1, n)))
    False
    """
    names = {_range(total): value for total, value in named}
    expression = _sums(_sums(expression, names), names)  # what a sum equals may have sums with names
    if _is_zero(expression):
        return True
    gathered = _sums(_gathered(expression), names)
    return (gathered != expression and _is_zero(gathered)) or _cancels_under_sums(expression)


def expanded(expression: Any) -> Any:
    """Powers and products multiplied out, denominators that are sums left whole.

    >>> from symguide.symbols import s, u
    >>> expanded(u * (1 + s) / (1 + u))
    s*u/(u + 1) + u/(u + 1)
    """
    sums = {part for part in expression.atoms(Pow) if isinstance(part.base, Add) and part.exp.is_negative}
    there = {part: Dummy() for part in sums}
    return expand(expression.xreplace(there)).xreplace({name: part for part, name in there.items()})


def split(expression: Any) -> Any:
    """Sums split into terms and freed of what does not depend on their index; what is constant is counted.

    >>> from sympy import Function, Symbol
    >>> i, n = Symbol("i", integer=True), Symbol("n", integer=True, positive=True)
    >>> split(Sum(2 + 3 * Function("f")(i), (i, 1, n)))
    2*n + 3*Sum(f(_v), (_v, 1, n))
    """
    return _sums(expression, {})


def _range(total: Any) -> tuple[Any, Any, Any]:
    ((variable, low, high),) = total.limits
    return expanded(total.function.xreplace({variable: _INDEX})), low, high


def _sums(expression: Any, names: Mapping[Any, Expr]) -> Any:
    """Sums split into terms, freed of constant factors, and called by their names; innermost first."""

    def fold(function: Any, *limits: Any) -> Any:
        (variable, low, high), *outer = limits
        parts = []
        for term in Add.make_args(expanded(function)):
            constant, rest = term.as_independent(variable, as_Add=False)
            if variable != _INDEX and rest.has(_INDEX):  # a sum within is opaque already
                parts.append(constant * Sum(rest, (variable, low, high)))
                continue
            if not rest.has(variable):
                parts.append(constant * rest * (high - low + 1))
                continue
            plain = expanded(rest.xreplace({variable: _INDEX}))
            parts.append(constant * names.get((plain, low, high), Sum(plain, (_INDEX, low, high))))
        whole = Add(*parts)
        return fold(whole, *outer) if outer else whole

    return expression.replace(Sum, fold)


def _gathered(expression: Any) -> Any:
    """Opaque sums of the same functions as one sum, its summand put over one denominator."""
    inside: dict[frozenset[Any], list[Any]] = {}
    outside = []
    for term in Add.make_args(expanded(expression)):
        totals = [part for part in Mul.make_args(term) if isinstance(part, Sum)]
        if len(totals) == 1 and totals[0].limits == (_EVERY,):
            summand = totals[0].function
            kind = frozenset(x for x in summand.atoms(PositionRate, TokenProbability, AppliedUndef) if x.has(_INDEX))
            inside.setdefault(kind, []).append(term / totals[0] * summand)
        else:
            outside.append(term)
    for parts in inside.values():
        summand, back = _opaque(Add(*parts))
        outside.append(Sum(factor(cancel(together(summand))).xreplace(back), _EVERY))
    return Add(*outside)


def _opaque(expression: Any) -> tuple[Any, Mapping[Any, Any]]:
    """Functions and sums as plain symbols, positive where they are, and the way back.

    What may be zero counts as positive too: an identity of powers for all ``y > 0`` holds in the limit.
    """
    atoms = expression.atoms(Sum, PositionRate, TokenProbability, AppliedUndef)
    outermost = [atom for atom in atoms if not any(atom != other and other.has(atom) for other in atoms)]
    there = {atom: Dummy(positive=True) if atom.is_nonnegative else Dummy(real=True) for atom in outermost}
    return expression.xreplace(there), {symbol: atom for atom, symbol in there.items()}


def _is_zero(expression: Any) -> bool:
    numerator = fraction(together(expand(_opaque(expression)[0])))[0]
    return expand(numerator) == 0


def _cancels_under_sums(expression: Any) -> bool:
    """Whether, every sum pulled to the front, the summands over the same ranges cancel, whatever their order."""
    forms = _forms(expression)
    if forms is None:
        return False
    groups: dict[tuple[Range, ...], Any] = {}
    for summand, limits in forms:
        ordered = sorted(limits, key=lambda limit: str(limit[1:]))
        ranges = tuple((low, high) for _, low, high in ordered)
        groups[ranges] = groups.get(ranges, Integer(0)) + _symmetric(summand, [x for x, *_ in ordered], ranges)
    return all(_is_zero(summand) for summand in groups.values())


def _forms(expression: Any) -> list[Form] | None:
    """Terms as summands with all their indices; ``None`` where the range of one depends on another."""
    forms: list[Form] = []
    for term in Add.make_args(expanded(expression)):
        factors = [_pulled_out(part) for part in Mul.make_args(term)]
        for choice in product(*(part for part in factors if part is not None)):
            forms.append((Mul(*(x for x, _ in choice)), tuple(limit for _, limits in choice for limit in limits)))
        if None in factors:
            return None
    return forms


def _pulled_out(part: Any) -> list[Form] | None:
    base, power = (part.base, part.exp) if isinstance(part, Pow) else (part, Integer(1))
    if not isinstance(base, Sum) or not (power.is_Integer and power.is_positive):
        return [(part, ())]
    if power > 1:
        return _forms(Mul(*(_renamed(base) for _ in range(int(power))), evaluate=False))
    total = _renamed(base)
    forms = _forms(total.function)
    for variable, low, high in total.limits:
        if forms is None or any((a + b).has(variable) for _, limits in forms for _, a, b in limits):
            return None
        forms = [(x, (*limits, (variable, low, high))) for x, limits in forms]
    return forms


def _renamed(total: Any) -> Any:
    """The same sum over indices that occur nowhere else."""
    there = {variable: Dummy(variable.name, integer=True) for variable, *_ in total.limits}
    return Sum(total.function.xreplace(there), *((there[x], *ends) for x, *ends in total.limits))


@cache
def _common(limits: Range, number: int) -> Dummy:
    return Dummy(f"i_{number}", integer=True)


def _symmetric(summand: Any, variables: Sequence[Any], ranges: Sequence[Range]) -> Any:
    """The summand in common indices, averaged over the ways to tell those of one range apart."""
    places: dict[Range, list[int]] = {}
    for place, limits in enumerate(ranges):
        places.setdefault(limits, []).append(place)
    common = {}
    for limits, where in places.items():
        for number, place in enumerate(where):
            common[place] = _common(limits, number)
    ways = []
    for choice in product(*(permutations(where) for where in places.values())):
        way = {}
        for where, arranged in zip(places.values(), choice, strict=True):
            way |= {variables[place]: common[other] for place, other in zip(where, arranged, strict=True)}
        ways.append(way)
    return Add(*(summand.xreplace(way) for way in ways)) / len(ways)
