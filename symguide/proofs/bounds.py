"""What an inequality in one variable is put to: slopes at the origin, or ball arithmetic on an interval.

*Proved* is a Taylor argument in exact arithmetic, *enclosed* a covering of the interval by balls on each of which the
sign is certain, *refuted* a point where the inequality fails by a ball; anything else is *unknown*.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import flint
from sympy import Dummy, Expr, Product, Sum, Symbol
from sympy.core.relational import GreaterThan, StrictGreaterThan

from symguide.closed_forms.compiled import compile_expression
from symguide.evidence import Verdict
from symguide.numbers.arithmetic import BALLS
from symguide.proofs.identities import Check, Content, sentence

__all__ = ["from_origin", "of_numbers", "on_interval"]

HIGHEST = 6
"""Derivatives looked at before a bound from the origin is given up."""

PIECES = 4096
"""Pieces that an interval is cut into at most."""

BITS = 120


def from_origin(variable: Symbol) -> Check:
    """The check that ``f ≥ g`` for ``x ≥ 0``, by Taylor's theorem with the rest as an integral.

    Some derivative of ``f − g`` is nonnegative for all ``x ≥ 0``, by the signs of its parts, and those before it are
    nonnegative at 0.

    >>> from sympy import exp
    >>> from symguide.symbols import s
    >>> from_origin(s)((exp(s) >= 1 + s,))
    (<Verdict.PROVED: 4>, '1 bound holds from 0 on')
    >>> from_origin(s)((exp(s) >= 1 + 2 * s,))[0]
    <Verdict.UNKNOWN: 1>
    """

    def one(item: Any) -> tuple[Verdict, str]:
        slope = item.lhs - item.rhs
        for _ in range(HIGHEST):
            if slope.is_nonnegative:
                return Verdict.PROVED, ""
            at_zero = slope.subs(variable, 0)
            if not at_zero.is_nonnegative:
                return Verdict.UNKNOWN, f"{sentence(item)}: a derivative is {at_zero} at 0"
            slope = slope.diff(variable)
        return Verdict.UNKNOWN, f"{sentence(item)}: no derivative up to order {HIGHEST} has a sign"

    return lambda content: _judged(content, one, "from 0 on")


def on_interval(variable: Symbol, low: Fraction, high: Fraction) -> Check:
    """The check that ``f > g`` or ``f ≥ g`` for ``low ≤ x ≤ high``, by balls that cover the interval.

    >>> from sympy import exp
    >>> from symguide.symbols import s
    >>> on_interval(s, Fraction(0), Fraction(2))((exp(s) > 3 * s / 2,))
    (<Verdict.ENCLOSED: 3>, '1 bound holds on [0, 2]')
    >>> on_interval(s, Fraction(0), Fraction(2))((exp(s) > 3 * s,))[0]
    <Verdict.REFUTED: 0>
    """

    return lambda content: _judged(
        content, lambda item: _covered(item, variable, low, high), f"on [{_short(low)}, {_short(high)}]"
    )


def of_numbers() -> Check:
    """The check that ``f > g`` or ``f ≥ g`` between numbers, by balls.

    >>> from sympy import Gt, Integer, log
    >>> of_numbers()((Gt(log(Integer(2)), log(Integer(3)) / 2, evaluate=False),))
    (<Verdict.ENCLOSED: 3>, '1 bound holds between numbers')
    """
    nothing = Dummy()
    return lambda content: _judged(
        content, lambda item: _covered(item, nothing, Fraction(0), Fraction(0)), "between numbers"
    )


def _covered(item: Any, variable: Symbol, low: Fraction, high: Fraction) -> tuple[Verdict, str]:
    """Whether balls that cover the interval are all on the right side."""
    function = _ball_function(item.lhs - item.rhs, variable)
    waiting, count = [(low, high)], 0
    while waiting:
        left, right = waiting.pop()
        count += 1
        centre = (left + right) / 2
        with flint.ctx.workprec(BITS):
            middle = BALLS.number(centre)
            if function(middle + flint.arb(0, 1) * BALLS.number(right - centre)) > 0:
                continue
            at_middle = function(middle)
        place = f" at {variable} = {float(centre):.6g}" if item.has(variable) else ""
        if at_middle < 0:
            return Verdict.REFUTED, f"{sentence(item)} is wrong{place}"
        if count > PIECES or left == right:
            return Verdict.UNKNOWN, f"{sentence(item)}: undecided{place}"
        waiting += [(left, centre), (centre, right)]
    return Verdict.ENCLOSED, ""


def _short(value: Fraction) -> str:
    return f"{float(value):.10g}"


def _ball_function(expression: Expr, variable: Symbol) -> Callable[[flint.arb], flint.arb]:
    spelled = expression.replace(Product, lambda *parts: Product(*parts).doit())
    spelled = spelled.replace(Sum, lambda *parts: Sum(*parts).doit())
    function: Any = compile_expression(spelled, [variable], {}, "balls")
    return function


def _judged(content: Content, one: Callable[[Any], tuple[Verdict, str]], place: str) -> tuple[Verdict, str]:
    if not content:
        return Verdict.UNKNOWN, "no formula is shown, so nothing was checked"
    found = []
    for item in content:
        if isinstance(item, GreaterThan | StrictGreaterThan):
            found.append(one(item))
        else:
            found.append((Verdict.UNKNOWN, f"{sentence(item)} is no lower bound; write > or >="))
    verdict, detail = min(found, key=lambda pair: pair[0])
    if not verdict.passes:
        return verdict, detail
    return verdict, f"1 bound holds {place}" if len(content) == 1 else f"{len(content)} bounds hold {place}"
