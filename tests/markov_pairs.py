"""Random Markov laws and pairs that several tests share, and floats of a given size."""

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import Problem
from symguide.laws.tilt import guidance
from symguide.markov_pairs.gaps import GapSystem, guided_gaps
from symguide.numbers.arithmetic import Arithmetic

__all__ = ["HALVES", "markov_laws", "markov_pairs", "random_law", "system"]

HALVES = [["1/2", "1/2"], ["1/2", "1/2"]]


@st.composite
def markov_laws(draw: st.DrawFn, vocabulary: int, length: int) -> MarkovLaw:
    """Exact laws, homogeneous or not, with zeros."""

    def row() -> list[Fraction]:
        counts = draw(st.lists(st.integers(0, 3), min_size=vocabulary, max_size=vocabulary).filter(any))
        return [Fraction(count, sum(counts)) for count in counts]

    def matrix() -> list[list[Fraction]]:
        return [row() for _ in range(vocabulary)]

    if draw(st.booleans()):
        return MarkovLaw.of(row(), matrix(), length)
    return MarkovLaw.of(row(), [matrix() for _ in range(length - 1)], length)


@st.composite
def markov_pairs(draw: st.DrawFn, max_vocabulary: int = 3, max_length: int = 4, alike: bool = False) -> Problem:
    """Pairs of exact laws: any two, two alike in their zeros, or an unconditional one without zeros."""
    vocabulary, length = draw(st.integers(1, max_vocabulary)), draw(st.integers(1, max_length))
    first = draw(markov_laws(vocabulary, length))
    match draw(st.sampled_from(["alike", "full"] if alike else ["any", "alike", "full"])):
        case "any":
            second = draw(markov_laws(vocabulary, length))
        case "alike":
            second = MarkovLaw.of(_flatter(first.initial), _flatter(first.transitions), length)
        case _:
            even = [Fraction(1, vocabulary)] * vocabulary
            second = MarkovLaw.of(even, [even] * vocabulary, length)
    return Problem(first, second)


def _flatter(rows: np.ndarray) -> np.ndarray:
    """Rows with the same zeros, their positive entries moved halfway to equal ones."""
    some = rows != 0
    return (rows + some * Fraction(1) / some.sum(axis=-1, keepdims=True)) / 2


def random_law(rng: np.random.Generator, vocabulary: int, length: int, homogeneous: bool = True) -> MarkovLaw:
    """A law of floats without zeros."""
    shape = (vocabulary,) if homogeneous else (length - 1, vocabulary)
    transitions = rng.dirichlet(np.full(vocabulary, 2.0), size=shape)
    return MarkovLaw.of(rng.dirichlet(np.full(vocabulary, 2.0)), transitions, length)


def system(problem: Problem, rule: str, arithmetic: Arithmetic, w: object) -> GapSystem:
    """The gaps of a pair at a strength."""
    return guided_gaps(guidance(problem, rule)).over(arithmetic, w)
