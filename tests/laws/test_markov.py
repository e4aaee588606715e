"""Markov laws: bridges against tables, fits against counts by hand, and what is refused."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markov_pairs import HALVES, markov_laws

from symguide.chains.chain import guided_chain
from symguide.errors import ChainTooLargeError, DataError
from symguide.instances.characters import LETTERS, character_models
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import guidance
from symguide.numbers.logarithms import log_matmul

grids = st.tuples(st.integers(1, 3), st.integers(1, 4))
laws = grids.flatmap(lambda grid: markov_laws(*grid))


@given(laws)
def test_a_markov_law_is_the_table_it_spells(law: MarkovLaw) -> None:
    """Weights, conditionals and the count of contexts, for every context of the grid."""
    table = law.table()
    assert sum(table.weights.values()) == 1
    tokens = (None, *range(law.vocabulary))
    possible = 0
    for context in product(tokens, repeat=law.length):
        weight = table.weight(context)
        assert law.weight(context) == weight
        possible += weight != 0
        for position in range(law.length):
            if context[position] is None and weight:
                assert law.conditional(context, position) == table.conditional(context, position)
    assert law.count_contexts(10**6) == table.count_contexts(10**6) == possible


@given(laws)
def test_floats_follow_fractions(law: MarkovLaw) -> None:
    floats = MarkovLaw.of(law.initial.astype(float), law.transitions.astype(float), law.length)
    assert not floats.is_exact and law.is_exact
    assert (floats.reachable == law.reachable).all()
    for i in range(law.length):
        np.testing.assert_allclose(np.exp(floats.log_marginals[i]), law.marginals[i].astype(float), rtol=1e-14)
        for j in range(i + 1, law.length):
            live = law.reachable[i]
            np.testing.assert_allclose(
                np.exp(law.logs_between(i)[j - i - 1])[live], law.between(i, j)[live].astype(float), rtol=1e-13
            )
    for context in law.table(10**4).weights:
        assert floats.weight(context) == pytest.approx(float(law.weight(context)), rel=1e-13)


def test_a_pair_goes_through_the_chain_of_contexts() -> None:
    sticky = MarkovLaw.of(["1/2", "1/2"], [["3/4", "1/4"], ["1/4", "3/4"]], 2)
    chain = guided_chain(guidance(Problem(sticky, MarkovLaw.of(["1/2", "1/2"], HALVES, 2))))
    tables = Problem(sticky.table(), MarkovLaw.of(["1/2", "1/2"], HALVES, 2).table())
    assert chain == guided_chain(guidance(tables))


def test_a_fit_is_its_counts() -> None:
    """Three words by hand; a half is added to every count."""
    words = {(0, 1, 0): 2, (1, 1): 1, (2,): 4}
    law = MarkovLaw.fit(words, 3, 5, smoothing="1/2")
    half = Fraction(1, 2)
    assert law.initial.tolist() == [
        (2 + half) / (7 + 3 * half),
        (1 + half) / (7 + 3 * half),
        (4 + half) / (7 + 3 * half),
    ]
    assert law.transitions.tolist() == [
        [half / (2 + 3 * half), (2 + half) / (2 + 3 * half), half / (2 + 3 * half)],
        [(2 + half) / (3 + 3 * half), (1 + half) / (3 + 3 * half), half / (3 + 3 * half)],
        [Fraction(1, 3)] * 3,
    ]
    anywhere = MarkovLaw.fit(words, 3, 5, smoothing="1/2", anywhere=True)
    assert anywhere.initial.tolist() == [Fraction(5, 13), Fraction(7, 13), Fraction(1, 13)]
    by_place = MarkovLaw.fit([(0, 1, 0), (0, 1, 1), (1, 0, 0)], 2, 3, homogeneous=False)
    assert by_place.step(0).tolist() == [[0, 1], [1, 0]]
    assert by_place.step(1).tolist() == [[1, 0], [half, half]]


def test_the_law_of_its_own_sequences_is_fitted_back() -> None:
    """Counts in the proportions of a position-dependent Markov law give it back exactly."""
    law = MarkovLaw.of(["1/3", "2/3"], [[["1/4", "3/4"], ["1/2", "1/2"]], [["1/5", "4/5"], ["1", "0"]]])
    fitted = MarkovLaw.fit(law.table().weights, 2, 3, homogeneous=False)
    assert fitted.table() == law.table()


def test_float_counts_give_floats() -> None:
    assert not MarkovLaw.fit({(0, 1): 0.3, (1, 0): 0.7}, 2, 4).is_exact


def test_rounded_rows_are_rescaled_and_that_is_said() -> None:
    law = MarkovLaw.of([0.1 + 0.2, 0.7], [[1 / 3, 2 / 3], [0.3, 0.7 + 1e-13]], 3)
    assert law.rescaled
    assert law.transitions.sum(axis=1).tolist() == [1.0, 1.0]
    assert not MarkovLaw.of([0.5, 0.5], [[0.5, 0.5], [1.0, 0.0]], 3).rescaled


def test_rows_that_nothing_reaches_may_be_empty() -> None:
    law = MarkovLaw.of([1, 0], [[1, 0], [0, 0]], 4)
    assert law.table().weights == {(0, 0, 0, 0): 1}
    assert law.reachable.tolist() == [[True, False]] * 4


def test_one_position_needs_no_transitions() -> None:
    law = MarkovLaw.of(["1/4", "3/4"], [], length=1)
    assert law.conditional((None,), 0) == {0: Fraction(1, 4), 1: Fraction(3, 4)}


BAD: dict[str, tuple[Any, str]] = {
    "row sum": (lambda: MarkovLaw.of([1, 0], [["1/2", "1/3"], [0, 1]], 3), "from token 0 sum to 5/6, not to 1"),
    "row sum by position": (
        lambda: MarkovLaw.of([1.0, 0.0], [np.eye(2), [[0.5, 0.5], [0.5, 0.4]]]),
        "at position 1 from token 1 sum to 0.9, not to 1",
    ),
    "initial sum": (lambda: MarkovLaw.of([0.5, 0.6], HALVES, 3), "initial probabilities sum to 1.1, not to 1"),
    "negative": (lambda: MarkovLaw.of([1, 0], [["3/2", "-1/2"], [0, 1]], 3), r"entry \[0, 1\] is -1/2: a probability"),
    "nan": (lambda: MarkovLaw.of([1, 0], np.array([[np.nan, 1], [0, 1]]), 3), r"entry \[0, 0\] is nan: only finite"),
    "infinite": (lambda: MarkovLaw.of([1, 0], [[float("inf"), 0], [0, 1]], 3), "only finite numbers"),
    "text": (lambda: MarkovLaw.of(["a", 0], HALVES, 3), "text is never evaluated"),
    "boolean": (lambda: MarkovLaw.of([True, 0], HALVES, 3), "that is no number"),
    "shape": (lambda: MarkovLaw.of([1, 0], [[1, 0, 0]], 3), r"shape \(1, 3\), but tokens 0..1 need \(2, 2\)"),
    "vocabularies": (lambda: MarkovLaw.of([1, 0, 0], HALVES, 3), r"tokens 0..2 need \(3, 3\)"),
    "ragged": (lambda: MarkovLaw.of([1, 0], [[1, 0], [1]], 3), "ragged"),
    "initial shape": (lambda: MarkovLaw.of([[1, 0]], HALVES, 3), "N probabilities belong there"),
    "no length": (lambda: MarkovLaw.of([1, 0], HALVES), "give length=D"),
    "length": (lambda: MarkovLaw.of([1, 0], HALVES, 0), "length is 0"),
    "number of matrices": (lambda: MarkovLaw.of([1, 0], [HALVES, HALVES], 4), "2 transition matrices for 4 positions"),
    "dead end": (lambda: MarkovLaw.of([1, 0], [[0, 1], [0, 0]], 3), "token 1 is reached at position 1"),
    "fit: token": (lambda: MarkovLaw.fit([(0, 2)], 2, 2), "token 2 in .* is outside the vocabulary 0..1"),
    "fit: letters": (lambda: MarkovLaw.fit(["ab"], 2, 2), "token 'a' in .* is outside the vocabulary"),
    "fit: length": (lambda: MarkovLaw.fit([(0, 1)], 2, 3, homogeneous=False), "has length 2, but the law has 3"),
    "fit: empty sequence": (lambda: MarkovLaw.fit([()], 2, 3), "has length 0"),
    "fit: no sequence": (lambda: MarkovLaw.fit([3], 2, 3), "is no sequence of tokens"),
    "fit: nothing": (lambda: MarkovLaw.fit([], 2, 3), "no sequence counts"),
    "fit: smoothing": (lambda: MarkovLaw.fit([(0, 1)], 2, 3, smoothing=-1), "smoothing is -1: counts are"),
    "fit: count": (lambda: MarkovLaw.fit({(0, 1): -2}, 2, 3), r"count of \[0, 1\] is -2"),
    "fit: unseen": (lambda: MarkovLaw.fit([(0, 1)], 2, 3), "token 1 is reached at position 1.*smoothing > 0"),
    "fit: vocabulary": (lambda: MarkovLaw.fit([(0, 1)], 0, 3), "vocabulary is 0"),
    "characters: target": (lambda: character_models("de"), "target 'de' is not among the languages en, fr"),
    "characters: language": (lambda: character_models("xx", ("en", "xx")), "wordfreq has no list for language 'xx'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(name: str) -> None:
    make, expected = BAD[name]
    with pytest.raises(DataError, match=expected) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_contexts_that_cannot_be() -> None:
    law = MarkovLaw.of([1, 0], [[0, 1], [1, 0]], 3)
    with pytest.raises(DataError, match="probability zero under this law"):
        law.conditional((1, None, None), 1)
    with pytest.raises(DataError, match="probability zero under this law"):
        law.conditional((None, None, 1), 0)
    with pytest.raises(DataError, match="position 0 is revealed already"):
        law.conditional((0, None, None), 0)


def test_long_laws_are_not_listed() -> None:
    with pytest.raises(ChainTooLargeError, match="more than 1000 token tuples"):
        MarkovLaw.of(["1/2", "1/2"], HALVES, 200).table(1000)


def test_a_long_chain_counts_its_contexts_up_to_the_limit() -> None:
    assert MarkovLaw.of([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]], 200).count_contexts(5000) > 5000


def test_a_mixture_of_markov_classes_takes_tables() -> None:
    """Listed, classes mix; the mixture is no Markov law, and its table is not that of a Markov law either."""
    swap = MarkovLaw.of(["1/2", "1/2"], [[0, 1], [1, 0]], 3)
    stay = MarkovLaw.of(["1/2", "1/2"], [[1, 0], [0, 1]], 3)
    mixed = ClassMixture.of(2, 3, {"swap": ("1/2", swap.table()), "stay": ("1/2", stay.table())}).marginal
    fitted = MarkovLaw.fit(dict(mixed.weights), 2, 3, homogeneous=False)
    assert mixed.weight((0, 0, 1)) == 0 != fitted.weight((0, 0, 1))
    with pytest.raises(DataError):
        ClassMixture.of(2, 3, {"swap": ("1/2", swap), "stay": ("1/2", stay)})


def test_logarithms_survive_underflow() -> None:
    rng = np.random.default_rng(3)
    left, right = rng.normal(0, 400, (5, 6)), rng.normal(0, 400, (6, 4))
    left[0, :3] = right[:, 0] = -np.inf
    expected = np.array([[np.logaddexp.reduce(row + column) for column in right.T] for row in left])
    np.testing.assert_allclose(log_matmul(left, right), expected, rtol=1e-14)


def test_character_models_know_their_languages() -> None:
    problem = character_models("fr", ("en", "fr"), length=40, top=500)
    french, both = problem.conditional, problem.unconditional
    assert isinstance(french, MarkovLaw) and isinstance(both, MarkovLaw)
    assert french.is_homogeneous and french.is_exact and (french.transitions > 0).all()
    english = character_models("en", ("en", "fr"), length=40, top=500).conditional
    letter = LETTERS.index
    assert english.between(0, 1)[letter("t"), letter("h")] > 5 * french.between(0, 1)[letter("t"), letter("h")]
    # The words of all languages in equal parts: between the two, whatever the pair of letters.
    lower, upper = (
        np.minimum(english.transitions, french.transitions),
        np.maximum(english.transitions, french.transitions),
    )
    assert ((lower <= both.transitions) & (both.transitions <= upper)).all()
    assert character_models("fr", length=40, top=500).labels == LETTERS
