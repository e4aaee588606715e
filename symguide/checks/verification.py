"""Claimed probabilities on trial: checks that owe nothing to how a closed form was found, each with its evidence."""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from types import MappingProxyType
from typing import Any, TypeAlias

import flint
import mpmath
from sympy import Add, Expr, Integer, Mul, Sum, default_sort_key, exp, expand_mul, log

from symguide.chains.chain import Chain
from symguide.chains.family import PositionRate
from symguide.chains.naming import NamedChain
from symguide.chains.ode import KolmogorovSystem, kolmogorov
from symguide.checks.integrate import MAX_MATRIX, exponential, integrate
from symguide.checks.trial import Candidate, Point, Trial, is_tight, prepare
from symguide.closed_forms.solution import Solution
from symguide.errors import ClockError, SymguideError
from symguide.evidence import Evidence, Verdict, weakest
from symguide.laws.law import format_context
from symguide.numbers.arithmetic import BALLS
from symguide.numbers.exp_dd import exp_dd
from symguide.numbers.exponentials import at_infinity, vanishes
from symguide.numbers.number import Number, to_sympy
from symguide.symbols import s, symbol

__all__ = ["CHECKS", "Report", "sample", "verify"]

MAX_PROOF = 20_000
"""Exit rates of all terms together beyond which an identity is tried at points instead of proved."""
MAX_INTEGRATED = 1500
"""Contexts beyond which the ancestors of a few terminal ones are integrated in place of all."""
STIFF = 200
"""``Λs`` beyond which no more contexts are integrated than a matrix exponential takes."""
FAR = 100
"""How many times its error estimate an integration must be missed by to refute."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks found.

    Attributes
    ----------
    evidence
        One piece per check that applies, in the order of ``CHECKS``.
    notes
        The checks that do not apply, each with the reason.

    >>> report = Report((Evidence("mass", Verdict.PROVED, ""), Evidence("balls", Verdict.ENCLOSED, "")), ())
    >>> report.verdict, report["mass"].verdict, report.refuted
    (<Verdict.ENCLOSED: 3>, <Verdict.PROVED: 4>, ())
    """

    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """The weakest verdict."""
        return weakest(self.evidence)

    @property
    def refuted(self) -> tuple[str, ...]:
        """The names of the checks that refute."""
        return tuple(item.check for item in self.evidence if item.verdict is Verdict.REFUTED)

    def __getitem__(self, check: str) -> Evidence:
        return next(item for item in self.evidence if item.check == check)


Finding: TypeAlias = tuple[Verdict, str] | str
"""A verdict with its detail, or the reason why a check does not apply."""


def verify(
    subject: Solution | Candidate,
    w: Number | None = None,
    u: Number | Sequence[Number] = Fraction(1, 2),
    values: Mapping[Expr, Number] | None = None,
    *,
    digits: int = 50,
    seed: int = 0,
    whole: NamedChain | None = None,
) -> Report:
    """Put claimed probabilities on trial.

    The checks are: *initial value*, ``P_start(0) = 1`` and the others 0; *residual*, the Kolmogorov equations with the
    derivative by SymPy; *rates*, every exit rate is the sum of the rates of the reveals that leave; *mass*,
    ``Σ P_x = 1``; *positivity*; *limit*, ``u → 0`` gives the law of the jump chain; *integration*, the equations
    integrated numerically; *balls*, ``exp(A s) P(0)`` enclosed.

    *Proved* is an identity in all open symbols, *enclosed* and *agrees numerically* speak of the asked points and of
    seeded ones. A proof that fails refutes nothing: only an enclosure that excludes the claim does, or an integration
    that misses it by far more than its error.

    Parameters
    ----------
    subject
        A solution, or candidate probabilities of any origin.
    w, u
        Strength and mask fractions ``0 < u ≤ 1`` at which the equations are integrated. A chain at fixed strength needs
        no ``w``; without one, an open strength gets a seeded value.
    values
        Values of symbolic data; what is left out gets seeded ones.
    digits
        Decimal digits of numerical agreement.
    seed
        Of the values not given, and of samples.
    whole
        The chain of which the subject covers only some contexts, such as those of :func:`sample`. Exit rates are then
        checked on the whole; the mass, which a part does not hold, is not.

    Raises
    ------
    StrengthError, ClockError
        For ``w < −1``, for ``w = −1`` where that is another chain, and for ``u`` outside ``(0, 1]``.
    NotExactError
        For floating-point data, of which nothing exact can be said.
    SymguideError
        For values of symbols that do not occur, and for ``digits < 1``.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.closed_forms.solution import solve
    >>> from symguide.laws.tilt import guidance
    >>> solution = solve(guided_chain(guidance(load("squares-overlap"))))
    >>> for item in verify(solution, w=1).evidence:
    ...     print(f"{item.check}: {item.verdict}")
    initial value: proved
    residual: proved
    rates: proved
    mass: proved
    positivity: proved
    limit: proved
    integration: agrees numerically
    balls: enclosed
    >>> claims = dict(Candidate.of(solution).probabilities)
    >>> claims[2, 2], claims[4, 4] = claims[4, 4], claims[2, 2]
    >>> verify(Candidate(solution.named, claims), w=1).refuted
    ('residual', 'limit', 'integration', 'balls')
    """
    if isinstance(digits, bool) or not isinstance(digits, int) or digits < 1:
        raise SymguideError(f"digits is {digits!r}: agreement is counted in decimal digits; give 1 or more")
    candidate = Candidate.of(subject) if isinstance(subject, Solution) else subject
    fractions = u if isinstance(u, Sequence) and not isinstance(u, str) else [u]
    if not fractions:
        raise ClockError("there are no mask fractions u, so nothing would be integrated; give one or more in (0, 1]")
    evidence: dict[str, Evidence] = {}
    notes: list[str] = []
    with flint.ctx.workprec(8 * digits + 256), mpmath.workdps(2 * digits + 30):
        trial = prepare(candidate, w, fractions, values or {}, digits, seed, whole)
        for name, check in _CHECKS.items():
            finding = check(trial, evidence)
            if isinstance(finding, str):
                notes.append(f"{name}: {finding}")
            else:
                evidence[name] = Evidence(name, *finding)
    return Report(tuple(evidence.values()), tuple(notes))


def sample(chain: Chain[Any], contexts: int = 150, terms: int = 2500, seed: int = 0) -> Chain[Any]:
    """The chain itself, or the ancestors of a seeded sample of its terminal contexts where it is too large to solve.

    Ancestors are closed under predecessors, so their probabilities are those of the whole chain.

    Parameters
    ----------
    chain
        Any chain.
    contexts, terms
        A chain with more than ``terms`` terms in its closed form is cut down to at most ``contexts`` contexts and
        ``terms`` terms, but never below the ancestors of one terminal context.
    seed
        Of the sample.

    >>> from symguide.chains.family import rate_symbols
    >>> chain = rate_symbols(3, 2)
    >>> sample(chain) is chain, len(sample(chain, contexts=7, terms=12).states)
    (True, 7)
    """
    if _term_count(chain, terms) <= terms:
        return chain
    return _ancestors(chain, seed, lambda part: len(part.states) <= contexts and _term_count(part, terms) <= terms)


def _initial_value(trial: Trial, evidence: Mapping[str, Evidence]) -> Finding:
    expected = [int(state == 0) for state in range(len(trial.claims))]

    def proof() -> bool:
        values = (claim.xreplace({s: Integer(0)}) for claim in trial.claims)
        return all(_vanishes(trial, value - one) for value, one in zip(values, expected, strict=True))

    def deviations() -> Iterator[Deviation]:
        at_start = [replace(point, u=Fraction(1)) for point in trial.points]
        for point, table in zip(trial.points, trial.enclose(trial.claims, at_start), strict=True):
            for context, claim, one in zip(trial.chain.states, trial.claims, expected, strict=True):
                yield f"P{format_context(context)} at s = 0, {point}", table[claim] - one, flint.arb(1)

    return _judge(trial, proof, deviations, f"one at the start, zero elsewhere ({_among(trial, trial.chain)})")


def _residual(trial: Trial, evidence: Mapping[str, Evidence]) -> Finding:
    chain = trial.chain

    def deviations() -> Iterator[Deviation]:
        speeds = trial.enclose(trial.slopes, trial.points)
        for point, table, speed in zip(trial.points, trial.tables, speeds, strict=True):
            for state, context in enumerate(chain.states):
                terms = [-table[reveal.rate] * table[trial.claims[reveal.source]] for reveal in chain.incoming[state]]
                terms += [speed[trial.slopes[state]], table[chain.exit_rate(state)] * table[trial.claims[state]]]
                scale = sum((abs(term) for term in terms), start=flint.arb(0))
                yield f"equation of P{format_context(context)} at {point}", sum(terms, start=flint.arb(0)), scale

    said = f"dP/ds = A P holds, derivative by SymPy ({_among(trial, chain)})"
    return _judge(trial, lambda: _solves(trial), deviations, said)


def _solves(trial: Trial) -> bool:
    """Whether the equations hold identically with rates as independent symbols.

    First among the terms of one set of exit rates, where a correct form cancels path by path; then all that is left.
    """
    chain = trial.chain
    if any(not rate.free_symbols and not rate.is_Rational for rate in chain.exit_rates):
        return False  # whether radicals coincide is no matter of cancelling
    if sum(len(atom.nodes) for claim in trial.claims for atom in claim.atoms(exp_dd)) > MAX_PROOF:
        return False
    symbols = [s, *(rate for rate in chain.exit_rates if rate.is_Symbol)]
    terms = [
        [(_nodes(term), *term.as_independent(*symbols, as_Add=False)) for term in Add.make_args(claim)]
        for claim in trial.claims
    ]
    for state, own in enumerate(terms):
        rate = chain.exit_rate(state)
        sums: dict[tuple[Expr, ...], list[Expr]] = defaultdict(list)
        for nodes, front, back in own:
            sums[nodes] += [front * part for part in Add.make_args(back.diff(s))]
            sums[nodes].append(front * rate * back)
        for reveal in chain.incoming[state]:
            for nodes, front, back in terms[reveal.source]:
                longer = tuple(sorted((*nodes, rate), key=default_sort_key))
                sums[longer].append(-reveal.rate * front * back)
        totals = (Add(*summands) for summands in sums.values())
        if not _vanishes(trial, Add(*(total for total in totals if not _vanishes(trial, total)))):
            return False
    return True


def _nodes(term: Expr) -> tuple[Expr, ...]:
    """The exit rates of a term with one divided difference or exponential; none for any other."""
    atoms = term.atoms(exp_dd, exp)
    if len(atoms) != 1:
        return ()
    (atom,) = atoms
    return atom.nodes if isinstance(atom, exp_dd) else (-atom.args[0].diff(s),)


def _rates(trial: Trial, evidence: Mapping[str, Evidence]) -> Finding:
    subject = trial.whole or trial.given
    chain = subject.chain
    leaving: dict[int, list[Expr]] = defaultdict(list)
    for reveals in chain.incoming:
        for reveal in reveals:
            leaving[reveal.source].append(_over_tokens(reveal.rate, reveal.token, chain.vocabulary))
    gaps = {state: _gap(subject, chain.exit_rate(state), leaving[state]) for state in range(len(chain.states))}
    open_gaps = {state: gap for state, gap in gaps.items() if not vanishes(gap, (), {})}
    said = f"every exit rate is the sum of the rates of the reveals that leave (all {len(chain.states)} contexts)"
    if not open_gaps:
        return Verdict.PROVED, said
    if any(gap.has(Sum) or not gap.free_symbols <= trial.points[0].values.keys() for gap in open_gaps.values()):
        return Verdict.UNKNOWN, f"not seen to cancel: {next(iter(open_gaps.values()))}"

    def deviations() -> Iterator[Deviation]:
        for point, table in zip(trial.points, trial.enclose(open_gaps.values(), trial.points), strict=True):
            for state, gap in open_gaps.items():
                where = f"exit rate of {format_context(chain.states[state])} at {point}"
                yield where, table[gap], 1 + abs(table[gap])

    return _judge(trial, lambda: False, deviations, said)


def _over_tokens(rate: Expr, token: Any, vocabulary: Any) -> Expr:
    """The rate of one listed reveal, or of all ``N`` that one with a symbolic token stands for."""
    if not isinstance(token, Expr):
        return rate
    constant, varying = rate.as_independent(token, as_Add=False)
    running = symbol("v", integer=True, nonnegative=True)
    return constant * Sum(varying.xreplace({token: running}), (running, 0, vocabulary - 1))


def _gap(named: NamedChain, exit_rate: Expr, leaving: Iterable[Expr]) -> Expr:
    """``Λ(x) − Σ r`` spelled out; what shares a normaliser is summed first, for then the normaliser cancels."""

    def meanings(part: Expr) -> dict[Expr, Expr]:
        # Chains have thousands of definitions, rates speak of one or two.
        names = (*part.free_symbols, *part.atoms(PositionRate))
        return {name: named.definitions[name] for name in names if name in named.definitions}

    shared: dict[Expr, list[Expr]] = defaultdict(list)
    for rate in leaving:
        intensity, normaliser = rate.as_independent(*meanings(rate), as_Add=False)
        shared[normaliser].append(intensity)
    sums = (Add(*intensities) * normaliser.xreplace(meanings(normaliser)) for normaliser, intensities in shared.items())
    return exit_rate.xreplace(meanings(exit_rate)) - Add(*sums)


def _mass(trial: Trial, evidence: Mapping[str, Evidence]) -> Finding:
    if trial.whole is not None:
        return f"{_among(trial, trial.chain)} do not hold all of it"
    said = "the probabilities sum to one"
    grounds = ("initial value", "residual", "rates")

    def proof() -> bool:
        return all(evidence[name].verdict is Verdict.PROVED for name in grounds)

    if trial.is_family:
        reason = "conserved by the equations, all N tokens counted, because exit rates are sums over them"
        return (Verdict.PROVED, f"{said}: {reason}") if proof() else (Verdict.UNKNOWN, "not proved to be conserved")

    def deviations() -> Iterator[Deviation]:
        for point, table in zip(trial.points, trial.tables, strict=True):
            yield f"sum at {point}", sum((table[claim] for claim in trial.claims), start=flint.arb(-1)), flint.arb(1)

    return _judge(trial, proof, deviations, said, Verdict.ENCLOSED)


def _positivity(trial: Trial, evidence: Mapping[str, Evidence]) -> Finding:
    if all(term.is_nonnegative for claim in trial.claims for term in Add.make_args(claim)):
        return Verdict.PROVED, f"sums of positive terms ({_among(trial, trial.chain)})"
    for point, table in zip(trial.points, trial.tables, strict=True):
        for context, claim in zip(trial.chain.states, trial.claims, strict=True):
            if table[claim] < 0:
                return Verdict.REFUTED, f"P{format_context(context)} is {_short(table[claim])} at {point}"
            if not table[claim] >= 0:
                return Verdict.UNKNOWN, f"the sign of P{format_context(context)} is not resolved at {point}"
    return Verdict.AGREES, f"no negative value at {len(trial.points)} points ({_among(trial, trial.chain)})"


def _limit(trial: Trial, evidence: Mapping[str, Evidence]) -> Finding:
    chain = trial.chain
    lasting = {state for state in range(len(chain.states)) if chain.exit_rate(state) == 0}
    ends: list[Mapping[int, Expr]] = []
    for context, claim in zip(chain.states, trial.claims, strict=True):
        end = at_infinity(claim)
        if end is None:
            return Verdict.UNKNOWN, f"P{format_context(context)}: signs of its rates are open, so is what it tends to"
        ends.append({0: Integer(0), **end})

    def proof() -> bool:
        visits = _visits(chain)
        return visits is not None and all(
            _vanishes(trial, expand_mul(part) - (visits[state] if state in lasting and power == 0 else 0))
            for state, end in enumerate(ends)
            for power, part in end.items()
        )

    def deviations() -> Iterator[Deviation]:
        lasts = trial.enclose([part for end in ends for part in end.values()], trial.points)
        for point, table, last in zip(trial.points, trial.tables, lasts, strict=True):
            visits = chain.map(lambda rate, table=table: table[rate], BALLS).jump_law()
            for state, end in enumerate(ends):
                for power, part in end.items():
                    where = f"P{format_context(chain.states[state])} as u → 0, coefficient of s^{power}, {point}"
                    expected = visits[state] if state in lasting and power == 0 else flint.arb(0)
                    yield where, last[part] - expected, abs(last[part]) + abs(expected)

    return _judge(trial, proof, deviations, f"u → 0 gives the law of the jump chain ({_among(trial, chain)})")


def _visits(chain: Chain[Expr]) -> list[Expr] | None:
    """``h(x)``, the probability of ever visiting ``x``, as sums of products."""
    out: list[Expr] = [Integer(1)]
    size = 1
    for reveals in chain.incoming[1:]:
        out.append(
            Add(
                *(
                    Mul(path, reveal.rate, 1 / chain.exit_rate(reveal.source))
                    for reveal in reveals
                    for path in Add.make_args(out[reveal.source])
                )
            )
        )
        size += len(out[-1].args)
        if size > MAX_PROOF:
            return None
    return out


def _integration(trial: Trial, evidence: Mapping[str, Evidence]) -> Finding:
    fastest = max(float(table[rate].mid()) for table in trial.tables for rate in trial.chain.exit_rates)
    longest = -log(to_sympy(min(point.u for point in trial.asked)))
    system = _system(trial, MAX_INTEGRATED if fastest * float(longest) <= STIFF else MAX_MATRIX)
    found = integrate(system, trial.asked[0].values, [_clock(point) for point in trial.asked], trial.digits)
    worst, missed, where = mpmath.mpf(0), mpmath.mpf(0), ""
    for point, table, result in zip(trial.asked, trial.tables, found, strict=False):
        for context, value in result.values.items():
            ball = table[trial.claims[trial.chain.index[context]]]
            if not ball.is_finite():
                return Verdict.UNKNOWN, f"P{format_context(context)} at {point}: the claim has no value there"
            claim, radius = _mpf(ball)
            apart = abs(claim - value)
            allowed = result.error + radius + abs(value) * mpmath.mpf(10) ** -trial.digits
            if apart > allowed * missed:
                missed = apart / allowed
                where = f"P{format_context(context)} at {point}: integrated {_short(value)}, claimed {_short(claim)}; "
            if abs(value) > result.error:
                worst = max(worst, apart / abs(value))
    error, steps = max(result.error for result in found), max(result.steps for result in found)
    verdict = Verdict.AGREES if missed <= 1 and error <= mpmath.mpf(10) ** -trial.digits else Verdict.UNKNOWN
    verdict = Verdict.REFUTED if missed > FAR else verdict
    return verdict, (
        f"{where if missed > 1 else ''}largest relative deviation {mpmath.nstr(worst, 2)} ({_among(trial, system)}, "
        f"integrated in {steps} steps, error at most {mpmath.nstr(error, 2)})"
    )


def _balls(trial: Trial, evidence: Mapping[str, Evidence]) -> Finding:
    system = _system(trial, MAX_MATRIX)
    loose: list[str] = []
    for point, table in zip(trial.asked, trial.tables, strict=False):
        found = exponential(system, point.values, _clock(point), trial.digits)
        for context, ball in found.items():
            claim = table[trial.claims[trial.chain.index[context]]]
            where = f"P{format_context(context)} at {point}"
            if not claim.overlaps(ball):
                return Verdict.REFUTED, f"{where}: exp(As) gives {_short(ball)}, claimed {_short(claim)}"
            if not (is_tight(claim, abs(claim), trial.digits) and is_tight(ball, abs(ball), trial.digits)):
                loose.append(where)
    if loose:
        return Verdict.UNKNOWN, f"{loose[0]}: enclosures overlap, but are wider than {trial.digits} digits"
    return Verdict.ENCLOSED, f"claims and exp(As) overlap, all within {trial.digits} digits ({_among(trial, system)})"


_CHECKS: Mapping[str, Callable[[Trial, Mapping[str, Evidence]], Finding]] = MappingProxyType(
    {
        "initial value": _initial_value,
        "residual": _residual,
        "rates": _rates,
        "mass": _mass,
        "positivity": _positivity,
        "limit": _limit,
        "integration": _integration,
        "balls": _balls,
    }
)

CHECKS: tuple[str, ...] = tuple(_CHECKS)
"""The names of the checks, in order."""

Deviation: TypeAlias = tuple[str, flint.arb, flint.arb]
"""Where, what should be zero, and the size of its parts."""


def _judge(
    trial: Trial,
    proof: Callable[[], bool],
    deviations: Callable[[], Iterable[Deviation]],
    said: str,
    numerical: Verdict = Verdict.AGREES,
) -> tuple[Verdict, str]:
    """Proved; else refuted by a ball without zero; else as good as the balls are tight."""
    if proof():
        return Verdict.PROVED, f"{said}, identically"
    found = list(deviations())
    wrong = [item for item in found if item[1].is_finite() and not item[1].contains(0)]
    if wrong:
        where, ball, scale = max(wrong, key=lambda item: float((item[1] / item[2]).abs_lower()))
        return Verdict.REFUTED, f"{where}: off by {_short(ball)} where terms are of size {_short(scale)}"
    loose = [where for where, ball, scale in found if not is_tight(ball, scale, trial.digits)]
    if loose:
        return Verdict.UNKNOWN, f"{loose[0]}: not resolved at {trial.digits} digits"
    return numerical, f"{said}, to {trial.digits} digits at {len(trial.points)} points"


def _vanishes(trial: Trial, expression: Expr) -> bool:
    rates = [rate for rate in trial.chain.exit_rates if rate.is_Symbol]
    return vanishes(expression, rates, trial.named.definitions)


def _system(trial: Trial, most: int) -> KolmogorovSystem:
    chain = trial.chain
    if len(chain.states) > most:
        chain = _ancestors(chain, trial.seed, lambda part: len(part.states) <= most)
    return kolmogorov(replace(trial.named, chain=chain))


def _ancestors(chain: Chain[Any], seed: int, fits: Callable[[Chain[Any]], bool]) -> Chain[Any]:
    """Ancestors of terminal contexts in a seeded order, as long as they fit; of the first in any case."""
    order = [chain.states[state] for state in chain.terminal or chain.dead]
    Random(seed).shuffle(order)
    kept = chain.ancestors(order[:1])
    for count in range(2, len(order) + 1):
        part = chain.ancestors(order[:count])
        if not fits(part):
            break
        kept = part
    return kept


def _term_count(chain: Chain[Any], limit: int) -> int:
    """Terms of the closed form, counted no further than just beyond a limit."""
    terms: list[set[tuple[int, ...]]] = [{(chain.exit_of[0],)}]
    count = 1
    for state in range(1, len(chain.states)):
        last = chain.exit_of[state]
        terms.append({tuple(sorted((*nodes, last))) for r in chain.incoming[state] for nodes in terms[r.source]})
        count += len(terms[-1])
        if count > limit:
            break
    return count


def _among(trial: Trial, part: Chain[Any] | KolmogorovSystem) -> str:
    count, total = len(part.states), len((trial.whole or trial.named).chain.states)
    return f"{count} of {total} contexts" if count < total else f"all {total} contexts"


def _clock(point: Point) -> Expr:
    return -log(to_sympy(point.u))


def _mpf(ball: flint.arb) -> tuple[Any, Any]:
    """Midpoint and radius, exactly."""
    middle, radius = (mpmath.mpf(tuple(map(int, part.man_exp()))) for part in (ball.mid(), ball.rad()))
    return middle, radius


def _short(value: Any) -> str:
    return value.str(6, radius=False) if isinstance(value, flint.arb) else mpmath.nstr(value, 6)
