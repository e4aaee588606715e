"""Signs of expressions: what is ``≥ 0`` because its parts are, given bounds on some of them."""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from sympy import Dummy, Function, Integral, Lambda, Mul, Sum, Symbol, expand, factor, fraction, oo, together
from sympy.core.function import AppliedUndef
from sympy.core.relational import GreaterThan

from symguide.chains.family import PositionRate, TokenProbability
from symguide.proofs.sums import split

__all__ = ["Fact", "nonnegative"]

Fact: TypeAlias = GreaterThan
"""A bound ``left ≥ right`` on a symbol, a function for all its arguments, or a form that is left closed."""


def nonnegative(expression: Any, facts: Iterable[Fact] = (), domain: Mapping[Any, Any] | None = None) -> bool:
    """Whether an expression is ``≥ 0`` whatever its symbols are, within their assumptions and the bounds.

    A bound ``x ≥ b`` is used by writing ``x = b + y`` with a new ``y ≥ 0``, and ``b ≥ x`` as ``x = b − y`` or, for
    positive ones, ``x = b/(1 + y)``; products are ``≥ 0`` where their factors are, sums and integrals over ``[a, b]``,
    ``b ≥ a``, where what they add up is.

    Parameters
    ----------
    expression
        Real.
    facts
        The bounds.
    domain
        ``{symbol: expression}``: the range of a symbol, as an expression whose sign shows.

    >>> from sympy import Ge
    >>> from symguide.symbols import symbol
    >>> a, b = symbol("a", positive=True), symbol("b", positive=True)
    >>> nonnegative(a - b), nonnegative(a * b - b, (Ge(a, 1),)), nonnegative(b - a * b, (Ge(1, a),))
    (False, True, True)
    """
    known = tuple(facts)
    factors = Mul.make_args(expression)
    if len(factors) > 1 and all(nonnegative(part, known, domain) for part in factors):
        return True
    for relative in (True, False):
        form = expression
        for fact in known:
            form = _bounded(form, fact, relative)
        form = form.xreplace(dict(domain or {}))
        if _sign_shows(form) or _sign_shows(split(form)):
            return True
    return bool(known) and _sign_shows(expression.xreplace(dict(domain or {})))


def _sign_shows(expression: Any) -> bool:
    if expression.is_nonnegative:
        return True
    closed = expression.xreplace({part: sign for part in expression.atoms(Sum, Integral) if (sign := _added(part))})
    if closed.is_nonnegative or expand(closed).is_nonnegative or factor(together(closed)).is_nonnegative:
        return True
    top, bottom = fraction(together(closed))
    return bool(expand(top).is_nonnegative and expand(bottom).is_positive)


def _added(total: Any) -> Dummy | None:
    """A symbol with the sign of a sum or an integral, where what it adds up has one."""
    if total.is_positive:
        return Dummy(positive=True)
    function, *limits = total.args
    ordered = isinstance(total, Sum) or all(
        len(ends) == 3 and (ends[2] == oo or (ends[2] - ends[1]).is_nonnegative) for ends in limits
    )
    return Dummy(nonnegative=True) if ordered and _sign_shows(function) else None


def _bounded(expression: Any, fact: Fact, relative: bool) -> Any:
    left, right = fact.args
    below = not left.is_Number and (_is_atom(left) or not _is_atom(right))
    part, bound = (left, right) if below else (right, left)
    if bound.has(part) or part.is_Number:
        return expression
    if isinstance(part, AppliedUndef) and _is_atom(part) and not bound.has(part.func):
        margin: Any = Function(Dummy().name, nonnegative=True)(*part.args)
        body = Lambda(part.args, _within(part, bound, margin, below, relative))
        return expression.replace(part.func, lambda *values: body(*values))
    return expression.xreplace({part: _within(part, bound, Dummy(nonnegative=True), below, relative)})


def _is_atom(form: Any) -> bool:
    """Whether a bound is one on a symbol, or on a function whatever its arguments are."""
    if isinstance(form, AppliedUndef):
        return all(isinstance(x, Symbol) for x in form.args)
    return isinstance(form, Symbol | PositionRate | TokenProbability)


def _within(part: Any, bound: Any, margin: Any, below: bool, relative: bool) -> Any:
    if below:
        return bound + margin
    return bound / (1 + margin) if relative and part.is_positive and bound.is_positive else bound - margin
