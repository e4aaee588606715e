"""Systems of gaps against the chain of contexts, exactly; against definitions, where that chain is too large."""

from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markov_pairs import HALVES, markov_pairs, random_law, system
from strategies import RULE_NAMES

from symguide.chains.chain import guided_chain
from symguide.chains.functionals import terminal_law
from symguide.errors import (
    ChainTooLargeError,
    DataError,
    InfiniteRatioError,
    NotExactError,
    StrengthError,
    SymguideError,
)
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import Problem
from symguide.laws.tilt import Tilt, guidance
from symguide.markov_pairs.bridges import Bridges
from symguide.markov_pairs.gaps import Gap, GapSystem, guided_gaps, require_memory
from symguide.numbers.arithmetic import FLOATS, PRECISE, RATIONAL, SYMBOLIC
from symguide.symbols import w as W

rules = st.sampled_from(RULE_NAMES)
strengths = st.sampled_from([Fraction(-1), Fraction(-1, 2), Fraction(0), Fraction(1), Fraction(3)])


@settings(max_examples=120)
@given(markov_pairs(), rules, strengths)
def test_terminal_law_is_that_of_the_chain_of_contexts(problem: Problem, rule: str, w: Fraction) -> None:
    """Exactly where powers are rational, and in doubles; what the chain refuses is refused."""
    tilt = guidance(problem, rule)
    arithmetic = RATIONAL if w.denominator == 1 else PRECISE
    try:
        chain = guided_chain(tilt.at(w))
    except InfiniteRatioError:
        with pytest.raises(InfiniteRatioError):
            guided_gaps(tilt).over(arithmetic, w)
        return
    law = terminal_law(chain.over(arithmetic, w))
    exact, floats = (guided_gaps(tilt).over(kind, w) for kind in (arithmetic, FLOATS))
    for tokens in product(range(problem.vocabulary), repeat=problem.length):
        expected = law[tokens]
        found = exact.terminal(tokens)
        assert found == expected if arithmetic is RATIONAL else mpmath.almosteq(found, expected, 1e-13)
        assert float(floats.terminal(tokens)) == pytest.approx(float(expected), rel=1e-13, abs=0)
        log = floats.log_terminal(tokens)
        assert (
            np.isneginf(log) if expected == 0 else log == pytest.approx(float(mpmath.log(float(expected))), abs=1e-12)
        )


@given(markov_pairs(max_vocabulary=2, max_length=3, alike=True), rules)
@settings(max_examples=15)
def test_open_strengths_give_closed_forms(problem: Problem, rule: str) -> None:
    """One expression in ``w`` for every sequence; at numbers, the numbers."""
    forms = system(problem, rule, SYMBOLIC, W)
    for tokens in product(range(problem.vocabulary), repeat=problem.length):
        form = forms.terminal(tokens)
        for w in (0, 2):
            assert form.subs(W, w) == system(problem, rule, RATIONAL, w).terminal(tokens)


def _by_splits(gaps: GapSystem, tokens: tuple[int, ...]) -> Any:
    """``h`` by the recursion over splits, from the rates of their definition."""

    @cache
    def chance(gap: Gap) -> Any:
        splits = gaps.splits(gap)
        leaving = sum(split.rate for split in splits)
        here = [split for split in splits if split.token == tokens[split.position]]
        return sum(split.rate * np.multiply.reduce([Fraction(1), *map(chance, split.gaps)]) for split in here) / leaving

    return chance(gaps.start)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("w", [Fraction(-1), Fraction(0), Fraction(2)])
def test_terminal_probability_by_definition(rule: str, w: Fraction) -> None:
    """Seven positions, three tokens: 16384 contexts, 36 gaps of one sequence."""
    strong = MarkovLaw.of(
        ["1/2", "1/4", "1/4"], [["1/2", "1/2", 0], ["1/3", "1/3", "1/3"], ["1/8", "3/8", "1/2"]], length=7
    )
    weak = MarkovLaw.of(["1/3", "1/3", "1/3"], [["1/4", "1/2", "1/4"]] * 3, length=7)
    gaps = system(Problem(strong, weak), rule, RATIONAL, w)
    for tokens in ((0, 1, 2, 2, 1, 0, 0), (2, 2, 2, 2, 2, 2, 2)):
        exact = gaps.terminal(tokens)
        assert exact == _by_splits(gaps, tokens)
        floats = system(Problem(strong, weak), rule, FLOATS, w)
        assert float(floats.terminal(tokens)) == pytest.approx(float(exact), rel=1e-14)


def test_splits_are_the_reveals_of_the_chain() -> None:
    """A gap inside a context leaves by the rates that the tilt gives there."""
    problem = Problem(
        MarkovLaw.of(["1/4", "3/4"], [["1/2", "1/2"], ["1/3", "2/3"]], 6), MarkovLaw.of(["1/2", "1/2"], HALVES, 6)
    )
    gaps = system(problem, "rate", RATIONAL, 1)
    splits = gaps.splits(Gap((1, 0), (4, 1)))
    assert [(split.position, split.token) for split in splits] == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert [split.gaps for split in splits[:2]] == [(Gap((2, 0), (4, 1)),), (Gap((2, 1), (4, 1)),)]
    context = (1, 0, None, None, 1, None)
    tilt = guidance(problem).at(1)
    for split in splits:
        assert split.rate == tilt.intensities(context, split.position)[split.token].at(RATIONAL, 1)
    assert sum(split.rate for split in gaps.splits(gaps.start) if split.position == 5) > 0


@pytest.mark.parametrize("homogeneous", [True, False])
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_unguided_sequences_keep_their_probability(rule: str, homogeneous: bool) -> None:
    rng = np.random.default_rng(1)
    pair = Problem(random_law(rng, 6, 80, homogeneous), random_law(rng, 6, 80, homogeneous))
    tokens = tuple(map(int, rng.integers(0, 6, 80)))
    for w, law in ((0, pair.conditional), (-1, pair.unconditional)):
        assert isinstance(law, MarkovLaw)
        expected = law.log_marginals[0, tokens[0]] + sum(law.log_step(i)[tokens[i : i + 2]] for i in range(79))
        assert system(pair, rule, FLOATS, w).log_terminal(tokens) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("w", [-0.5, 3.0, 40.0])
def test_long_sequences_against_many_digits(rule: str, w: float) -> None:
    """The same sums in mpmath: probabilities of 1e-30 and less, to twelve digits."""
    rng = np.random.default_rng(2)
    pair = Problem(random_law(rng, 3, 24), random_law(rng, 3, 24))
    tokens = tuple(map(int, rng.integers(0, 3, 24)))
    with mpmath.workdps(40):
        exact = mpmath.log(system(pair, rule, PRECISE, w).terminal(tokens))
        assert abs(system(pair, rule, FLOATS, w).log_terminal(tokens) - exact) < 1e-12 * max(1, abs(w))


def test_probabilities_far_below_the_doubles() -> None:
    """Bands of tiny transitions underflow on the way, and large strengths overflow; logarithms do neither."""
    size, length = 30, 60
    step = np.eye(size) + np.eye(size, k=1) * 1e-25
    step /= step.sum(axis=1, keepdims=True)
    first = np.eye(size)[0]
    law = MarkovLaw.of(first, step, length)
    other = MarkovLaw.of(first, 0.5 * np.eye(size) + 0.5 / size, length)
    tokens = [*range(size), *[size - 1] * (length - size)]
    assert system(Problem(law, law), "rate", FLOATS, 7).log_terminal(tokens) == pytest.approx(29 * np.log(1e-25))
    assert float(system(Problem(law, law), "rate", FLOATS, 7).terminal(tokens)) == 0.0
    assert np.isneginf(system(Problem(law, law), "rate", FLOATS, 7).log_terminal([1, *tokens[1:]]))
    for w in (100, 1000):
        log = system(Problem(law, other), "normalised", FLOATS, w).log_terminal([0] * length)
        assert -1e-6 < log <= 1e-13 * w  # an ulp of 60 logarithms, times w


@given(markov_pairs(), rules, st.sampled_from([Fraction(0), Fraction(1), Fraction(-1, 2)]))
@settings(max_examples=40)
def test_reading_backwards_changes_nothing(problem: Problem, rule: str, w: Fraction) -> None:
    """The law of reversed sequences, its transitions by Bayes' rule."""
    try:
        forwards = system(problem, rule, FLOATS, w)
    except InfiniteRatioError:
        return
    turned = []
    for law in (problem.conditional, problem.unconditional):
        assert isinstance(law, MarkovLaw)
        table = {tokens[::-1]: weight for tokens, weight in law.table().weights.items()}
        turned.append(MarkovLaw.fit(table, law.vocabulary, law.length, homogeneous=False))
    backwards = system(Problem(*turned), rule, FLOATS, w)
    for tokens in product(range(problem.vocabulary), repeat=problem.length):
        expected = float(forwards.terminal(tokens))
        assert float(backwards.terminal(tokens[::-1])) == pytest.approx(expected, rel=1e-12, abs=0)


def test_composed_guidance_of_three_markov_laws() -> None:
    """The tilt is one formula: three factors go the same way as two."""
    length = 3
    first = MarkovLaw.of(["1/2", "1/2"], [["3/4", "1/4"], ["1/4", "3/4"]], length)
    second = MarkovLaw.of(["1/3", "2/3"], [["1/2", "1/2"], ["1", "0"]], length)
    third = MarkovLaw.of(["1/2", "1/2"], HALVES, length)
    tilt = Tilt(((first, 1 + W), (second, 1 + 2 * W), (third, -1 - 3 * W)))
    law = terminal_law(guided_chain(tilt.at(1)).over(RATIONAL, 1))
    gaps = guided_gaps(tilt).over(RATIONAL, 1)
    assert all(gaps.terminal(x) == law[x] for x in product(range(2), repeat=length))


def test_infinite_ratios_are_refused_as_the_chain_does() -> None:
    """A token that only the unconditional law excludes, at the start and after another token."""
    full = MarkovLaw.of(["1/2", "1/2"], HALVES, 3)
    start = MarkovLaw.of([1, 0], HALVES, 3)
    pairs = MarkovLaw.of(["1/2", "1/2"], [["1/2", "1/2"], [0, 1]], 3)
    for weak, where in (
        (start, "position 0, token 1, all masked"),
        (pairs, "position 1, token 0, with token 1 at position 0"),
    ):
        tilt = guidance(Problem(full, weak))
        for w in (1, Fraction(1, 2)):
            with pytest.raises(InfiniteRatioError):
                guided_chain(tilt.at(w))
            with pytest.raises(InfiniteRatioError, match=where):
                guided_gaps(tilt).over(FLOATS, w)
        with pytest.raises(InfiniteRatioError, match=where):
            guided_gaps(tilt).over(SYMBOLIC, W)
        for w in (-1, Fraction(-1, 2), 0):
            guided_gaps(tilt).over(FLOATS, w)


def test_what_nothing_reaches_is_not_refused() -> None:
    """Rows of a token that is never shown mean nothing, whatever the other law excludes there."""
    strong = MarkovLaw.of([1, 0, 0], [["1/2", "1/2", 0], ["1/3", "2/3", 0], ["1/3", "1/3", "1/3"]], 4)
    weak = MarkovLaw.of(["1/2", "1/4", "1/4"], [["1/2", "1/2", 0], ["1/2", "1/4", "1/4"], [0, 0, 1]], 4)
    for rule in RULE_NAMES:
        law = terminal_law(guided_chain(guidance(Problem(strong, weak), rule).at(2)).over(RATIONAL, 2))
        exact, floats = (system(Problem(strong, weak), rule, kind, 2) for kind in (RATIONAL, FLOATS))
        for tokens in product(range(3), repeat=4):
            assert exact.terminal(tokens) == law[tokens]
            assert float(floats.terminal(tokens)) == pytest.approx(float(law[tokens]), rel=1e-13, abs=0)


@pytest.mark.parametrize("arithmetic", [FLOATS, RATIONAL])
def test_sequences_are_checked(arithmetic: Any) -> None:
    law = MarkovLaw.of(["1/2", "1/2"], HALVES, 3)
    gaps = system(Problem(law, law), "rate", arithmetic, 1)
    for tokens, expected in (
        ((0, 1), "length 2, but the laws have 3"),
        ((0, 1, 2), r"token 2 in .* is outside the vocabulary 0..1"),
        ((0, 1, -1), "token -1"),
        ((0, 1, None), "token None"),
        ((0, 1, True), "token True"),
        ((0, 1, 0.5), r"token 0\.5"),
        (7, "no sequence of tokens"),
    ):
        with pytest.raises(DataError, match=expected) as caught:
            gaps.terminal(tokens)  # pyright: ignore[reportArgumentType]
        assert "\n" not in str(caught.value)


def test_what_no_system_is() -> None:
    law = MarkovLaw.of(["1/2", "1/2"], HALVES, 3)
    pair = Problem(law, law)
    with pytest.raises(SymguideError, match=r"law 1 .* TableLaw, not Markov .*nor is a mixture of Markov"):
        guided_gaps(guidance(Problem(law, law.table())))
    with pytest.raises(StrengthError, match="strength w is -2"):
        system(pair, "rate", FLOATS, -2)
    with pytest.raises(StrengthError, match="nan"):
        system(pair, "rate", FLOATS, float("nan"))
    with pytest.raises(NotExactError, match="use over"):
        system(pair, "rate", RATIONAL, 1).log_terminal((0, 0, 0))
    with pytest.raises(NotExactError, match="irrational"):
        system(Problem(law, MarkovLaw.of(["1/3", "2/3"], HALVES, 3)), "rate", RATIONAL, Fraction(1, 2)).terminal(
            (0, 0, 0)
        )
    with pytest.raises(DataError, match="holds no position"):
        system(pair, "rate", RATIONAL, 1).splits(Gap((0, 1), (1, 1)))
    with pytest.raises(DataError, match="cannot be compared"):
        Problem(law, MarkovLaw.of(["1/2", "1/2"], HALVES, 4))


def test_memory_is_asked_for_before_it_is_taken() -> None:
    law = MarkovLaw.of([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]], 20_000)
    with pytest.raises(ChainTooLargeError, match=r"20000 tokens takes about 71\.\d GiB, more than .* 2\.0 GiB"):
        system(Problem(law, law), "rate", FLOATS, 1).log_terminal([0] * 20_000)
    require_memory(10, "nothing", "nothing")


def test_only_several_positive_laws_can_die() -> None:
    law = MarkovLaw.of(["1/2", "1/2"], HALVES, 3)
    factors = guidance(Problem(law, law)).factors
    assert [Bridges.of(factors, FLOATS, w).may_die for w in (-1, -0.5, 0, 1)] == [False, True, False, False]
