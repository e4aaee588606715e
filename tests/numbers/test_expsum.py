"""Exponential sums: canonical form, arithmetic, values, equality for all strengths."""

from fractions import Fraction

import mpmath
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from symguide.numbers.arithmetic import FLOATS, RATIONAL
from symguide.numbers.expsum import ExpSum, Quotient
from symguide.symbols import w

positive = st.fractions(Fraction(1, 8), 8, max_denominator=8)
coefficients = st.fractions(-3, 3, max_denominator=6)
terms = st.lists(st.tuples(coefficients, positive), max_size=5)


def _value(pairs: list[tuple[Fraction, Fraction]], at: int) -> Fraction:
    return sum((c * b**at for c, b in pairs), Fraction(0))


@given(terms, terms, st.integers(-3, 8))
def test_sums_and_products_are_those_of_the_functions(
    left: list[tuple[Fraction, Fraction]], right: list[tuple[Fraction, Fraction]], at: int
) -> None:
    first, second = ExpSum.of(left), ExpSum.of(right)
    assert first.at(RATIONAL, at) == _value(left, at)
    assert (first + second).at(RATIONAL, at) == _value(left, at) + _value(right, at)
    assert (first * second).at(RATIONAL, at) == _value(left, at) * _value(right, at)
    assert ExpSum.sum([first, second, first]).at(RATIONAL, at) == 2 * _value(left, at) + _value(right, at)
    assert first.expression(w).subs(w, at) == sympy.Rational(*_value(left, at).as_integer_ratio())


@given(terms)
def test_form_is_canonical(pairs: list[tuple[Fraction, Fraction]]) -> None:
    found = ExpSum.of(pairs)
    bases = [base for base, _ in found]
    assert bases == sorted(set(bases), reverse=True)
    assert all(coefficient != 0 for _, coefficient in found)
    assert ExpSum.of(reversed(pairs)) == found
    assert hash(ExpSum.of(reversed(pairs))) == hash(found)
    assert ExpSum.of((c, b) for b, c in found.terms) == found
    assert (found + ExpSum.of((-c, b) for c, b in pairs)).terms == ()


@given(terms, terms)
def test_equality_is_equality_for_every_strength(
    left: list[tuple[Fraction, Fraction]], right: list[tuple[Fraction, Fraction]]
) -> None:
    first, second = ExpSum.of(left), ExpSum.of(right)
    # Exponential sums with n distinct positive bases are determined by n values.
    values = [_value(left, at) == _value(right, at) for at in range(len(left) + len(right))]
    assert first.equals(second) is all(values)
    assert first.equals(ExpSum.of([*left, *left]) + ExpSum.of((-c, b) for c, b in left)) is True


def test_equality_of_symbolic_sums() -> None:
    a, b = sympy.symbols("a b", positive=True)
    one = ExpSum.of([(a * (a + b), b / a)])
    assert one.equals(ExpSum.of([(a**2 + a * b, b / a)])) is True
    assert one.equals(ExpSum.of([(a, b)])) is None
    assert ExpSum.constant(a).equals(ExpSum.constant(a)) is True


def test_constants() -> None:
    assert ExpSum.constant(Fraction(3)).is_constant
    assert ExpSum.of([]).is_constant
    assert not ExpSum.of([(1, Fraction(2))]).is_constant
    assert ExpSum.of([(1, Fraction(2)), (-1, Fraction(2)), (Fraction(1, 2), Fraction(1))]).is_constant
    assert ExpSum.of([]).at(RATIONAL, 5) == 0


def test_floats_are_noticed() -> None:
    assert ExpSum.of([(Fraction(1), Fraction(2))]).is_exact
    assert not ExpSum.of([(0.5, Fraction(2))]).is_exact
    assert not ExpSum.of([(Fraction(1), 2.0)]).is_exact


def test_quotients() -> None:
    top = ExpSum.of([(Fraction(1, 3), Fraction(2))])
    bottom = ExpSum.of([(Fraction(1, 3), Fraction(2)), (Fraction(2, 3), Fraction(1, 2))])
    found = Quotient(top, bottom)
    assert found.at(RATIONAL, 1) == Fraction(2, 3)
    assert found.expression(w) == (2**w / 3) / (2**w / 3 + 2 * sympy.Rational(1, 2) ** w / 3)
    assert hash(found) == hash(Quotient(top, bottom))


@pytest.mark.parametrize("strength", [1e3, 1e4, 1e5])
def test_quotients_do_not_overflow(strength: float) -> None:
    """``q/Z`` is a probability, whatever the size of ``q``."""
    half = Fraction(1, 2)
    top = ExpSum.of([(half, Fraction(1000))])
    found = Quotient(top, ExpSum.of([(half, Fraction(1000)), (half, Fraction(999))])).at(FLOATS, strength)
    with mpmath.workdps(30):
        expected = 1 / (1 + (mpmath.mpf(999) / 1000) ** strength)
        assert float(found) == pytest.approx(float(expected), rel=1e-12)
