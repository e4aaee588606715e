"""The guided chain as a graph: order, ties, restriction, starts, limits. Its rates are checked in ``laws``."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    HARD,
    RULE_NAMES,
    Instance,
    hypercubes,
    instances,
    integer_strengths,
    mixtures,
    pair,
    starts,
    uniform,
)

from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.errors import ChainTooLargeError, DataError
from symguide.laws.law import context_key
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLOATS, PRECISE, RATIONAL, SYMBOLIC

rules = st.sampled_from(RULE_NAMES)


@given(instances(), rules, st.data())
def test_states_are_in_order_and_reveals_go_one_up(instance: Instance, rule: str, data: st.DataObject) -> None:
    start = data.draw(starts(instance))
    chain = guided_chain(guidance(instance.problem, rule), start)
    assert chain.start == chain.states[0] == start
    assert list(chain.states) == sorted(set(chain.states), key=context_key)
    assert chain.incoming[0] == ()
    for target, reveals in zip(chain.states[1:], chain.incoming[1:], strict=True):
        assert reveals
        for reveal in reveals:
            source = chain.states[reveal.source]
            assert source[reveal.position] is None
            assert (*source[: reveal.position], reveal.token, *source[reveal.position + 1 :]) == target
    assert sorted((*chain.transient, *chain.terminal, *chain.dead)) == list(range(len(chain.states)))
    assert all(chain.index[context] == j for j, context in enumerate(chain.states))


@given(instances(), rules)
def test_ties_are_settled_exactly(instance: Instance, rule: str) -> None:
    """One index exactly when two exit rates are one function of ``w``, whatever their gap."""
    chain = guided_chain(guidance(instance.problem, rule))
    assert len(set(chain.exit_rates)) == len(chain.exit_rates)
    leaving: dict[int, list[tuple[Fraction, Fraction]]] = {j: [] for j in range(len(chain.states))}
    for reveals in chain.incoming:
        for reveal in reveals:
            if rule == "rate":
                leaving[reveal.source] += [(c, b) for b, c in reveal.rate.terms]
    if rule == "rate":
        forms = []
        for j in range(len(chain.states)):
            gathered: dict[Fraction, Fraction] = {}
            for c, b in leaving[j]:
                gathered[b] = gathered.get(b, Fraction(0)) + c
            forms.append(frozenset(gathered.items()))
        for i, j in product(range(len(forms)), repeat=2):
            assert (forms[i] == forms[j]) == (chain.exit_of[i] == chain.exit_of[j])


def test_gaps_of_one_in_ten_to_the_twenty_are_gaps() -> None:
    assert len(guided_chain(guidance(HARD["exact ties"].problem)).exit_rates) == 3
    assert len(guided_chain(guidance(HARD["gaps of 1e-20"].problem)).exit_rates) == 6


@given(instances(), rules, integer_strengths(0))
def test_every_arithmetic_carries_the_same_chain(instance: Instance, rule: str, w: Fraction) -> None:
    chain = guided_chain(guidance(instance.problem, rule))
    exact = chain.over(RATIONAL, w)
    for arithmetic, strength in ((FLOATS, float(w)), (PRECISE, w), (BALLS, w), (SYMBOLIC, sympy.Integer(int(w)))):
        other = chain.over(arithmetic, strength)
        assert (other.states, other.exit_of, other.arithmetic) == (exact.states, exact.exit_of, arithmetic)
        for left, right in zip(exact.exit_rates, other.exit_rates, strict=True):
            assert float(right) == pytest.approx(float(left), rel=1e-13)
        for left, right in zip(exact.jump_law(), other.jump_law(), strict=True):
            assert float(right) == pytest.approx(float(left), rel=1e-13)


def test_arrays_of_strengths() -> None:
    chain = guided_chain(guidance(HARD["squares"].problem))
    strengths = np.array([0.0, 1.0, 2.5])
    weights = chain.over(FLOATS, strengths).jump_law()
    for column, strength in enumerate(strengths):
        alone = chain.over(FLOATS, strength).jump_law()
        assert all(
            np.broadcast_to(a, 3)[column] == pytest.approx(b, rel=1e-14) for a, b in zip(weights, alone, strict=True)
        )


@given(instances(), rules, integer_strengths(0), st.data())
def test_ancestors_keep_their_probabilities(instance: Instance, rule: str, w: Fraction, data: st.DataObject) -> None:
    chain = guided_chain(guidance(instance.problem, rule)).over(RATIONAL, w)
    target = data.draw(st.sampled_from(chain.states))
    part = chain.ancestors([target])
    assert part.start == chain.start
    shown = [(i, token) for i, token in enumerate(target) if token is not None]
    assert all(all(token in (None, target[i]) for i, token in enumerate(context)) for context in part.states)
    assert len(part.states) <= 2 ** len(shown)
    values = expand(chain.map(sympy.sympify, SYMBOLIC)).terms[chain.index[target]]
    alone = expand(part.map(sympy.sympify, SYMBOLIC)).terms[part.index[target]]
    assert values == alone


@given(mixtures(), rules)
def test_unconditional_supports_are_compared(instance: Instance, rule: str) -> None:
    """``w = −1`` belongs to the chain exactly where the conditional law excludes nothing."""
    chain = guided_chain(guidance(instance.problem, rule))
    own = guided_chain(guidance(instance.problem, rule).at(Fraction(-1)))
    assert chain.includes_unconditional == (chain.states == own.states)
    assert own.includes_unconditional
    assert set(chain.states) <= set(own.states)


def test_chains_that_are_too_large_are_refused_with_the_size() -> None:
    tilt = guidance(hypercubes(3).problem)
    with pytest.raises(ChainTooLargeError, match=r"N = 5, D = 3 has more than 20 reachable contexts.*fewer positions"):
        guided_chain(tilt, limit=20)
    assert len(guided_chain(tilt, limit=64).states) == 64
    with pytest.raises(ChainTooLargeError):
        guided_chain(tilt, limit=63)


@pytest.mark.parametrize(
    ("start", "why"),
    [
        ((None,), r"start \(M\) has 1 positions, but the laws have 2"),
        ((0, None), r"start \(0, M\) has probability zero"),
        ((9, 9), r"start \(9, 9\) has probability zero"),
    ],
)
def test_starts_that_do_not_exist_are_refused(start: tuple[int | None, ...], why: str) -> None:
    with pytest.raises(DataError, match=why):
        guided_chain(guidance(HARD["squares"].problem), start)


def test_a_revealed_start_stays() -> None:
    chain = guided_chain(guidance(HARD["xor"].problem), (1, 1))
    assert chain.states == ((1, 1),)
    assert chain.transient == chain.dead == ()
    assert chain.over(RATIONAL, 2).jump_law() == (1,)


def test_one_position_may_die_while_another_lives() -> None:
    """Conditional on the first token the laws of the second exclude one another; the third position goes on."""
    left = uniform([(0, 0, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1)])
    right = uniform([(0, 1, 0), (0, 1, 1), (1, 1, 0), (1, 1, 1)])
    chain = guided_chain(guidance(pair(2, 3, left, right).problem).at(Fraction(-1, 2)))
    stuck = {chain.states[j] for j in chain.dead}
    assert stuck == {(0, None, 0), (0, None, 1)}
    assert chain.exit_rate(chain.index[0, None, None]) == chain.exit_rate(chain.index[1, 1, None])
    assert sum(float(chain.over(SYMBOLIC, sympy.Integer(0)).jump_law()[j]) for j in (*chain.dead, *chain.terminal)) == (
        pytest.approx(1, rel=1e-14)
    )


def test_exactness_is_noticed() -> None:
    assert guided_chain(guidance(HARD["xor"].problem)).is_exact
    floats = ClassMixture.of(2, 1, {"a": (1, np.array([0.5, 0.5]))}).problem("a")
    assert not guided_chain(guidance(floats)).is_exact
