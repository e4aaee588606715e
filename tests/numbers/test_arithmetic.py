"""One mathematics in several arithmetics: they agree, and each refuses what it cannot carry."""

from fractions import Fraction
from typing import Any

import flint
import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from symguide.errors import NotExactError, StrengthError
from symguide.numbers.arithmetic import BALLS, FLOATS, PRECISE, RATIONAL, SYMBOLIC, Arithmetic, power_float

positive = st.fractions(Fraction(1, 1000), 1000, max_denominator=1000)


def _double(value: Any) -> float:
    return float(value)


@given(positive, positive, st.integers(-5, 12))
def test_terms_agree_in_every_arithmetic(coefficient: Fraction, base: Fraction, w: int) -> None:
    expected = coefficient * base**w
    assert RATIONAL.term(coefficient, base, w) == expected
    assert SYMBOLIC.term(coefficient, base, sympy.Integer(w)) == sympy.Rational(
        expected.numerator, expected.denominator
    )
    assert float(FLOATS.term(coefficient, base, float(w))) == pytest.approx(float(expected), rel=1e-15)
    with mpmath.workdps(40):
        exact = mpmath.mpf(expected.numerator) / expected.denominator
        assert mpmath.almosteq(PRECISE.term(coefficient, base, Fraction(w)), exact, rel_eps=mpmath.mpf(10) ** -38)
    with flint.ctx.workprec(200):
        assert BALLS.term(coefficient, base, Fraction(w)).overlaps(BALLS.number(expected))


@given(positive, st.fractions(-2, 5, max_denominator=7))
def test_real_powers_agree(base: Fraction, w: Fraction) -> None:
    with flint.ctx.workprec(300), mpmath.workdps(60):
        ball = BALLS.term(Fraction(1), base, w)
        precise = PRECISE.term(Fraction(1), base, w)
        symbolic = SYMBOLIC.term(Fraction(1), base, sympy.Rational(w.numerator, w.denominator)).evalf(60)
        for value in (precise, symbolic):
            assert abs(flint.arb(mpmath.nstr(mpmath.mpf(str(value)), 55)) / ball - 1) < flint.arb("1e-50")


@given(st.lists(positive, min_size=1, max_size=4), st.fractions(0, 3, max_denominator=16))
def test_divided_differences_agree(rates: list[Fraction], clock: Fraction) -> None:
    values: dict[str, float] = {}
    with mpmath.workdps(30), flint.ctx.workprec(300):
        for arithmetic in (SYMBOLIC, FLOATS, PRECISE, BALLS):
            found = arithmetic.exp_dd([arithmetic.number(rate / 100) for rate in rates], arithmetic.number(clock))
            values[arithmetic.name] = _double(found)
    assert max(values.values()) == pytest.approx(min(values.values()), rel=1e-12, abs=0)


@pytest.mark.parametrize("arithmetic", [SYMBOLIC, FLOATS, PRECISE, BALLS])
def test_logarithms_and_totals(arithmetic: Arithmetic) -> None:
    third = arithmetic.number(Fraction(1, 3))
    assert _double(arithmetic.log(third)) == pytest.approx(-1.0986122886681098, rel=1e-14)
    assert _double(arithmetic.total([third, third, third])) == pytest.approx(1, rel=1e-14)
    assert _double(arithmetic.total([])) == 0


def test_rationals_carry_only_what_stays_rational() -> None:
    assert RATIONAL.total([]) == 0
    assert RATIONAL.total([Fraction(1, 2), Fraction(1, 3)]) == Fraction(5, 6)
    with pytest.raises(NotExactError, match="use an integer w"):
        RATIONAL.term(Fraction(1), Fraction(2), Fraction(1, 2))
    with pytest.raises(NotExactError, match="is no rational number"):
        RATIONAL.number(0.5)
    with pytest.raises(NotExactError, match="irrational in general"):
        RATIONAL.exp_dd([Fraction(1)], Fraction(1))
    with pytest.raises(NotExactError, match="irrational"):
        RATIONAL.log(Fraction(2))
    assert RATIONAL.term(Fraction(1), Fraction(1), Fraction(7)) == 1


def test_balls_hold_only_what_is_exact() -> None:
    with pytest.raises(NotExactError, match="is not rational"):
        BALLS.number(sympy.sqrt(2))
    assert BALLS.number(sympy.Rational(1, 3)).overlaps(flint.arb(1) / 3)
    assert BALLS.number(0.5) == flint.arb("0.5")


def test_symbols_have_no_double() -> None:
    with pytest.raises(StrengthError, match="has free symbols"):
        power_float(sympy.Symbol("b", positive=True), 1.0)
    assert float(power_float(sympy.sqrt(2), 2.0)) == pytest.approx(2, rel=1e-15)


@given(st.fractions(Fraction(1, 10**6), 10**6, max_denominator=10**6), st.floats(-1, 1000))
def test_powers_are_good_to_two_units_however_large_the_exponent(base: Fraction, w: float) -> None:
    found = float(power_float(base, w))
    with mpmath.workdps(60):
        exact = mpmath.power(mpmath.mpf(base.numerator) / base.denominator, mpmath.mpf(w))
        if mpmath.mpf("1e-300") < exact < mpmath.mpf("1e300"):
            assert abs(mpmath.mpf(found) / exact - 1) <= 2 * 2.0**-52


@pytest.mark.parametrize("gap", [Fraction(1, 10**k) for k in (6, 12, 17, 20, 30)])
def test_powers_of_bases_next_to_one(gap: Fraction) -> None:
    """``(1 + ε)^w`` where ``1 + ε`` is no double."""
    w = float(1 / gap)
    with mpmath.workdps(60):
        exact = mpmath.power(1 + mpmath.mpf(gap.numerator) / gap.denominator, mpmath.mpf(w))
        assert abs(float(power_float(1 + gap, w)) / exact - 1) <= 2.0**-51


def test_powers_broadcast_and_keep_their_edges() -> None:
    w = np.array([[-1.0, 0.0], [1.0, 1000.0]])
    assert power_float(Fraction(3, 2), w).shape == (2, 2)
    assert power_float(Fraction(3, 2), w)[0].tolist() == [pytest.approx(2 / 3, rel=1e-15), 1.0]
    assert np.array_equal(power_float(Fraction(1), w), np.ones((2, 2)))
    assert power_float(Fraction(1), 5.0) == 1.0
    assert float(power_float(Fraction(10**6), 1000.0)) == np.inf
    assert float(power_float(Fraction(1, 10**6), 1000.0)) == 0.0


def test_arithmetics_know_their_names() -> None:
    names = [arithmetic.name for arithmetic in (SYMBOLIC, RATIONAL, FLOATS, PRECISE, BALLS)]
    assert names == ["sympy", "rational", "float", "mpmath", "balls"]
