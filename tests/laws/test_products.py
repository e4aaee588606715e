"""Products and mixtures without a table against their tables."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import products

from symguide.chains.chain import guided_chain
from symguide.errors import DataError
from symguide.laws.law import Context, Law, TableLaw
from symguide.laws.mixture import ClassMixture
from symguide.laws.products import MixtureLaw, ProductLaw, as_product
from symguide.laws.tilt import guidance


def _contexts(law: Law) -> list[Context]:
    return [x for x in product([None, *range(law.vocabulary)], repeat=law.length) if law.weight(x) > 0]


def _agree(law: Law, table: Law) -> None:
    contexts = _contexts(table)
    assert _contexts(law) == contexts
    for context in contexts:
        assert law.weight(context) == table.weight(context)
        for position in range(law.length):
            if context[position] is None:
                assert law.conditional(context, position) == table.conditional(context, position)


@given(products())
def test_products_are_their_tables(law: ProductLaw) -> None:
    table = law.table()
    _agree(law, table)
    assert law.count_contexts(1000) == table.count_contexts(1000) == len(_contexts(law))
    assert law.support_size == len(table.weights)
    found = as_product(table)
    assert found is not None
    assert found.factors == law.factors


@given(products(), products(), st.fractions(Fraction(1, 10), Fraction(9, 10)))
def test_mixtures_are_their_tables(left: ProductLaw, right: ProductLaw, prior: Fraction) -> None:
    mixed = MixtureLaw(((prior, left), (1 - prior, right)))
    table = TableLaw.mixture([(prior, left.table()), (1 - prior, right.table())])
    _agree(mixed, table)
    assert mixed.count_contexts(10**6) >= table.count_contexts(10**6)
    assert (as_product(table) is None) == (
        not all(
            table.weight((a, b)) == table.weight((a, None)) * table.weight((None, b))
            for a, b in product(range(3), repeat=2)
        )
    )


@given(products(), products())
def test_chains_of_products_are_those_of_their_tables(left: ProductLaw, right: ProductLaw) -> None:
    half = Fraction(1, 2)
    unlisted = ClassMixture.of(3, 2, {"a": (half, left), "b": (half, right)})
    listed = ClassMixture.of(3, 2, {"a": (half, left.table()), "b": (half, right.table())})
    for rule in ("rate", "normalised"):
        assert guided_chain(guidance(unlisted.problem("a"), rule)) == guided_chain(guidance(listed.problem("a"), rule))


def test_floats_are_not_taken_for_products() -> None:
    table = TableLaw.from_mapping(2, 2, {x: 0.25 for x in product(range(2), repeat=2)})
    assert as_product(table) is None
    assert as_product(ProductLaw.iid(2, 2, {0: 0.5, 1: 0.5})) is None


def test_bad_products() -> None:
    with pytest.raises(DataError, match="position 1: the weights sum to 2/3"):
        ProductLaw.of(2, [{0: 1}, {0: "1/3", 1: "1/3"}])
    with pytest.raises(DataError, match="no positions"):
        ProductLaw.of(2, [])
    with pytest.raises(DataError, match="length is 0"):
        ProductLaw.iid(2, 0, {0: 1})
    with pytest.raises(DataError, match="outside the vocabulary"):
        ProductLaw.iid(2, 2, {2: 1})
    with pytest.raises(DataError, match="revealed already"):
        ProductLaw.iid(2, 2, {0: 1}).conditional((0, None), 0)
    with pytest.raises(DataError, match="probability zero"):
        ProductLaw.iid(2, 2, {0: 1}).conditional((1, None), 1)
    with pytest.raises(DataError, match="support has"):
        ProductLaw.iid(2, 100, {0: "1/2", 1: "1/2"}).table()
