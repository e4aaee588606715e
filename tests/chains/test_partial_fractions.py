"""Sums of exponentials, against the law in balls; their bound on rounding, against how far they are off."""

from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import RULE_NAMES, Instance, instances

from symguide.chains.array_chain import array_chain
from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.lattice import Lattice, lattice
from symguide.chains.partial_fractions import partial_fractions
from symguide.chains.trajectory import trajectory
from symguide.errors import DataError
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLOATS

TIMES = np.array([1e-3, 0.03, 0.4, 1.0, 3.0, 20.0])


def exact(problem: Problem, rule: str, w: Fraction, contexts: Lattice) -> np.ndarray:
    """Along reveal paths, in balls."""
    chain = guided_chain(guidance(problem, rule))
    with flint.ctx.workprec(400):
        expansion = expand(chain.over(BALLS, w))
        columns = [[float(value) for value in expansion.probabilities(flint.arb(float(s)))] for s in TIMES]
    place = {x: j for j, x in enumerate(chain.states)}
    return np.array(columns).T[[place[x] for x in contexts.states]]


@settings(max_examples=80, deadline=None)
@given(
    instances(), st.sampled_from(RULE_NAMES), st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(3), Fraction(9)])
)
def test_the_bound_holds(instance: Instance, rule: str, w: Fraction) -> None:
    contexts = lattice(guidance(instance.problem, rule))
    fractions = partial_fractions(contexts.at(float(w)))
    off = np.abs(fractions.at(TIMES) - exact(instance.problem, rule, w, contexts)).max(axis=0)
    bound = fractions.error(TIMES)
    # The rates are doubles, a few units off; that is not the bound's matter.
    assert (off <= bound + 1e-14).all()
    assert (np.diff(bound[np.isfinite(bound)]) <= 0).all()


def test_ties_have_no_bound() -> None:
    law = {"a": ("1/2", {(0, 0): "1/2", (1, 1): "1/2"}), "b": ("1/2", {(0, 1): "1/2", (1, 0): "1/2"})}
    chain = lattice(guidance(ClassMixture.of(2, 2, law).problem("a"))).at(1.0)
    # One reveal says nothing, so Λ is 2, then 2: a tie.
    assert chain.exits.tolist()[:2] == [2.0, 2.0]
    assert np.isinf(partial_fractions(chain).error(TIMES)).all()


def test_a_trajectory_takes_them_where_they_are_sharp_and_nothing_else() -> None:
    rng = np.random.default_rng(2)
    counts = rng.integers(1, 99, size=(2, 4, 4, 4))
    laws = {
        str(k): ("1/2", {x: Fraction(int(v), int(c.sum())) for x, v in np.ndenumerate(c)}) for k, c in enumerate(counts)
    }
    problem = ClassMixture.of(4, 3, laws).problem("0")
    contexts = lattice(guidance(problem))
    path = trajectory(contexts.at(2.0), TIMES)
    assert set(path.methods) == {"uniformisation", "partial fractions"}
    off = np.abs(path.probabilities - exact(problem, "rate", Fraction(2), contexts)).max(axis=0)
    assert (off <= path.error + 1e-15).all() and path.error.max() < 1e-12
    tied = trajectory(lattice(guidance(load("hypercubes:D=3,side=2,overlap=1"))).at(np.log2(3)), TIMES)
    assert tied.error.max() < 1e-12


def test_refusals() -> None:
    lumped = array_chain(guided_chain(guidance(load("xor"))).over(FLOATS, 1.0))
    with pytest.raises(DataError, match="no contexts by position"):
        partial_fractions(lumped)
    deep = lattice(guidance(load("hypercubes:D=10,side=2,overlap=1"))).at(1.0)
    with pytest.raises(DataError, match="terms, more than 4000000"):
        partial_fractions(deep)
