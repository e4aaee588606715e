"""Parallel updates: which contexts they reach, which of these no law knows, and how probabilities rank."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from laws.second_route import conditional, matches
from sampler_cases import UNEVEN
from strategies import HARD, Instance, instances

from symguide.chains.contexts import MASKED
from symguide.errors import ChainTooLargeError, DataError, StrengthError
from symguide.flows.updates import INSTANT, parallel_updates
from symguide.instances.datasets import load
from symguide.laws.law import TableLaw
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS, RATIONAL


def reached(instance: Instance) -> set[tuple[int | None, ...]]:
    """Contexts that steps reach, from the joint table of the conditional law."""
    found, waiting = set(), [(None,) * instance.length]
    while waiting:
        context = waiting.pop()
        if context in found:
            continue
        found.add(context)
        options = [
            [None, *conditional(instance.conditional, context, i)] if token is None else [token]
            for i, token in enumerate(context)
        ]
        waiting += list(product(*options))
    return found


@settings(max_examples=40)
@given(instance=instances())
def test_contexts_are_those_that_tables_allow(instance: Instance) -> None:
    updates = parallel_updates(guidance(instance.problem))
    assert set(updates.states) == reached(instance)
    off = {x for x in updates.states if not any(matches(tokens, x) for tokens in instance.conditional)}
    assert {updates.states[j] for j in updates.off_support} == off
    assert {updates.states[j] for j in updates.stuck} == {x for x in off if None in x}
    sources, counts = np.unique(updates.moves.sources, return_counts=True)
    assert len(sources) == len(updates.states)
    assert counts.sum() == len(set(zip(updates.moves.sources.tolist(), updates.moves.targets.tolist(), strict=True)))


def test_tokens_possible_but_not_together_leave_the_support_for_good() -> None:
    updates = parallel_updates(guidance(UNEVEN.problem))
    stuck = [updates.states[j] for j in updates.stuck]
    assert (0, 0, None) in stuck
    j = updates.states.index((0, 0, None))
    assert updates.moves.targets[updates.moves.sources == j].tolist() == [j]
    assert (0, 0, 1) not in updates.states


def test_dead_positions_keep_their_masks() -> None:
    pair = Problem(
        ClassMixture.of(2, 1, {"a": (1, {(0,): 1})}).marginal, ClassMixture.of(2, 1, {"a": (1, {(1,): 1})}).marginal
    )
    updates = parallel_updates(guidance(pair).at(Fraction(-1, 2)))
    menus = updates.menus(FLOATS, 0.0)
    assert updates.stuck == (0,)
    kernel = updates.kernel(menus.shares, 0 * menus.paces, FLOATS)
    assert kernel.push(np.array([1.0])).tolist() == [1.0]


def test_starts_are_kept_and_checked() -> None:
    updates = parallel_updates(guidance(load("xor")), [(0, None), (0, 1)])
    assert updates.states == ((0, None), (0, 0), (0, 1))
    with pytest.raises(DataError, match="has 1 positions, but the laws have 2"):
        parallel_updates(guidance(load("xor")), [(None,)])


def test_too_many_moves_are_refused_before_they_are_listed() -> None:
    with pytest.raises(ChainTooLargeError, match="more than 2000000 moves"):
        parallel_updates(guidance(load("hypercubes:D=100,side=3,overlap=1")))
    with pytest.raises(ChainTooLargeError, match="more than 100 moves"):
        parallel_updates(guidance(load("hypercubes-5d")), limit=100)


def test_rates_are_those_of_the_tables() -> None:
    for rule in ("rate", "normalised"):
        updates = parallel_updates(guidance(UNEVEN.problem, rule))
        menus = updates.menus(RATIONAL, Fraction(2))
        for row, (j, i) in enumerate(zip(updates.contexts.tolist(), updates.positions.tolist(), strict=True)):
            laws = [conditional(table, updates.states[j], i) for table in (UNEVEN.conditional, UNEVEN.unconditional)]
            q = {v: p**3 / laws[1][v] ** 2 for v, p in sorted(laws[0].items())}
            whole = sum(q.values())
            shown = [int(v) for v in updates.tokens[row] if v != MASKED]
            assert shown == list(q)
            assert menus.shares[row][: len(shown)].tolist() == [value / whole for value in q.values()]
            assert menus.paces[row, 0] == (1 if rule == "normalised" else whole)
            assert menus.rates[row][: len(shown)].tolist() == [
                value / (whole if rule == "normalised" else 1) for value in q.values()
            ]


def test_rates_beyond_doubles_are_cut() -> None:
    menus = parallel_updates(guidance(load("interval-overlap"))).menus(FLOATS, 5000.0)
    assert menus.paces[0, 0] == INSTANT
    assert menus.shares.sum() == pytest.approx(1)
    with pytest.raises(StrengthError):
        parallel_updates(guidance(load("interval-overlap"))).menus(FLOATS, -2.0)


def test_ranks_find_ties_at_any_strength() -> None:
    updates = parallel_updates(guidance(HARD["exact ties"].problem))
    for w in (Fraction(0), Fraction(1), Fraction(1, 3), 0.7, sympy.sqrt(2)):
        ranks = updates.ranks(w)
        assert ranks[0].tolist() == ranks[1].tolist() == [ranks[0, 0]] * 2
        # 3/4 and 1/4, sharpened, after the first reveal.
        later = ranks[2:]
        assert (np.sort(later, axis=1) == np.sort(later, axis=1)[0]).all()
        assert later.min() < ranks[0, 0] < later.max()
    with pytest.raises(StrengthError, match="give a number"):
        updates.ranks(sympy.Symbol("w"))


@pytest.mark.parametrize(("w", "ratio"), [(Fraction(1), 4), (Fraction(1, 2), 8), (Fraction(1, 3), 16)])
def test_ties_of_different_powers_at_one_strength(w: Fraction, ratio: int) -> None:
    """``(1/2)^{1+w} a^{−w} = (1/4)^{1+w} b^{−w}`` where ``a/b = 2^{(1+w)/w}``; irrational at fractional strengths."""
    conditional = TableLaw.from_mapping(3, 1, {(0,): "1/2", (1,): "1/4", (2,): "1/4"})
    whole = 2 * ratio
    unconditional = TableLaw.from_mapping(
        3, 1, {(0,): Fraction(ratio, whole), (1,): Fraction(1, whole), (2,): Fraction(ratio - 1, whole)}
    )
    updates = parallel_updates(guidance(Problem(conditional, unconditional)))
    ranks = updates.ranks(w)[0].tolist()
    assert ranks[0] == ranks[1] > ranks[2]
    later = updates.ranks(w + 1)[0].tolist()
    assert later[1] > later[0]


def test_ranks_of_floats_forgive_rounding() -> None:
    target = {(0,): 0.3, (1,): 0.1 + 0.2, (2,): 0.4}
    laws = {"a": ("1/2", target), "b": ("1/2", {(0,): 0.3, (1,): 0.3, (2,): 0.4})}
    for w in (0.5, 1.0):
        ranks = parallel_updates(guidance(ClassMixture.of(3, 1, laws).problem("a"))).ranks(w)
        assert ranks[0, 0] == ranks[0, 1] < ranks[0, 2]
