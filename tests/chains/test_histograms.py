"""Histograms of token types: their order, their contexts, their chains (their laws are tested with the lumps)."""

from fractions import Fraction

import numpy as np
import pytest

from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.histograms import HistogramLattice, histogram_lattice
from symguide.chains.lump import lump
from symguide.chains.trajectory import trajectory
from symguide.errors import ChainTooLargeError, StrengthError
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.products import ProductLaw
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS


def _three_types() -> Problem:
    laws = [{0: "1/2", 1: "1/4", 2: "1/8", 3: "1/8"}, {0: "1/4", 1: "1/2", 2: "1/8", 3: "1/8"}]
    classes = {str(k): (Fraction(1, 2), ProductLaw.iid(4, 4, law)) for k, law in enumerate(laws)}
    return ClassMixture.of(4, 4, classes).problem("0")


def _histograms(problem: Problem, rule: str = "rate") -> HistogramLattice:
    lumping = lump(problem)
    assert lumping is not None
    return histogram_lattice(lumping, guidance(problem, rule))


def test_levels_are_all_compositions_in_order() -> None:
    histograms = _histograms(_three_types())
    assert histograms.types == ((0,), (1,), (2, 3))
    for k, level in enumerate(histograms.levels):
        rows = level.tolist()
        assert rows == sorted([a, b, k - a - b] for a in range(k + 1) for b in range(k + 1 - a))


@pytest.mark.parametrize("rule", ["rate", "normalised"])
def test_contexts_share_their_histogram_evenly(rule: str) -> None:
    """The law on the way of every context, against the sum over its reveal paths."""
    problem = _three_types()
    histograms = _histograms(problem, rule)
    chain = guided_chain(guidance(problem, rule)).over(FLOATS, 1.5)
    contexts, places = histograms.contexts()
    assert set(contexts) == set(chain.states)
    lumps = histograms.at(1.5)
    law = trajectory(lumps, [0.4]).probabilities[:, 0] / np.bincount(places, minlength=lumps.size)
    found = dict(zip(contexts, law[places].tolist(), strict=True))
    expected = dict(zip(chain.states, map(float, expand(chain).probabilities(0.4)), strict=True))
    assert found == pytest.approx(expected, rel=1e-11)


def test_strengths_at_which_every_rate_overflows() -> None:
    """The law then is the limit law: private tokens only, whatever the rate of a position."""
    histograms = _histograms(load("hypercubes:D=4"))
    chain = histograms.at(5000.0)
    assert not np.isfinite(chain.exits[0])
    law = chain.jump_law()[chain.last]
    shared = histograms.levels[-1][:, histograms.types.index((2,))]
    # The first token is private, at any position; the others are uniform.
    expected = [0.0] * 5
    for m in range(4):
        ways = {0: 1, 1: 3, 2: 3, 3: 1}[m]
        expected[m] = ways * (1 / 3) ** m * (2 / 3) ** (3 - m)
    assert [law[shared == m].sum() for m in range(5)] == pytest.approx(expected, rel=1e-12, abs=1e-300)
    with pytest.raises(StrengthError):
        histograms.at(float("inf"))


def test_too_many_contexts_are_not_listed() -> None:
    with pytest.raises(ChainTooLargeError, match=r"4\^1000 contexts"):
        _histograms(load("hypercubes:D=1000")).contexts()
