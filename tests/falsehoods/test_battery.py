"""Wrong solutions, many kinds of them: each is rejected, and exactly by the checks that should catch it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from strategies import HARD
from sympy import Add, Expr, Integer, Rational, exp

from symguide.chains.chain import Chain, guided_chain
from symguide.chains.family import representative
from symguide.chains.functionals import tilted_law
from symguide.chains.naming import NamedChain
from symguide.checks.trial import Candidate
from symguide.checks.verification import CHECKS, verify
from symguide.closed_forms.solution import Solution, solve
from symguide.evidence import Verdict
from symguide.laws.law import Context
from symguide.laws.tilt import Tilt, guidance
from symguide.numbers.arithmetic import SYMBOLIC
from symguide.numbers.exp_dd import exp_dd, in_powers
from symguide.symbols import s, w

Claims = dict[Context, Expr]

INSTANCES: Mapping[str, Tilt] = {
    "one token": guidance(HARD["one token"].problem),
    "two tokens": guidance(HARD["squares"].problem),
    "three tokens": guidance(HARD["three tokens"].problem),
    "tie": guidance(HARD["xor"].problem),
    "normalised": guidance(HARD["slower sampling"].problem, "normalised"),
}


@cache
def solution(instance: str) -> Solution:
    """The right one."""
    return solve(guided_chain(INSTANCES[instance]))


def claims_of(instance: str) -> Claims:
    """A copy of the right claims, to be spoilt."""
    return dict(Candidate.of(solution(instance)).probabilities)


def terminal(instance: str) -> list[Context]:
    chain = solution(instance).named.chain
    return [chain.states[state] for state in chain.terminal]


def spoilt(instance: str, context: Context, claim: Expr) -> Candidate:
    """All claims right but one."""
    right = claims_of(instance)
    assert context in right
    assert claim != right[context]
    return Candidate(solution(instance).named, {**right, context: claim})


def first_exit_rate(instance: str) -> Expr:
    return solution(instance).named.chain.exit_rate(0)


def a_sign_is_flipped(instance: str) -> Candidate:
    """One term of a terminal probability counts negative."""
    right = claims_of(instance)
    context = max(terminal(instance), key=lambda x: len(Add.make_args(right[x])))
    first, *others = Add.make_args(right[context])
    return spoilt(instance, context, Add(-first, *others))


def a_node_is_another_exit_rate(instance: str) -> Candidate:
    """In the path weights of a terminal context, the exit rate of the start stands as another one, of no context."""
    context = terminal(instance)[-1]
    start = first_exit_rate(instance)
    return spoilt(instance, context, claims_of(instance)[context].xreplace({start: start + 1}))


def exit_rates_are_swapped(instance: str) -> Candidate:
    """Two contexts with one token revealed get each other's exit rate."""
    chain = solution(instance).named.chain
    left = chain.states[1]
    other = next(
        j for j in range(2, len(chain.states)) if chain.exit_of[j] != chain.exit_of[1] and j in chain.transient
    )
    rates = {chain.exit_rate(1): chain.exit_rate(other), chain.exit_rate(other): chain.exit_rate(1)}
    swapped = {
        atom: exp_dd(tuple(rates.get(node, node) for node in atom.nodes), s)
        for atom in claims_of(instance)[left].atoms(exp_dd)
    }
    return spoilt(instance, left, claims_of(instance)[left].xreplace(swapped))


def a_reveal_order_is_dropped(instance: str) -> Candidate:
    """One path into a terminal context is left out."""
    right = claims_of(instance)
    context = max(terminal(instance), key=lambda x: len(Add.make_args(right[x])))
    assert len(Add.make_args(right[context])) > 1
    return spoilt(instance, context, Add(*Add.make_args(right[context])[1:]))


def the_strength_is_off_by_one(instance: str) -> Candidate:
    """One intensity has the exponent ``1 + w`` of the target where it should have ``w``."""
    right = claims_of(instance)
    context = next(x for x in terminal(instance) if right[x].has(w))
    return spoilt(instance, context, right[context].xreplace({w: w + 1}))


def a_node_is_forgotten(instance: str) -> Candidate:
    """A path into a terminal context skips the exit rate of the start."""
    return _with_nodes(instance, lambda nodes, start: [node for node in nodes if node != start])


def a_node_is_doubled(instance: str) -> Candidate:
    """A path into a terminal context leaves the start twice."""
    return _with_nodes(instance, lambda nodes, start: [*nodes, start])


def _with_nodes(instance: str, change: Callable[[list[Expr], Expr], list[Expr]]) -> Candidate:
    context = terminal(instance)[-1]
    claim = claims_of(instance)[context]
    atom = sorted(claim.atoms(exp_dd), key=str)[0]
    nodes = change(list(atom.nodes), first_exit_rate(instance))
    return spoilt(instance, context, claim.xreplace({atom: exp_dd(tuple(nodes), s)}))


def a_coefficient_is_scaled(instance: str) -> Candidate:
    """A terminal probability is twice what it is."""
    context = terminal(instance)[0]
    return spoilt(instance, context, 2 * claims_of(instance)[context])


def a_homogeneous_mode_is_added(instance: str) -> Candidate:
    """A terminal context starts with mass of its own, which its equation, ``Λ = 0``, carries along forever."""
    context = terminal(instance)[0]
    return spoilt(instance, context, claims_of(instance)[context] + Integer(1) / 100)


def a_decaying_mode_is_added(instance: str) -> Candidate:
    """A context solves its own equation, but starts with mass; its successors know nothing of it."""
    chain = solution(instance).named.chain
    assert 1 in chain.transient
    context, rate = chain.states[1], chain.exit_rate(1)
    return spoilt(instance, context, claims_of(instance)[context] + exp(-rate * s) / 100)


def the_start_is_wrong(instance: str) -> Candidate:
    """The chain begins with a token revealed: every equation holds."""
    here = solution(instance).named
    there = solve(guided_chain(INSTANCES[instance], start=here.chain.states[1]))
    found = dict(zip(there.states, map(there.spell_out, there.probabilities), strict=True))
    return Candidate(here, found)


def a_normaliser_is_of_another_context(instance: str) -> Candidate:
    """The intensities at the second reveal are divided by ``Z`` of the first."""
    names = list(solution(instance).definitions)
    context = next(x for x, claim in claims_of(instance).items() if claim.has(names[1]))
    return spoilt(instance, context, claims_of(instance)[context].xreplace({names[1]: names[0]}))


def a_residue_has_the_wrong_sign(instance: str) -> Candidate:
    """In the partial fractions of a terminal probability, the coefficient of one exponential is negated."""
    context = terminal(instance)[-1]
    powers, _ = in_powers(claims_of(instance)[context])
    start = exp(-first_exit_rate(instance) * s)
    assert powers.has(start)
    return spoilt(instance, context, powers.xreplace({start: -start}))


def the_exit_rate_is_forgotten(instance: str) -> Candidate:
    """The start is left at rate one: ``u`` in place of ``u^Λ``."""
    return spoilt(instance, solution(instance).states[0], exp(-s))


def two_contexts_are_exchanged(instance: str) -> Candidate:
    """Two terminal contexts get each other's probability."""
    right = claims_of(instance)
    left = terminal(instance)[0]
    other = next(x for x in terminal(instance) if right[x] != right[left])
    return Candidate(solution(instance).named, {**right, left: right[other], other: right[left]})


def the_rule_is_another(instance: str) -> Candidate:
    """The closed form of the normalised rule, claimed for raw rates, or the other way round."""
    tilt = INSTANCES[instance]
    other = solve(guided_chain(replace(tilt, normalised=not tilt.normalised)))
    found = dict(zip(other.states, map(other.spell_out, other.probabilities), strict=True))
    return Candidate(solution(instance).named, found)


def the_law_is_the_tilted_one(instance: str) -> Candidate:
    """Whatever is absorbed follows the tilted law, as one might guess from one token."""
    right = solution(instance)
    tilted = tilted_law(INSTANCES[instance], terminal(instance), SYMBOLIC, w)
    absorbed = 1 - right.tv
    return Candidate(right.named, {**claims_of(instance), **{x: absorbed * tilted[x] for x in terminal(instance)}})


def a_context_is_missing(instance: str) -> Candidate:
    """Nothing is said of one terminal context."""
    left_out = terminal(instance)[-1]
    return Candidate(solution(instance).named, {x: p for x, p in claims_of(instance).items() if x != left_out})


def the_clock_runs_twice_as_fast(instance: str) -> Candidate:
    """``u²`` in place of ``u``."""
    return Candidate(solution(instance).named, {x: p.xreplace({s: 2 * s}) for x, p in claims_of(instance).items()})


def an_exit_rate_lacks_a_reveal(instance: str) -> Candidate:
    """The chain itself is wrong: it leaves the start more slowly than its reveals; the claims solve that chain."""
    right = solution(instance).named
    chain: Chain[Any] = right.chain
    slow = chain.incoming[1][0].rate
    rates = list(chain.exit_rates)
    rates[chain.exit_of[0]] = rates[chain.exit_of[0]] - slow
    wrong = NamedChain(replace(chain, exit_rates=tuple(rates)), right.definitions, right.w)
    return Candidate.of(solve(wrong))


def a_coefficient_is_off_by_a_hair(instance: str) -> Candidate:
    """A terminal probability is wrong in the fortieth digit."""
    context = terminal(instance)[-1]
    return spoilt(instance, context, claims_of(instance)[context] * (1 + Rational(1, 10**40)))


ALL = tuple(INSTANCES)
RAW = ("one token", "two tokens", "three tokens", "tie")
SEVERAL = ("two tokens", "three tokens")
NUMBERS = frozenset({"integration", "balls"})
"""Whoever solves the equations a second time sees every wrong probability."""


def _caught(*checks: str) -> frozenset[str]:
    return NUMBERS.union(checks)


EQUATION, LOSES_MASS = _caught("residual"), _caught("residual", "mass")
LASTING = LOSES_MASS | {"limit"}


@dataclass(frozen=True)
class Falsehood:
    """How to spoil a solution, which checks must catch it, and where more or others of them can."""

    spoil: Callable[[str], Candidate]
    caught_by: frozenset[str]
    instances: tuple[str, ...] = ALL
    otherwise: Mapping[str, frozenset[str]] = field(default_factory=dict)


FALSEHOODS: tuple[Falsehood, ...] = (
    Falsehood(a_sign_is_flipped, LASTING | {"positivity"}),
    Falsehood(a_node_is_another_exit_rate, LASTING),
    Falsehood(exit_rates_are_swapped, LOSES_MASS, SEVERAL),
    Falsehood(a_reveal_order_is_dropped, LASTING, SEVERAL),
    Falsehood(the_strength_is_off_by_one, LASTING),
    # With one token nothing is left of the path but exp_dd((0,), s) = 1, which is there from the start.
    Falsehood(a_node_is_forgotten, LASTING, otherwise={"one token": LASTING | {"initial value"}}),
    Falsehood(a_node_is_doubled, LASTING),
    Falsehood(a_coefficient_is_scaled, LASTING),
    Falsehood(a_coefficient_is_off_by_a_hair, LASTING),
    # The equations hold, so only what they start from and what they end with is wrong.
    Falsehood(a_homogeneous_mode_is_added, _caught("initial value", "mass", "limit")),
    Falsehood(the_start_is_wrong, _caught("initial value", "limit")),
    # It dies out: the limit cannot know.
    Falsehood(a_decaying_mode_is_added, LOSES_MASS | {"initial value"}, (*SEVERAL, "tie", "normalised")),
    Falsehood(a_normaliser_is_of_another_context, LOSES_MASS, (*SEVERAL, "normalised")),
    # What the negated exponential leaves is below zero where it had outweighed the others.
    Falsehood(
        a_residue_has_the_wrong_sign,
        LOSES_MASS | {"initial value"},
        otherwise=dict.fromkeys(("tie", "normalised"), LOSES_MASS | {"initial value", "positivity"}),
    ),
    Falsehood(the_exit_rate_is_forgotten, LOSES_MASS),
    Falsehood(two_contexts_are_exchanged, EQUATION | {"limit"}, ("one token", *SEVERAL, "normalised")),
    # Where both positions are alike, both rules have one terminal law, reached at different paces.
    Falsehood(the_rule_is_another, EQUATION, otherwise={"normalised": EQUATION | {"limit"}}),
    Falsehood(the_law_is_the_tilted_one, EQUATION | {"limit"}, (*SEVERAL, "normalised")),
    Falsehood(a_context_is_missing, LASTING),
    # The same curve, sooner.
    Falsehood(the_clock_runs_twice_as_fast, EQUATION),
    # The claims do solve the chain they were found for; it is no chain.
    Falsehood(an_exit_rate_lacks_a_reveal, frozenset({"rates", "mass"})),
)

CASES = [
    pytest.param(
        falsehood.spoil,
        instance,
        falsehood.otherwise.get(instance, falsehood.caught_by),
        id=f"{falsehood.spoil.__name__}-{instance}",
    )
    for falsehood in FALSEHOODS
    for instance in falsehood.instances
]


@pytest.mark.parametrize(("spoil", "instance", "caught_by"), CASES)
def test_falsehood_is_caught_by_the_right_checks(
    spoil: Callable[[str], Candidate], instance: str, caught_by: frozenset[str]
) -> None:
    report = verify(spoil(instance), Fraction(1))
    assert report.verdict is Verdict.REFUTED
    assert set(report.refuted) == caught_by, [item for item in report.evidence if item.check in caught_by]


@pytest.mark.parametrize("instance", ALL)
@pytest.mark.parametrize("form", ["as found", "in powers", "spelled out", "expanded"])
def test_correct_forms_pass(instance: str, form: str) -> None:
    rewrite: Callable[[Expr], Expr] = {
        "as found": lambda claim: claim,
        "in powers": lambda claim: in_powers(claim)[0],
        "spelled out": solution(instance).spell_out,
        "expanded": lambda claim: claim.expand(power_base=False, power_exp=False),
    }[form]
    claims = {context: rewrite(claim) for context, claim in claims_of(instance).items()}
    report = verify(Candidate(solution(instance).named, claims), Fraction(1))
    assert report.refuted == ()
    assert report.verdict.passes, report.evidence


@pytest.mark.parametrize("instance", ["one token", "tie"])
def test_the_tilted_law_passes_where_it_is_the_right_one(instance: str) -> None:
    # c and d are constant: there the guess of one token holds.
    assert verify(the_law_is_the_tilted_one(instance), Fraction(1)).verdict.passes


@pytest.mark.parametrize("normalised", [False, True])
def test_falsehoods_about_general_laws_are_caught(normalised: bool) -> None:
    family = representative(2, normalised)
    right = Candidate.of(solve(family)).probabilities
    start, left, _, both = family.chain.states
    wrong = [
        ({**right, both: right[both] / 2}, _caught("residual", "limit")),
        ({**right, left: right[left] + exp(-family.chain.exit_rate(1) * s)}, _caught("initial value", "residual")),
        ({**right, start: exp(-3 * s)}, _caught("residual")),
    ]
    assert verify(Candidate(family, right)).verdict.passes
    for claims, caught_by in wrong:
        report = verify(Candidate(family, claims))
        assert set(report.refuted) == caught_by
        assert report["mass"].verdict is Verdict.UNKNOWN


def test_sums_over_tokens_are_not_taken_on_trust() -> None:
    family = representative(1)
    (rate,) = family.definitions
    wrong = NamedChain(family.chain, {rate: 2 * family.definitions[rate]}, family.w)
    report = verify(Candidate.of(solve(wrong)))
    assert report["rates"].verdict is Verdict.UNKNOWN
    assert not report.verdict.passes


def test_the_battery_is_as_wide_as_it_claims() -> None:
    assert len({falsehood.spoil for falsehood in FALSEHOODS}) == len(FALSEHOODS) >= 8
    for instance in RAW:
        assert sum(instance in falsehood.instances for falsehood in FALSEHOODS) >= 8
    unused = {
        name
        for name, function in globals().items()
        if name.startswith(("a_", "an_", "the_", "exit_", "two_")) and callable(function)
    } - {falsehood.spoil.__name__ for falsehood in FALSEHOODS}
    assert not unused, f"not in the battery: {unused}"


def test_every_check_catches_something_and_is_silent_elsewhere() -> None:
    caught = [
        falsehood.otherwise.get(name, falsehood.caught_by) for falsehood in FALSEHOODS for name in falsehood.instances
    ]
    for check in CHECKS:
        assert any(check in checks for checks in caught)
        assert any(check not in checks for checks in caught)
