"""Tapes and what runs them: forms made by users, in doubles, wide numbers and enclosures."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Abs, Expr, Rational, Symbol, cos, exp, log, pi, sqrt, symbols

from symguide.closed_forms.compiled import compile_expression
from symguide.closed_forms.program import Program
from symguide.closed_forms.tape import Tape
from symguide.errors import SymguideError
from symguide.numbers.exp_dd import exp_dd
from symguide.symbols import s, u, w

a, b, c = symbols("a b c", positive=True)
x = Symbol("x", real=True)


def _program(forms: list[Expr], arguments: list[Any], enclose: Callable[..., float] | None = None) -> Program:
    return Program(lambda: Tape(forms, arguments), lambda: Tape(forms, arguments, in_logs=True), enclose)


FORMS: dict[str, tuple[Expr, dict[Any, float]]] = {
    "a power of u": (u**a, {u: 1e-300, a: 1.0123}),
    "a small power of u": (1 - u**a, {u: 0.5, a: 1e-200}),
    "one token in powers of u": (Rational(1, 3) * 2**w * (1 - u ** (2**w + 1)) / (2**w + 1), {w: 3.7, u: 1 - 1e-12}),
    "partial fractions at a near-tie": (
        (exp(-a * s) - exp(-b * s)) / (b - a),
        {a: 1.0, b: 1.0 + 2.0**-52, s: 1e-3},
    ),
    "a large exponent": (exp(-(3**w + Rational(1, 3) ** w) * s), {w: 50.25, s: 690 / 3.0**50.25}),
    "a quotient of two that underflow": (exp(-a * s) / exp_dd((a, b), s), {a: 1e5, b: 2e5, s: 1.0}),
    "a product of an overflow and an underflow": (10 ** (3 * w) * exp(-(10**w) * s), {w: 300.0, s: 2e-297}),
    "what overflows and comes back": (3**w / (3**w + 2**w), {w: 5000.0}),
    "two small numbers": (u**a * u**b * 10**w, {u: 1e-200, a: 1.0, b: 1.0, w: 390.0}),
    "a logarithm next to 1": (log(exp_dd((a, 0), s) * a + exp(-b * s)), {a: 3.0, b: 3.0 + 1e-9, s: 0.25}),
    "a logarithm of an underflow": (log(exp(-a * s) + exp_dd((a, b), s)), {a: 1e4, b: 2e4, s: 1.0}),
    "a logarithm of one and little": (log(1 + exp(-a)), {a: 60.0}),
    "p ln p": (exp(-a * s) * log(exp(-a * s)), {a: 1e-30, s: 1e-3}),
    "a moment": (s**2 * exp(-a * s) / 2, {a: 2.5, s: 250.0}),
    "irrational constants": (sqrt(2) ** w * pi**w * exp(-sqrt(3) * s), {w: 100.5, s: 300.0}),
    "a square root": (sqrt(a * exp(-b * s)), {a: 1e-200, b: 1.0, s: 600.0}),
    "a large power": ((1 + a) ** (-500), {a: 1e-3}),
    "a base that is no number": (a ** (w * b), {a: 1.0 + 1e-6, w: 1000.0, b: 500000.5}),
    "three nodes": (exp_dd((a, b, c), s), {a: 1e15, b: 1e15 * (1 + 2.0**-50), c: 1.0, s: 600.0}),
    "a coefficient that underflows on its way": (10**w * (10**w + 1) ** (-2) * exp(-s), {w: 156.25, s: 1.0}),
    "strength alone": (2**w - 1, {w: 1e-18}),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_against_two_hundred_digits(name: str) -> None:
    form, values = FORMS[name]
    found = float(compile_expression(form, list(values))(*values.values()))
    with mpmath.workdps(500):
        names = list(values)
        exact = form.xreplace({key: Symbol(f"v{j}") for j, key in enumerate(names)})
        true = _evaluate(exact, {f"v{j}": mpmath.mpf(values[key]) for j, key in enumerate(names)})
        assert abs(true) > 1e-307
        assert abs(mpmath.mpf(found) / true - 1) <= 1e-14


def _evaluate(form: Any, values: dict[str, Any]) -> Any:
    """By recursion, with partial fractions for divided differences: nothing of the package."""
    if form.is_Symbol:
        return values[form.name]
    if isinstance(form, exp_dd):
        nodes, clock = [_evaluate(node, values) for node in form.nodes], _evaluate(form.clock, values)
        return mpmath.fsum(
            mpmath.exp(-node * clock) / mpmath.fprod(other - node for other in nodes if other is not node)
            for node in nodes
        )
    if form.is_number:
        return form.evalf(500)._to_mpmath(1700)
    parts = [_evaluate(part, values) for part in form.args]
    if form.is_Add:
        return mpmath.fsum(parts)
    if form.is_Mul:
        return mpmath.fprod(parts)
    if form.is_Pow:
        return mpmath.power(*parts)
    return {"exp": mpmath.exp, "log": mpmath.log}[form.func.__name__](*parts)


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 50)), min_size=1, max_size=3),
    st.floats(-1, 300),
    st.floats(1e-12, 700),
    st.integers(0, 2),
)
def test_random_sums_of_powers(terms: list[tuple[float, float]], strength: float, span: float, kind: int) -> None:
    """``e^{−Λs}``, its quotients and products with powers ``b^w``, ``Λ = Σ c b^w``."""
    bases = [(Rational(round(64 * p), 64), Rational(round(64 * q) + 1, 64)) for p, q in terms]
    rate = sum(p * q**w for p, q in bases)
    form = {0: exp(-rate * s), 1: exp_dd((rate, 2 * rate, 0), s) * rate, 2: bases[0][1] ** w * exp(-rate * s) / rate}[
        kind
    ]
    if rate == 0:
        return
    with mpmath.workdps(700):
        values = {"w": mpmath.mpf(strength), "s": mpmath.mpf(0)}
        clock = float(span / _evaluate(rate, values)) if rate.free_symbols else span
        values["s"] = mpmath.mpf(clock)
        true = _evaluate(form, values)
        if not (1e-307 < true < 1e307 and 1e-300 < clock < 1e300):
            return
        found = float(compile_expression(form, [w, s])(strength, clock))
        assert abs(mpmath.mpf(found) / true - 1) <= 1e-14


def test_each_step_takes_only_what_the_one_before_leaves() -> None:
    form = (exp(-a * s) - exp(-b * s)) / (b - a)
    asked: list[list[float]] = []

    def enclose(values: list[float], number: int) -> float:
        asked.append(values)
        return 0.25

    program = _program([form], [a, b, s], enclose)
    (found,) = program(1.0, np.array([1.0 + 2.0**-52, 3.0]), 1e-3)
    assert asked == [[1.0, 1.0 + 2.0**-52, 1e-3]]
    assert found[0] == 0.25
    assert found[1] == pytest.approx((np.exp(-1e-3) - np.exp(-3e-3)) / 2, rel=1e-13)
    assert "wide" in program.__dict__
    plain = _program([exp(-a * s)], [a, s])
    plain(1.0, np.linspace(0.1, 700, 5))
    assert "wide" not in plain.__dict__


def test_shared_parts_are_computed_once() -> None:
    rate = 2**w + 3**w
    tape = Tape([exp(-rate * s), rate * exp(-rate * s), rate**2], [w, s])
    assert sum(group.operation == "exp" for group in tape.groups) == 1
    assert len([j for j in tape.needed if tape.registers[j].operation == "exponential"]) == 2


def test_registers_have_the_smallest_shape() -> None:
    tape = Tape([2**w * exp(-a * s)], [w, a, s])
    shapes = {tape.registers[j].operation: tape.registers[j].mask for j in tape.needed}
    assert shapes["exponential"] == 0b001
    assert shapes["exp"] == 0b110


def test_broadcasting_in_three_dimensions() -> None:
    form = 2**w * exp_dd((a, b, 0), s) + log(a)
    function = compile_expression(form, [w, a, b, s])
    grids = (
        np.linspace(-1, 900, 4).reshape(4, 1, 1),
        np.array([0.5, 2.0]).reshape(2, 1),
        1.0,
        np.array([0.0, 0.3, 900.0]),
    )
    found = function(*grids)
    assert found.shape == (4, 2, 3)
    for i, j, k in np.ndindex(found.shape):
        point = grids[0][i, 0, 0], grids[1][j, 0], 1.0, grids[3][k]
        assert found[i, j, k] == pytest.approx(function(*point), rel=1e-14)
    assert function(np.zeros((0, 1)), 1.0, 2.0, np.ones(3)).shape == (0, 3)


def test_a_large_grid_goes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    form = 10**w * exp(-(10**w) * s)
    strengths, clocks = np.linspace(200, 400, 30)[:, None], np.geomspace(1e-300, 1e-250, 40)
    function = compile_expression(form, [w, s])
    whole = function(strengths, clocks)
    monkeypatch.setattr("symguide.closed_forms.program._CHUNK", 100)
    assert np.array_equal(function(strengths, clocks), whole, equal_nan=True)
    assert (whole[0] == 1e200 * np.exp(-1e200 * clocks)).all()


def test_not_a_number_stays_one() -> None:
    found = compile_expression(2**w * exp(-a * s), [w, a, s])(np.array([np.nan, 1.0]), 1.0, 0.0)
    assert np.isnan(found[0])
    assert found[1] == 2
    assert np.isnan(compile_expression(exp_dd((a, b), s), [a, b, s])(np.nan, 1.0, 1.0))


def test_other_functions_are_evaluated_in_doubles() -> None:
    form = Abs(x) * cos(x) + Rational(1, 3) ** w
    found = compile_expression(form, [x, w])(np.array([-2.0, 0.5]), 2.0)
    assert found == pytest.approx(np.abs([-2.0, 0.5]) * np.cos([-2.0, 0.5]) + 1 / 9, rel=1e-15)


def test_zeros_win_over_logarithms_and_clocks() -> None:
    points = np.array([0.0, 1.0])
    assert compile_expression(u**a * log(u), [u, a])(points, 0.5).tolist() == [0.0, 0.0]
    assert compile_expression(s * exp(-a * s), [a, s])(2.0, np.array([0.0, np.inf])).tolist() == [0.0, 0.0]
    assert compile_expression(u**a, [u, a])(0.0, np.array([0.0, 2.0])).tolist() == [1.0, 0.0]


def test_what_is_no_real_number_is_refused() -> None:
    with pytest.raises(SymguideError, match="no real number"):
        compile_expression(a * sqrt(-2), [a])(1.0)
