"""Exponential polynomials ``Σ c s^k e^{−Λs}``: read off closed forms, followed to infinity, and found to vanish."""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache, reduce
from typing import Any, TypeAlias

from sympy import QQ, Add, Expr, Integer, Mul, Pow, Symbol, cancel, default_sort_key, exp, factorrat, together
from sympy.polys.rings import PolyElement, ring

from symguide.numbers.exp_dd import exp_dd, in_powers
from symguide.symbols import s

__all__ = ["Parts", "at_infinity", "exponential_parts", "vanishes"]

Parts: TypeAlias = Mapping[tuple[Expr, int], tuple[Expr, ...]]
"""``{(Λ, k): summands of the coefficient of s^k e^{−Λs}}``."""

MAX_OPERATIONS = 600
"""Size beyond which no common denominator of spelled-out sums is formed."""


def exponential_parts(expression: Expr) -> Parts | None:
    """The coefficients of ``s^k e^{−Λs}`` in an expression, or ``None`` where it is no exponential polynomial in ``s``.

    Divided differences are taken apart into partial fractions, which presumes that nodes differ unless they are known
    to coincide; both sides being continuous in the nodes, an identity found so holds at coinciding nodes too.

    >>> from sympy import symbols
    >>> a, b = symbols("a b", positive=True)
    >>> exponential_parts(2 - s * exp(-a * s))
    {(0, 0): (2,), (a, 1): (-1,)}
    >>> exponential_parts(exp_dd((a, b), s))
    {(b, 0): (1/(a - b),), (a, 0): (1/(-a + b),)}
    """
    if not expression.has(s):
        return {(Integer(0), 0): (expression,)}
    match expression:
        case exp_dd():
            return _divided_difference(expression)
        case exp():
            rate, constant = -expression.args[0].diff(s), expression.args[0].xreplace({s: Integer(0)})
            return None if rate.has(s) else {(rate, 0): (exp(constant),)}
        case Add():
            return _merged(map(exponential_parts, expression.args))
        case Mul():
            return reduce(_product, map(exponential_parts, expression.args))
        case Pow() if expression.exp.is_Integer and expression.exp.is_positive:
            return reduce(_product, [exponential_parts(expression.base)] * int(expression.exp))
    return {(Integer(0), 1): (Integer(1),)} if expression == s else None


@lru_cache(maxsize=4096)
def _divided_difference(atom: Expr) -> Parts | None:
    return exponential_parts(in_powers(atom)[0])


def _merged(items: Iterable[Parts | None]) -> Parts | None:
    out: dict[tuple[Expr, int], list[Expr]] = defaultdict(list)
    for item in items:
        if item is None:
            return None
        for key, parts in item.items():
            out[key] += parts
    return {key: tuple(parts) for key, parts in out.items()}


def _product(left: Parts | None, right: Parts | None) -> Parts | None:
    if left is None or right is None:
        return None
    return _merged(
        {(a + b, j + k): tuple(Mul(x, y) for x in first for y in second)}
        for (a, j), first in left.items()
        for (b, k), second in right.items()
    )


def at_infinity(expression: Expr) -> Mapping[int, Expr] | None:
    """What stays of a closed form as ``s → ∞``: ``{k: coefficient of s^k}``; ``None`` where signs of rates are unknown.

    ``exp_dd((0, Λ_1, …, Λ_n), s) → 1/Π Λ_j`` for positive ``Λ_j``, and 0 without a node 0.

    >>> from sympy import symbols
    >>> a, b = symbols("a b", positive=True)
    >>> at_infinity(3 * exp_dd((0, a, b), s) + exp(-a * s))
    {0: 3/(a*b)}
    >>> at_infinity(exp_dd((0, 0, a), s))
    {0: -1/a**2, 1: 1/a}
    """
    limits: dict[Expr, Expr] = {}
    for atom in expression.atoms(exp_dd):
        moving = [node for node in atom.nodes if node != 0]
        if not all(node.is_positive for node in moving):
            return None
        match len(atom.nodes) - len(moving):
            case 0:
                limits[atom] = Integer(0)
            case 1:
                limits[atom] = 1 / Mul(*moving)
            case _:
                limits[atom] = in_powers(atom)[0]
    parts = exponential_parts(expression.xreplace(limits))
    if parts is None or not all(rate.is_nonnegative for rate, _ in parts):
        return None
    return {power: Add(*summands) for (rate, power), summands in parts.items() if rate == 0}


def vanishes(expression: Expr, rates: Iterable[Expr], definitions: Mapping[Expr, Expr]) -> bool:
    """Whether an exponential polynomial, or an expression without ``s``, is zero identically; ``False`` also where that
    is not seen.

    First with the given exit rates as independent symbols, gathered by the monomials of everything else; failing that,
    with abbreviations spelled out and powers of rationals split into those of primes.

    >>> from sympy import symbols
    >>> from symguide.symbols import w
    >>> a, b, r = symbols("a b r", positive=True)
    >>> vanishes(r * exp_dd((a, b), s) - r * exp(-a * s) / (b - a) - r * exp(-b * s) / (a - b), [a, b], {})
    True
    >>> vanishes(a - b * 3**w, [a, b], {a: 6**w, b: 2**w}), vanishes(a - b, [a, b], {a: 2**w, b: 3**w})
    (True, False)
    """
    symbols = (s, *rates)
    groups: dict[Expr, list[Expr]] = defaultdict(list)
    for term in Add.make_args(expression):
        front, back = term.as_independent(*symbols, as_Add=False)
        number, monomial = front.as_coeff_Mul()
        groups[monomial].append(number * back)
    if all(_is_zero(Add(*parts)) for parts in groups.values()):
        return True
    parts = exponential_parts(expression)
    if parts is None:
        return False
    for summands in parts.values():
        spelled = _in_primes(Add(*summands).xreplace(dict(definitions)))
        if spelled.count_ops() > MAX_OPERATIONS or not _is_zero(spelled):
            return False
    return True


def _is_zero(expression: Expr) -> bool:
    if expression.is_Number:
        return expression == 0
    # The sums of different paths differ in nothing but the names of their rates. Their order stays, and so does that of
    # the nodes of divided differences.
    free = sorted(expression.free_symbols - {s}, key=default_sort_key)
    return _is_zero_renamed(expression.xreplace({key: Symbol(f"x{j:04}", real=True) for j, key in enumerate(free)}))


@lru_cache(maxsize=65536)
def _is_zero_renamed(expression: Expr) -> bool:
    if expression.has(s):
        parts = exponential_parts(expression)
        return parts is not None and all(_is_zero_renamed(Add(*summands)) for summands in parts.values())
    numerator = _numerator(expression)
    return cancel(together(expression)) == 0 if numerator is None else not numerator


def _numerator(expression: Expr) -> PolyElement | None:
    """The numerator of a sum of products of sums over their least common denominator; ``None`` for anything else.

    Partial fractions come factorised, so no greatest common divisors are needed, which is most of what ``cancel`` does.
    """
    symbols = sorted(expression.free_symbols, key=str)
    domain, *_ = ring(symbols, QQ)
    products: list[tuple[Expr, dict[Expr, int]]] = []
    least: dict[Expr, int] = defaultdict(int)
    for term in Add.make_args(expression):
        number, factors = term.as_coeff_mul()
        powers: dict[Expr, int] = defaultdict(int)
        for base, exponent in (factor.as_base_exp() for factor in factors):
            if not exponent.is_Integer or not base.is_polynomial(*symbols):
                return None
            if base.could_extract_minus_sign():
                base, number = -base, number * (-1) ** exponent
            powers[base] += int(exponent)
        if not number.is_Rational:
            return None
        products.append((number, powers))
        for base, exponent in powers.items():
            least[base] = min(least[base], exponent)
    try:
        known = {base: domain.from_expr(base) for base in least}
    except ValueError:  # radicals or other constants in it
        return None
    total = domain.zero
    for number, powers in products:
        part = domain.ground_new(QQ(number.p, number.q))
        for base, lowest in least.items():
            part *= known[base] ** (powers[base] - lowest)
        total += part
    return total


def _in_primes(expression: Expr) -> Expr:
    def is_power(part: Any) -> bool:
        return isinstance(part, Pow) and part.base.is_Rational and part.base.is_positive and not part.exp.is_Integer

    def split(part: Any) -> Expr:
        return Mul(*(Pow(prime, count * part.exp) for prime, count in factorrat(part.base).items()))

    return expression.replace(is_power, split)
