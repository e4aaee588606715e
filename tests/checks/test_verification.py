"""Right solutions pass, with evidence as strong as it can be; what cannot be settled is never called settled."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import (
    HARD,
    RULE_NAMES,
    Instance,
    hypercubes,
    instances,
    integer_strengths,
    mask_fractions,
    mixtures,
    real_strengths,
    starts,
)
from sympy import Integer, Rational, exp, log

from symguide.chains.chain import guided_chain
from symguide.chains.family import rate_symbols, representative
from symguide.chains.naming import named
from symguide.checks.trial import Candidate
from symguide.checks.verification import CHECKS, Report, sample, verify
from symguide.closed_forms.solution import Solution, solve
from symguide.errors import ClockError
from symguide.evidence import Evidence, Verdict
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import guidance
from symguide.numbers.exp_dd import in_powers
from symguide.symbols import s, w

HALF = Fraction(1, 2)
IDENTITIES = CHECKS[: CHECKS.index("integration")]


def solution_of(instance: Instance, rule: str = "rate", **options: Any) -> Solution:
    return solve(guided_chain(guidance(instance.problem, rule), **options))


def assert_passes(report: Report, proved: tuple[str, ...] = IDENTITIES) -> None:
    assert [item.check for item in report.evidence] == list(CHECKS)
    assert report.refuted == ()
    for check in proved:
        assert report[check].verdict is Verdict.PROVED, report[check]
    assert report["integration"].verdict is Verdict.AGREES, report["integration"]
    assert report["balls"].verdict is Verdict.ENCLOSED, report["balls"]
    assert report.verdict is Verdict.AGREES


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", HARD)
def test_hard_instances_are_proved(name: str, rule: str) -> None:
    assert_passes(verify(solution_of(HARD[name], rule), 1, [HALF, Fraction(1, 10**9)]))


@settings(max_examples=30)
@example(HARD["gaps of 1e-20"], "rate", Fraction(3, 7), Fraction(1, 3))
@given(instances(), st.sampled_from(RULE_NAMES), real_strengths(), mask_fractions())
def test_random_instances_are_proved(instance: Instance, rule: str, strength: Fraction, u: Fraction) -> None:
    if instance.prior is None:
        strength = abs(strength)
    assert_passes(verify(solution_of(instance, rule), strength, u, digits=30))


@settings(max_examples=15)
@given(instances(), st.sampled_from(RULE_NAMES))
def test_the_unconditional_chain_is_proved(instance: Instance, rule: str) -> None:
    solution = solve(guided_chain(guidance(instance.problem, rule).at(-1)), Integer(-1))
    assert_passes(verify(solution, -1, HALF, digits=30))


@settings(max_examples=15)
@given(st.data(), mixtures(), st.sampled_from(RULE_NAMES))
def test_other_starts_are_proved(data: st.DataObject, instance: Instance, rule: str) -> None:
    if instance.conditional.keys() <= instance.unconditional.keys():
        start = data.draw(starts(instance))
        assert_passes(verify(solution_of(instance, rule, start=start), HALF, HALF, digits=30))


@settings(max_examples=15)
@example(HARD["a tie at w = 1"], "rate", Fraction(1))
@given(instances(), st.sampled_from(RULE_NAMES), integer_strengths(0))
def test_numeric_rates_are_proved(instance: Instance, rule: str, strength: Fraction) -> None:
    # All rates are numbers, equal ones among them: partial fractions are taken with their true multiplicities.
    solution = solve(guided_chain(guidance(instance.problem, rule).at(strength)), sympy.Rational(strength))
    assert_passes(verify(solution, strength, Fraction(1, 3), digits=30))


def test_radicals_agree_at_points() -> None:
    solution = solve(guided_chain(guidance(HARD["squares"].problem).at(HALF)), Rational(1, 2))
    report = verify(solution, HALF)
    assert report.verdict is Verdict.AGREES
    assert report["residual"].verdict is Verdict.AGREES


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_general_laws_are_proved(rule: str) -> None:
    for length in (1, 2, 3):
        family = representative(length, rule == "normalised")
        assert_passes(verify(solve(family)))
        assert_passes(verify(solve(family), 2, [HALF]))
    for vocabulary, length in ((3, 1), (2, 2)):
        mixture = ClassMixture.symbolic(vocabulary, length)
        assert_passes(verify(solve(guided_chain(guidance(mixture.problem("1"), rule))), 1))


def test_general_rates_are_proved() -> None:
    for vocabulary, length in ((4, 1), (4, 2), (2, 3)):
        assert_passes(verify(solve(named(rate_symbols(vocabulary, length), w))))


def test_values_of_symbols_are_the_given_ones() -> None:
    solution = solve(named(rate_symbols(2, 1), w))
    first, second = (reveals[0].rate for reveals in solution.named.chain.incoming[1:])
    wrong = dict(Candidate.of(solution).probabilities)
    wrong[(0,)], wrong[(1,)] = wrong[(1,)], wrong[(0,)]
    exchanged = Candidate(solution.named, wrong)
    # Right where both rates are one, wrong wherever they are not: the seeded points tell.
    report = verify(exchanged, values={first: Fraction(2, 3), second: Fraction(2, 3)})
    assert report["integration"].verdict is Verdict.AGREES
    report = verify(exchanged, values={first: Fraction(2, 3), second: Fraction(1, 3)})
    assert report["integration"].verdict is Verdict.REFUTED
    assert "r(M->0) = 2/3" in report["integration"].detail


def test_evidence_holds_at_the_asked_points() -> None:
    report = verify(solution_of(HARD["squares"]), 3, [Fraction(1, 3), Fraction(1, 10)], digits=70)
    assert "all 16 contexts" in report["integration"].detail
    assert "within 70 digits" in report["balls"].detail
    deviation = float(report["integration"].detail.split("relative deviation ")[1].split(" ")[0])
    assert deviation <= 1e-70


def test_same_seed_same_report() -> None:
    solution = solution_of(HARD["pair"])
    wrong = Candidate(solution.named, {x: p for x, p in Candidate.of(solution).probabilities.items() if x != (1, 1)})
    assert verify(wrong, seed=3) == verify(wrong, seed=3)
    assert verify(wrong, seed=3) != verify(wrong, seed=4)


@pytest.mark.parametrize("strength", [30, 1000])
def test_stiff_chains_pass(strength: int) -> None:
    assert_passes(verify(solution_of(HARD["squares"]), strength))


def test_large_chains_are_sampled() -> None:
    chain = guided_chain(guidance(hypercubes(4).problem))
    part = sample(chain, contexts=60, terms=50, seed=1)
    assert sample(chain) is chain
    assert part == sample(chain, contexts=60, terms=50, seed=1) != sample(chain, contexts=60, terms=50, seed=2)
    assert 16 <= len(part.states) <= 60
    whole = solve(chain)
    sampled = solve(part)
    for context in part.states:
        assert sampled.spell_out(sampled[context]) == whole.spell_out(whole[context])
    report = verify(sampled, 1, whole=whole.named)
    assert [item.check for item in report.evidence] == [check for check in CHECKS if check != "mass"]
    assert report.verdict is Verdict.AGREES
    assert report.notes == (f"mass: {len(part.states)} of 256 contexts do not hold all of it",)
    assert "all 256 contexts" in report["rates"].detail
    assert f"{len(part.states)} of 256 contexts" in report["integration"].detail


def test_matrix_exponentials_of_large_chains_are_sampled() -> None:
    report = verify(solution_of(hypercubes(4)), 1)
    assert_passes(report)
    assert "all 256 contexts" in report["integration"].detail
    assert " of 256 contexts" in report["balls"].detail


def test_parts_end_anywhere() -> None:
    chain = guided_chain(guidance(HARD["three tokens"].problem))
    report = verify(solve(chain.ancestors([(1, None, 2), (None, 1, None)])), 1, whole=named(chain, w))
    assert report.verdict is Verdict.AGREES, report


def test_a_part_does_not_pass_for_a_whole() -> None:
    part = guided_chain(guidance(HARD["squares"].problem)).ancestors([(2, 2)])
    assert verify(solve(part), 1).refuted == ("rates", "mass")


def test_singular_forms_are_unknown_where_they_are_singular() -> None:
    # In powers of u, this form divides by Λ(M,M) − c(0), which is zero at w = 1 and nowhere near.
    solution = solution_of(HARD["a tie at w = 1"])
    candidate = Candidate(solution.named, {x: in_powers(p)[0] for x, p in Candidate.of(solution).probabilities.items()})
    assert verify(candidate, 2).verdict.passes
    report = verify(candidate, 1)
    assert report.refuted == ()
    assert report["balls"].verdict is Verdict.UNKNOWN
    assert report["integration"].verdict is Verdict.UNKNOWN
    assert not report.verdict.passes


def test_near_ties_cost_no_digits_even_in_singular_forms() -> None:
    solution = solution_of(HARD["gaps of 1e-20"])
    candidate = Candidate(solution.named, {x: in_powers(p)[0] for x, p in Candidate.of(solution).probabilities.items()})
    assert verify(candidate, 1).verdict.passes


def test_forms_that_are_no_exponential_polynomials_are_tried_at_points() -> None:
    solution = solution_of(HARD["one token"])
    rate = solution.named.chain.exit_rate(0)
    claims = {x: p for x, p in Candidate.of(solution).probabilities.items()}
    start = solution.states[0]
    disguised = {**claims, start: claims[start] * log(exp(s * rate), evaluate=False) / (s * rate)}
    report = verify(Candidate(solution.named, {**claims, start: disguised[start]}), 1)
    assert report.refuted == ()
    assert report["residual"].verdict in (Verdict.AGREES, Verdict.PROVED)


def test_dead_contexts_keep_their_mass() -> None:
    # Classes on {00, 11} and on {01, 10}: after one reveal, no token is likely under both.
    halves = [{x: Fraction(1, 2) for x in support} for support in (((0, 0), (1, 1)), ((0, 1), (1, 0)))]
    mixture = ClassMixture.of(2, 2, {name: (HALF, law) for name, law in zip("ab", halves, strict=True)})
    problem = mixture.problem("a")
    a, b = mixture.laws.values()
    tilt = replace(guidance(problem), factors=((a, 1 + w), (b, 1 + w), (problem.unconditional, -1 - 2 * w)))
    solution = solve(guided_chain(tilt))
    assert solution.named.chain.dead
    assert_passes(verify(solution, 1))


def test_nothing_to_integrate_is_refused() -> None:
    with pytest.raises(ClockError, match="there are no mask fractions u"):
        verify(solution_of(HARD["one token"]), 1, [])


def test_evidence_has_no_truth_value() -> None:
    report = verify(solution_of(HARD["one token"]), 1)
    with pytest.raises(TypeError):
        bool(report["mass"])
    assert isinstance(report["mass"], Evidence)
