"""Signs: what is called not negative is so wherever the bounds hold; a bound read backwards says nothing."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Add, Function, Ge, Integer, Integral, Mul, Rational, Sum, exp, oo

from symguide.proofs.signs import nonnegative
from symguide.symbols import s, symbol, u, w

i = symbol("i", integer=True, positive=True)
n = symbol("n", integer=True, positive=True)
a, b, c = (symbol(name, positive=True) for name in "abc")
x, y = symbol("x", integer=True), symbol("y", integer=True)
f, g = Function("f", positive=True), Function("g", real=True)
phi = Function("phi", real=True)


def at_least(left: Any, right: Any) -> Any:
    return Ge(left, right, evaluate=False)


@pytest.mark.parametrize(
    ("form", "facts"),
    [
        (a * b + c, ()),
        ((a - b) ** 2, ()),
        (a - b, (at_least(a, b),)),
        (a * b - 1, (at_least(a, 1), at_least(b, 1))),
        (2 - 1 / a - 1 / b, (at_least(a, 1), at_least(b, 1))),
        (1 - a, (at_least(1, a),)),
        (n - Sum(f(i), (i, 1, n)), (at_least(1, f(i)),)),
        (Sum(f(i), (i, 1, n)) - n, (at_least(f(i), 1),)),
        (Sum(f(i) * phi(f(i) / a), (i, 1, n)), (at_least(phi(a), 0),)),
        (f(x) - 1 / f(y), (at_least(f(x), 1),)),
        (Integral(Sum(f(i) * exp(-s), (i, 1, n)), (s, 0, oo)), ()),
        (a**n * (1 - a), (at_least(1, a),)),
        (a / Sum(f(i), (i, 1, n)) - a / (Sum(f(i), (i, 1, n)) + b), ()),
    ],
    ids=str,
)
def test_signs_that_show(form: Any, facts: Any) -> None:
    assert nonnegative(form, facts)


@pytest.mark.parametrize(
    ("form", "facts"),
    [
        (a - b, ()),
        (b - a, (at_least(a, b),)),
        (a - 2, (at_least(a, 1),)),
        (a - 1, (at_least(1, a),)),
        (g(i), ()),
        (Sum(g(i), (i, 1, n)), ()),
        (phi(-a), (at_least(phi(a), b),) * 0),
        (Integral(f(i), (i, 1, -oo)), ()),
        (f(y) - f(x), (at_least(f(x), f(y)),)),
        (f(x) - f(y), (at_least(f(y), f(x)),)),
        (u - 1, ()),
        (w, ()),
    ],
    ids=str,
)
def test_signs_that_do_not(form: Any, facts: Any) -> None:
    assert not nonnegative(form, facts)


def test_a_bound_between_two_values_of_a_function_is_one_on_these_two_only() -> None:
    """``f(x) ≥ f(y)`` says nothing of other places: it is no bound for all arguments."""
    fact = (at_least(f(x), f(y)),)
    assert nonnegative(f(x) - f(y), fact)
    assert not nonnegative(f(x + 1) - f(y), fact)
    assert not nonnegative(f(i) - f(y), fact)


def test_a_range_is_looked_at_by_signs_only() -> None:
    below = symbol("b", nonnegative=True)
    assert not nonnegative(-w)
    assert nonnegative(-w, domain={w: -below / (1 + below)})
    assert nonnegative(1 + w, domain={w: -below / (1 + below)})
    assert not nonnegative(w, domain={w: -below / (1 + below)})


PARTS = (a, b, a * b, Integer(1), Integer(-1), 1 / a, -1 / b, -a, a**2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=2), min_size=1, max_size=4))
def test_what_is_called_not_negative_is_not_negative(terms: Any) -> None:
    """Random forms in ``a ≥ 1`` and ``0 < b ≤ 1``, at nine places."""
    form = Add(*(Mul(*term) for term in terms))
    if nonnegative(form, (at_least(a, 1), at_least(1, b))):
        for left, right in product((1, Rational(3, 2), 7), (Rational(1, 9), Rational(1, 2), 1)):
            assert form.subs({a: left, b: right}) >= 0
