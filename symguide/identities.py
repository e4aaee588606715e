"""What a step of a derivation is put to: identities of symbolic sums, and solutions of the Kolmogorov equations.

*Proved* is a difference that expands to zero, *refuted* a concrete instance on which the two sides differ, and anything
else *unknown*.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from typing import Any, TypeAlias

from sympy import (
    Abs,
    Add,
    Basic,
    Dummy,
    Eq,
    Expr,
    Float,
    Integer,
    Lambda,
    Limit,
    Mul,
    Pow,
    Rational,
    Sum,
    Symbol,
    Tuple,
    cancel,
    exp,
    expand,
    factor,
    fraction,
    log,
    oo,
    together,
)
from sympy.core.function import AppliedUndef
from sympy.core.relational import GreaterThan, Relational

from symguide.evidence import Verdict
from symguide.exp_dd import in_powers
from symguide.family import MASK_SYMBOL, PositionRate, TokenProbability, vocabulary_size
from symguide.law import TableLaw
from symguide.number import to_sympy
from symguide.ode import KolmogorovSystem
from symguide.symbols import s, u, w

__all__ = ["Check", "Content", "Meaning", "equal", "equations_of", "identities", "sentence", "solves", "times"]

Content: TypeAlias = tuple[Basic, ...]
Check: TypeAlias = Callable[[Content], tuple[Verdict, str]]
"""What a step is put to: the formulas it shows, to a verdict and what was seen."""


@dataclass(frozen=True)
class Meaning:
    """What the names in a step stand for.

    Attributes
    ----------
    functions
        ``{function: Lambda}``; functions whose name ends in ``|`` print as ``q(v|x)``.
    rules
        ``{expression: expression}``: definitions of symbols, and assumptions such as Bayes' rule.
    sums
        ``{value: Sum}``, as in the definitions of a family: these sums have a name.

    >>> Meaning().rules
    {}
    """

    functions: Mapping[Any, Lambda] = field(default_factory=dict)
    rules: Mapping[Expr, Expr] = field(default_factory=dict)
    sums: Mapping[Expr, Expr] = field(default_factory=dict)


def equal(left: Any, right: Any) -> Any:
    """``left = right`` as it is written; SymPy's ``Eq`` would decide what it can.

    >>> equal(u + u, 2 * u)
    Eq(2*u, 2*u)
    """
    return Eq(left, right, evaluate=False)


def times(number: Any, form: Any) -> Any:
    """A number times a sum, not multiplied out.

    >>> times(2, 1 + u)
    2*(u + 1)
    """
    return Mul(number, form, evaluate=False)


def identities(meaning: Meaning = Meaning()) -> Check:
    """The check that every equation shown is an identity and every ``≥`` holds, in all symbols.

    *Proved* is an expansion to zero, powers and rates taken as independent positive unknowns (for ``≥``: signs that
    follow from signs); *refuted* is a concrete instance on which both sides differ; else *unknown*.

    >>> identities()((Eq((1 + u) ** 2, 1 + 2 * u + u**2, evaluate=False),))
    (<Verdict.PROVED: 4>, '1 formula holds identically')
    """
    return lambda content: _verdict(content, [_judged(item, meaning) for item in content], "holds identically")


def equations_of(system: KolmogorovSystem, meaning: Meaning = Meaning()) -> Check:
    """The check that the equations shown are those that the chain gives.

    >>> from symguide.family import representative
    >>> from symguide.ode import kolmogorov
    >>> system = kolmogorov(representative(1))
    >>> equations_of(system)(system.equations)
    (<Verdict.PROVED: 4>, '2 formulas are those of the chain')
    """

    def check(content: Content) -> tuple[Verdict, str]:
        shown = {item.lhs: item.rhs for item in content if isinstance(item, Eq)}
        found = []
        for equation in system.equations:
            if equation.lhs not in shown:
                found.append((Verdict.UNKNOWN, f"{equation.lhs} is not shown"))
            else:
                found.append(_judged(Eq(shown[equation.lhs], equation.rhs, evaluate=False), meaning))
        if len(content) != len(system.equations):
            found.append((Verdict.UNKNOWN, f"{len(content)} formulas for {len(system.equations)} contexts"))
        return _verdict(content, found, "is that of the chain", "are those of the chain")

    return check


def solves(system: KolmogorovSystem, meaning: Meaning = Meaning()) -> Check:
    """The check that ``P_x(u) = …``, one formula per context, solve the equations with their initial values.

    A linear system has one solution, so whatever passes is the law.

    >>> from symguide.family import representative
    >>> from symguide.ode import kolmogorov, unknown
    >>> family = representative(1)
    >>> (rate,), (start, end) = family.definitions, family.chain.states
    >>> wrong = Eq(unknown(start, u), 2 * u**rate), Eq(unknown(end, u), 0 * u)
    >>> solves(kolmogorov(family))(wrong)[1]
    'initial value: 2 = 1 is wrong: 2 against 1'
    """

    def check(content: Content) -> tuple[Verdict, str]:
        shown = {item.lhs.func: item.rhs for item in content if isinstance(item, Eq)}
        missing = [function for function in system.unknowns if function.func not in shown]
        if missing or len(shown) != len(system.unknowns) or len(content) != len(shown):
            return Verdict.UNKNOWN, f"{len(content)} formulas for {len(system.unknowns)} contexts, one each is needed"
        forms = {function: _on_clock(shown[function.func]) for function in system.unknowns}
        found = []
        for (begin, value), form in zip(system.initial.items(), forms.values(), strict=True):
            assert isinstance(begin, AppliedUndef)
            at_start = Eq(form.subs(s, 0), value, evaluate=False)
            found.append(_named("initial value", _judged(at_start, meaning)))
        for equation, form in zip(system.equations, forms.values(), strict=True):
            residual = Eq(form.diff(s), equation.rhs.xreplace(forms), evaluate=False)
            found.append(_named("residual", _judged(residual, meaning)))
        return _verdict(content, found, "solves its equation", "solve the equations, with their initial values")

    return check


def _on_clock(form: Expr) -> Expr:
    return form.subs(u, exp(-s))


def _named(name: str, found: tuple[Verdict, str]) -> tuple[Verdict, str]:
    return found[0], f"{name}: {found[1]}"


def _verdict(content: Content, found: Sequence[tuple[Verdict, str]], one: str, many: str = "") -> tuple[Verdict, str]:
    if not content or not found:
        return Verdict.UNKNOWN, "no formula is shown, so nothing was checked"
    verdict, detail = min(found, key=lambda item: item[0])
    if verdict is not Verdict.PROVED:
        return verdict, detail
    plural = many or one.replace("holds", "hold")
    return verdict, f"1 formula {one}" if len(content) == 1 else f"{len(content)} formulas {plural}"


def _judged(relation: Basic, meaning: Meaning) -> tuple[Verdict, str]:
    if not isinstance(relation, Eq | GreaterThan):
        return (
            Verdict.UNKNOWN,
            f"{relation} is neither an equation nor a lower bound; write Eq(…, evaluate=False) or >=",
        )
    left, right = (_unfold(side, meaning) for side in relation.args)
    holds = (left - right).is_nonnegative if isinstance(relation, GreaterThan) else _vanishes(left - right, meaning)
    if holds:
        return Verdict.PROVED, ""
    point = _point(relation, meaning)
    shown = sentence(relation)
    values = _values(relation, point, meaning)
    if values is None:
        return Verdict.UNKNOWN, f"{shown}: neither proved nor refuted"
    a, b = values
    gap = a - b
    small = Float(10) ** -25 * (1 + abs(a))
    if (gap < -small) if isinstance(relation, GreaterThan) else abs(gap) > small:
        return Verdict.REFUTED, f"{shown} is wrong{point.sentence(relation)}: {_short(a)} against {_short(b)}"
    return Verdict.UNKNOWN, f"{shown}: true at the instance tried, but not proved"


def _unfold(expression: Any, meaning: Meaning) -> Any:
    """Names replaced by what they stand for, limits taken, magnitudes of positive things opened."""
    for _ in range(4):
        before = expression
        for function, body in meaning.functions.items():
            expression = expression.replace(function, lambda *values, body=body: body(*values))
        expression = expression.xreplace(dict(meaning.rules))
        if expression == before:
            break
    expression = expression.replace(Limit, _limit)
    return expression.replace(Abs, lambda value: Abs(expand(value)))


def _limit(form: Any, variable: Any, point: Any, direction: Any = None) -> Any:
    if not variable.is_Symbol:
        return Limit(form, variable, point)
    if variable == s and point == oo:
        form, variable, point = _powers(form), u, Integer(0)
    if variable == u and point == 0:
        terms = [term.as_independent(u, as_Add=False) for term in Add.make_args(_expanded(_powers(form)))]
        if all(power == 1 or _dies_out(power) for _, power in terms):
            return Add(*(bare for bare, power in terms if power == 1))
    else:
        top, bottom = fraction(together(form))
        slope = bottom.diff(variable).subs(variable, point)
        if slope != 0 and (top.subs(variable, point), bottom.subs(variable, point)) == (0, 0):
            return top.diff(variable).subs(variable, point) / slope
    return Limit(form, variable, point)


def _dies_out(product: Any) -> bool:
    """Whether positive powers of ``u``, with powers of ``ln u`` or without, carry a product to 0."""
    pairs = [part.as_base_exp() for part in Mul.make_args(product)]
    powers = [exponent for base, exponent in pairs if base == u]
    return bool(powers) and all(e.is_positive for e in powers) and all(base in (u, log(u)) for base, _ in pairs)


def _powers(expression: Any) -> Any:
    """Everything that runs on the clock in powers of ``u``."""
    expression = in_powers(expression.subs(s, -log(u)))[0]
    return expression.replace(exp, lambda power: u ** cancel(power / log(u)) if power.has(log(u)) else exp(power))


def _vanishes(expression: Any, meaning: Meaning) -> bool:
    """Whether an expression is zero identically, powers with different exponents and opaque sums taken as unknowns."""
    names = {_range(total): value for value, total in meaning.sums.items()}
    expression = _sums(_powers(expression), names)
    if _cancels(expression):
        return True
    gathered = _sums(_gathered(expression), names)
    return gathered != expression and _cancels(gathered)


_INDEX = Dummy("v", integer=True, nonnegative=True)
_EVERY = Tuple(_INDEX, 0, vocabulary_size - 1)


def _range(total: Any) -> tuple[Any, Any, Any]:
    ((variable, low, high),) = total.limits
    return _expanded(total.function.xreplace({variable: _INDEX})), low, high


def _expanded(expression: Any) -> Any:
    """Powers and products multiplied out, denominators that are sums left whole."""
    sums = {part for part in expression.atoms(Pow) if isinstance(part.base, Add) and part.exp.is_negative}
    there = {part: Dummy() for part in sums}
    return expand(expression.xreplace(there)).xreplace({name: part for part, name in there.items()})


def _sums(expression: Any, names: Mapping[Any, Expr]) -> Any:
    """Sums split into terms, freed of constant factors, and called by their names; innermost first."""

    def fold(function: Any, *limits: Any) -> Any:
        (variable, low, high), *outer = limits
        parts = []
        for term in Add.make_args(_expanded(function)):
            constant, rest = term.as_independent(variable, as_Add=False)
            if variable != _INDEX and rest.has(_INDEX):  # a sum within is opaque already
                parts.append(constant * Sum(rest, (variable, low, high)))
                continue
            plain = _expanded(rest.xreplace({variable: _INDEX}))
            parts.append(constant * names.get((plain, low, high), Sum(plain, (_INDEX, low, high))))
        whole = Add(*parts)
        return fold(whole, *outer) if outer else whole

    return expression.replace(Sum, fold)


def _gathered(expression: Any) -> Any:
    """Opaque sums of the same functions as one sum, its summand put over one denominator."""
    inside: dict[frozenset[Any], list[Any]] = {}
    outside = []
    for term in Add.make_args(_expanded(expression)):
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
    """Functions and sums as plain symbols, positive where they are, and the way back."""
    atoms = expression.atoms(Sum, PositionRate, TokenProbability, AppliedUndef)
    outermost = [atom for atom in atoms if not any(atom != other and other.has(atom) for other in atoms)]
    there = {atom: Dummy(positive=True) if atom.is_positive else Dummy(real=True) for atom in outermost}
    return expression.xreplace(there), {symbol: atom for atom, symbol in there.items()}


def _cancels(expression: Any) -> bool:
    numerator = fraction(together(expand(_opaque(expression)[0])))[0]
    return expand(numerator) == 0


_TOKENS = 3


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


def _point(relation: Any, meaning: Meaning) -> _Point:
    parts = [*meaning.functions.values(), *meaning.rules.items(), *meaning.sums.items()]
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
        values[item] = Integer(number % _TOKENS) if item.is_integer else Rational(number + 2, number + 5)
    return _Point(values, laws[0], mixture)


def _values(relation: Any, point: _Point, meaning: Meaning) -> tuple[Any, Any] | None:
    """Both sides as numbers; ``None`` where one has none."""
    # Names are opened; a rule between token laws, such as Bayes', is not used but put to the test.
    rules = {key: value for key, value in meaning.rules.items() if isinstance(key, Symbol | AppliedUndef)}
    sides = Tuple(*(_unfold(side, Meaning(meaning.functions, rules)) for side in relation.args))
    if sides.has(Limit):
        return None
    sides = sides.subs(dict(point.values)).replace(Sum, lambda function, *limits: _spelled(function, limits))
    sides = sides.replace(TokenProbability, point.probability).replace(PositionRate, point.rate)
    rest = sorted(sides.atoms(AppliedUndef), key=str)
    exact = sides.xreplace({item: Rational(i + 3, i + 7) for i, item in enumerate(rest)})
    left, right = (side if side.is_Rational else side.evalf(40) for side in exact.args)
    return (left, right) if all(x.is_Number and x.is_finite for x in (left, right)) else None


def _spelled(function: Any, limits: Sequence[Any]) -> Any:
    for variable, low, high in limits:
        function = Add(*(function.subs(variable, value) for value in range(int(low), int(high) + 1)))
    return function


def sentence(relation: Any) -> str:
    """A relation on one line, shortened where it is long.

    >>> sentence(equal(u, 2 * s))
    'u = 2*s'
    """
    if not isinstance(relation, Relational):
        return str(relation)
    sign = "=" if isinstance(relation, Eq) else ">="
    text = f"{relation.args[0]} {sign} {relation.args[1]}"
    return text if len(text) <= 120 else f"{text[:70]} ... {text[-40:]}"


def _short(number: Any) -> str:
    return str(number) if number.is_Rational and len(str(number)) <= 20 else f"{float(number):.8g}"
