"""Contexts as arrays: they read as the tuples they are made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symguide.chains.contexts import MASKED, ContextArray
from symguide.laws.law import Context, context_key

tables = st.integers(0, 4).flatmap(
    lambda length: st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 30))] * length), max_size=8)
)


@given(tables)
def test_an_array_reads_as_its_contexts(contexts: list[Context]) -> None:
    array = ContextArray.of(contexts)
    assert ContextArray.of(array) is array
    assert len(array) == len(contexts)
    assert list(array) == contexts
    assert [array[j] for j in range(len(contexts))] == contexts
    assert list(array[1:3]) == contexts[1:3]
    assert list(reversed(array)) == contexts[::-1]
    assert all(context in array for context in contexts)
    assert all(type(token) in (int, type(None)) for context in array for token in context)


@given(tables.filter(lambda contexts: bool(contexts and contexts[0])))
def test_order_is_lexicographic_with_the_mask_first(contexts: list[Context]) -> None:
    array = ContextArray.of(contexts)
    found = [array[j] for j in array.order().tolist()]
    assert found == sorted(contexts, key=lambda x: context_key(x)[1])


def test_no_contexts_at_all() -> None:
    assert list(ContextArray.of(())) == []
    assert ContextArray(np.zeros((0, 3), dtype=np.int32)).order().tolist() == []


def test_the_mask_in_arrays() -> None:
    array = ContextArray.of([(None, 3)])
    assert array.tokens.tolist() == [[MASKED, 3]]
    with pytest.raises(IndexError):
        array[1]
    assert array[-1] == (None, 3)
