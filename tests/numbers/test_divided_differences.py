"""Divided differences of the exponential: floats, mpmath and balls against one another and against their definition."""

from fractions import Fraction
from itertools import permutations
from math import exp, factorial, inf, log

import flint
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symguide.numbers.divided_differences import (
    exp_dd_ball,
    exp_dd_float,
    exp_dd_mp,
    exp_dd_wide,
    log_exp_dd_float,
    log_exp_dd_wide,
)
from symguide.numbers.wide import Wide

gaps = st.sampled_from([0.0, 1e-300, 1e-20, 1e-16, 1e-12, 1e-8, 1e-4, 1e-2, 1.0])


@st.composite
def nodes(draw: st.DrawFn, largest: float = 100.0) -> list[float]:
    """Up to six rates in ``[0, largest]``, some of them tied or nearly tied."""
    out = [draw(st.floats(0, largest))]
    for _ in range(draw(st.integers(0, 5))):
        match draw(st.integers(0, 3)):
            case 0:
                out.append(min(largest, out[-1] * (1 + draw(gaps))))
            case 1:
                out.append(min(largest, out[-1] + draw(gaps)))
            case 2:
                out.append(0.0)
            case _:
                out.append(draw(st.floats(0, largest)))
    return out


clocks = st.one_of(st.floats(1e-12, 1), st.sampled_from([1e-16, 1e-9, 0.5, 1.0]))


def _reference(rates: list[float], clock: float) -> flint.arb:
    """The corner of ``exp(s B)`` for the bidiagonal ``B``, with no rescaling."""
    size = len(rates)
    matrix = flint.arb_mat(size, size)
    for j, rate in enumerate(rates):
        matrix[j, j] = -flint.arb(rate) * flint.arb(clock)
        if j + 1 < size:
            matrix[j, j + 1] = flint.arb(clock)
    return matrix.exp()[0, size - 1]


@settings(max_examples=400)
@given(nodes(), clocks)
def test_floats_to_thirteen_digits(rates: list[float], clock: float) -> None:
    with flint.ctx.workprec(2000):
        expected = _reference(rates, clock)
        found = flint.arb(float(exp_dd_float(rates, clock)))
        # Besides its own few dozen units, exp(−Λ s) is off by Λ s units of the rounded product.
        assert abs(found / expected - 1) <= flint.arb("1e-14") * (2 + flint.arb(max(rates) * clock))


def _wide_ball(value: Wide) -> flint.arb:
    if value.high == 0:
        return flint.arb(0)
    return (flint.arb(float(value.high)) + flint.arb(float(value.low))) * flint.arb(2) ** int(value.exponent)


@settings(max_examples=200)
@given(st.lists(st.fractions(Fraction(1, 999), 2000, max_denominator=999), min_size=1, max_size=4), st.floats(0.01, 1))
def test_low_parts_of_the_nodes_reach_the_last_digits(rates: list[Fraction], clock: float) -> None:
    """Nodes that no double holds, at ``Λ s`` up to 700: what rounding took from nodes and clock comes as low parts."""
    slowest = min(rates)
    clock = min(clock, float(700 / slowest))
    shift = 2.0**-55 * clock
    highs = [float(rate) for rate in rates]
    lows = [float(rate - Fraction(high)) for rate, high in zip(rates, highs, strict=True)]
    with flint.ctx.workprec(3000):
        at = [flint.arb(flint.fmpq(rate.numerator, rate.denominator)) for rate in rates]
        expected = exp_dd_ball(at, flint.arb(clock) + flint.arb(shift))
        found = flint.arb(float(exp_dd_float(highs, clock, lows, shift)))
        if expected > flint.arb("1e-300"):
            assert abs(found / expected - 1) <= flint.arb("1e-14")


@settings(max_examples=200)
@given(nodes(1e3), st.floats(1e-12, 10))
def test_wide_numbers_to_thirteen_digits_whatever_the_size(rates: list[float], clock: float) -> None:
    with flint.ctx.workprec(30000):
        expected = exp_dd_ball([flint.arb(rate) for rate in rates], flint.arb(clock))
        wide = Wide.of(np.array(rates)), Wide.of(clock)
        assert abs(_wide_ball(exp_dd_wide(*wide)) / expected - 1) <= flint.arb("1e-14")
        logarithm = _wide_ball(log_exp_dd_wide(*wide))
        assert abs(logarithm - expected.log()) <= flint.arb("1e-14") * max(flint.arb(1), abs(expected.log()))


@pytest.mark.parametrize("power", [1, 5, 40])
def test_wide_nodes_far_beyond_doubles(power: int) -> None:
    """``exp[…] → e^{−Λ_0 s}/Π (Λ_j − Λ_0)`` for ``Λ_j`` of the size ``10^{100 power}``."""
    rates = Wide.of(np.array([1e100, 2e100, 0.0, 3e100])).power(power)
    rates.put(2, Wide.of(1.5))
    value = exp_dd_wide(rates, Wide.of(2.0)) * rates[0] * rates[1] * rates[3]
    assert float(value.value()) == pytest.approx(exp(-3), rel=1e-14)
    ended = exp_dd_wide(Wide.of(np.array([0.0, 2.0, 4.0])), Wide.of(np.inf))
    assert float(ended.value()) == 1 / 8
    assert float(log_exp_dd_wide(Wide.of(np.array([0.0, 2.0, 4.0])), Wide.of(np.inf)).value()) == -log(8)
    assert float(exp_dd_wide(Wide.of(np.array([1.0, 2.0])), Wide.of(np.inf)).value()) == 0


@settings(max_examples=200)
@given(nodes(1e4), st.floats(1e-6, 100))
def test_logarithms_where_values_underflow(rates: list[float], clock: float) -> None:
    with flint.ctx.workprec(3000):
        ball = exp_dd_ball([flint.arb(rate) for rate in rates], flint.arb(clock))
        expected = ball.log()
        found = flint.arb(float(log_exp_dd_float(rates, clock)))
        scale = max(abs(float(expected)), 1.0)
        assert abs(found - expected) <= flint.arb("1e-13") * flint.arb(scale)


@pytest.mark.parametrize("scale", [1e10, 1e60, 1e150, 1e300])
def test_logarithms_for_rates_of_any_size(scale: float) -> None:
    """A path from a context left at a moderate rate through very fast ones: ``exp[…] ~ e^{−Λ_0 s}/Π Λ_j``."""
    rates = [1.0, scale, 2 * scale, 3 * scale]
    expected = -1.0 - 3 * log(scale) - log(6)
    assert float(log_exp_dd_float(rates, 1.0)) == pytest.approx(expected, rel=1e-9)
    assert float(log_exp_dd_float([0.0, *rates[1:]], inf)) == pytest.approx(expected + 1.0, rel=1e-12)


@given(nodes(), clocks, st.sampled_from([15, 30, 60, 200]))
def test_mpmath_to_its_working_precision(rates: list[float], clock: float, digits: int) -> None:
    with mpmath.workdps(digits):
        found = exp_dd_mp([mpmath.mpf(rate) for rate in rates], mpmath.mpf(clock))
    with flint.ctx.workprec(2000 + 4 * digits), mpmath.workdps(digits + 20):
        expected = _reference(rates, clock)
        ball = flint.arb(flint.fmpq(*map(int, _ratio(found))))
        assert abs(ball / expected - 1) <= flint.arb(10) ** (2 - digits)


def _ratio(value: mpmath.mpf) -> tuple[int, int]:
    exact = Fraction(int(value.man)) * Fraction(2) ** int(value.exp)
    return exact.numerator, exact.denominator


@given(nodes(), clocks)
def test_balls_enclose_and_are_narrow(rates: list[float], clock: float) -> None:
    with flint.ctx.workprec(2000):
        expected = _reference(rates, clock)
    for bits in (64, 128, 300):
        with flint.ctx.workprec(bits):
            found = exp_dd_ball([flint.arb(rate) for rate in rates], flint.arb(clock))
            assert found.overlaps(expected)
            assert found.rel_accuracy_bits() > bits - 20


def test_balls_of_unknown_order_hold_every_case() -> None:
    """Nodes known only to lie in one interval: the ball holds the confluent and the distinct values."""
    wide = flint.arb(1, 0.25)
    found = exp_dd_ball([wide, wide, wide], flint.arb(1))
    for a in (0.75, 1.0, 1.25):
        for b in (0.75, 1.1, 1.25):
            with mpmath.workdps(30):
                assert found.contains(flint.arb(mpmath.nstr(exp_dd_mp([a, b, b], mpmath.mpf(1)), 25)))


@given(nodes(), clocks)
def test_values_are_positive_and_symmetric(rates: list[float], clock: float) -> None:
    values = [float(exp_dd_float(list(order), clock)) for order in list(permutations(rates))[:24]]
    assert len(set(values)) == 1
    assert values[0] > 0


@pytest.mark.parametrize("count", range(1, 8))
def test_equal_nodes_are_the_gamma_case(count: int) -> None:
    """``exp_dd((Λ, …, Λ), s) = s^n e^{−Λ s}/n!``."""
    for rate, clock in ((0.0, 2.0), (1.5, 0.5), (100.0, 1.0), (1e-3, 1e3)):
        expected = clock ** (count - 1) * exp(-rate * clock) / factorial(count - 1)
        assert float(exp_dd_float([rate] * count, clock)) == pytest.approx(expected, rel=1e-14)


def test_two_nodes_by_hand() -> None:
    assert float(exp_dd_float([1.0, 3.0], 0.5)) == pytest.approx((exp(-0.5) - exp(-1.5)) / 2, rel=1e-15)
    assert float(exp_dd_float([0.0, 2.0], 5.0)) == pytest.approx((1 - exp(-10)) / 2, rel=1e-15)


def test_recursion_holds_across_the_switch_to_series() -> None:
    """``(Λ_n − Λ_0) exp_dd(all) = exp_dd(without Λ_n) − exp_dd(without Λ_0)``, for spreads on both sides of it."""
    for spread in (3.9, 3.999999, 4.0, 4.000001, 4.1):
        rates = [0.3, 0.3 + 0.4 * spread, 0.3 + 0.9 * spread, 0.3 + spread]
        whole = float(exp_dd_float(rates, 1.0))
        parts = float(exp_dd_float(rates[:-1], 1.0)) - float(exp_dd_float(rates[1:], 1.0))
        assert spread * whole == pytest.approx(parts, rel=1e-13)


@pytest.mark.parametrize("function", [exp_dd_float, lambda n, s: np.exp(log_exp_dd_float(n, s))])
def test_ends_of_the_clock(function: object) -> None:
    assert callable(function)
    with np.errstate(divide="ignore"):
        assert [float(function([2.0], value)) for value in (0.0, inf)] == [1.0, 0.0]
        assert [float(function([0.0], value)) for value in (0.0, inf)] == [1.0, 1.0]
        assert float(function([1.0, 2.0], 0.0)) == 0.0
        assert float(function([1.0, 2.0], inf)) == 0.0
        assert float(function([0.0, 2.0, 4.0], inf)) == pytest.approx(1 / 8, rel=1e-14)
        assert np.allclose(function([0.0, 2.0], [0.0, 1.0, inf]), [0.0, (1 - exp(-2)) / 2, 0.5], rtol=1e-14)


def test_ends_of_the_clock_in_balls() -> None:
    nodes, infinity = [flint.arb(0), flint.arb(2), flint.arb(4)], flint.arb("inf")
    assert exp_dd_ball(nodes, infinity) == flint.arb(1) / 8
    assert exp_dd_ball(nodes[1:], infinity) == 0
    assert exp_dd_ball(nodes[:1], infinity) == 1
    assert not exp_dd_ball([flint.arb(0, 1), flint.arb(2)], infinity).is_finite()
    assert exp_dd_ball(nodes, flint.arb(0)) == 0


def test_ends_of_the_clock_in_mpmath() -> None:
    assert exp_dd_mp([2, 3], 0) == 0
    assert exp_dd_mp([2], 0) == 1
    assert exp_dd_mp([0, 2, 4], mpmath.inf) == mpmath.mpf(1) / 8
    assert exp_dd_mp([1, 2], mpmath.inf) == 0


@pytest.mark.parametrize("spread", [0.0, 1e-18, 1e-9, 0.1, 0.2499999, 0.25, 0.2500001, 0.3, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("inner", [0.0, 1e-12, 0.1, 0.5, 0.9, 1.0])
def test_three_nodes_on_both_sides_of_the_series(spread: float, inner: float) -> None:
    nodes, s = [0.5, 0.5 + inner * spread, 0.5 + spread], 1.0
    with mpmath.workdps(40):
        exact = exp_dd_mp(nodes, mpmath.mpf(s))
    assert abs(exp_dd_float(nodes, s) / exact - 1) < 5e-15


def test_two_nodes_and_a_clock_that_runs_back() -> None:
    assert exp_dd_float([1.0, 3.0], -0.5) == pytest.approx((np.exp(0.5) - np.exp(1.5)) / 2.0, rel=1e-15)


def test_broadcasting_over_nodes_and_clock() -> None:
    first, second = np.linspace(0, 3, 4).reshape(4, 1, 1), np.linspace(1, 2, 3).reshape(3, 1)
    clock = np.array([0.0, 0.5, 1.0, inf, 2.0])
    grid = exp_dd_float([first, second], clock)
    assert grid.shape == (4, 3, 5)
    for i, j, k in np.ndindex(grid.shape):
        assert grid[i, j, k] == exp_dd_float([first[i, 0, 0], second[j, 0]], clock[k])
    assert isinstance(exp_dd_float([1.0, 2.0], 1.0), float)
    assert exp_dd_float([1.0], np.array([[1.0, 2.0]])).shape == (1, 2)
    assert exp_dd_float([1.0, np.zeros((0, 2))], 1.0).shape == (0, 2)


def test_hermite_genocchi() -> None:
    """``∫ exp(−Λ_0 s_0 − Λ_1 s_1 − Λ_2 s_2)`` over the simplex ``s_0 + s_1 + s_2 = s``, by quadrature."""
    rates, clock = (0.7, 2.0, 5.0), 0.8

    def inner(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
        return mpmath.exp(-rates[0] * x - rates[1] * y - rates[2] * (clock - x - y))

    found = mpmath.quad(lambda x: mpmath.quad(lambda y: inner(x, y), [0, clock - x]), [0, clock])
    assert float(exp_dd_float(rates, clock)) == pytest.approx(float(found), rel=1e-12)
