"""Laws along trees, and their components, against tables and the chain of contexts; chains are trees."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markov_pairs import HALVES, markov_pairs, random_law
from strategies import RULE_NAMES

from symguide.chains.chain import guided_chain
from symguide.chains.functionals import terminal_law
from symguide.errors import ChainTooLargeError, DataError, InfiniteRatioError, NotExactError, SymguideError
from symguide.laws.law import TableLaw
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import Problem
from symguide.laws.tilt import guidance
from symguide.laws.tree_law import TreeLaw
from symguide.markov_pairs.gaps import guided_gaps
from symguide.markov_pairs.trees import count_components, guided_tree
from symguide.numbers.arithmetic import FLOATS, RATIONAL, SYMBOLIC
from symguide.symbols import w as W

TREES = [(None,), (None, 0), (1, None), (None, 0, 0), (1, 2, None), (None, 0, 0, 1), (3, 3, 3, None)]


@st.composite
def tree_laws(draw: st.DrawFn, parents: tuple[int | None, ...], vocabulary: int) -> TreeLaw:
    """Exact laws with zeros, a matrix for every position."""

    def row() -> list[Fraction]:
        counts = draw(st.lists(st.integers(0, 3), min_size=vocabulary, max_size=vocabulary).filter(any))
        return [Fraction(count, sum(counts)) for count in counts]

    below = [i for i, parent in enumerate(parents) if parent is not None]
    return TreeLaw.of(parents, row(), {i: [row() for _ in range(vocabulary)] for i in below})


@st.composite
def tree_pairs(draw: st.DrawFn) -> Problem:
    """Any two laws along one tree, or an unconditional one without zeros."""
    parents, vocabulary = draw(st.sampled_from(TREES)), draw(st.integers(1, 3 - (draw(st.booleans()))))
    strong = draw(tree_laws(parents, vocabulary))
    even = [Fraction(1, vocabulary)] * vocabulary
    weak = (
        TreeLaw.of(parents, even, [even] * vocabulary) if draw(st.booleans()) else draw(tree_laws(parents, vocabulary))
    )
    return Problem(strong, weak)


def _table(law: TreeLaw) -> TableLaw:
    """By the definition: the product over the edges."""
    weights = {}
    for tokens in product(range(law.vocabulary), repeat=law.length):
        weight = Fraction(1)
        for i, parent in enumerate(law.parents):
            row = law.initial if parent is None else law.transitions[i][tokens[parent]]
            weight *= row[tokens[i]]
        weights[tokens] = weight
    return TableLaw.from_mapping(law.vocabulary, law.length, weights)


@settings(max_examples=60)
@given(st.sampled_from(TREES).flatmap(lambda tree: tree_laws(tree, 2)))
def test_a_tree_law_is_the_table_it_spells(law: TreeLaw) -> None:
    table = _table(law)
    possible = 0
    for context in product((None, *range(law.vocabulary)), repeat=law.length):
        weight = table.weight(context)
        assert law.weight(context) == weight
        possible += weight != 0
        for position in range(law.length):
            if context[position] is None and weight:
                assert law.conditional(context, position) == table.conditional(context, position)
    assert law.count_contexts(10**6) == possible


@settings(max_examples=60)
@given(
    tree_pairs(),
    st.sampled_from(RULE_NAMES),
    st.sampled_from([Fraction(-1), Fraction(-1, 2), *map(Fraction, (0, 1, 3))]),
)
def test_terminal_law_is_that_of_the_chain_of_contexts(problem: Problem, rule: str, w: Fraction) -> None:
    tilt = guidance(problem, rule)
    arithmetic = RATIONAL if w.denominator == 1 else FLOATS
    try:
        chain = guided_chain(tilt.at(w))
    except InfiniteRatioError:
        with pytest.raises(InfiniteRatioError):
            guided_tree(tilt).over(arithmetic, w)
        return
    law = terminal_law(chain.over(arithmetic, w))
    exact, floats = guided_tree(tilt).over(arithmetic, w), guided_tree(tilt).over(FLOATS, w)
    for tokens in product(range(problem.vocabulary), repeat=problem.length):
        expected = law[tokens]
        if arithmetic is RATIONAL:
            assert exact.terminal(tokens) == expected
        assert float(floats.terminal(tokens)) == pytest.approx(float(expected), rel=1e-13, abs=0)


@settings(max_examples=25)
@given(markov_pairs(), st.sampled_from(RULE_NAMES), st.sampled_from([0, 1, 2]))
def test_a_chain_is_a_tree(problem: Problem, rule: str, w: int) -> None:
    """With the first position as the root: the same terminal probabilities as by gaps."""
    path = [None, *range(problem.length - 1)]
    trees = []
    for law in (problem.conditional, problem.unconditional):
        assert isinstance(law, MarkovLaw)
        trees.append(TreeLaw.of(path, law.initial, {i: law.step(i - 1) for i in range(1, law.length)}))
    try:
        gaps = guided_gaps(guidance(problem, rule)).over(RATIONAL, w)
    except InfiniteRatioError:
        with pytest.raises(InfiniteRatioError):
            guided_tree(guidance(Problem(*trees), rule)).over(RATIONAL, w)
        return
    tree = guided_tree(guidance(Problem(*trees), rule)).over(RATIONAL, w)
    for tokens in product(range(problem.vocabulary), repeat=problem.length):
        assert tree.terminal(tokens) == gaps.terminal(tokens)


def test_open_strengths_and_three_leaves() -> None:
    """A closed form in ``w``; and forty positions with three leaves, unguided."""
    star = TreeLaw.of([None, 0, 0], ["1/2", "1/2"], [["3/4", "1/4"], ["1/4", "3/4"]])
    even = TreeLaw.of([None, 0, 0], ["1/2", "1/2"], HALVES)
    form = guided_tree(guidance(Problem(star, even))).over(SYMBOLIC, W).terminal((0, 1, 1))
    assert form.subs(W, 2) == guided_tree(guidance(Problem(star, even))).over(RATIONAL, 2).terminal((0, 1, 1))
    parents = [None, 0, 0, 0, *range(1, 19)]
    rng = np.random.default_rng(4)
    laws = []
    for _ in range(2):
        chain = random_law(rng, 4, 2)
        laws.append(TreeLaw.of(parents, chain.initial, chain.step(0)))
    tokens = [int(v) for v in rng.integers(0, 4, len(parents))]
    expected = np.log(laws[0].initial[tokens[0]]) + sum(
        np.log(laws[0].transitions[i][tokens[p], tokens[i]]) for p, i in laws[0].links
    )
    for rule in RULE_NAMES:
        found = guided_tree(guidance(Problem(*laws), rule)).over(FLOATS, 0).log_terminal(tokens)
        assert found == pytest.approx(expected, abs=1e-11)


def test_components_are_counted() -> None:
    """Paths have ``D (D + 1) / 2``, stars ``2^(D−1) + D − 1``; what is counted is what is followed."""
    for parents, expected in (((None, 0, 1, 2, 3), 15), ((None, 0, 0, 0, 0), 20), ((1, None, 1, 2, 2), 17)):
        law = TreeLaw.of(parents, [1.0], [[1.0]])
        linked = {frozenset(pair) for pair in law.links}
        subsets = [[i for i in range(5) if mask >> i & 1] for mask in range(1, 32)]
        edges = [sum(frozenset((i, j)) in linked for i in s for j in s if i < j) for s in subsets]
        assert count_components(law) == sum(e == len(s) - 1 for e, s in zip(edges, subsets, strict=True)) == expected


BAD: dict[str, tuple[Any, str]] = {
    "no root": (lambda: TreeLaw.of([1, 0], [1], [[1]]), r"positions \[\] have no parent"),
    "two roots": (lambda: TreeLaw.of([None, None], [1], [[1]]), r"positions \[0, 1\] have no parent"),
    "cycle": (lambda: TreeLaw.of([None, 2, 1], [1], [[1]]), r"positions \[1, 2\] do not descend from the root 0"),
    "parent": (lambda: TreeLaw.of([None, 7], [1], [[1]]), "the parent of position 1 is 7"),
    "matrices": (lambda: TreeLaw.of([None, 0, 0], [1], {1: [[1]]}), r"given for \[1\], but .* are \[1, 2\]"),
    "shape": (lambda: TreeLaw.of([None, 0], [1, 0], [[1]]), r"transitions to position 1 have shape \(1, 1\)"),
    "row": (lambda: TreeLaw.of([None, 0], [1, 0], [[1, "1/2"], [0, 1]]), "position 1 from token 0 sum to 3/2"),
    "nan": (lambda: TreeLaw.of([None, 0], [1.0, float("nan")], HALVES), "only finite numbers"),
    "dead end": (
        lambda: TreeLaw.of([None, 0, 0], [1, 0], {1: HALVES, 2: [[0, 0], [0, 1]]}),
        "token 0 is reached at position 0, but its transitions to position 2 sum to 0",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(name: str) -> None:
    make, expected = BAD[name]
    with pytest.raises(DataError, match=expected) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_what_is_refused() -> None:
    star = TreeLaw.of([None, 0, 0], ["1/2", "1/2"], HALVES)
    path = TreeLaw.of([None, 0, 1], ["1/2", "1/2"], HALVES)
    with pytest.raises(SymguideError, match="along different trees"):
        guided_tree(guidance(Problem(star, path)))
    with pytest.raises(SymguideError, match="law 1 of the tilt is a TableLaw, not Markov along a tree"):
        guided_tree(guidance(Problem(star, _table(star))))
    with pytest.raises(ChainTooLargeError, match=r"3 positions with 2 leaves has 6 connected parts, more than .* of 5"):
        guided_tree(guidance(Problem(star, star)), limit=5)
    system = guided_tree(guidance(Problem(star, star)))
    with pytest.raises(NotExactError):
        system.over(RATIONAL, 1).log_terminal((0, 0, 0))
    with pytest.raises(DataError, match="length 2, but the laws have 3"):
        system.over(FLOATS, 1).terminal((0, 0))
    with pytest.raises(DataError, match="position 0 is revealed already"):
        star.conditional((0, None, None), 0)
    swap = TreeLaw.of([None, 0, 0], [1, 0], [[0, 1], [1, 0]])
    with pytest.raises(DataError, match="probability zero"):
        swap.conditional((None, 0, None), 0)
