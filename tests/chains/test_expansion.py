"""The sum over reveal paths: against recursion over subsets, its size, and its value in floats."""

from fractions import Fraction
from itertools import permutations
from math import factorial, log
from typing import Any

import flint
import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from laws.second_route import agree, ball
from strategies import HARD, RULE_NAMES, Instance, hypercubes, instances, real_strengths

from symguide.chains.chain import Chain, guided_chain
from symguide.chains.expansion import expand
from symguide.chains.family import rate_symbols, representative
from symguide.chains.naming import named
from symguide.closed_forms.solution import powers_of_u
from symguide.errors import ChainTooLargeError
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLOATS, PRECISE, RATIONAL, SYMBOLIC
from symguide.symbols import s, u, w

rules = st.sampled_from(RULE_NAMES)


def _by_exponentials(chain: Chain[Any], u: flint.arb) -> list[flint.arb]:
    """``P_x = Σ_R C_{S,R} u^{Λ_R}`` by the recursion over subsets, which divides by differences of exit rates."""
    coefficients: list[dict[int, flint.arb]] = []
    for state, reveals in enumerate(chain.incoming):
        row: dict[int, flint.arb] = {}
        for reveal in reveals:
            for other, value in coefficients[reveal.source].items():
                share = reveal.rate * value / (chain.exit_rate(state) - chain.exit_rate(other))
                row[other] = row.get(other, flint.arb(0)) + share
        row[state] = -sum(row.values(), flint.arb(0)) if state else flint.arb(1)
        coefficients.append(row)
    return [sum((c * u ** chain.exit_rate(j) for j, c in row.items()), flint.arb(0)) for row in coefficients]


@given(instances(), real_strengths(), st.fractions(Fraction(1, 20), Fraction(19, 20), max_denominator=20))
def test_recursion_over_subsets_where_no_rates_coincide(instance: Instance, strength: Fraction, u: Fraction) -> None:
    with flint.ctx.workprec(1500):
        chain = guided_chain(guidance(instance.problem)).over(BALLS, strength)
        found = expand(chain).probabilities(-ball(u).log())
        expected = _by_exponentials(chain, ball(u))
        assume(all(value.is_finite() for value in expected))
        assert all(left.overlaps(right) for left, right in zip(found, expected, strict=True))
        if all(value.rad() < flint.arb("1e-60") for value in expected):
            assert all(abs(left - right) < flint.arb("1e-50") for left, right in zip(found, expected, strict=True))


@given(instances(), rules)
def test_coefficients_are_sums_over_paths_and_never_negative(instance: Instance, rule: str) -> None:
    chain = guided_chain(guidance(instance.problem, rule)).over(RATIONAL, 1)
    expansion = expand(chain)
    assert all(value > 0 for terms in expansion.terms for value in terms.values())
    for state, terms in enumerate(expansion.terms):
        revealed = len(chain.start) - chain.states[state].count(None)
        assert all(len(nodes) == revealed + 1 for nodes in terms)
        assert all(list(nodes) == sorted(nodes) for nodes in terms)
        assert all(chain.exit_of[0] in nodes and chain.exit_of[state] in nodes for nodes in terms)


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_sequence_has_a_term_per_order_unless_rates_coincide(length: int) -> None:
    general = expand(representative(length).chain)
    assert len(general.terms[-1]) == factorial(length) == len(list(permutations(range(length))))
    normalised = expand(representative(length, normalised=True).chain)
    assert [len(terms) for terms in normalised.terms] == [1] * 2**length


def test_size_and_limit() -> None:
    chain = named(rate_symbols(3, 2), w).chain
    assert expand(chain).size == 1 + 3 + 3 + 2 * 9
    with pytest.raises(
        ChainTooLargeError, match=r"a chain with 16 contexts has more than 20 terms; ask for its terminal"
    ):
        expand(chain, limit=20)
    assert expand(chain, limit=25).size == 25


def test_chains_without_values_are_refused() -> None:
    with pytest.raises(AssertionError, match="has no values"):
        expand(guided_chain(guidance(HARD["xor"].problem)))


@settings(max_examples=30)
@given(instances(), rules, st.floats(-0.5, 5), st.floats(0.01, 0.99))
def test_sums_of_states_are_gathered(instance: Instance, rule: str, strength: float, u: float) -> None:
    chain = guided_chain(guidance(instance.problem, rule)).over(FLOATS, strength)
    expansion = expand(chain)
    clock = -log(u)
    values = expansion.probabilities(clock)
    together = expansion.at(clock, [expansion.combine(chain.transient), expansion.combine(chain.terminal), {}])
    assert together[0] == pytest.approx(sum(values[j] for j in chain.transient), rel=1e-13)
    assert together[1] == pytest.approx(sum(values[j] for j in chain.terminal), rel=1e-13)
    assert together[2] == 0
    assert expansion.survival(clock) == pytest.approx(together[0], rel=1e-13)
    assert sum(values) == pytest.approx(1, rel=1e-13)


@settings(max_examples=30)
@given(instances(), st.sampled_from((Fraction(1, 3), Fraction(2), Fraction(9))))
def test_the_normalised_rule_has_a_term_per_number_of_reveals(instance: Instance, strength: Fraction) -> None:
    chain = guided_chain(guidance(instance.problem, "normalised"))
    if chain.dead:
        return
    length = chain.length
    assert chain.paces == tuple(chain.exit_of[chain.index[x]] for x in _one_way(chain)[:-1])
    expansion = expand(named(chain, w).chain)
    assert len(expansion.unfinished) == length
    powers, conditions = powers_of_u(expansion.survival(s))
    assert (sympy.expand(powers - 1 + (1 - u) ** length), conditions) == (0, frozenset())
    # Summed over contexts, the terms are the same numbers.
    with flint.ctx.workprec(200):
        balls = expand(chain.over(BALLS, ball(strength)))
        apart = balls.at(ball(Fraction(1, 2)), [balls.combine(chain.transient)])[0]
        assert agree(balls.survival(ball(Fraction(1, 2))), apart)


def _one_way(chain: Chain[Any]) -> list[Any]:
    """Contexts from the start to the last terminal one, each reached from the one before."""
    state, way = len(chain.states) - 1, [chain.states[-1]]
    while chain.incoming[state]:
        state = chain.incoming[state][0].source
        way.append(chain.states[state])
    return way[::-1]


def test_exit_rates_that_differ_among_contexts_set_no_pace() -> None:
    chain = guided_chain(guidance(HARD["slower sampling"].problem))
    assert chain.paces is None
    # One way through a chain has a pace, but is not all that TV sums over.
    part = guided_chain(guidance(HARD["slower sampling"].problem, "normalised")).ancestors([(0, None)])
    assert part.is_part and not chain.is_part
    expansion = expand(part.over(RATIONAL, 1))
    assert expansion.unfinished == expansion.combine(part.transient)


def test_floats_broadcast_over_strengths_and_clocks() -> None:
    instance = HARD["slower sampling"]
    strengths, clocks = np.array([[0.0], [1.0], [4.0]]), np.array([0.1, 0.7, 3.0, 30.0])
    chain = guided_chain(guidance(instance.problem))
    grid = expand(chain.over(FLOATS, strengths)).probabilities(clocks)
    for i, strength in enumerate(strengths[:, 0]):
        for k, clock in enumerate(clocks):
            alone = expand(chain.over(FLOATS, strength)).probabilities(clock)
            assert all(a[i, k] == pytest.approx(b, rel=1e-13) for a, b in zip(grid, alone, strict=True))


@pytest.mark.parametrize("name", ["one token", "disjoint in projection", "slower sampling", "three tokens"])
def test_log_survival_where_tv_underflows(name: str) -> None:
    chain = guided_chain(guidance(HARD[name].problem))
    for strength, clock in ((0, 0.5), (8, 10.0), (12, 300.0), (20, 690.0)):
        with mpmath.workdps(40):
            exact = mpmath.log(expand(chain.over(PRECISE, Fraction(strength))).survival(mpmath.mpf(clock)))
            found = expand(chain.over(FLOATS, float(strength))).log_survival(clock)
            assert abs(found / exact - 1) < 1e-12


def test_log_survival_takes_arrays_or_says_no() -> None:
    """The start of the clock: nothing has happened yet."""
    expansion = expand(guided_chain(guidance(HARD["xor"].problem)).over(FLOATS, 1.0))
    with np.errstate(divide="ignore"):
        assert expansion.log_survival(0.0) == 0.0


def test_closed_forms_share_their_parts() -> None:
    """No expression swell: distinct divided differences are far fewer than terms."""
    chain = named(guided_chain(guidance(hypercubes(3).problem)), w).chain
    expansion = expand(chain)
    nodes = {node for terms in expansion.terms for node in terms}
    assert len(nodes) < 20 < len(chain.states) <= expansion.size
    forms = expansion.probabilities(s)
    assert max(form.count_ops() for form in forms) < 100
    assert chain.arithmetic is SYMBOLIC
    assert all(isinstance(form, sympy.Expr) for form in forms)


def test_agreement_helper_is_strict() -> None:
    assert not agree(flint.arb(1, 1e-10), flint.arb(1))
    assert not agree(flint.arb(1), flint.arb(1) + flint.arb("1e-12"))
    assert agree(flint.arb(1), flint.arb(1))
