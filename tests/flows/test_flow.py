"""Flows: exact time from any law, against matrix exponentials of the generator; parts that know different contexts."""

from fractions import Fraction
from math import inf, log
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.second_route import guided
from scipy.linalg import expm
from strategies import HARD, Instance, instances

from symguide.chains.array_chain import array_chain
from symguide.chains.chain import guided_chain
from symguide.chains.functionals import Distribution, column, terminal_law
from symguide.chains.lattice import lattice
from symguide.chains.lump import lump, lumped_chain
from symguide.errors import ClockError, DataError
from symguide.flows.flow import Flow, Kernel, Moves, Segment, laws, run
from symguide.flows.sampler_flows import exact_segment
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS, RATIONAL, SYMBOLIC
from symguide.symbols import u


def generator(instance: Instance, rule: str, w: Fraction, contexts: Any) -> np.ndarray:
    """The generator from joint tables, on some contexts."""
    reference, index = guided(instance, rule, w, exact=False), {x: j for j, x in enumerate(contexts)}
    matrix = np.zeros((len(index), len(index)))
    for (source, target), rate in reference.rates.items():
        matrix[index[target], index[source]] += float(rate)
        matrix[index[source], index[source]] -= float(rate)
    return matrix


@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("rule", ["rate", "normalised"])
@settings(max_examples=15)
@given(instance=instances(), seed=st.integers(0, 99), clock=st.sampled_from([0.1, 1.0, 6.0]))
def test_exact_time_from_any_law_is_the_matrix_exponential(
    rule: str, arrays: bool, instance: Instance, seed: int, clock: float
) -> None:
    chain: Any = guided_chain(guidance(instance.problem, rule)).over(FLOATS, 1.0)
    contexts = chain.states
    begun = np.random.default_rng(seed).dirichlet(np.full(len(contexts), 0.3))
    segment = Segment(array_chain(chain) if arrays else chain, clock)
    found = run(Flow((segment,)), Distribution(tuple(contexts), begun, FLOATS))
    expected = expm(clock * generator(instance, rule, Fraction(1), contexts)) @ begun
    np.testing.assert_allclose([found[x] for x in contexts], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", ["rate", "normalised"])
@pytest.mark.parametrize("name", HARD)
def test_stiff_time_from_any_law(name: str, rule: str) -> None:
    """Contours, where rates are far apart."""
    chain = lattice(guidance(HARD[name].problem, rule)).at(9.0)
    contexts = list(chain.states)
    begun = np.random.default_rng(3).dirichlet(np.full(len(contexts), 0.3))
    found = Segment(chain, 30.0).push(begun)
    expected = expm(30.0 * generator(HARD[name], rule, Fraction(9), contexts)) @ begun
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_changing_the_strength_on_the_way() -> None:
    contexts = lattice(guidance(load("squares-overlap")))
    early = run(Flow((Segment(contexts.at(3.0), log(2)), Segment(contexts.at(0.0), inf))))
    instance = HARD["squares"]
    first, second = (generator(instance, "rate", Fraction(w), list(contexts.states)) for w in (3, 0))
    start = np.eye(len(contexts.states))[0]
    expected = expm(200 * second) @ expm(log(2) * first) @ start
    np.testing.assert_allclose(early.column, expected, atol=1e-12)


@pytest.mark.parametrize("name", ["xor", "squares", "slower sampling", "three tokens"])
def test_the_end_in_rationals_from_every_context(name: str) -> None:
    instance = HARD[name]
    chain = guided_chain(guidance(instance.problem)).over(RATIONAL, 2)
    segment = Segment(chain, inf)
    for context in chain.states:
        found = run(Flow((segment,)), context)
        later = guided_chain(guidance(instance.problem), context).over(RATIONAL, 2)
        assert {x: p for x, p in found.table.items() if p} == terminal_law(later).table


def test_symbols_compose() -> None:
    tilt = guidance(load("xor"))
    half = run(Flow((exact_segment(tilt, Fraction(1), u, SYMBOLIC),) * 2))
    whole = run(Flow((exact_segment(tilt, Fraction(1), u**2, SYMBOLIC),)))
    for context in whole.states:
        gap = (half[context] - whole[context]).subs(u, sympy.Rational(1, 3))
        assert abs(sympy.N(gap, 30)) < 1e-25


def test_contexts_that_a_part_does_not_know_stay() -> None:
    chain = guided_chain(guidance(load("xor"))).over(FLOATS, 1.0)
    moves = Moves(((None, None), (0, 1)), np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([[0], [1], [2]]))
    flow = Flow((Kernel(moves, np.array([0.75, 0.25, 1.0]), FLOATS), Segment(chain, inf)))
    law = run(flow)
    assert law[(0, 1)] == 0.25
    assert law[(0, 0)] == pytest.approx(0.375)
    assert law.column.sum() == pytest.approx(1)
    assert flow.states[:2] == ((None, None), (None, 0))
    assert [round(float(step.column.sum()), 12) for step in laws(flow)] == [1.0, 1.0, 1.0]


def test_what_is_no_flow_is_refused() -> None:
    chain = guided_chain(guidance(load("xor")))
    doubles, rationals = chain.over(FLOATS, 1.0), chain.over(RATIONAL, 1)
    with pytest.raises(DataError, match="exponential sums"):
        Segment(chain, 1.0)
    with pytest.raises(ClockError, match="does not run backwards"):
        Segment(doubles, -1.0)
    with pytest.raises(ClockError, match="does not run backwards"):
        Segment(doubles, float("nan"))
    with pytest.raises(DataError, match="no parts"):
        Flow(())
    with pytest.raises(DataError, match="float, rational; put them all in one"):
        Flow((Segment(doubles, 1.0), Segment(rationals, inf)))
    other = guided_chain(guidance(load("interval-overlap"))).over(FLOATS, 1.0)
    with pytest.raises(DataError, match=r"contexts of \[1, 2\] positions"):
        Flow((Segment(doubles, 1.0), Segment(other, 1.0)))
    with pytest.raises(DataError, match=r"start \(0, 1\): no part of the flow speaks of it"):
        run(Flow((Segment(doubles, 1.0),)), (0, 1))
    with pytest.raises(DataError, match="arithmetic rational, the flow in float"):
        run(Flow((Segment(doubles, 1.0),)), Distribution(((None, None),), (Fraction(1),), RATIONAL))


def test_lumped_chains_are_refused() -> None:
    problem = load("hypercubes:D=3,side=2,overlap=1")
    lumping = lump(problem)
    assert lumping is not None
    chain = lumped_chain(lumping, guidance(problem)).over(FLOATS, 1.0)
    with pytest.raises(DataError, match="lumped"):
        Segment(chain, 1.0)


def test_kernels_in_objects_and_doubles_agree() -> None:
    moves = Moves(
        ((None,), (0,), (1,)), np.array([0, 0, 0, 1, 2]), np.array([0, 1, 2, 1, 2]), np.array([[0], [1], [2], [3], [3]])
    )
    exact = Kernel(moves, column([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6), Fraction(1)], RATIONAL), RATIONAL)
    doubles = Kernel(moves, np.array([1 / 2, 1 / 3, 1 / 6, 1.0]), FLOATS)
    law = column([Fraction(1, 2), Fraction(1, 2), Fraction(0)], RATIONAL)
    assert exact.push(law).tolist() == [Fraction(1, 4), Fraction(2, 3), Fraction(1, 12)]
    np.testing.assert_allclose(doubles.push(law.astype(float)), exact.push(law).astype(float))
