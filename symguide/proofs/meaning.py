"""What the names in the formulas of a proof stand for, and formulas with those names opened and their limits taken."""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from sympy import (
    Abs,
    Add,
    Basic,
    Derivative,
    Eq,
    Integer,
    Lambda,
    Limit,
    Mul,
    Sum,
    Symbol,
    cancel,
    exp,
    expand,
    fraction,
    log,
    oo,
    together,
)
from sympy.core.function import AppliedUndef
from sympy.core.relational import GreaterThan

from symguide.numbers.exp_dd import in_powers
from symguide.proofs.signs import Fact, nonnegative
from symguide.proofs.sums import cancels, expanded
from symguide.symbols import s, u, w

__all__ = ["Content", "Meaning", "powers", "unfold"]

Content: TypeAlias = tuple[Basic, ...]


@dataclass(frozen=True)
class Meaning:
    """What the names in a step stand for, and what the step leans on.

    Attributes
    ----------
    functions
        ``{function: Lambda}``; functions whose name ends in ``|`` print as ``q(v|x)``.
    rules
        ``{expression: expression}``: definitions of symbols, and assumptions such as Bayes' rule or a differential
        equation, whose functions may have indices.
    sums
        ``{value: Sum}``, as in the definitions of a family: these sums have a name.
    domain
        ``{symbol: expression}``: the range of a symbol, as an expression whose sign shows; only signs look at it.
    example
        ``{function: Lambda}`` and ``{symbol: value}`` on which formulas are tried; it must satisfy every assumption.
    facts
        Lower and upper bounds that signs may use.

    >>> Meaning().rules
    {}
    """

    functions: Mapping[Any, Lambda] = field(default_factory=dict)
    rules: Mapping[Any, Any] = field(default_factory=dict)
    sums: Mapping[Any, Any] = field(default_factory=dict)
    domain: Mapping[Any, Any] = field(default_factory=dict)
    example: Mapping[Any, Any] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    totals: tuple[tuple[Any, Any], ...] = ()

    def knowing(self, given: Content) -> "Meaning":
        """With formulas that were shown before: equations rewrite their left sides, bounds serve signs.

        >>> from symguide.symbols import symbol
        >>> total, half = symbol("T", positive=True), symbol("h", positive=True)
        >>> unfold(2 * half, Meaning().knowing((Eq(half, total / 2),)))
        T
        """
        functions, rules, totals = dict(self.functions), dict(self.rules), list(self.totals)
        for item in given:
            if not isinstance(item, Eq):
                continue
            left, right = item.args
            if isinstance(left, Sum):
                totals.append((left, right))
            elif isinstance(left, AppliedUndef) and _is_pattern(left) and not right.has(left.func):
                functions[left.func] = Lambda(left.args, right)
            else:
                rules[left] = right
        facts = tuple(item for item in given if isinstance(item, GreaterThan))
        return replace(self, functions=functions, rules=rules, totals=tuple(totals), facts=(*facts, *self.facts))

    def vanishes(self, expression: Any) -> bool:
        """Whether an expression is zero identically, its powers and rates taken as independent unknowns.

        >>> Meaning().vanishes(u**w * u - u ** (1 + w))
        True
        """
        named = [(total, value) for value, total in self.sums.items()]
        return cancels(powers(unfold(expression, self)), [*named, *self.totals])

    def is_strictly_positive(self, form: Any) -> bool:
        """Whether a form is ``> 0`` by the signs of its parts.

        >>> Meaning().is_strictly_positive(exp(-s)), Meaning().is_strictly_positive(s)
        (True, False)
        """
        return bool(unfold(form, self).xreplace(dict(self.domain)).is_positive) if isinstance(form, Basic) else form > 0

    def is_nonnegative(self, expression: Any) -> bool:
        """Whether an expression is ``≥ 0`` because of the signs of its parts and the bounds that are known.

        >>> Meaning().is_nonnegative(u + s), Meaning().is_nonnegative(u - s)
        (True, False)
        """
        # Functions with a bound of their own stay closed, so that the bound is seen.
        bounded = {part.func for fact in self.facts for part in fact.args if _is_applied(part)}
        closed = replace(self, functions={f: body for f, body in self.functions.items() if f not in bounded})
        return nonnegative(unfold(expression, closed), self.facts, self.domain)


def _is_applied(form: Any) -> bool:
    return isinstance(form, AppliedUndef)


def _is_pattern(form: Any) -> bool:
    """Whether a function is applied to symbols only, so that an equation for it holds for all of them."""
    return all(isinstance(x, Symbol) for x in form.args) and len(set(form.args)) == len(form.args)


def unfold(expression: Any, meaning: Meaning) -> Any:
    """Names replaced by what they stand for, derivatives and limits taken, magnitudes of positive things opened.

    >>> from sympy import Function
    >>> f = Function("f")
    >>> unfold(Derivative(u * f(u), u), Meaning(rules={Derivative(f(u), u): f(u)}))
    u*f(u) + f(u)
    """
    for _ in range(6):
        before = expression
        for function, body in meaning.functions.items():
            expression = expression.replace(function, lambda *values, body=body: body(*values))
        expression = expression.replace(Derivative, lambda form, *by: Derivative(form, *by).doit())
        expression = expression.xreplace(dict(meaning.rules))
        for left, right in meaning.rules.items():
            if isinstance(left, Derivative):
                expression = _differentiated(expression, left, right)
        if expression == before:
            break
    expression = expression.replace(Limit, _limit)
    return expression.replace(Abs, _magnitude)


def _magnitude(value: Any) -> Any:
    value = expand(value)
    return value if value.is_nonnegative else -value if (-value).is_nonnegative else Abs(value)


def _differentiated(expression: Any, left: Derivative, right: Any) -> Any:
    """A differential equation used for every value of the indices of its function."""
    pattern, counts = left.expr, left.variable_count

    def slope(form: Any, *by: Any) -> Any:
        if getattr(form, "func", None) == getattr(pattern, "func", None) and by == counts and _is_applied(form):
            return right.xreplace(dict(zip(pattern.args, form.args, strict=True)))
        return Derivative(form, *by)

    return expression.replace(Derivative, slope)


def _limit(form: Any, variable: Any, point: Any, direction: Any = None) -> Any:
    if not variable.is_Symbol:
        return Limit(form, variable, point)
    if variable == s and point == oo:
        form, variable, point = powers(form), u, Integer(0)
    if variable == w and point == oo and not form.has(s, u):  # powers with exponent w decay as those of u do
        form, variable, point = powers(form.subs(w, s)), u, Integer(0)
    if variable == u and point == 0:
        found = _at_end(form)
        return Limit(form, variable, point) if found is None else found
    top, bottom = fraction(together(form))
    slope = bottom.diff(variable).subs(variable, point)
    if slope != 0 and (top.subs(variable, point), bottom.subs(variable, point)) == (0, 0):
        return top.diff(variable).subs(variable, point) / slope
    return Limit(form, variable, point)


def _at_end(form: Any) -> Any:
    """The limit ``u → 0`` of powers of ``u``, finite sums and quotients of such; ``None`` where signs do not tell."""
    top, bottom = fraction(together(form))
    if bottom.has(u):
        above, below = _at_end(top), _at_end(bottom)
        return None if above is None or below is None or not below.is_positive else above / below
    parts = []
    for term in Add.make_args(expanded(powers(form))):
        bare, power = term.as_independent(u, as_Add=False)
        if power == 1:
            parts.append(bare)
        elif isinstance(power, Sum):
            within = _at_end(power.function)
            if within is None:
                return None
            parts.append(bare * Sum(within, *power.limits) if within != 0 else Integer(0))
        elif not _dies_out(power):
            return None
    return Add(*parts)


def _dies_out(product: Any) -> bool:
    """Whether positive powers of ``u``, with powers of ``ln u`` or without, carry a product to 0."""
    pairs = [part.as_base_exp() for part in Mul.make_args(product)]
    grown = [exponent for base, exponent in pairs if base == u]
    return bool(grown) and all(e.is_positive for e in grown) and all(base in (u, log(u)) for base, _ in pairs)


def powers(expression: Any) -> Any:
    """Everything that runs on the clock in powers of ``u``.

    >>> powers(exp(-2 * s))
    u**2
    """
    expression = in_powers(expression.subs(s, -log(u)))[0]
    return expression.replace(exp, lambda power: u ** cancel(power / log(u)) if power.has(log(u)) else exp(power))
