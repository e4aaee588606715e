"""Compiled loops against NumPy, against many digits, and without numba."""

import importlib.util
import sys
from math import inf, nan

import mpmath
import numpy as np
import pytest
from strategies import HARD
from sympy import symbols

from symguide.chains.chain import guided_chain
from symguide.closed_forms.compiled import compile_expression, compile_solution
from symguide.closed_forms.loops import loops
from symguide.closed_forms.solution import solve
from symguide.errors import SymguideError
from symguide.laws.tilt import guidance
from symguide.numbers.divided_differences import exp_dd_float, exp_dd_mp
from symguide.numbers.exp_dd import exp_dd
from symguide.symbols import s

needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
EPSILON = 2.0**-52


@needs_numba
@pytest.mark.parametrize("count", [2, 3, 4])
def test_differences_of_sorted_nodes(count: int) -> None:
    rng = np.random.default_rng(count)
    rates = np.sort(np.concatenate([rng.exponential(3.0, (count, 20, 1)), rng.exponential(1e-3, (count, 20, 1))], 1), 0)
    rates[:, 0] = 1.5  # ties,
    rates[:, 1] = 1.5 * (1 + EPSILON * np.arange(count)[:, None])  # near ties,
    rates[0, 2] = 0.0  # rest,
    rates[-1, 3] = 1e6  # and haste
    clock = np.array([0.0, 1e-300, 1e-9, 0.01, 0.1, 0.25, 0.3, 0.5, 0.7, 1.0, 2.0, 5.3])
    found = np.empty((40, len(clock)))
    loops().differences(found, rates, clock)
    with mpmath.workdps(40):
        for i, k in np.ndindex(found.shape):
            exact = exp_dd_mp([float(rate) for rate in rates[:, i, 0]], mpmath.mpf(float(clock[k])))
            if abs(exact) < 1e-290:
                assert found[i, k] == pytest.approx(float(exact), abs=1e-290)
            else:
                # A few units in the last place, multiplied by what the subtractions of close values cost.
                bound = ({2: 8, 3: 40, 4: 400}[count] + float(rates[0, i, 0]) * clock[k]) * EPSILON
                assert abs(found[i, k] / exact - 1) <= bound, (rates[:, i, 0], clock[k])
    numpy = exp_dd_float(list(rates), clock)
    good = numpy > 1e-290
    assert np.abs(found[good] / numpy[good] - 1).max() < {2: 8, 3: 40, 4: 400}[count] * EPSILON


@needs_numba
def test_sums_with_coefficients_of_the_first_axes() -> None:
    rng = np.random.default_rng(0)
    for terms in (1, 2, 5):
        fronts, backs = rng.integers(0, 7, (terms, 4)), rng.integers(0, 9, (terms, 4))
        coefficients, values = rng.random((7, 3)), rng.random((9, 3 * 5))
        found = np.empty((4, 15))
        loops().sums(found, fronts, coefficients, backs, values)
        expected = (np.repeat(coefficients, 5, axis=1)[fronts] * values[backs]).sum(axis=0)
        assert found == pytest.approx(expected, rel=1e-15)


@needs_numba
def test_products_with_what_they_miss() -> None:
    rng = np.random.default_rng(1)
    given, high = rng.normal(0, 50, (1, 3)), rng.normal(0, 50, (6, 1))
    low = high * 1e-17
    found, missed = np.empty((6, 3)), np.empty((6, 3))
    loops().products(found, missed, given, high, low)
    with mpmath.workdps(60):
        for i, a in np.ndindex(found.shape):
            exact = mpmath.mpf(given[0, a]) * (mpmath.mpf(high[i, 0]) + mpmath.mpf(low[i, 0]))
            assert abs(mpmath.mpf(found[i, a]) + mpmath.mpf(missed[i, a]) - exact) <= abs(exact) * mpmath.mpf(2) ** -100
    assert (found == given * high).all()


@needs_numba
@pytest.mark.parametrize("name", sorted(HARD))
@pytest.mark.parametrize("stacked", [False, True])
def test_both_backends_agree(name: str, stacked: bool) -> None:
    solution = solve(guided_chain(guidance(HARD[name].problem)))
    forms = [solution.tv, *solution.probabilities]
    strengths = np.array([[0.0], [1.0], [16.0], [333.3]])
    fractions = np.array([0.0, 1e-300, 1e-9, 0.1, 0.5, 0.9, 0.999, 1 - 2.0**-53, 1.0])
    plain = compile_solution(solution, forms)
    fast = compile_solution(solution, forms, backend="numba", stacked=stacked)
    for w, u in ((strengths, fractions), (1.0, fractions), (strengths[:, 0], 0.5), (1.0, 0.25), (strengths, 0.9)):
        expected, found = plain(w, u), fast(w, u)
        assert isinstance(found, np.ndarray if stacked else list)
        for left, right in zip(found, expected, strict=True):
            assert left == pytest.approx(right, rel=1e-13, abs=1e-307)


@needs_numba
def test_no_negative_zeros_at_the_start() -> None:
    solution = solve(guided_chain(guidance(HARD["squares"].problem)))
    start = compile_solution(solution, solution.probabilities, backend="numba", stacked=True)(1.0, 1.0)
    assert not np.signbit(start).any()


@needs_numba
def test_what_doubles_cannot_vouch_for_goes_elsewhere() -> None:
    a, b, c = symbols("a b c", positive=True)
    forms = [exp_dd((a, b), s), exp_dd((a, b, c), s)]
    plain = compile_expression(forms, [a, b, c, s])
    fast = compile_expression(forms, [a, b, c, s], backend="numba")
    with mpmath.workdps(40):
        exact = float(exp_dd_mp([mpmath.mpf(500.25), mpmath.mpf(501.5)], mpmath.mpf(1.375)))
    assert float(fast(500.25, 501.5, 502.0, 1.375)[0]) == pytest.approx(exact, rel=1e-13)
    for values in ((1.0, 2.0, 3.0, inf), (inf, 1.0, 2.0, 0.5), (0.0, 0.0, 0.0, 2.0), (nan, 1.0, 2.0, 0.5)):
        assert fast(*values) == pytest.approx(plain(*values), rel=1e-15, nan_ok=True)
    assert fast(1.0, 2.0, 3.0, -0.5)[0] == pytest.approx(plain(1.0, 2.0, 3.0, -0.5)[0], rel=1e-15)
    grid = np.linspace(0.1, 3.0, 4).reshape(4, 1, 1), np.linspace(1.0, 2.0, 3).reshape(3, 1), 1.5, np.array([0.5, 2.0])
    assert np.array(fast(*grid)) == pytest.approx(np.array(plain(*grid)), rel=1e-14)


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    loops.cache_clear()
    try:
        with pytest.raises(SymguideError, match=r"'numba' is not installed.*pip install 'symguide\[compiled\]'"):
            compile_expression(s, [s], backend="numba")
    finally:
        loops.cache_clear()


def test_backends_and_stacks_are_for_arrays() -> None:
    with pytest.raises(SymguideError, match="backend 'fortran' is unknown"):
        compile_expression(s, [s], backend="fortran")
    with pytest.raises(SymguideError, match="target 'balls' computes in no doubles"):
        compile_expression(s, [s], target="balls", backend="numba")
    with pytest.raises(SymguideError, match="no array holds"):
        compile_expression([s], [s], target="mpmath", stacked=True)
    with pytest.raises(SymguideError, match="this is one"):
        compile_expression(s, [s], stacked=True)


def test_stacks_hold_what_lists_hold() -> None:
    x, y = symbols("x y", positive=True)
    forms = [x**y, x, y + 1, exp_dd((x, y), s)]
    values = np.array([[0.5], [2.0]]), np.array([1.0, 3.0]), 0.25
    stack = compile_expression(forms, [x, y, s], stacked=True)(*values)
    assert stack.shape == (4, 2, 2)
    for left, right in zip(stack, compile_expression(forms, [x, y, s])(*values), strict=True):
        assert (left == right).all()
    assert compile_expression(forms, [x, y, s], stacked=True)(0.5, 1.0, 0.25).shape == (4,)
    repeated = compile_expression([y, x, y], [x, y], stacked=True)(1.0, [2.0, 3.0])
    assert repeated.tolist() == [[2.0, 3.0], [1.0, 1.0], [2.0, 3.0]]
