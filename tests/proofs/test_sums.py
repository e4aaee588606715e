"""Sums over symbolic ranges: what is called zero is zero, term by term spelled out, and what is zero is called so."""

from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Add, Function, Integer, Mul, Rational, Sum

from symguide.proofs.sums import cancels, expanded, split
from symguide.symbols import symbol, u

i, j, k = (symbol(name, integer=True, positive=True) for name in "ijk")
n, m = symbol("n", integer=True, positive=True), symbol("m", integer=True, positive=True)
f, g = Function("f", positive=True), Function("g", real=True)
h: Any = Function("h", positive=True)
a = symbol("a", positive=True)
SIZES = {n: 2, m: 3}
TABLE: dict[Any, Any] = {
    **{f(x): Rational(x + 1, 3) for x in range(1, 4)},
    **{g(x): Rational(2 - x, 5) for x in range(1, 4)},
    **{h(x, y): Rational(1 + x * y, x + 2 * y) for x, y in product(range(1, 4), repeat=2)},
}


def over(index: Any, form: Any, size: Any) -> Any:
    return Sum(form, (index, 1, size))


def spelled(form: Any) -> Any:
    """Every sum written out, for two and three indices, and every function replaced by its value."""

    def write(function: Any, *limits: Any) -> Any:
        for index, low, high in limits:
            function = Add(*(function.subs(index, x) for x in range(int(low), int(high) + 1)))
        return function

    return form.subs(SIZES).replace(Sum, write).xreplace(TABLE).subs({a: Rational(3, 7), u: Rational(1, 4)})


IDENTITIES = (
    over(i, f(i), n) * over(j, g(j), m) - over(j, over(i, f(i) * g(j), n), m),
    over(i, over(j, h(i, j), n), n) - over(j, over(i, h(i, j), n), n),
    over(i, over(j, h(i, j) * f(i), n), n) - over(k, over(i, h(k, i), n) * f(k), n),
    over(i, f(i), n) ** 2 - over(i, over(j, f(i) * f(j), n), n),
    over(i, f(i) * g(i) / (a + f(i)), n) + a * over(i, g(i) / (a + f(i)), n) - over(i, g(i), n),
    over(i, 2, n) - 2 * n,
    over(i, over(j, f(i), m), n) - m * over(i, f(i), n),
    over(i, over(j, (f(i) - f(j)) ** 2, n), n) - 2 * n * over(i, f(i) ** 2, n) + 2 * over(i, f(i), n) ** 2,
    over(i, over(j, f(j) * h(i, j) / (a - f(i)), m) * (a - f(i)), n) - over(j, f(j) * over(i, h(i, j), n), m),
    over(i, u ** f(i) * over(j, g(j) * h(i, j), m), n) - over(j, g(j) * over(i, h(i, j) * u ** f(i), n), m),
)
FALSE = (
    over(i, f(i), n) - over(i, f(i), m),
    over(i, f(i) * g(i), n) - over(i, f(i), n) * over(i, g(i), n),
    over(i, over(j, h(i, j) * f(i), n), n) - over(i, over(j, h(i, j) * f(j), n), n),
    over(i, f(i), n) ** 2 - over(i, f(i) ** 2, n),
    over(i, over(j, h(i, j), n), m) - over(i, over(j, h(i, j), m), n),
    over(i, 1, n) - over(i, 1, m),
)


@pytest.mark.parametrize("form", IDENTITIES, ids=str)
def test_zero_is_recognised(form: Any) -> None:
    assert abs(spelled(form).evalf(30)) < 1e-25
    assert cancels(form)


@pytest.mark.parametrize("form", FALSE, ids=str)
def test_what_is_not_zero_is_not_called_so(form: Any) -> None:
    assert spelled(form) != 0
    assert not cancels(form)


def test_ranges_that_depend_on_one_another_are_left_alone() -> None:
    triangle = over(i, over(j, h(i, j), i), n)
    assert cancels(triangle - triangle)
    assert not cancels(triangle - over(i, over(j, h(i, j), n), n))
    assert not cancels(triangle - over(j, over(i, h(i, j), i), n))


def test_names_are_used_inside_what_they_name() -> None:
    total, share = symbol("T", positive=True), symbol("S", positive=True)
    named = [(over(i, f(i), n), total), (over(i, g(i), n), 1 - total), (over(j, h(k, j), m), share)]
    assert cancels(over(i, f(i) + g(i), n) - 1, named)
    assert cancels(over(i, 2 * f(i) / total, n) - 2, named)
    assert cancels(over(j, 3 * h(k, j), m) - 3 * share, named)
    assert not cancels(over(i, f(i), m) - total, named)
    assert not cancels(over(j, h(i, j), m) - share, named)  # another free index


def test_sums_split_and_products_open() -> None:
    assert split(over(i, 3 * f(i) + 2, n)).subs(n, 1).doit() == 3 * f(1) + 2
    assert expanded((1 + u) * u) == u + u**2
    assert expanded(u * (1 + a) / (1 + u)) == u / (1 + u) + a * u / (1 + u)


ATOMS = (f(i), g(i), h(i, j), f(j), g(j), Integer(2), a)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3), min_size=1, max_size=3),
    st.lists(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3), min_size=1, max_size=3),
    st.fractions(min_value=-2, max_value=2, max_denominator=3),
)
def test_zero_means_zero_spelled_out(left: Any, right: Any, factor: Fraction) -> None:
    """Random sums of products over two indices, once over ``i`` first and once over ``j`` first."""
    one, two = (Add(*(Mul(*term) for term in terms)) for terms in (left, right))
    scaled = Rational(factor.numerator, factor.denominator) * two
    form = over(i, over(j, one + scaled, m), n) - over(j, over(i, one, n), m) - over(j, over(i, scaled, n), m)
    assert cancels(form)
    difference = over(i, over(j, one, m), n) - over(j, over(i, two, n), m)
    assert cancels(difference) == (expanded(one - two) == 0)
    if cancels(difference):
        assert spelled(difference) == 0
