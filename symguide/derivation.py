"""Derivations: a claim, its assumptions, and steps that a machine checks, with what each check is worth.

A step shows formulas and says why they hold. Its check sees exactly those formulas, so a step that shows something
wrong is refuted by its own check. What the checks establish are the formulas; the words between are for the reader.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.resources import files
from itertools import product
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
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

from symguide.errors import SymguideError
from symguide.evidence import Evidence, Verdict, weakest
from symguide.exp_dd import in_powers
from symguide.family import MASK_SYMBOL, PositionRate, TokenProbability, vocabulary_size
from symguide.latex import NOTATION, document, equations, escape, notation_table
from symguide.law import TableLaw
from symguide.number import to_sympy
from symguide.ode import KolmogorovSystem
from symguide.symbols import s, u, w

__all__ = [
    "REFERENCES",
    "Check",
    "Claim",
    "Derivation",
    "Instance",
    "Meaning",
    "Outcome",
    "Progress",
    "Proof",
    "Reference",
    "Step",
    "catalogue",
    "equal",
    "equations_of",
    "identities",
    "proof_document",
    "run",
    "select",
    "solves",
    "times",
]


@dataclass(frozen=True, slots=True)
class Reference:
    """A source: authors, title, where it appeared, and its address.

    >>> print(REFERENCES["McCurdy1984"].where)
    Math. Comp. 43 (1984)
    """

    authors: str
    title: str
    where: str
    address: str = ""

    def __str__(self) -> str:
        return f"{self.authors}, {self.title}, {self.where}"


REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "He2025": Reference(
            "Y. He, K. Rojas, M. Tao",
            "What Exactly Does Guidance Do in Masked Discrete Diffusion Models",
            "arXiv:2506.10971 (2025)",
            "https://arxiv.org/abs/2506.10971",
        ),
        "Rojas2025": Reference(
            "K. Rojas, Y. He, C.-H. Lai, Y. Takida, Y. Mitsufuji, M. Tao",
            "Improving Classifier-Free Guidance in Masked Diffusion",
            "arXiv:2507.08965 (2025)",
            "https://arxiv.org/abs/2507.08965",
        ),
        "Nisonoff2024": Reference(
            "H. Nisonoff, J. Xiong, S. Allenspach, J. Listgarten",
            "Unlocking Guidance for Discrete State-Space Diffusion and Flow Models",
            "arXiv:2406.01572 (2024)",
            "https://arxiv.org/abs/2406.01572",
        ),
        "Schiff2024": Reference(
            "Y. Schiff et al.",
            "Simple Guidance Mechanisms for Discrete Diffusion Models",
            "arXiv:2412.10193 (2024)",
            "https://arxiv.org/abs/2412.10193",
        ),
        "McCurdy1984": Reference(
            "A. McCurdy, K. C. Ng, B. N. Parlett",
            "Accurate computation of divided differences of the exponential function",
            "Math. Comp. 43 (1984)",
        ),
        "Pusa2011": Reference(
            "M. Pusa",
            "Rational approximations to the matrix exponential in burnup calculations",
            "Nucl. Sci. Eng. 169 (2011); higher orders: 182 (2016)",
        ),
        "Johansson2017": Reference(
            "F. Johansson",
            "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic",
            "IEEE Trans. Comput. 66 (2017)",
        ),
    }
)
"""Read-only: every source that a derivation may cite, by key."""

# --- values -----------------------------------------------------------------------------------------------------------

Content: TypeAlias = tuple[Basic, ...]
Check: TypeAlias = Callable[[Content], tuple[Verdict, str]]
"""What a step is put to: the formulas it shows, to a verdict and what was seen."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be shown: LaTeX prose, and the formulas it announces, each of which a step must show.

    >>> Claim("Two halves are one.", (Eq(u / 2 + u / 2, u, evaluate=False),)).content
    (Eq(u, u),)
    """

    statement: str
    content: Content


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a plain name, a statement in LaTeX prose, formulas, why they hold, and the check they are put to.

    >>> step = Step("halves", "Two halves.", (Eq(u / 2 + u / 2, u, evaluate=False),), "Addition.", identities())
    >>> step.examine().verdict
    <Verdict.PROVED: 4>
    """

    name: str
    statement: str
    content: Content
    justification: str
    check: Check

    def examine(self) -> Evidence:
        """Put the formulas to the check; what a check cannot carry is *unknown*."""
        try:
            return Evidence(self.name, *self.check(self.content))
        except SymguideError as problem:
            return Evidence(self.name, Verdict.UNKNOWN, str(problem))


@dataclass(frozen=True, slots=True)
class Instance:
    """Data on which the claim is tried: its name, what tries it at so many digits, and the packages it needs.

    >>> Instance("nothing", lambda digits: ()).needs
    ()
    """

    name: str
    verify: Callable[[int], Sequence[Evidence]]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Derivation:
    """A result with its proof.

    Attributes
    ----------
    name, title
        What it is asked by, and what it is called; plain text.
    claim
        What is shown.
    assumptions
        Under which conditions, LaTeX prose.
    steps
        In order.
    citations
        Keys of :data:`REFERENCES`.
    instances
        On what data the claim is tried besides.

    Raises
    ------
    SymguideError
        For a claim without formulas, a citation that does not resolve, no steps, and two of one name.

    >>> Derivation("empty", "Nothing", Claim("Nothing holds.", (Eq(u, u, evaluate=False),)), (), ())
    Traceback (most recent call last):
    symguide.errors.SymguideError: derivation 'empty' has no steps, so it shows nothing; give it some
    """

    name: str
    title: str
    claim: Claim
    assumptions: tuple[str, ...]
    steps: tuple[Step, ...]
    citations: tuple[str, ...] = ()
    instances: tuple[Instance, ...] = ()

    def __post_init__(self) -> None:
        for key in self.citations:
            if key not in REFERENCES:
                raise SymguideError(
                    f"derivation {self.name!r} cites {key!r}, which no reference resolves; "
                    f"add it to REFERENCES or cite one of {', '.join(REFERENCES)}"
                )
        if not self.claim.content:
            raise SymguideError(
                f"derivation {self.name!r} claims no formula, so no machine can tell whether its steps show it; add one"
            )
        if not self.steps:
            raise SymguideError(f"derivation {self.name!r} has no steps, so it shows nothing; give it some")
        for kind, names in (("steps", [x.name for x in self.steps]), ("instances", [x.name for x in self.instances])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise SymguideError(f"derivation {self.name!r}: two {kind} are called {twice[0]!r}; rename one")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step or an instance: evidence, or the reason why it was not run.

    >>> Outcome("digits", (), 0.0, "scikit-learn is missing").verdict
    <Verdict.UNKNOWN: 1>
    """

    name: str
    evidence: tuple[Evidence, ...]
    seconds: float
    not_run: str = ""

    @property
    def verdict(self) -> Verdict:
        """The weakest of the evidence; *unknown* where there is none."""
        return weakest(self.evidence)


@dataclass(frozen=True, slots=True)
class Proof:
    """A derivation that was run.

    Attributes
    ----------
    derivation
        What was run.
    steps
        What became of every step, in order, and last whether the steps show what is claimed.
    instances
        What became of every instance.

    >>> shown = (Eq((1 + u) ** 2, 1 + 2 * u + u**2, evaluate=False),)
    >>> step = Step("square", "A square.", shown, "Multiplying out.", identities())
    >>> proof = run(Derivation("square", "A square", Claim("A square.", shown), (), (step,)))
    >>> proof.verdict, proof.failed
    (<Verdict.PROVED: 4>, ())
    """

    derivation: Derivation
    steps: tuple[Outcome, ...]
    instances: tuple[Outcome, ...]

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What the theorem rests on: the steps in order, then the claim."""
        return tuple(item for outcome in self.steps for item in outcome.evidence)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Steps and instances that are refuted or unknown; an instance that was not run is neither."""
        outcomes = (*self.steps, *self.instances)
        return tuple(outcome for outcome in outcomes if not outcome.not_run and not outcome.verdict.passes)

    @property
    def verdict(self) -> Verdict:
        """The weakest step. Instances cannot strengthen or weaken a proof, but one that fails brings it down."""
        return min([weakest(self.evidence), *(outcome.verdict for outcome in self.failed)])

    @property
    def seconds(self) -> float:
        """How long it took."""
        return sum(outcome.seconds for outcome in (*self.steps, *self.instances))


Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is next, how many steps and instances are done, and how many there are."""


def run(derivation: Derivation, digits: int = 50, progress: Progress | None = None) -> Proof:
    """Check every step and every instance, in order.

    Parameters
    ----------
    derivation
        What to run.
    digits
        Decimal digits to which instances are verified.
    progress
        Called before each step and instance, and once at the end with an empty name.

    >>> shown = (Eq((1 + u) ** 2, 1 + u**2, evaluate=False),)
    >>> step = Step("square", "A square.", shown, "Forgetting the middle.", identities())
    >>> proof = run(Derivation("wrong", "A square", Claim("A square.", shown), (), (step,)))
    >>> proof.failed[0].name, proof.failed[0].evidence[0].detail
    ('square', '(u + 1)**2 = u**2 + 1 is wrong at u = 1/3: 16/9 against 10/9')
    """
    tell = progress or (lambda name, done, total: None)
    total = len(derivation.steps) + len(derivation.instances)
    steps: list[Outcome] = []
    instances: list[Outcome] = []
    for step in derivation.steps:
        tell(step.name, len(steps), total)
        begun = perf_counter()
        evidence = step.examine()
        steps.append(Outcome(step.name, (evidence,), perf_counter() - begun))
    for instance in derivation.instances:
        tell(instance.name, len(steps) + len(instances), total)
        begun = perf_counter()
        evidence, not_run = _try(instance, digits)
        instances.append(Outcome(instance.name, evidence, perf_counter() - begun, not_run))
    tell("", total, total)
    steps.append(Outcome("claim", (_claimed(derivation),), 0.0))
    return Proof(derivation, tuple(steps), tuple(instances))


def _claimed(derivation: Derivation) -> Evidence:
    shown = {item for step in derivation.steps for item in step.content}
    for item in derivation.claim.content:
        if item not in shown:
            return Evidence("claim", Verdict.UNKNOWN, f"{_sentence(item)} is claimed, but no step shows it")
    return Evidence("claim", Verdict.PROVED, "every formula of the claim is shown by a step")


def _try(instance: Instance, digits: int) -> tuple[tuple[Evidence, ...], str]:
    missing = [package for package in instance.needs if importlib.util.find_spec(package) is None]
    if missing:
        return (), f'{", ".join(missing)} is missing; pip install "symguide[examples]"'
    try:
        return tuple(instance.verify(digits)), ""
    except SymguideError as problem:
        return (Evidence(instance.name, Verdict.UNKNOWN, str(problem)),), ""


# --- the files --------------------------------------------------------------------------------------------------------


def catalogue() -> Mapping[str, Derivation]:
    """Every derivation by name, from the files that come with the package, in the order of their file names.

    Each file has a function ``derivation()`` or a constant ``DERIVATION``.

    Raises
    ------
    SymguideError
        Where the files are missing, and for a file without a derivation.

    >>> list(catalogue())
    ['single token', 'two tokens']
    """
    found: dict[str, Derivation] = {}
    for path in sorted(_folder().glob("[!_]*.py")):
        spec = importlib.util.spec_from_file_location(f"symguide_derivation_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if hasattr(module, "derivation"):
            derivation = module.derivation()
        elif hasattr(module, "DERIVATION"):
            derivation = module.DERIVATION
        else:
            raise SymguideError(f"{path}: there is neither derivation() nor DERIVATION, so it shows nothing; add one")
        if derivation.name in found:
            raise SymguideError(f"{path}: a derivation called {derivation.name!r} exists already; rename one of them")
        found[derivation.name] = derivation
    return found


def _folder() -> Path:
    """Inside an installed package, or beside the package in its repository."""
    for folder in (Path(str(files("symguide"))) / "derivations", Path(__file__).parents[1] / "derivations"):
        if folder.is_dir():
            return folder
    raise SymguideError("the folder of derivations is missing, so there is nothing to prove; reinstall symguide")


def select(names: Iterable[str] = ()) -> tuple[Derivation, ...]:
    """The derivations of these names, or all of them; spaces, ``-`` and ``_`` are the same.

    Raises
    ------
    SymguideError
        For a name that no derivation has.

    >>> [derivation.title for derivation in select(["single-token"])]
    ['One token: the guided trajectory ends in the tilted law']
    """
    known = catalogue()
    asked = [" ".join(name.replace("-", " ").replace("_", " ").split()) for name in names]
    for name in asked:
        if name not in known:
            raise SymguideError(f"derivation {name!r} is unknown; choose one of {', '.join(map(repr, known))}")
    return tuple(known[name] for name in dict.fromkeys(asked)) if asked else tuple(known.values())


# --- checks -----------------------------------------------------------------------------------------------------------


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
    shown = _sentence(relation)
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


# --- one instance, where what is false can be seen to be false --------------------------------------------------------

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


def _sentence(relation: Any) -> str:
    if not isinstance(relation, Relational):
        return str(relation)
    sign = "=" if isinstance(relation, Eq) else ">="
    text = f"{relation.args[0]} {sign} {relation.args[1]}"
    return text if len(text) <= 120 else f"{text[:70]} ... {text[-40:]}"


def _short(number: Any) -> str:
    return str(number) if number.is_Rational and len(str(number)) <= 20 else f"{float(number):.8g}"


# --- the document -----------------------------------------------------------------------------------------------------


def proof_document(proofs: Sequence[Proof], title: str = "") -> str:
    r"""Theorem, proof, table of the checks made and how strong each is, notation, references: an article in LaTeX.

    >>> shown = (Eq((1 + u) ** 2, 1 + 2 * u + u**2, evaluate=False),)
    >>> step = Step("square", "A square.", shown, "Multiplying out.", identities())
    >>> source = proof_document([run(Derivation("square", "A square", Claim("A square.", shown), (), (step,)))])
    >>> r"\begin{claim}" in source, "proved" in source
    (True, True)
    """
    heading = title or (proofs[0].derivation.title if len(proofs) == 1 else "Exact laws of guided masked diffusion")
    sections: list[tuple[str, str]] = []
    for proof in proofs:
        name = "Theorem" if len(proofs) == 1 else proof.derivation.title
        sections += [
            (name, _theorem(proof.derivation)),
            ("Proof", _argument(proof)),
            ("What was checked", _table(proof)),
        ]
    cited = list(dict.fromkeys(key for proof in proofs for key in proof.derivation.citations))
    sections += [("Notation", notation_table(NOTATION)), ("", _bibliography(cited))]
    return document(heading, sections)


def _theorem(derivation: Derivation) -> str:
    cites = rf" \cite{{{','.join(derivation.citations)}}}" if derivation.citations else ""
    assumptions = "\n".join(rf"\item {text}" for text in derivation.assumptions)
    listed = f"\\textbf{{Assumptions.}}\n\\begin{{itemize}}\n{assumptions}\n\\end{{itemize}}" if assumptions else ""
    claim = f"{derivation.claim.statement}\n{equations(derivation.claim.content).display}"
    return f"{listed}\n\n\\begin{{claim}}{cites and f'[{cites.strip()}]'}\n{claim}\n\\end{{claim}}"


def _argument(proof: Proof) -> str:
    parts = [r"\setcounter{step}{0}"]
    for step, outcome in zip(proof.derivation.steps, proof.steps, strict=False):  # the claim comes last, without text
        parts.append(
            f"\\begin{{step}}[{escape(step.name)}]\n{step.statement}\n{equations(step.content).display}\n"
            f"{step.justification} \\verdict{{{outcome.verdict}}}\n\\end{{step}}"
        )
    return "\n\n".join(parts)


def _table(proof: Proof) -> str:
    rows = [(outcome.name, item) for outcome in proof.steps for item in outcome.evidence]
    lines = [rf"{escape(name)} & {item.verdict} & {escape(item.detail)} \\" for name, item in rows]
    table = _longtable("Step & Verdict & What was seen", lines)
    text = (
        "The machine checked the displayed formulas; the words between them are the reader's to follow. "
        f"The weakest step makes the theorem \\emph{{{proof.verdict}}}.\n\n{table}"
    )
    if not proof.instances:
        return text
    lines = []
    for outcome in proof.instances:
        if outcome.not_run:
            verdict, seen = "not run", outcome.not_run
        else:
            verdict, seen = str(outcome.verdict), _by_verdict(outcome.evidence)
        name = escape(outcome.name).replace(",", r",\allowbreak{}").replace("=", r"=\allowbreak{}")
        lines.append(rf"{name} & {verdict} & {escape(seen)} \\")
    instances = _longtable("Instance & Verdict & What was seen", lines)
    remark = "The same closed form on data: instances corroborate the theorem and are no part of its proof."
    return f"{text}\n\n{remark}\n\n{instances}"


def _by_verdict(evidence: Sequence[Evidence]) -> str:
    """``proved: mass, residual; enclosed: balls (…)``: what is less than proved with its detail."""
    parts = []
    for verdict in sorted({item.verdict for item in evidence}, reverse=True):
        items = [item for item in evidence if item.verdict is verdict]
        full = verdict is not Verdict.PROVED
        parts.append(f"{verdict}: " + ", ".join(f"{x.check} ({x.detail})" if full else x.check for x in items))
    return "; ".join(parts)


def _longtable(head: str, lines: Sequence[str]) -> str:
    columns = r"@{}>{\raggedright\arraybackslash}p{0.27\textwidth}l>{\raggedright\arraybackslash}p{0.47\textwidth}@{}"
    rows = "\n".join(lines)
    return (
        f"\\begin{{longtable}}{{{columns}}}\n\\toprule\n{head} \\\\\n\\midrule\n\\endhead\n"
        f"{rows}\n\\bottomrule\n\\end{{longtable}}"
    )


def _bibliography(keys: Sequence[str]) -> str:
    if not keys:
        return ""
    items = []
    for key in keys:
        source = REFERENCES[key]
        where = rf"\href{{{source.address}}}{{{escape(source.where)}}}" if source.address else escape(source.where)
        items.append(rf"\bibitem{{{key}}} {escape(source.authors)}. \emph{{{escape(source.title)}}}. {where}.")
    listed = "\n".join(items)
    return f"\\begin{{thebibliography}}{{{len(keys)}}}\n{listed}\n\\end{{thebibliography}}"
