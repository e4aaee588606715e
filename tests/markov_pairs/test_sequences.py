"""The most probable sequences, against the list of all."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markov_pairs import markov_pairs, random_law, system

from symguide.errors import DataError, InfiniteRatioError
from symguide.laws.mixture import Problem
from symguide.markov_pairs.gaps import GapSystem
from symguide.markov_pairs.sequences import by_tilted_weight, most_probable
from symguide.numbers.arithmetic import FLOATS

RULES = ("rate", "normalised")


def everything(gaps: GapSystem) -> dict[tuple[int, ...], float]:
    logs = {x: gaps.log_terminal(x) for x in product(range(gaps.vocabulary), repeat=gaps.length)}
    return {x: log for x, log in logs.items() if log > -np.inf}


@settings(max_examples=60, deadline=None)
@given(markov_pairs(), st.sampled_from(RULES), st.sampled_from([-1, -0.5, 0, 1, 3]))
def test_sequences_come_in_the_order_of_their_tilted_weights(pair: Problem, rule: str, w: float) -> None:
    try:
        gaps = system(pair, rule, FLOATS, w)
        found = list(by_tilted_weight(gaps))
    except InfiniteRatioError:
        return
    # Along the weights of the data: p(x|z)^{1+w} p(x)^{-w}.
    expected = {}
    for x in product(range(pair.vocabulary), repeat=pair.length):
        given, free = float(pair.conditional.weight(x)), float(pair.unconditional.weight(x))
        powers = [(given, 1 + w), (free, -w)]
        if not any(p == 0 for p, e in powers if e != 0):
            expected[x] = sum(e * np.log(p) for p, e in powers if e != 0)
    assert {x for x, _ in found} == expected.keys()
    assert len(found) == len(expected)
    assert [weight for _, weight in found] == pytest.approx(sorted(expected.values(), reverse=True), abs=1e-9)
    assert all(weight == pytest.approx(expected[x], abs=1e-9) for x, weight in found)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(RULES), st.sampled_from([-0.5, 0, 0.5, 2, 6]), st.integers(1, 5))
def test_proved_rankings_leave_nothing_better_out(seed: int, rule: str, w: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    gaps = system(Problem(random_law(rng, 3, 5), random_law(rng, 3, 5)), rule, FLOATS, w)
    ranking = most_probable(gaps, count, most=40)
    best = sorted(everything(gaps).values(), reverse=True)[:count]
    assert list(ranking.logs.values()) == sorted(ranking.logs.values(), reverse=True)
    if ranking.proved:
        assert list(ranking.logs.values()) == pytest.approx(best, abs=1e-10)
    assert w != 0 or ranking.proved


def test_what_is_not_settled_is_not_called_proved() -> None:
    rng = np.random.default_rng(3)
    gaps = system(Problem(random_law(rng, 4, 20), random_law(rng, 4, 20)), "rate", FLOATS, 5)
    ranking = most_probable(gaps, 3, most=5)
    assert not ranking.proved and len(ranking.logs) == 3


def test_asking_for_more_than_there_are() -> None:
    rng = np.random.default_rng(4)
    gaps = system(Problem(random_law(rng, 2, 3), random_law(rng, 2, 3)), "rate", FLOATS, 2)
    ranking = most_probable(gaps, 50)
    assert ranking.proved and len(ranking.logs) == 8
    assert sum(map(np.exp, ranking.logs.values())) == pytest.approx(1, abs=1e-12)
    with pytest.raises(DataError, match="0 sequences are asked for"):
        most_probable(gaps, 0)
