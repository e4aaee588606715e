"""Chains as arrays: visits, holding times and accumulated rewards against the chain of objects, and in logarithms."""

from fractions import Fraction
from math import inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HARD, RULE_NAMES, Instance, instances, integer_strengths, pair, starts, uniform

from symguide.chains.array_chain import ArrayChain, Incoming, array_chain
from symguide.chains.chain import Chain, guided_chain
from symguide.chains.contexts import ContextArray
from symguide.chains.functionals import last_reveal, terminal_law
from symguide.errors import StrengthError
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS, RATIONAL

rules = st.sampled_from(RULE_NAMES)


def _both(instance: Instance, rule: str, w: Fraction, data: st.DataObject) -> tuple[Chain[Fraction], ArrayChain]:
    """The chain in rationals and as arrays, from all masks or a partially masked start."""
    start = data.draw(st.one_of(st.none(), starts(instance)))
    chain = guided_chain(guidance(instance.problem, rule).at(w), start)
    return chain.over(RATIONAL, 0), array_chain(chain.over(FLOATS, 0.0))


@settings(max_examples=60)
@given(instances(), rules, integer_strengths(), st.data())
def test_arrays_against_rationals(instance: Instance, rule: str, w: Fraction, data: st.DataObject) -> None:
    exact, found = _both(instance, rule, w, data)
    assert tuple(found.states) == exact.states
    assert found.size == len(exact.states)
    assert tuple(np.flatnonzero(found.transient)) == exact.transient
    assert tuple(np.flatnonzero(found.dead)) == exact.dead
    assert tuple(found.terminal) == tuple(exact.states[j] for j in exact.terminal)
    visits = [float(p) for p in exact.jump_law()]
    assert found.jump_law() == pytest.approx(visits, rel=1e-13)
    assert found.log_jump_law() == pytest.approx([log(p) for p in visits], rel=1e-13, abs=1e-13)
    rates = [float(exact.exit_rate(j)) for j in range(found.size)]
    assert found.exits == pytest.approx(rates, rel=1e-13)
    times = [float(time) for time in exact.holding_times()]
    assert found.holding_times() == pytest.approx(times, rel=1e-13)
    rewards = [Fraction(j % 5 + 1, 3) for j in range(found.size)]
    sums = [float(value) for value in exact.accumulate(rewards)]
    assert found.accumulate([float(reward) for reward in rewards]) == pytest.approx(sums, rel=1e-13)
    assert terminal_law(found).table == pytest.approx({x: float(p) for x, p in terminal_law(exact).table.items()})
    last, expected = last_reveal(found), last_reveal(exact)
    assert float(last.mean) == pytest.approx(float(expected.mean), rel=1e-13)
    assert float(last.variance) == pytest.approx(float(expected.variance), rel=1e-12)


def test_levels() -> None:
    chain = array_chain(guided_chain(guidance(HARD["squares"].problem)).over(FLOATS, 1.0))
    assert (chain.offsets, chain.depth, chain.size) == ((0, 1, 7, 16), 2, 16)
    assert [chain.level(k) for k in range(3)] == [slice(0, 1), slice(1, 7), slice(7, 16)]
    assert chain.last == slice(7, 16)
    for k, into in enumerate(chain.incoming):
        # From every context below, something happens with probability one.
        below = chain.level(k)
        out = np.bincount(into.sources.ravel(), into.jumps.ravel(), below.stop - below.start)
        assert out == pytest.approx(np.ones(len(out)), rel=1e-14)


def test_visits_that_underflow() -> None:
    """``h = 1e-200`` twice over is 1e-400, which only its logarithm holds."""
    states = ContextArray.of([(None, None), (0, None), (1, None), (0, 0), (1, 1)])
    rare = Incoming(np.array([[0], [0]]), np.array([[1.0], [1e-200]]))
    then = Incoming(np.array([[0, 1], [0, 1]]), np.array([[1.0, 1.0], [0.0, 1e-200]]))
    chain = ArrayChain(states, (0, 1, 3, 5), (rare, then), np.array([0.0, 0.0, 0.0, -inf, -inf]))
    assert chain.jump_law()[-1] == 0
    assert chain.log_jump_law() == pytest.approx([0, 0, -200 * log(10), 0, -400 * log(10)], rel=1e-15)
    # Jumps that underflow themselves bring their logarithms along.
    deeper = Incoming(then.sources, np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [-inf, -1000.0]]))
    chain = ArrayChain(states, (0, 1, 3, 5), (rare, deeper), chain.log_exits)
    assert chain.log_jump_law()[-1] == pytest.approx(-1000 - 200 * log(10), rel=1e-15)


def test_dead_ends() -> None:
    instance = pair(2, 2, uniform([(0, 0), (1, 1)]), uniform([(0, 1), (1, 0)]))
    chain = array_chain(guided_chain(guidance(instance.problem).at(Fraction(-1, 2))).over(FLOATS, 0.0))
    assert len(chain.terminal) == 0
    assert chain.dead.sum() == 4
    assert chain.jump_law()[chain.dead].sum() == pytest.approx(1, rel=1e-15)
    assert terminal_law(chain).table == {}


def test_rates_beyond_doubles_are_refused() -> None:
    chain = guided_chain(guidance(HARD["slower sampling"].problem)).over(FLOATS, 5000.0)
    with pytest.raises(StrengthError, match=r"context \(M, M\): its exit rate leaves the range of doubles"):
        array_chain(chain)
