"""Laws on token tuples: what is read, what is refused, marginals and conditionals."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from laws.second_route import conditional, matches
from strategies import Instance, mixtures

from symguide.errors import DataError
from symguide.laws.law import TableLaw, context_key, format_context

HALF = Fraction(1, 2)


@given(mixtures())
def test_marginals_and_conditionals_are_sums_over_the_table(instance: Instance) -> None:
    for law, table in (
        (instance.problem.conditional, instance.conditional),
        (instance.problem.unconditional, instance.unconditional),
    ):
        for context in product((None, *range(instance.vocabulary)), repeat=instance.length):
            weight = sum((p for tokens, p in table.items() if matches(tokens, context)), Fraction(0))
            assert law.weight(context) == weight
            for position in (i for i, token in enumerate(context) if token is None):
                if weight:
                    found = law.conditional(context, position)
                    assert found == conditional(table, context, position)
                    assert list(found) == sorted(found)
                    assert sum(found.values()) == 1


def test_every_way_to_write_a_law() -> None:
    expected = {(0, 1): Fraction(1, 3), (1, 0): Fraction(2, 3)}
    for given_weights in (
        {(0, 1): "1/3", (1, 0): "2/3"},
        {(1, 0): Fraction(2, 3), (0, 1): sympy.Rational(1, 3), (0, 0): 0},
        [([0, 1], "1/3"), ((1, 0), "2/3")],
        [(np.array([0, 1]), "1/3"), (np.array([1, 0]), "2/3")],
    ):
        law = TableLaw.from_mapping(2, 2, given_weights)
        assert law.weights == expected
        assert list(law.weights) == [(0, 1), (1, 0)]
        assert law.is_exact
        assert not law.rescaled
    assert TableLaw.from_array([[0, "1/3"], ["2/3", 0]]).weights == expected
    assert TableLaw.from_mapping(3, 1, {0: "1/2", 2: "1/2"}).weights == {(0,): HALF, (2,): HALF}


def test_arrays_of_floats_stay_floats() -> None:
    law = TableLaw.from_array(np.array([[0.1, 0.2], [0.3, 0.4]]))
    assert (law.vocabulary, law.length) == (2, 2)
    assert not law.is_exact
    assert law.weight((None, 0)) == pytest.approx(0.4, rel=1e-15)
    assert all(isinstance(weight, float) for weight in law.weights.values())


def test_rounded_weights_are_divided_by_their_sum() -> None:
    thirds = {(v,): "0.333333333333" for v in range(3)}
    law = TableLaw.from_mapping(3, 1, thirds, decimal=True)
    assert law.rescaled
    assert set(law.weights.values()) == {Fraction(1, 3)}
    with pytest.raises(DataError, match=r"sum to .*, not to 1"):
        TableLaw.from_mapping(3, 1, thirds)
    with pytest.raises(DataError, match=r"sum to .*, not to 1"):
        TableLaw.from_mapping(3, 1, {(v,): "0.33333" for v in range(3)}, decimal=True)
    assert TableLaw.from_mapping(3, 1, {(v,): 1 / 3 for v in range(3)}).weight((0,)) == pytest.approx(1 / 3)
    assert not TableLaw.from_mapping(2, 1, {(0,): 0.5, (1,): 0.5}).rescaled


@pytest.mark.parametrize(
    ("vocabulary", "length", "weights", "why"),
    [
        (2, 1, {(0,): "-1/2", (1,): "3/2"}, "a probability is never negative"),
        (2, 1, {(0,): float("nan")}, "only finite numbers"),
        (2, 1, {(0,): True}, "that is no number"),
        (2, 1, {(0,): None}, "that is no number"),
        (2, 1, {(0,): "p"}, "text is never evaluated"),
        (2, 1, {(0,): "1/3", (1,): "1/3"}, "the weights sum to 2/3, not to 1"),
        (2, 1, {}, "nothing can be sampled"),
        (2, 1, {(0,): 0}, "nothing can be sampled"),
        (2, 2, {(0,): 1}, r"tokens \[0\] have length 1, but the law has 2"),
        (2, 1, {(2,): 1}, r"token 2 in \[2\] is outside the vocabulary 0\.\.1"),
        (2, 1, {(-1,): 1}, "outside the vocabulary"),
        (2, 1, {(0.0,): 1}, "is no integer"),
        (2, 1, {(True,): 1}, "is no integer"),
        (2, 1, {("0",): 1}, "is no integer"),
        (2, 1, [((0,), "1/2"), ([0], "1/2")], r"tokens \[0\] are listed twice"),
        (2, 1, {(0,): -sympy.sqrt(2), (1,): 1 + sympy.sqrt(2)}, "a probability is never negative"),
        (2, 1, {(0,): sympy.sqrt(2)}, "not to 1"),
        (2, 1, {(0,): sympy.I}, "DataError|number|real"),
        (0, 1, {(0,): 1}, "vocabulary"),
        (2, 0, {(): 1}, "length is 0"),
    ],
)
def test_what_is_no_law_is_refused(vocabulary: int, length: int, weights: Any, why: str) -> None:
    with pytest.raises(DataError, match=why) as caught:
        TableLaw.from_mapping(vocabulary, length, weights, "class 'a'")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("array", [np.zeros((2, 3)), np.float64(1.0), np.zeros((0, 0)), [[0.5, 0.5]]])
def test_arrays_of_no_grid_are_refused(array: Any) -> None:
    with pytest.raises(DataError, match=r"needs \(N,\)\*D"):
        TableLaw.from_array(array)


def test_ragged_arrays_are_refused() -> None:
    with pytest.raises(DataError):
        TableLaw.from_array([[0.5, 0.5], [0.0]])


def test_conditionals_that_do_not_exist_are_refused() -> None:
    law = TableLaw.from_mapping(3, 2, {(0, 1): 1})
    with pytest.raises(DataError, match=r"context \(2, M\) has probability zero"):
        law.conditional((2, None), 1)
    with pytest.raises(DataError, match="position 0 is revealed already"):
        law.conditional((0, None), 0)
    assert law.weight((2, None)) == 0


def test_symbolic_laws_sum_to_one_by_assumption() -> None:
    law = TableLaw.symbolic(2, 2, "a")
    assert law.weight((None, None)) == 1
    names = {tokens: str(weight) for tokens, weight in law.weights.items()}
    assert names[0, 1] == "p(0,1|a)"
    assert law.weight((0, None)) == law.weights[0, 0] + law.weights[0, 1]
    assert law.conditional((0, None), 1)[1] == law.weights[0, 1] / (law.weights[0, 0] + law.weights[0, 1])
    assert all(weight.is_positive for weight in law.weights.values())  # pyright: ignore[reportAttributeAccessIssue]


@given(mixtures(), st.data())
def test_mixtures_of_laws(instance: Instance, data: st.DataObject) -> None:
    law = instance.problem.conditional
    assert isinstance(law, TableLaw)
    mixed = TableLaw.mixture([(Fraction(1, 4), law), (Fraction(3, 4), law)])
    assert mixed.weights == law.weights
    other = instance.problem.unconditional
    assert isinstance(other, TableLaw)
    mixed = TableLaw.mixture([(Fraction(1, 4), law), (Fraction(3, 4), other)])
    for tokens in {*law.weights, *other.weights}:
        assert mixed.weight(tokens) == law.weight(tokens) / 4 + 3 * other.weight(tokens) / 4


def test_contexts_are_written_and_ordered_as_people_do() -> None:
    assert format_context((None, 2, 0)) == "(M, 2, 0)"
    contexts = list(product((None, 0, 1), repeat=2))
    ordered = sorted(contexts, key=context_key)
    assert ordered[:3] == [(None, None), (None, 0), (None, 1)]
    assert [sum(token is not None for token in context) for context in ordered] == [0, 1, 1, 1, 1, 2, 2, 2, 2]
