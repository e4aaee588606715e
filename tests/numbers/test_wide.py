"""Wide numbers against mpmath, and their ends."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symguide.numbers.wide import Wide, product_error, stack, where

significands = st.floats(0.5, 1, exclude_max=True)
numbers = st.tuples(significands, st.floats(-1, 1), st.integers(-3000, 3000), st.booleans())


def _wide(number: tuple[float, float, int, bool]) -> Wide:
    high, low, exponent, negative = number
    value = Wide.of(np.array([high])) + Wide.of(np.array([low * 2.0**-54]))
    value = Wide(value.high, value.low, value.exponent + exponent)
    return -value if negative else value


def _exact(value: Wide) -> Any:
    with mpmath.workdps(200):
        if value.high[0] == 0:
            return mpmath.mpf(0)
        return mpmath.ldexp(mpmath.mpf(float(value.high[0])) + float(value.low[0]), int(value.exponent[0]))


def _close(found: Wide, exact: Any, bits: int) -> bool:
    with mpmath.workdps(200):
        return abs(_exact(found) - exact) <= abs(exact) * mpmath.mpf(2) ** -bits


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


@settings(max_examples=150)
@given(numbers, numbers, st.sampled_from(list(OPERATIONS)))
def test_arithmetic(left: Any, right: Any, name: str) -> None:
    a, b = _wide(left), _wide(right)
    with mpmath.workdps(2500):
        exact = OPERATIONS[name](_exact(a), _exact(b))
    if name not in "+-" or abs(exact) > max(abs(_exact(a)), abs(_exact(b))) / 2:
        assert _close(OPERATIONS[name](a, b), exact, 101)


@settings(max_examples=150)
@given(st.floats(-1e4, 1e4), st.floats(-1e-16, 1e-16))
def test_exponentials(high: float, low: float) -> None:
    x = Wide.of(np.array([high])) + Wide.of(np.array([low]))
    with mpmath.workdps(60):
        assert _close(x.exp(), mpmath.exp(_exact(x)), 70)


@settings(max_examples=150)
@given(numbers)
def test_logarithms(number: Any) -> None:
    x = _wide((*number[:3], False))
    with mpmath.workdps(60):
        assert _close(x.log(), mpmath.log(_exact(x)), 66)


@pytest.mark.parametrize("gap", [2.0**-53, -(2.0**-53), 1e-10, -1e-5, 0.0039, -0.0039, 0.004, 1e-25, -1e-30])
def test_logarithms_next_to_one(gap: float) -> None:
    x = Wide.of(np.array([1.0])) + Wide.of(np.array([gap]))
    with mpmath.workdps(80):
        assert _close(x.log(), mpmath.log(_exact(x)), 68)
        small = Wide.of(np.array([gap]))
        assert _close(small.log1m(), mpmath.log1p(-mpmath.mpf(gap)), 68)


def test_logarithms_and_exponentials_undo_each_other_far_beyond_doubles() -> None:
    for size in (1e3, 1e15, 1e100, 1e300):
        x = Wide.of(np.array([size, -size]))
        assert x.exp().log().value() == pytest.approx([size, -size], rel=1e-15)


def test_infinities_and_zeros() -> None:
    zero, one, infinity = (Wide.of(np.array([value])) for value in (0.0, 1.0, np.inf))
    values = {
        "0 ∞": zero * infinity,
        "∞ + 1": infinity + one,
        "∞ − ∞": infinity - infinity,
        "1/0": one / zero,
        "0/0": zero / zero,
        "1/∞": one / infinity,
        "∞/∞": infinity / infinity,
        "e^∞": infinity.exp(),
        "e^−∞": (-infinity).exp(),
        "ln 0": zero.log(),
        "ln ∞": infinity.log(),
        "ln −1": (-one).log(),
        "0 + 2^−5000": zero + Wide(np.array([0.5]), np.array([0.0]), np.array([-4999.0])),
    }
    found = {name: float(value.value()[0]) for name, value in values.items()}
    expected = {
        "0 ∞": 0,
        "∞ + 1": np.inf,
        "∞ − ∞": np.nan,
        "1/0": np.inf,
        "0/0": np.nan,
        "1/∞": 0,
        "∞/∞": np.nan,
        "e^∞": np.inf,
        "e^−∞": 0,
        "ln 0": -np.inf,
        "ln ∞": np.inf,
        "ln −1": np.nan,
        "0 + 2^−5000": 0,
    }
    assert found == pytest.approx(expected, nan_ok=True, rel=0, abs=0)
    assert values["0 + 2^−5000"].exponent[0] == -4999


def test_sums_products_and_order() -> None:
    rng = np.random.default_rng(1)
    columns = Wide.of(rng.normal(size=(7, 3))) * Wide.of(rng.normal(size=(7, 3)))
    with mpmath.workdps(60):
        for j in range(3):
            parts = [_exact(columns[i, j : j + 1]) for i in range(7)]
            assert _close(columns.sum()[j : j + 1], mpmath.fsum(parts), 95)
            assert _close(columns.product()[j : j + 1], mpmath.fprod(parts), 98)
            ordered = columns.pick(columns.order())
            assert [_exact(ordered[i, j : j + 1]) for i in range(7)] == sorted(parts)
    assert columns.power(3).value() == pytest.approx(columns.value() ** 3)
    assert columns.power(-2).value() == pytest.approx(columns.value() ** -2.0)
    assert Wide.of(0.0).power(0).value() == 1


def test_parts_hold_more_than_a_double() -> None:
    third = Wide.near(mpmath.mpf(1) / 3)
    high, low = (Wide.of(1.0) / Wide.of(3.0)).parts()
    assert float(high) == 1 / 3
    assert float(low) == pytest.approx(2.0**-54 / 3, rel=1e-12)
    assert float(third.high) == float((Wide.of(1.0) / Wide.of(3.0)).high)
    assert float(Wide.of([1e308]).power(2).value()[0]) == np.inf


def test_choice_and_broadcasting() -> None:
    both = stack([Wide.of(np.ones((2, 1))), Wide.of(np.zeros(3))])
    assert both.shape == (2, 2, 3)
    assert where(both.high > 0, Wide.of(5.0), both).value()[0].tolist() == [[5.0] * 3] * 2


@given(st.floats(-1e100, 1e100), st.floats(-1e100, 1e100))
def test_products_have_exact_errors(a: float, b: float) -> None:
    if min(abs(a), abs(b)) > 1e-100:
        with mpmath.workprec(400):
            assert mpmath.mpf(a) * b == mpmath.mpf(a * b) + product_error(a, b, a * b)
