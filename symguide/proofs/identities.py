"""What a step of a derivation is put to: identities of symbolic sums, bounds, and solutions of Kolmogorov's equations.

*Proved* is a difference that expands to zero or whose sign follows from signs, *refuted* a concrete instance on which
the formula is false, and anything else *unknown*.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sympy import Basic, Derivative, Eq, Expr, Float, Integer, Mul, exp
from sympy.core.function import AppliedUndef
from sympy.core.relational import GreaterThan, Relational, StrictGreaterThan

from symguide.chains.ode import KolmogorovSystem
from symguide.evidence import Verdict
from symguide.proofs.counterexamples import tried
from symguide.proofs.meaning import Content, Meaning, unfold
from symguide.symbols import s, u

__all__ = [
    "Check",
    "Content",
    "Formulas",
    "Meaning",
    "equal",
    "equations_of",
    "identities",
    "rises",
    "sentence",
    "solves",
    "times",
    "values",
]

Check: TypeAlias = Callable[..., tuple[Verdict, str]]
"""What a step is put to: the formulas it shows and those it was given, to a verdict and what was seen."""


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


_PLAIN = Meaning()


@dataclass(frozen=True)
class Formulas:
    """A check of formulas one by one, each in the words of a meaning and with what was shown before.

    Attributes
    ----------
    judge
        A formula and what is known, to a verdict and what was seen.
    meaning
        Of the names; its domain is the range in which the formulas are shown.
    one, many
        What is said of a formula that is right, and of several.

    >>> identities().one
    'holds identically'
    """

    judge: Callable[[Basic, Meaning], tuple[Verdict, str]]
    meaning: Meaning
    one: str
    many: str

    def __call__(self, content: Content, given: Content = ()) -> tuple[Verdict, str]:
        known = self.meaning.knowing(given)
        return _verdict(content, [self.judge(item, known) for item in content], self.one, self.many)


def identities(meaning: Meaning = _PLAIN) -> Formulas:
    """The check that every equation shown is an identity and every ``≥`` holds, in all symbols.

    *Proved* is an expansion to zero, powers and rates taken as independent positive unknowns (for ``≥``: signs that
    follow from signs); *refuted* is a concrete instance on which both sides differ; else *unknown*.

    >>> identities()((Eq((1 + u) ** 2, 1 + 2 * u + u**2, evaluate=False),))
    (<Verdict.PROVED: 4>, '1 formula holds identically')
    """

    return Formulas(_judged, meaning, "holds identically", "hold identically")


def equations_of(system: KolmogorovSystem, meaning: Meaning = _PLAIN) -> Check:
    """The check that the equations shown are those that the chain gives.

    >>> from symguide.chains.family import representative
    >>> from symguide.chains.ode import kolmogorov
    >>> system = kolmogorov(representative(1))
    >>> equations_of(system)(system.equations)
    (<Verdict.PROVED: 4>, '2 formulas are those of the chain')
    """

    def check(content: Content, given: Content = ()) -> tuple[Verdict, str]:
        known = meaning.knowing(given)
        shown = {item.lhs: item.rhs for item in content if isinstance(item, Eq)}
        found = []
        for equation in system.equations:
            if equation.lhs not in shown:
                found.append((Verdict.UNKNOWN, f"{equation.lhs} is not shown"))
            else:
                found.append(_judged(Eq(shown[equation.lhs], equation.rhs, evaluate=False), known))
        if len(content) != len(system.equations):
            found.append((Verdict.UNKNOWN, f"{len(content)} formulas for {len(system.equations)} contexts"))
        return _verdict(content, found, "is that of the chain", "are those of the chain")

    return check


def solves(system: KolmogorovSystem, meaning: Meaning = _PLAIN) -> Check:
    """The check that ``P_x(u) = …``, one formula per context, solve the equations with their initial values.

    A linear system has one solution, so whatever passes is the law.

    >>> from symguide.chains.family import representative
    >>> from symguide.chains.ode import kolmogorov, unknown
    >>> family = representative(1)
    >>> (rate,), (start, end) = family.definitions, family.chain.states
    >>> wrong = Eq(unknown(start, u), 2 * u**rate), Eq(unknown(end, u), 0 * u)
    >>> solves(kolmogorov(family))(wrong)[1]
    'initial value: 2 = 1 is wrong: 2 against 1'
    """

    def check(content: Content, given: Content = ()) -> tuple[Verdict, str]:
        known = meaning.knowing(given)
        shown = {item.lhs.func: item.rhs for item in content if isinstance(item, Eq)}
        missing = [function for function in system.unknowns if function.func not in shown]
        if missing or len(shown) != len(system.unknowns) or len(content) != len(shown):
            return Verdict.UNKNOWN, f"{len(content)} formulas for {len(system.unknowns)} contexts, one each is needed"
        forms = {function: _on_clock(shown[function.func]) for function in system.unknowns}
        found = []
        for (begin, value), form in zip(system.initial.items(), forms.values(), strict=True):
            assert isinstance(begin, AppliedUndef)
            at_start = Eq(form.subs(s, 0), value, evaluate=False)
            found.append(_named("initial value", _judged(at_start, known)))
        for equation, form in zip(system.equations, forms.values(), strict=True):
            residual = Eq(form.diff(s), equation.rhs.xreplace(forms), evaluate=False)
            found.append(_named("residual", _judged(residual, known)))
        return _verdict(content, found, "solves its equation", "solve the equations, with their initial values")

    return check


def rises(variable: Any, start: Any, order: int = 1, factor: Any = 1, meaning: Meaning = _PLAIN) -> Formulas:
    """The check of ``left ≥ right`` by Taylor's formula: the difference begins with nothing and only ever grows.

    ``g = factor · (left − right)`` has its value and its derivatives below the ``order`` zero at ``start``, and its
    derivative of that order is ``≥ 0`` everywhere, so ``g ≥ 0`` at every ``variable ≥ start``, and for an even order on
    both sides. Where the factor is positive that is the bound.

    Parameters
    ----------
    variable, start
        Where the difference is followed, and from which point.
    order
        Of the derivative whose sign shows.
    factor
        A positive form, such as an integrating factor.
    meaning
        Of the names.

    >>> from sympy import Ge
    >>> rises(s, 0)((Ge(1 - exp(-s), 0),)), rises(s, 0)((Ge(exp(-s) - 1, 0),))[0]
    ((<Verdict.PROVED: 4>, '1 formula holds where the variable begins and from there on'), <Verdict.REFUTED: 0>)
    """

    def risen(relation: Basic, known: Meaning) -> tuple[Verdict, str]:
        if not isinstance(relation, GreaterThan):
            return Verdict.UNKNOWN, f"{relation} is no lower bound; write >="
        reachable = order % 2 == 0 or known.is_nonnegative(variable - start)
        if not reachable or not known.is_strictly_positive(factor):
            return Verdict.UNKNOWN, f"{sentence(relation)}: where it is followed signs do not say enough"
        left, right = _sides(relation)
        growth = factor * (left - right)
        slopes = [growth, *(Derivative(growth, variable, k) for k in range(1, order + 1))]
        begins = all(known.vanishes(unfold(slope, known).subs(variable, start)) for slope in slopes[:-1])
        if begins and known.is_nonnegative(unfold(slopes[-1], known) / factor):
            return Verdict.PROVED, ""
        return _tried(relation, known)

    return Formulas(
        risen, meaning, *(f"{verb} where the variable begins and from there on" for verb in ("holds", "hold"))
    )


def values(known: Callable[[], Mapping[Any, Any]]) -> Check:
    """The check of equations and bounds between exact numbers, each name standing for a rational that is computed.

    >>> from sympy import Function, Rational
    >>> f = Function("f")
    >>> table = {f(0): Rational(1, 3), f(1): Rational(2, 3)}
    >>> values(lambda: table)((equal(f(0) + f(1), Integer(1)),))
    (<Verdict.PROVED: 4>, '1 formula holds exactly')
    >>> values(lambda: table)((equal(f(1), 2 * f(2)),))[1]
    'f(1) = 2*f(2): f(2) has no value here'
    """

    def check(content: Content, given: Content = ()) -> tuple[Verdict, str]:
        table = known()
        return _verdict(content, [_compared(item, table) for item in content], "holds exactly", "hold exactly")

    return check


def _compared(relation: Basic, table: Mapping[Any, Any]) -> tuple[Verdict, str]:
    if not isinstance(relation, Eq | GreaterThan | StrictGreaterThan):
        return Verdict.UNKNOWN, f"{relation} is neither an equation nor a lower bound"
    missing = sorted(relation.atoms(AppliedUndef) - table.keys(), key=str)
    if missing:
        return Verdict.UNKNOWN, f"{sentence(relation)}: {missing[0]} has no value here"
    left, right = (side.xreplace(dict(table)).doit() for side in relation.args)
    if not (left.is_Rational and right.is_Rational):
        return Verdict.UNKNOWN, f"{sentence(relation)}: {left} and {right} are not both rational"
    holds = bool(relation.func(left, right))
    return (
        (Verdict.PROVED, "") if holds else (Verdict.REFUTED, f"{sentence(relation)} is wrong: {left} against {right}")
    )


def _on_clock(form: Expr) -> Expr:
    return form.subs(u, exp(-s))


def _named(name: str, found: tuple[Verdict, str]) -> tuple[Verdict, str]:
    return found[0], f"{name}: {found[1]}"


def _verdict(content: Content, found: Sequence[tuple[Verdict, str]], one: str, many: str) -> tuple[Verdict, str]:
    if not content or not found:
        return Verdict.UNKNOWN, "no formula is shown, so nothing was checked"
    verdict, detail = min(found, key=lambda item: item[0])
    if verdict is not Verdict.PROVED:
        return verdict, detail
    return verdict, f"1 formula {one}" if len(content) == 1 else f"{len(content)} formulas {many}"


def _judged(relation: Basic, meaning: Meaning) -> tuple[Verdict, str]:
    left, right = _sides(relation)
    match relation:
        case Eq():
            holds = meaning.vanishes(left - right)
        case GreaterThan():
            holds = meaning.is_nonnegative(left - right)
        case StrictGreaterThan():
            holds = meaning.is_strictly_positive(left - right)
        case _:
            complaint = "is neither an equation nor a lower bound; write Eq(…, evaluate=False), >= or >"
            return Verdict.UNKNOWN, f"{relation} {complaint}"
    if holds:
        return Verdict.PROVED, ""
    return _tried(relation, meaning)


def _sides(relation: Any) -> tuple[Any, Any]:
    return relation.args if isinstance(relation, Relational) else (relation, Integer(0))


def _tried(relation: Any, meaning: Meaning) -> tuple[Verdict, str]:
    """What is not proved, on an instance."""
    shown = sentence(relation)
    found = tried(relation, meaning)
    if found.sides is None:
        return Verdict.UNKNOWN, f"{shown}: neither proved nor refuted"
    left, right = found.sides
    small = Float(10) ** -25 * (1 + abs(left))
    match relation:
        case Eq():
            false = abs(left - right) > small
        case GreaterThan():
            false = left - right < -small
        case _:
            false = left - right <= 0
    if false:
        return Verdict.REFUTED, f"{shown} is wrong{found.where}: {_short(left)} against {_short(right)}"
    return Verdict.UNKNOWN, f"{shown}: true at the instance tried, but not proved"


def sentence(relation: Any) -> str:
    """A relation on one line, shortened where it is long.

    >>> sentence(equal(u, 2 * s))
    'u = 2*s'
    """
    if not isinstance(relation, Relational):
        return str(relation)
    sign = "=" if isinstance(relation, Eq) else relation.rel_op
    text = f"{relation.args[0]} {sign} {relation.args[1]}"
    return text if len(text) <= 120 else f"{text[:70]} ... {text[-40:]}"


def _short(number: Any) -> str:
    return str(number) if number.is_Rational and len(str(number)) <= 20 else f"{float(number):.8g}"
