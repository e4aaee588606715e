"""Marginals of the terminal law against sums over all sequences, exactly, dead contexts included."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markov_pairs import HALVES, markov_pairs, random_law, system
from strategies import RULE_NAMES

from symguide.chains.chain import guided_chain
from symguide.chains.functionals import terminal_law
from symguide.errors import ChainTooLargeError, DataError, InfiniteRatioError, StrengthError
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import Problem
from symguide.laws.tilt import guidance
from symguide.markov_pairs.marginals import marginals, pair_marginal
from symguide.numbers.arithmetic import FLOATS, RATIONAL

rules = st.sampled_from(RULE_NAMES)


def _check(problem: Problem, rule: str, w: Fraction) -> bool:
    """Every single and every pair of positions; whether the chain has dead contexts."""
    arithmetic = RATIONAL if w.denominator == 1 else FLOATS
    chain = guided_chain(guidance(problem, rule).at(w)).over(arithmetic, w)
    law = terminal_law(chain).table
    length, size = problem.length, problem.vocabulary
    for kind in {arithmetic, FLOATS}:
        gaps = system(problem, rule, kind, w)
        exact = kind is RATIONAL
        single = np.zeros((length, size), dtype=object)
        for tokens, weight in law.items():
            single[np.arange(length), list(tokens)] += weight
        found = marginals(gaps)
        assert (found == single).all() if exact else np.abs(found - single.astype(float)).max() < 1e-14
        for i in range(length):
            for j in range(i + 1, length):
                double = np.zeros((size, size), dtype=object)
                for tokens, weight in law.items():
                    double[tokens[i], tokens[j]] += weight
                found = pair_marginal(gaps, i, j)
                assert (found == double).all() if exact else np.abs(found - double.astype(float)).max() < 1e-14
    return bool(chain.dead)


@settings(max_examples=60)
@given(markov_pairs(), rules, st.sampled_from([Fraction(-1), Fraction(-1, 2), Fraction(0), Fraction(1), Fraction(3)]))
def test_marginals_are_sums_of_the_terminal_law(problem: Problem, rule: str, w: Fraction) -> None:
    try:
        system(problem, rule, FLOATS, w)
    except InfiniteRatioError:
        assume(False)
    _check(problem, rule, w)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_what_dies_is_left_out(rule: str) -> None:
    """Between 0 and 0 one law needs a 1, the other a 2: once both ends are revealed, nothing can stand between."""
    first = MarkovLaw.of([1, 0, 0], [["1/2", "1/2", 0], [1, 0, 0], ["1/2", 0, "1/2"]], 4)
    second = MarkovLaw.of(["1/2", 0, "1/2"], [[0, 0, 1], ["1/3", "1/3", "1/3"], ["1/2", "1/4", "1/4"]], 4)
    assert _check(Problem(first, second), rule, Fraction(-1, 2))


@pytest.mark.parametrize("homogeneous", [True, False])
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_long_chains_keep_their_mass_and_agree(rule: str, homogeneous: bool) -> None:
    """Unguided marginals stay; guided ones have mass one, and pairs sum to singles."""
    rng = np.random.default_rng(5)
    pair = Problem(random_law(rng, 5, 40, homogeneous), random_law(rng, 5, 40, homogeneous))
    assert isinstance(pair.conditional, MarkovLaw)
    np.testing.assert_allclose(marginals(system(pair, rule, FLOATS, 0)), pair.conditional.marginals, atol=1e-14)
    gaps = system(pair, rule, FLOATS, 2)
    single = marginals(gaps)
    np.testing.assert_allclose(single.sum(axis=1), 1, atol=1e-13)
    for i, j in ((0, 1), (17, 20), (5, 39)):
        double = pair_marginal(gaps, i, j)
        np.testing.assert_allclose(double.sum(axis=1), single[i], atol=1e-13)
        np.testing.assert_allclose(double.sum(axis=0), single[j], atol=1e-13)


def test_marginals_of_long_chains_by_their_sequences() -> None:
    """One token of three is allowed anywhere but at two positions, so that the sequences can be listed."""
    length = 12
    fixed, free = [[1, 0], [1, 0]], [["1/3", "2/3"], ["1/3", "2/3"]]
    steps = [free if i in (3, 7) else fixed for i in range(length - 1)]
    pair = Problem(MarkovLaw.of([1, 0], steps), MarkovLaw.of([1, 0], HALVES, length))
    gaps = system(pair, "rate", FLOATS, 2)
    double = pair_marginal(gaps, 4, 8)
    for v in range(2):
        for y in range(2):
            tokens = [0] * length
            tokens[4], tokens[8] = v, y
            assert double[v, y] == pytest.approx(float(gaps.terminal(tokens)), rel=1e-12)


def test_what_is_refused() -> None:
    law = MarkovLaw.of([0.5, 0.5], [[0.5, 0.5], [0.25, 0.75]], 5)
    gaps = system(Problem(law, law), "rate", FLOATS, 1)
    for positions in ((1, 1), (3, 2), (-1, 2), (0, 5), (0.5, 2)):
        with pytest.raises(DataError, match=r"no pair 0 <= i < j < 5"):
            pair_marginal(gaps, *positions)  # pyright: ignore[reportArgumentType]
    long = MarkovLaw.of([0.5, 0.5], [[0.5, 0.5], [0.25, 0.75]], 10_000)
    with pytest.raises(ChainTooLargeError, match=r"takes about 6\.0 GiB, more than the limit"):
        marginals(system(Problem(long, long), "rate", FLOATS, 1))
    wide = random_law(np.random.default_rng(0), 60, 200)
    with pytest.raises(ChainTooLargeError, match="the marginal of positions 10 and 190"):
        pair_marginal(system(Problem(wide, wide), "rate", FLOATS, 1), 10, 190)
    even = MarkovLaw.of([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]], 5)
    with pytest.raises(StrengthError, match="products of them leave the doubles; use a smaller w"):
        marginals(system(Problem(law, even), "rate", FLOATS, 1000))
