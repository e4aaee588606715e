"""Every number by two routes that share nothing: the package, and linear algebra on joint tables."""

from fractions import Fraction
from typing import Any

import flint
import mpmath
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from laws.second_route import SecondRoute, agree, ball, conditional, guided
from strategies import (
    HARD,
    RULE_NAMES,
    Instance,
    instances,
    integer_strengths,
    mask_fractions,
    mixtures,
    pair,
    pairs,
    real_strengths,
    starts,
    uniform,
)

from symguide.chains.chain import Chain, guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import terminal_law
from symguide.closed_forms.compiled import compile_solution
from symguide.closed_forms.solution import solve
from symguide.errors import InfiniteRatioError
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLOATS, PRECISE, RATIONAL, SYMBOLIC
from symguide.symbols import w as w_symbol

rules = st.sampled_from(RULE_NAMES)


def _chain(instance: Instance, rule: str, w: Fraction, start: Any = None) -> Chain[Any]:
    """The chain that holds at ``w``: at −1 a chain of its own, with more contexts where supports differ."""
    tilt = guidance(instance.problem, rule)
    return guided_chain(tilt.at(w) if w == -1 else tilt, start)


def _same_graph(chain: Chain[Any], reference: SecondRoute) -> dict[tuple[Any, Any], Any]:
    """The chain's rates between contexts, after its graph was compared."""
    assert set(chain.states) == reference.reachable
    assert {chain.states[j] for j in chain.transient} == reference.transient
    found: dict[tuple[Any, Any], Any] = {}
    for target, reveals in zip(chain.states, chain.incoming, strict=True):
        for reveal in reveals:
            source = chain.states[reveal.source]
            assert source == (*target[: reveal.position], None, *target[reveal.position + 1 :])
            assert target[reveal.position] == reveal.token
            assert (source, target) not in found
            found[source, target] = reveal.rate
    assert found.keys() == {edge for edge in reference.rates if edge[0] in reference.reachable}
    return found


@given(instances(), rules, integer_strengths())
def test_rates_and_terminal_law_exactly(instance: Instance, rule: str, w: Fraction) -> None:
    chain = _chain(instance, rule, w).over(RATIONAL, w)
    reference = guided(instance, rule, w)
    assert all(rate == reference.rates[edge] for edge, rate in _same_graph(chain, reference).items())
    for state, context in enumerate(chain.states):
        assert chain.exit_rate(state) == reference.exits.get(context, 0)
    assert dict(zip(chain.states, chain.jump_law(), strict=True)) == reference.visits()
    assert terminal_law(chain).table == reference.terminal()


@given(instances(), rules, real_strengths(), st.data())
def test_rates_at_real_strengths_by_mpmath(instance: Instance, rule: str, w: Fraction, data: st.DataObject) -> None:
    start = data.draw(starts(instance))
    chain = _chain(instance, rule, w, start)
    with mpmath.workdps(50):
        values = chain.over(PRECISE, w)
        strength = mpmath.mpf(w.numerator) / w.denominator
        for reveals in values.incoming:
            for reveal in reveals:
                source, position = chain.states[reveal.source], reveal.position
                p = conditional(instance.conditional, source, position)
                q = conditional(instance.unconditional, source, position)
                raw = {
                    token: mpmath.mpf(p[token].numerator)
                    / p[token].denominator
                    * mpmath.exp(
                        strength
                        * mpmath.log(mpmath.mpf((p[token] / q[token]).numerator) / (p[token] / q[token]).denominator)
                    )
                    for token in p
                }
                expected = raw[reveal.token] / (sum(raw.values()) if rule == "normalised" else 1)
                assert mpmath.almosteq(reveal.rate, expected, rel_eps=mpmath.mpf(10) ** -45)


@given(instances(), rules, real_strengths(), mask_fractions(), st.data())
def test_closed_forms_to_thirty_digits(
    instance: Instance, rule: str, w: Fraction, u: Fraction, data: st.DataObject
) -> None:
    start = data.draw(starts(instance))
    solution = solve(_chain(instance, rule, w, start))
    compiled = compile_solution(solution, [solution.tv, *solution.probabilities], target="balls")
    with flint.ctx.workprec(500):
        reference = guided(instance, rule, w, start)
        tv, *found = compiled(ball(w), ball(u))
        expected = reference.at(u)
        assert set(solution.states) == expected.keys()
        for context, value in zip(solution.states, found, strict=True):
            assert agree(value, expected[context]), context
        assert agree(tv, sum((expected[context] for context in reference.transient), start=flint.arb(0)))


@given(instances(), rules, integer_strengths(), mask_fractions())
def test_expansion_over_balls_to_thirty_digits(instance: Instance, rule: str, w: Fraction, u: Fraction) -> None:
    with flint.ctx.workprec(500):
        expansion = expand(_chain(instance, rule, w).over(BALLS, w))
        expected = guided(instance, rule, w).at(u)
        for context, value in zip(expansion.chain.states, expansion.probabilities(-ball(u).log()), strict=True):
            assert agree(value, expected[context]), context


@given(mixtures(), rules, mask_fractions(), st.data())
def test_unconditional_chain_to_thirty_digits(instance: Instance, rule: str, u: Fraction, data: st.DataObject) -> None:
    w = Fraction(-1)
    start = data.draw(starts(instance))
    open_chain = guided_chain(guidance(instance.problem, rule), start)
    own = _chain(instance, rule, w, start)
    reference = guided(instance, rule, w, start)
    assert open_chain.includes_unconditional == (set(open_chain.states) == reference.reachable)
    with flint.ctx.workprec(500):
        expected = reference.at(u)
        for chain in (open_chain, own) if open_chain.includes_unconditional else (own,):
            solution = solve(chain)
            found = compile_solution(solution, solution.probabilities, target="balls")(ball(w), ball(u))
            assert all(agree(p, expected[x]) for x, p in zip(solution.states, found, strict=True))


@given(pairs(), rules, st.fractions(Fraction(-9, 10), 0, max_denominator=10), mask_fractions())
def test_reversed_pairs_at_negative_strengths(instance: Instance, rule: str, w: Fraction, u: Fraction) -> None:
    """Now the conditional law covers the unconditional one: no open ``w``, and contexts may be dead."""
    reversed_pair = pair(instance.vocabulary, instance.length, instance.unconditional, instance.conditional)
    chain = guided_chain(guidance(reversed_pair.problem, rule).at(w))
    with flint.ctx.workprec(500):
        reference = guided(reversed_pair, rule, w)
        _same_graph(chain, reference)
        expected = reference.at(u)
        solution = solve(chain)
        found = compile_solution(solution, solution.probabilities, target="balls")(ball(w), ball(u))
        assert all(agree(p, expected[x]) for x, p in zip(solution.states, found, strict=True))
        assert chain.dead == tuple(j for j, x in enumerate(chain.states) if None in x and x not in reference.exits)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_dead_contexts_keep_their_mass(rule: str) -> None:
    apart = pair(2, 2, uniform([(0, 0), (1, 1)]), {**uniform([(0, 1), (1, 0)])})
    w = Fraction(-1, 2)
    chain = guided_chain(guidance(apart.problem, rule).at(w))
    assert chain.terminal == ()
    assert {chain.states[j] for j in chain.dead} == {(0, None), (1, None), (None, 0), (None, 1)}
    weights = chain.over(SYMBOLIC, w_symbol).jump_law()
    assert sum(weights[j] for j in chain.dead) == 1
    with flint.ctx.workprec(500):
        reference = guided(apart, rule, w)
        assert all(
            agree(reference.at(Fraction(1, 3))[chain.states[j]], (1 - ball(Fraction(1, 9))) / 4) for j in chain.dead
        )


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_infinite_ratios_are_refused_by_name(rule: str) -> None:
    tilt = guidance(pair(2, 1, uniform([(0,), (1,)]), uniform([(0,)])).problem, rule)
    with pytest.raises(InfiniteRatioError, match=r"context \(M\), position 0, token 1: .* infinite for w > 0"):
        guided_chain(tilt)
    with pytest.raises(InfiniteRatioError, match=r"context \(M\), position 0, token 1: .* infinite; use"):
        guided_chain(tilt.at(Fraction(2)))
    assert guided_chain(tilt.at(Fraction(-1, 2))).states == ((None,), (0,))
    assert guided_chain(tilt.at(Fraction(0))).states == ((None,), (0,), (1,))


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("rule", RULE_NAMES)
@settings(max_examples=8)
@given(w=st.one_of(real_strengths(), st.sampled_from([Fraction(0), Fraction(1)])), u=mask_fractions())
def test_hard_instances_to_thirty_digits(name: str, rule: str, w: Fraction, u: Fraction) -> None:
    instance = HARD[name]
    solution = solve(_chain(instance, rule, w))
    compiled = compile_solution(solution, solution.probabilities, target="balls")
    with flint.ctx.workprec(600):
        expected = guided(instance, rule, w).at(u)
        found = compiled(ball(w), ball(u))
        assert all(agree(p, expected[x]) for x, p in zip(solution.states, found, strict=True))


@given(instances(), rules, st.floats(-0.95, 6), st.floats(1e-6, 1))
def test_floats_over_the_chain(instance: Instance, rule: str, w: float, u: float) -> None:
    chain = _chain(instance, rule, Fraction(w)).over(FLOATS, w)
    clock = -float(mpmath.log(u))
    assume(max(chain.exit_rates) * clock <= 100)
    with flint.ctx.workprec(500):
        expected = guided(instance, rule, Fraction(w)).at(Fraction(u))
        for context, value in zip(chain.states, expand(chain).probabilities(clock), strict=True):
            error = abs(flint.arb(float(value)) - expected[context])
            assert error <= flint.arb("1e-12") * expected[context], context
