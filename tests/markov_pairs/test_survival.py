"""TV along the clock and the last reveal of Markov pairs, against closed forms and against the chain of contexts."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markov_pairs import HALVES, markov_pairs, random_law, system
from strategies import RULE_NAMES

from symguide.chains.chain import Chain, guided_chain
from symguide.chains.functionals import last_reveal
from symguide.errors import ChainTooLargeError, ClockError, InfiniteRatioError, NotExactError, SymguideError
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import Problem
from symguide.laws.tilt import guidance
from symguide.markov_pairs.survival import Survival, _GapTypes, survival
from symguide.numbers.arithmetic import FLOATS, RATIONAL

FRACTIONS = np.concatenate([np.logspace(-6, 0, 61), 1 - np.logspace(-9, -1, 9)])


def _chain_tv(chain: Chain[Any], u: np.ndarray) -> np.ndarray:
    """What is left in the transient contexts, by matrix exponentials (scaling and squaring): a second route."""
    size = len(chain.states)
    generator = np.zeros((size, size))
    for target, reveals in enumerate(chain.incoming):
        for reveal in reveals:
            generator[target, reveal.source] += reveal.rate
    generator -= np.diag(generator.sum(axis=0))
    transient = list(chain.transient)
    inner = generator[np.ix_(transient, transient)]
    if not transient:
        return np.zeros_like(u)
    out = []
    for s in -np.log(u):
        steps = max(0, int(np.ceil(np.log2(max(1e-9, np.abs(inner).sum(axis=0).max() * s)))) + 6)
        x, power = np.eye(len(inner)), inner * s / 2**steps
        term = np.eye(len(inner))
        for k in range(1, 12):
            term = term @ power / k
            x = x + term
        for _ in range(steps):
            x = x @ x
        out.append(x[:, 0].sum())
    return np.array(out)


@settings(max_examples=25)
@given(markov_pairs(max_vocabulary=2, max_length=3), st.sampled_from(RULE_NAMES), st.sampled_from([-1, -0.5, 0, 1, 3]))
def test_small_chains_against_all_contexts(problem: Problem, rule: str, w: float) -> None:
    """The last reveal exactly (up to doubles), TV by matrix exponentials; dead contexts and both rules included."""
    assert isinstance(problem.unconditional, MarkovLaw) and isinstance(problem.conditional, MarkovLaw)
    assume(problem.length == 1 or (problem.conditional.is_homogeneous and problem.unconditional.is_homogeneous))
    try:
        chain = guided_chain(guidance(problem, rule).at(Fraction(w))).over(FLOATS, w)
    except InfiniteRatioError:
        assume(False)
        raise
    curve = survival(system(problem, rule, FLOATS, w))
    expected = last_reveal(chain)
    assert curve.last.mean == pytest.approx(float(expected.mean), abs=10 * curve.last_error.mean + 1e-11)
    assert curve.last.variance == pytest.approx(float(expected.variance), abs=10 * curve.last_error.variance + 1e-10)
    u = np.array([0.9, 0.5, 0.1, 1e-3])
    np.testing.assert_allclose(curve.at(u), _chain_tv(chain, u), atol=1e-9)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_gaps_that_die_in_part(rule: str) -> None:
    """Positions between 0 and 0 for which one law needs a 1, the other a 2: they wait for ever, others do not."""
    first = MarkovLaw.of([1, 0, 0], [["1/2", "1/2", 0], [1, 0, 0], ["1/2", 0, "1/2"]], 4)
    second = MarkovLaw.of(["1/2", 0, "1/2"], [[0, 0, 1], ["1/3", "1/3", "1/3"], ["1/2", "1/4", "1/4"]], 4)
    chain = guided_chain(guidance(Problem(first, second), rule).at(Fraction(-1, 2))).over(FLOATS, -0.5)
    assert chain.dead
    curve = survival(system(Problem(first, second), rule, FLOATS, -0.5))
    u = np.array([0.9, 0.5, 0.1, 1e-3])
    np.testing.assert_allclose(curve.at(u), _chain_tv(chain, u), atol=1e-9)
    assert curve.last.mean == pytest.approx(float(last_reveal(chain).mean), abs=1e-9)


def _worst(curve: Survival, expected: np.ndarray) -> float:
    return float(np.abs(curve.at(FRACTIONS) / expected - 1).max())


@pytest.mark.parametrize(("rule", "w"), [("rate", 0), ("normalised", 2.5)])
@pytest.mark.parametrize("length", [1, 6, 60])
def test_independent_reveals(rule: str, w: float, length: int) -> None:
    """``TV = 1 − (1 − u)^D`` without guidance, and normalised at any strength; the last reveal is a sum of waits."""
    rng = np.random.default_rng(length)
    gaps = system(Problem(random_law(rng, 3, length), random_law(rng, 3, length)), rule, FLOATS, w)
    curve = survival(gaps)
    with np.errstate(divide="ignore"):
        expected = -np.expm1(length * np.log1p(-FRACTIONS))
    assert _worst(curve, expected) < 2e-10
    assert curve.error(FRACTIONS).max() < 1e-8
    assert (np.abs(curve.at(FRACTIONS) - expected) <= 2 * curve.error(FRACTIONS) + 2e-10 * expected).all()
    waits = 1 / np.arange(1, length + 1)
    assert curve.last.mean == pytest.approx(waits.sum(), abs=1e-10)
    assert curve.last.variance == pytest.approx((waits**2).sum(), abs=1e-9)


def test_the_normalised_rule_through_its_gaps() -> None:
    """The general way, which the closed form above spares, gives the same."""
    rng = np.random.default_rng(8)
    gaps = system(Problem(random_law(rng, 3, 12), random_law(rng, 3, 12)), "normalised", FLOATS, 2)
    types = _GapTypes.of(gaps)
    state, clock = types.start(), 0.0
    for length in (0.1, 0.2, 0.3, 0.5, 0.5, 0.5):
        values, state = types.panel(12, length, state)
        clock += length
        assert values[-1] == pytest.approx(-np.expm1(12 * np.log1p(-np.exp(-clock))), abs=1e-9)


def test_tolerance_is_obeyed_and_errors_are_honest() -> None:
    """A loose curve, measured by a strict one, is off by no more than it says, or little more."""
    rng = np.random.default_rng(9)
    gaps = system(Problem(random_law(rng, 4, 30), random_law(rng, 4, 30)), "rate", FLOATS, 2)
    strict = survival(gaps, tolerance=1e-11)
    loose = survival(gaps, tolerance=1e-4)
    assert len(loose.edges) < len(strict.edges)
    off = np.abs(loose.at(FRACTIONS) - strict.at(FRACTIONS))
    assert 1e-12 < off.max() < loose.error(FRACTIONS).max() < 1e-3
    assert strict.error(FRACTIONS).max() < 1e-9
    assert abs(loose.last.mean - strict.last.mean) < 2 * loose.last_error.mean


def test_curves_start_at_one_fall_and_end_at_zero() -> None:
    rng = np.random.default_rng(10)
    curve = survival(system(Problem(random_law(rng, 4, 30), random_law(rng, 4, 30)), "rate", FLOATS, 1), smallest=1e-9)
    values = curve.at(np.linspace(1, 0, 999))
    assert values[0] == pytest.approx(1, abs=1e-12) and values[-1] == 0.0
    assert (np.diff(values) < 1e-12).all()
    assert curve.edges[-1] >= -np.log(1e-9)
    assert curve.at(0.5).shape == ()


def test_more_guidance_reveals_no_later_than_none() -> None:
    """``TV ≤ 1 − (1 − u)^D`` for ``w ≥ 0``, and ``≥`` for ``w ≤ 0``."""
    rng = np.random.default_rng(11)
    pair = Problem(random_law(rng, 3, 25), random_law(rng, 3, 25))
    u = np.logspace(-4, -0.7, 40)
    unguided = -np.expm1(25 * np.log1p(-u))
    assert (survival(system(pair, "rate", FLOATS, 1.5)).at(u) < unguided).all()
    assert (survival(system(pair, "rate", FLOATS, -0.5)).at(u) > unguided).all()


def test_what_is_refused() -> None:
    law = MarkovLaw.of(["1/2", "1/2"], HALVES, 3)
    gaps = system(Problem(law, law), "rate", FLOATS, 1)
    by_place = MarkovLaw.of(["1/2", "1/2"], [HALVES, [["1/3", "2/3"], ["1/2", "1/2"]]])
    with pytest.raises(SymguideError, match="the transitions depend on the position"):
        survival(system(Problem(by_place, law), "rate", FLOATS, 1))
    with pytest.raises(NotExactError, match="double precision"):
        survival(system(Problem(law, law), "rate", RATIONAL, 1))
    for options in ({"tolerance": 0.0}, {"tolerance": float("nan")}, {"smallest": 0.0}, {"smallest": 2.0}):
        with pytest.raises(SymguideError, match="correct them"):
            survival(gaps, **options)
    curve = survival(gaps)
    for u in (-0.1, 1.5, float("nan")):
        with pytest.raises(ClockError, match=r"from 1 .* to 0"):
            curve.at(u)
    wide = random_law(np.random.default_rng(0), 200, 400)
    with pytest.raises(ChainTooLargeError, match="the settling of all gaps"):
        survival(system(Problem(wide, wide), "rate", FLOATS, 1))
