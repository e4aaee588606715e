"""Instances: the numbers on both sides of a formula, and where there are none."""

from typing import Any

from sympy import Derivative, Eq, Function, Integer, Integral, Lambda, Limit, Rational, Sum, Symbol, exp, oo

from symguide.chains.family import vocabulary_size
from symguide.proofs.counterexamples import tried
from symguide.proofs.identities import equal
from symguide.proofs.meaning import Meaning
from symguide.symbols import s, symbol, u

i = symbol("i", integer=True, positive=True)
n = symbol("n", integer=True, positive=True)
f: Any = Function("f", positive=True)
T: Any = Function("T", real=True)


def test_the_example_is_used() -> None:
    meaning = Meaning(example={f: Lambda(i, 1 / i), n: Integer(3)})
    assert tried(equal(Sum(f(i), (i, 1, n)), n), meaning).sides == (Rational(11, 6), 3)


def test_ranges_are_never_empty() -> None:
    """A positive integer is two or three, so that no sum over it is empty or has one term only."""
    for name in "abcdef":
        size = symbol(name, integer=True, positive=True)
        sides = tried(equal(Sum(1, (i, 1, size)), size), Meaning()).sides
        assert sides is not None
        assert sides[0] == sides[1] in (2, 3)
    assert tried(equal(vocabulary_size, 3), Meaning()).sides == (3, 3)


def test_derivatives_and_integrals_of_the_example_are_taken() -> None:
    meaning = Meaning(rules={Derivative(T(s), s): 5 * T(s)}, example={T: Lambda(s, exp(-2 * s))})
    sides = tried(equal(Derivative(T(s), s), -2 * T(s)), meaning).sides
    assert sides is not None
    assert sides[0] == sides[1]
    assert tried(equal(Integral(T(s), (s, 0, oo)), Rational(1, 2)), meaning).sides == (Rational(1, 2), Rational(1, 2))


def test_what_has_no_number_says_so() -> None:
    assert tried(equal(Limit(T(u), u, 0), 1), Meaning()).sides is None
    assert tried(equal(1 / (u - Rational(1, 3)), 1), Meaning()).sides is None


def test_where_says_the_values_of_the_symbols_of_the_formula_only() -> None:
    a = Symbol("a", positive=True)
    assert tried(Eq(a, 2 * u, evaluate=False), Meaning()).where == " at u = 1/3, a = 2/5"
