"""Compiled closed forms: the numerical contract, logarithms, broadcasting, noise schedules, enclosures, refusals.

The contract: relative error at most 1e-12 for ``w ∈ [−1, 1000]`` and doubles ``u ∈ [1e−300, 1]``, exact ties and
near-ties of exit rates included, wherever the value is a normal double. The worst error seen below is 2e-14, where
``Λ s`` is just small enough for rates in doubles, and 2e-15 beyond.
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from math import exp
from typing import Any

import flint
import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from laws.second_route import ball, guided
from many_digits import digits_for, gentle, near_tie, reference, small_prior
from strategies import HARD, RULE_NAMES, TINY, Instance, hypercubes, instances, mixture, uniform
from sympy import Function, Integer, Rational, cos, log, symbols
from sympy import exp as sympy_exp

from symguide.chains.chain import guided_chain
from symguide.chains.family import rate_symbols
from symguide.chains.functionals import entropy
from symguide.closed_forms.compiled import compile_expression, compile_solution, enclose
from symguide.closed_forms.printers import TARGETS
from symguide.closed_forms.solution import Solution, powers_of_u, solve
from symguide.errors import ClockError, NotExactError, StrengthError, SymguideError
from symguide.laws.tilt import guidance
from symguide.numbers.exp_dd import exp_dd
from symguide.schedules.published import parse_schedule
from symguide.symbols import s, u, w

BOUND = flint.arb("1e-12")
BITS = 700
NORMAL = 2.0**-1022
STRENGTHS = (-0.999, -0.5, 0.0, 1e-9, 1.0, 1.0 + 2**-52, 3.0, 10.0, 100.0)
SPANS = (100.0, 10.0, 1.0, 1e-4, 1e-12)
"""``Λ s`` for the largest exit rate ``Λ``."""
FRACTIONS = (1e-300, 0.5, 1 - 1e-15)
HARD_BOUND = 1e-14
"""What is asked of doubles where they have the least to spare."""


STRESS: Mapping[str, Instance] = {
    **{f"near tie {gap}": near_tie(Fraction(gap)) for gap in ("0", "1e-20", "1e-12", "1e-8", "1e-2")},
    **{name: HARD[name] for name in ("one token", "slower sampling", "exact ties", "gaps of 1e-20", "xor", "pair")},
    "one token of a rare class": small_prior(1, Fraction(1, 10**4)),
    "two tokens of a rare class": small_prior(2, Fraction(1, 50)),
    "three tokens": HARD["three tokens"],
    "three tokens of a small class": small_prior(3, Fraction(1, 50)),
}


def _solution(instance: Instance, rule: str) -> Solution:
    return solve(guided_chain(guidance(instance.problem, rule)))


def _grid(instance: Instance, rule: str) -> Iterator[tuple[float, float, Any]]:
    """``w``, ``u``, and the second route at ``w``, within the contract."""
    solution = _solution(instance, rule)
    strengths = (*STRENGTHS, -1.0) if solution.named.chain.includes_unconditional else STRENGTHS
    for strength in strengths:
        reference = guided(instance, rule, Fraction(strength), exact=False)
        largest = max((float(rate.upper().log()) for rate in reference.exits.values()), default=0.0)
        fractions = {exp(-span * exp(-largest)) if largest < 700 else 1.0 for span in SPANS} | set(FRACTIONS)
        for fraction in sorted(fractions):
            clock = -float(mpmath.log(fraction))
            if 1e-300 <= fraction < 1 and largest + float(mpmath.log(clock)) <= float(mpmath.log(100.001)):
                yield strength, fraction, reference


def _relative_error(found: Any, expected: flint.arb) -> flint.arb:
    assert np.isfinite(found)
    return abs(flint.arb(float(found)) / expected - 1)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", STRESS)
def test_contract_against_matrix_exponentials(name: str, rule: str) -> None:
    solution = _solution(STRESS[name], rule)
    compiled = compile_solution(solution, [solution.tv, *solution.probabilities])
    checked = 0
    with flint.ctx.workprec(BITS):
        for strength, fraction, reference in _grid(STRESS[name], rule):
            expected = reference.at(Fraction(fraction))
            exact = [sum((expected[x] for x in reference.transient), flint.arb(0))]
            exact += [expected[x] for x in solution.states]
            for found, value in zip(compiled(strength, fraction), exact, strict=True):
                if value > flint.arb(2) ** -1022:
                    assert _relative_error(found, value) <= BOUND, (strength, fraction, float(found), value)
                    checked += 1
    assert checked > 100


def _errors(
    instance: Instance, rule: str, strength: float, clocks: Iterable[float] | None = None
) -> Iterator[tuple[float, Any]]:
    """Relative errors of TV and of every probability, where they are normal doubles."""
    solution = _solution(instance, rule)
    forms = [solution.tv, *solution.probabilities]
    rough = reference(instance, rule, strength, digits_for(instance, strength, 1.0))
    if clocks is None:
        spans = (100.0, 250.0, 400.0, 550.0, 690.0)
        points = {float(mpmath.exp(-span / rate)) for rate in rough.exits.values() for span in spans}
        points = sorted(u for u in points if 1e-300 <= u < 1)
        points = points[:: max(1, len(points) // 10)]
        found = compile_solution(solution, forms)(strength, np.array(points))
    else:
        points = sorted(clocks)
        found = compile_expression(forms, [w, s], solution.definitions)(strength, np.array(points))
    for j, point in enumerate(points):
        s_at = rough.clock(point) if clocks is None else mpmath.mpf(point)
        exact = reference(instance, rule, strength, digits_for(instance, strength, float(s_at)))
        s_at = exact.clock(point) if clocks is None else mpmath.mpf(point)
        expected = [exact.tv(s_at), *(exact.at(s_at, [x]) for x in solution.states)]
        for form, value, true in zip(forms, found, expected, strict=True):
            if abs(true) > NORMAL:
                yield float(abs(mpmath.mpf(float(value[j])) / true - 1)), (strength, point, form, float(true))


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("length", [1, 2, 3])
def test_large_exponents(length: int, rule: str) -> None:
    """``w ∈ [200, 1000]`` with ``Λ s ∈ [100, 700]`` for every exit rate ``Λ``, against hundreds of digits."""
    rng = np.random.default_rng(length)
    errors = [
        error for strength in rng.uniform(200, 1000, 3) for error in _errors(gentle(length, length), rule, strength)
    ]
    assert len(errors) > 20
    worst = max(errors, key=lambda error: error[0])
    assert worst[0] <= HARD_BOUND, worst


@pytest.mark.parametrize("gap", ["1e-3", "1e-8", "1e-12", "1e-16", "1e-20"])
def test_near_ties_with_large_exponents(gap: str) -> None:
    errors = list(_errors(near_tie(Fraction(gap)), "rate", 1.0))
    assert len(errors) > 20
    worst = max(errors, key=lambda error: error[0])
    assert worst[0] <= HARD_BOUND, worst


@pytest.mark.parametrize("gap", ["0", "1e-20", "1e-9", "1e-3"])
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_near_ties_at_the_start_of_the_clock(gap: str, rule: str) -> None:
    clocks = (1e-300, 1e-160, 1e-100, 1e-30, 1e-16, 1e-8)
    errors = list(_errors(near_tie(Fraction(gap)), rule, 1.0, clocks))
    assert len(errors) > 20
    worst = max(errors, key=lambda error: error[0])
    assert worst[0] <= HARD_BOUND, worst


_RARE = Fraction(1, 1000)
OVERFLOWING = {
    # name: an instance, and how large its largest exit rate is at w = 1000
    "one token": (mixture(3, 1, [(_RARE, uniform([(0,), (1,)])), (1 - _RARE, uniform([(1,), (2,)]))]), 2900),
    "squares": (HARD["squares"], 300),
    "small prior": (HARD["small prior"], 3000),
    "three tokens of a small class": (small_prior(3, Fraction(1, 50)), 1500),
}


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", OVERFLOWING)
def test_rates_beyond_doubles(name: str, rule: str) -> None:
    """Terminal laws ``q/Z`` and slow contexts are normal doubles where ``Z`` is none."""
    instance, digits = OVERFLOWING[name]
    solution = _solution(instance, rule)
    forms = [solution.tv, *solution.probabilities]
    compiled = compile_solution(solution, forms)
    points = [0.0, 1e-300, 0.5, 1 - 2.0**-53, 1.0]
    checked = 0
    strength = 1000.0
    exact = reference(instance, rule, strength, digits_for(instance, strength, 1e-16) // 2)
    assert max(exact.exits.values()) > mpmath.mpf(10) ** digits or rule == "normalised"
    found = compiled(strength, np.array(points))
    assert all(np.isfinite(value).all() for value in found)
    for j, point in enumerate(points):
        clock = exact.clock(point)
        expected = [exact.tv(clock), *(exact.at(clock, [x]) for x in solution.states)]
        for value, true in zip(found, expected, strict=True):
            if abs(true) > NORMAL:
                assert abs(mpmath.mpf(float(value[j])) / true - 1) <= HARD_BOUND, (point, float(value[j]), float(true))
                checked += 1
            else:
                assert abs(value[j]) <= 2 * NORMAL
    assert checked > 5


@settings(max_examples=60)
@given(
    instances(),
    st.sampled_from(RULE_NAMES),
    st.one_of(st.floats(-0.99, 20), st.floats(-0.99, 1000)),
    st.one_of(st.floats(1e-9, 1 - 1e-9), st.floats(-300, 0).map(lambda power: 10.0**power), st.floats(0, 800)),
)
def test_contract_on_random_instances(instance: Instance, rule: str, strength: float, point: float) -> None:
    """At a mask fraction, or where the largest ``Λ s`` has some value above 1."""
    digits = digits_for(instance, strength, 1e-16)
    assume(digits < 5000)
    solution = _solution(instance, rule)
    exact = reference(instance, rule, strength, digits)
    if point > 1:
        point = float(mpmath.exp(-point / max(exact.exits.values())))
    assume(1e-300 <= point < 1)
    clock = exact.clock(point)
    found = compile_solution(solution, [solution.tv, *solution.probabilities])(strength, point)
    for value, contexts in zip(found, [exact.transient, *([x] for x in solution.states)], strict=True):
        true = exact.at(clock, contexts)
        if abs(true) > NORMAL:
            assert abs(mpmath.mpf(float(value)) / true - 1) <= 5e-14, (float(value), float(true))


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", ["near tie 1e-12", "one token", "xor", "pair", "squares", "three tokens"])
def test_logarithms(name: str, rule: str) -> None:
    """``ln TV`` and ``ln(−ln TV)`` for any ``Λ s``, relatively accurate also where TV is next to 1."""
    instance = {**HARD, **STRESS}[name]
    solution = _solution(instance, rule)
    logs = compile_solution(solution, solution.tv, log=True)
    twice = compile_solution(solution, solution.tv, log="minus-log")
    points = np.array([1e-300, 1e-20, 0.5, 0.999, 1 - 1e-9, 1 - 2.0**-53])
    for strength in (-0.9, 0.0, 1.0, 30.0, 400.0):
        exact = reference(instance, rule, strength, digits_for(instance, strength, 1e-16))
        for point, log_tv, log_minus_log in zip(points, logs(strength, points), twice(strength, points), strict=True):
            clock = exact.clock(float(point))
            with mpmath.workdps(exact.digits):
                tv = exact.tv(clock)
                first = mpmath.log(tv) if tv < 0.5 else mpmath.log1p(-exact.arrived(clock))
                second = mpmath.log(-first)
            at = strength, point, float(first)
            assert abs(mpmath.mpf(float(log_tv)) / first - 1) <= 1e-13, at
            assert abs(mpmath.mpf(float(log_minus_log)) - second) <= 1e-13 * max(1, abs(second)), at


def test_logarithms_where_nothing_else_is_left() -> None:
    """``Z ≈ 1e3000``: ``ln TV = −Z s`` is no double, ``ln(−ln TV) = ln Z + ln s`` is."""
    instance = OVERFLOWING["one token"][0]
    solution = _solution(instance, "rate")
    (rate,) = solution.definitions.values()
    assert compile_solution(solution, solution.tv, log=True)(1000.0, 0.5) == -np.inf
    found = compile_solution(solution, solution.tv, log="minus-log")(1000.0, np.array([1e-300, 0.5, 1 - 2.0**-53]))
    with mpmath.workdps(60):
        size = mpmath.log(rate.subs(w, 1000).evalf(60)._to_mpmath(250))
        for value, point in zip(found, (1e-300, 0.5, 1 - 2.0**-53), strict=True):
            expected = size + mpmath.log(-mpmath.log(mpmath.mpf(point)))
            assert abs(mpmath.mpf(float(value)) / expected - 1) < 1e-15
    ends = compile_solution(solution, solution.tv, log="minus-log")(1.0, np.array([0.0, 1.0]))
    assert ends.tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize("scale", [1e5, 1e100, 1e290])
def test_logarithms_as_large_as_doubles(scale: float) -> None:
    a, b = symbols("a b", positive=True)
    form = exp_dd((a, b), s) + 3 * sympy_exp(-2 * a * s)
    assert compile_expression(form, [a, b, s], log=True)(scale, 2 * scale, 2.0) == pytest.approx(-2 * scale, rel=1e-3)
    minus = compile_expression(form, [a, b, s], log="minus-log")
    assert minus(scale, 2 * scale, 2.0) == pytest.approx(np.log(2 * scale), rel=1e-3)
    assert minus(scale, 2 * scale, 1e200) == pytest.approx(np.log(scale) + 200 * np.log(10), rel=1e-3)


def test_log_tv_is_right_where_tv_underflows() -> None:
    solution = _solution(HARD["one token"], "rate")
    (rate,) = solution.definitions.values()
    value = compile_solution(solution, solution.tv)(20.0, 1e-3)
    logarithm = compile_solution(solution, solution.tv, log=True)(20.0, 1e-3)
    assert value == 0.0
    with mpmath.workdps(40):
        expected = mpmath.mpf(str(rate.subs(w, 20).evalf(40))) * mpmath.log(mpmath.mpf(1e-3))
        assert abs(logarithm / expected - 1) < 1e-14
        assert expected < -(10**7)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", STRESS)
def test_both_ends_of_the_clock(name: str, rule: str) -> None:
    """``u = 0`` is the terminal law, ``u = 1`` the start, for any ``w`` in range."""
    solution = _solution(STRESS[name], rule)
    compiled = compile_solution(solution, [solution.tv, *solution.probabilities])
    for strength in (-0.9, 0.0, 1.0, 30.0, 100.0):
        tv, *end = compiled(strength, 0.0)
        assert tv == 0
        with flint.ctx.workprec(BITS):
            expected = guided(STRESS[name], rule, Fraction(strength), exact=False).terminal()
            for context, found in zip(solution.states, end, strict=True):
                value = expected.get(context, flint.arb(0))
                if value > flint.arb(2) ** -1022:
                    assert _relative_error(found, value) <= BOUND, (strength, context)
                else:
                    assert 0 <= found < 1e-300
        tv, first, *rest = compiled(strength, 1.0)
        assert tv == first == 1
        assert not any(rest)


def test_the_start_has_no_negative_zeros() -> None:
    solution = _solution(HARD["xor"], "rate")
    assert not any(np.signbit(value) for value in compile_solution(solution, solution.probabilities)(1.0, 1.0))


def test_broadcasting() -> None:
    solution = _solution(HARD["slower sampling"], "rate")
    tv = compile_solution(solution, solution.tv)
    strengths, fractions = np.linspace(-0.5, 4, 5).reshape(5, 1), np.linspace(0, 1, 4)
    grid = tv(strengths, fractions)
    assert grid.shape == (5, 4)
    assert grid.dtype == np.float64
    assert all(grid[i, j] == tv(strengths[i, 0], fractions[j]) for i in range(5) for j in range(4))
    assert isinstance(tv(1, 0.5), float)
    assert tv([0, 1], 0.5).tolist() == [tv(0.0, 0.5), tv(1.0, 0.5)]
    assert tv(np.zeros((0, 3)), 0.5).shape == (0, 3)
    several = compile_solution(solution, solution.probabilities)(strengths, fractions)
    assert [value.shape for value in several] == [(5, 4)] * len(solution.states)
    assert np.allclose(sum(several), 1, rtol=0, atol=1e-14)
    logs = compile_solution(solution, solution.tv, log=True)(strengths, fractions[1:])
    assert np.allclose(np.exp(logs), grid[:, 1:], rtol=1e-14, atol=0)


def test_forms_that_do_not_depend_on_anything_are_floats_of_the_right_shape() -> None:
    solution = solve(guided_chain(guidance(HARD["xor"].problem), (0, 0)))
    tv, there = compile_solution(solution, [solution.tv, solution[0, 0]])(1.0, [0.25, 0.5])
    assert tv.tolist() == [0.0, 0.0]
    assert there.tolist() == [1.0, 1.0]
    assert tv.dtype == there.dtype == np.float64
    assert compile_solution(solution, solution.tv, log=True)(1.0, [0.25, 0.5]).tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("noise", ["constant", "linear", "log-linear", "cosine", "cosine-mdlm", "geometric"])
def test_time_of_a_noise_schedule(noise: str) -> None:
    schedule = parse_schedule(noise)
    solution = _solution(HARD["slower sampling"], "rate")
    forms = list(solution.probabilities)
    horizon = float(schedule.horizon)
    times = np.array([0.0, 0.1, 0.5, 0.9, 1.0]) * horizon
    on_time = compile_solution(solution, forms, schedule)(2.0, times)
    on_fraction = compile_solution(solution, forms)(2.0, np.asarray(schedule.mask_fraction_at(times), dtype=float))
    for left, right in zip(on_time, on_fraction, strict=True):
        assert np.allclose(left, right, rtol=1e-11, atol=1e-15)
    assert on_time[0][-1] == 1
    if noise != "geometric":
        assert sum(value[0] for context, value in zip(solution.states, on_time, strict=True) if None in context) < 1e-3
    with mpmath.workdps(40):
        precise = compile_solution(solution, forms, schedule, target="mpmath")(mpmath.mpf(2), mpmath.mpf(times[2]))
        assert all(abs(a[2] / b - 1) < 1e-12 for a, b in zip(on_time, precise, strict=True))


@pytest.mark.parametrize("strength", [-1.5, -1.0000001, float("nan"), float("inf"), -float("inf")])
def test_bad_strengths_are_refused(strength: float) -> None:
    solution = _solution(HARD["exact ties"], "rate")
    tv = compile_solution(solution, solution.tv)
    with pytest.raises(StrengthError, match=r"guidance strength w is .*: the chain holds for finite w >= -1"):
        tv([0.0, strength], 0.5)
    assert tv(-1.0, 0.5) == pytest.approx(0.75, rel=1e-15)


def test_the_unconditional_chain_is_asked_for_by_itself() -> None:
    solution = _solution(HARD["squares"], "rate")
    with pytest.raises(StrengthError, match=r"w > -1 \(w = -1 is a chain of its own: use tilt.at\(-1\)\)"):
        compile_solution(solution, solution.tv)(-1.0, 0.5)
    own = solve(guided_chain(guidance(HARD["squares"].problem).at(Fraction(-1))))
    assert compile_solution(own, own.tv)(-1.0, 0.5) == pytest.approx(0.75, rel=1e-15)


@pytest.mark.parametrize("fraction", [-0.1, 1.0000001, float("nan"), float("inf")])
def test_bad_fractions_are_refused(fraction: float) -> None:
    solution = _solution(HARD["xor"], "rate")
    with pytest.raises(ClockError, match=r"mask fraction u is .*: outside \[0, 1\] the law is not defined"):
        compile_solution(solution, solution.tv)(1.0, [0.5, fraction])


@pytest.mark.parametrize("time", [-0.1, 1.1, float("nan")])
def test_bad_times_are_refused(time: float) -> None:
    solution = _solution(HARD["xor"], "rate")
    with pytest.raises(ClockError):
        compile_solution(solution, solution.tv, parse_schedule("linear"))(1.0, time)


@pytest.mark.parametrize("value", ["1", "1/2", ["0", "1"], True, [True, False], 1j, [[0.5], [0.5, 1]], "nan"])
def test_what_is_no_number_is_refused(value: Any) -> None:
    solution = _solution(HARD["xor"], "rate")
    tv = compile_solution(solution, solution.tv)
    with pytest.raises(StrengthError, match=r"guidance strength w is .*: that is no array of numbers; give floats"):
        tv(value, 0.5)
    with pytest.raises(ClockError, match=r"mask fraction u is .*: that is no array of numbers"):
        tv(0.5, value)
    with pytest.raises(ClockError, match=r"time t is .*: that is no array of numbers"):
        compile_solution(solution, solution.tv, parse_schedule("linear"))(0.5, value)


def test_numbers_of_any_kind_are_taken() -> None:
    solution = _solution(HARD["xor"], "rate")
    tv = compile_solution(solution, solution.tv)
    for half in (Fraction(1, 2), Rational(1, 2), np.float32(0.5), [Fraction(1, 2)]):
        assert tv(half, half) == tv(0.5, 0.5)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_computes_the_same_function(target: str) -> None:
    a, b = symbols("a b", positive=True)
    form = (exp_dd((a, b, Integer(0)), s) + Rational(3, 7) * Rational(4, 3) ** a + sympy_exp(-b * s)) / (b + 1)
    function = compile_expression(form, [a, b, s], target=target)
    with mpmath.workdps(20), flint.ctx.workprec(100):
        kind = {"numpy": float, "mpmath": mpmath.mpf, "balls": flint.arb}[target]
        value = float(function(kind("1.5"), kind("1.5"), kind("0.25")))
    exact = form.subs({a: Rational(3, 2), b: Rational(3, 2), s: Rational(1, 4)}).evalf(20)
    assert value == pytest.approx(float(exact), rel=1e-14)


def test_definitions_are_used_and_may_have_any_name() -> None:
    solution = solve(rate_symbols(2, 1))
    rates = sorted(next(iter(solution.definitions.values())).free_symbols, key=str)
    assert str(rates[0]) == "r(M->0)"
    function = compile_expression(solution.probabilities, [*rates, s], solution.definitions)
    assert function(1.0, 3.0, 0.5) == pytest.approx([exp(-2), (1 - exp(-2)) / 4, 3 * (1 - exp(-2)) / 4], rel=1e-15)


def test_what_cannot_be_compiled_is_refused() -> None:
    x = symbols("x", positive=True)
    with pytest.raises(SymguideError, match="compilation target 'fortran' is unknown"):
        compile_expression(x, [x], target="fortran")
    with pytest.raises(SymguideError, match=r"symbols \['x'\] are neither arguments nor defined"):
        compile_expression(x + s, [s])
    with pytest.raises(SymguideError, match="has no log domain"):
        compile_expression(x, [x], target="balls", log=True)
    with pytest.raises(SymguideError, match="log is 'twice'"):
        compile_expression(x, [x], log="twice")
    assert np.isnan(compile_expression(x - 1, [x], log=True)(0.5))
    with pytest.raises(SymguideError, match="has no enclosure"):
        compile_expression(Function("f")(x), [x], target="balls")
    with pytest.raises(NotExactError, match="is a float"):
        compile_expression(0.5 * x, [x], target="balls")


@settings(max_examples=40)
@given(instances(), st.fractions(Fraction(-1, 2), 5, max_denominator=6), st.integers(20, 60))
def test_enclosures_hold_the_value_and_are_as_narrow_as_asked(
    instance: Instance, strength: Fraction, digits: int
) -> None:
    solution = _solution(instance, "rate")
    fraction = Fraction(1, 3)
    found = enclose(solution.tv.subs(s, -log(u)), {w: strength, u: fraction}, solution.definitions, digits)
    with flint.ctx.workprec(BITS):
        reference = guided(instance, "rate", strength)
        expected = reference.at(fraction)
        tv = sum((expected[x] for x in reference.transient), flint.arb(0))
        assert found.overlaps(tv)
        assert found.rad() <= tv * flint.arb(10) ** -digits


def test_enclosures_of_what_cancels() -> None:
    x = symbols("x")
    found = enclose(cos(x) - 1 + x**2 / 2, {x: TINY}, digits=25)
    with flint.ctx.workprec(200):
        assert abs(found * 24 / ball(TINY**4) - 1) < flint.arb("1e-20")
    zero = enclose(exp_dd((Integer(1), Integer(2)), s) - exp_dd((Integer(1), Integer(2)), s), {s: Fraction(1)})
    assert zero == 0
    hopeless = enclose(log(x) + log(1 / x), {x: Fraction(3)})
    assert hopeless.contains(0)


def test_five_tokens_compile_in_shared_form() -> None:
    """Exit rates are evaluated once a call, whatever the number of contexts."""
    solution = _solution(hypercubes(4, side=2), "rate")
    compiled = compile_solution(solution, [solution.tv, *solution.probabilities])
    tv, *found = compiled(1.0, 0.5)
    assert sum(found) == pytest.approx(1, rel=1e-13)
    assert tv == pytest.approx(
        1 - sum(p for x, p in zip(solution.states, found, strict=True) if None not in x), rel=1e-12
    )


def test_values_beyond_doubles_are_refused_and_never_nan() -> None:
    solution = _solution(HARD["small prior"], "rate")
    rate = next(iter(solution.definitions))
    with pytest.raises(StrengthError, match="values leave the range of double precision; compile their logarithms"):
        compile_solution(solution, rate)([10.0, 1000.0], 0.5)
    assert compile_solution(solution, rate, log=True)(1000.0, 0.5) == pytest.approx(1000 * log(1333).evalf(), rel=0.2)
    with pytest.raises(SymguideError, match="no real number"):
        compile_solution(solution, log(-rate))(1.0, 0.5)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", ["squares", "exact ties", "one token", "slower sampling"])
def test_entropies_on_the_whole_clock(name: str, rule: str) -> None:
    """``p ln p`` is 0 at ``p = 0``: at both ends, and where probabilities underflow; all targets agree."""
    solution = _solution(HARD[name], rule)
    form = entropy(solution.distribution)
    strengths = [0.0, 1.0, 300.0, *([-1.0] if solution.named.chain.includes_unconditional else [])]
    points = [0.0, 1e-300, 1e-3, 0.5, 1 - 2.0**-53, 1.0]
    found = compile_solution(solution, form)(np.array(strengths)[:, None], np.array(points))
    precise, balls = (compile_solution(solution, form, target=target) for target in ("mpmath", "balls"))
    assert not found[:, -1].any()
    for strength, row in zip(strengths, found, strict=True):
        exact = reference(HARD[name], rule, strength, digits_for(HARD[name], strength, 1e-16))
        for point, value in zip(points, row, strict=True):
            clock = exact.clock(point)
            with mpmath.workdps(exact.digits):
                chances = [exact.at(clock, [x]) for x in exact.laws]
                true = -mpmath.fsum(p * mpmath.log(p) for p in chances if p > mpmath.mpf(10) ** (20 - exact.digits))
            assert abs(value - true) <= 1e-13 * true
            with mpmath.workdps(40):
                assert abs(precise(mpmath.mpf(strength), mpmath.mpf(point)) - true) <= true * mpmath.mpf(10) ** -38
            with flint.ctx.workprec(4000):
                ball_value = balls(flint.arb(strength), flint.arb(point))
                assert ball_value.overlaps(flint.arb(mpmath.nstr(true, 200), flint.arb("1e-150")))


@pytest.mark.parametrize("digits", [15, 50, 300])
def test_mpmath_keeps_its_digits_however_large_the_exponents(digits: int) -> None:
    instance = HARD["slower sampling"]
    solution = _solution(instance, "rate")
    precise = compile_solution(solution, [solution.tv, *solution.probabilities], target="mpmath")
    for strength, point in ((40.0, 0.5), (200.0, 0.9), (3.0, 1e-300), (1000.0, 0.5), (1.0, 0.0), (1.0, 1.0)):
        exact = reference(instance, "rate", strength, digits + 4 * digits_for(instance, strength, 1.0))
        clock = exact.clock(point)
        with mpmath.workdps(digits):
            found = precise(mpmath.mpf(strength), mpmath.mpf(point))
        expected = [exact.tv(clock), *(exact.at(clock, [x]) for x in solution.states)]
        with mpmath.workdps(digits + 10):
            for value, true in zip(found, expected, strict=True):
                if true > mpmath.mpf(10) ** -(10**6):
                    assert abs(value / true - 1) <= mpmath.mpf(10) ** (2 - digits), (strength, point)
                else:
                    assert abs(value) <= abs(true) + mpmath.mpf(10) ** -(10**6)


@pytest.mark.parametrize("bits", [53, 200])
def test_balls_hold_the_truth_at_both_ends_and_in_between(bits: int) -> None:
    for name in ("exact ties", "three tokens"):
        solution = _solution(HARD[name], "rate")
        balls = compile_solution(solution, [solution.tv, *solution.probabilities], target="balls")
        for strength, point in ((0.0, 0.0), (3.0, 0.0), (3.0, 1.0), (200.0, 0.5), (1.0, 1 - 2.0**-53)):
            exact = reference(HARD[name], "rate", strength, digits_for(HARD[name], strength, 1e-16))
            clock = exact.clock(point)
            with flint.ctx.workprec(bits):
                found = balls(flint.arb(strength), flint.arb(point))
            expected = [exact.tv(clock), *(exact.at(clock, [x]) for x in solution.states)]
            with flint.ctx.workprec(1000):
                for value, true in zip(found, expected, strict=True):
                    with mpmath.workdps(exact.digits):
                        error = abs(true) * mpmath.mpf(10) ** -100 + mpmath.mpf(10) ** (100 - exact.digits)
                        truth = flint.arb(mpmath.nstr(true, 150), flint.arb(mpmath.nstr(error, 10)))
                    assert value.overlaps(truth), (name, strength, point)


def test_forms_in_powers_of_u_keep_their_digits() -> None:
    """Partial fractions cancel; what doubles and wide numbers cannot spare, enclosures supply."""
    solution = _solution(HARD["a tie at w = 1"], "rate")
    powers = [powers_of_u(form)[0] for form in solution.probabilities]
    points = np.array([0.0, 1e-200, 0.3, 0.9999, 1 - 1e-12, 1 - 2.0**-53])
    for strength in (0.5, 1.0 + 2.0**-40, 7.0):
        for left, right in zip(
            compile_solution(solution, powers)(strength, points),
            compile_solution(solution, solution.probabilities)(strength, points),
            strict=True,
        ):
            assert left == pytest.approx(right, rel=1e-13, abs=0)


def test_single_precision_and_integers_are_the_numbers_they_are() -> None:
    solution = _solution(HARD["squares"], "rate")
    tv = compile_solution(solution, solution.tv)
    points = np.array([0.0, 0.1, 1.0], dtype=np.float32)
    assert np.array_equal(tv(np.float32(2.5), points), tv(2.5, points.astype(np.float64)))
    assert np.array_equal(tv(np.array([0, 3], dtype=np.int8), 1), [1.0, 1.0])
    assert tv(Fraction(1, 2), Fraction(1, 4)) == tv(0.5, 0.25)
