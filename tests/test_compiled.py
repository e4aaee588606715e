"""Compiled closed forms: the numerical contract, broadcasting, noise schedules, enclosures, refusals.

The contract: relative error at most 1e-12 for ``w ∈ [−1, 100]`` and ``u ∈ [1e−300, 1]`` with ``Λ s ≤ 100``, exact ties
and near-ties of exit rates included. The worst error seen on the grids below is 3e-14.
"""

from collections.abc import Iterator, Mapping
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
from strategies import HARD, RULE_NAMES, TINY, Instance, hypercubes, instances, mixture, uniform
from sympy import Function, Integer, Rational, cos, log, symbols
from sympy import exp as sympy_exp

from symguide.chain import guided_chain
from symguide.compiled import TARGETS, compile_expression, compile_solution, enclose
from symguide.errors import ClockError, NotExactError, StrengthError, SymguideError
from symguide.exp_dd import exp_dd
from symguide.family import rate_symbols
from symguide.schedules import parse_schedule
from symguide.solution import Solution, solve
from symguide.symbols import s, u, w
from symguide.tilt import guidance

BOUND = flint.arb("1e-12")
BITS = 700
STRENGTHS = (-0.999, -0.5, -1e-3, 0.0, 1e-9, 0.5, 1.0, 1.0 + 2**-52, 1.0 + 1e-8, 3.0, 10.0, 30.0, 50.0, 100.0)
SPANS = (100.0, 50.0, 10.0, 1.0, 1e-2, 1e-4, 1e-8, 1e-12)
"""``Λ s`` for the largest exit rate ``Λ``."""
FRACTIONS = (1e-300, 1e-12, 0.5, 0.99, 1 - 1e-15)


def _near_tie(gap: Fraction) -> Instance:
    """``Λ(M,M) = c(0) = 15/7`` at ``w = 1``, two rates along one path, but for a gap in the data."""
    quarter = Fraction(1, 4)
    target = {(0, 0): quarter + gap, (0, 1): 2 * quarter, (1, 0): quarter - gap}
    return mixture(2, 2, [(quarter, target), (3 * quarter, uniform([(0, 0), (1, 1)]))])


def _small_prior(length: int, prior: Fraction) -> Instance:
    """A rare class: bases up to ``1/prior``, and rates as low as ``prior`` near ``w = −1``."""
    tokens = [(0, 0, 0), (0, 1, 1), (1, 1, 0), (1, 1, 1)]
    other = [(0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0)]
    tables = [uniform(dict.fromkeys(x[:length] for x in support)) for support in (tokens, other)]
    return mixture(2, length, [(prior, tables[0]), (1 - prior, tables[1])])


STRESS: Mapping[str, Instance] = {
    **{f"near tie {gap}": _near_tie(Fraction(gap)) for gap in ("0", "1e-20", "1e-12", "1e-8", "1e-2")},
    **{name: HARD[name] for name in ("one token", "slower sampling", "exact ties", "gaps of 1e-20", "xor", "pair")},
    "one token of a rare class": _small_prior(1, Fraction(1, 10**4)),
    "two tokens of a rare class": _small_prior(2, Fraction(1, 50)),
    "three tokens": HARD["three tokens"],
    "three tokens of a small class": _small_prior(3, Fraction(1, 50)),
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
    assert checked > 300


@pytest.mark.parametrize("name", ["near tie 1e-20", "near tie 1e-8", "one token", "three tokens of a small class"])
def test_contract_against_sixty_digits_of_the_same_form(name: str) -> None:
    rng = np.random.default_rng(20250601)
    solution = _solution(STRESS[name], "rate")
    forms = [solution.tv, *solution.probabilities]
    compiled, precise = compile_solution(solution, forms), compile_solution(solution, forms, target="mpmath")
    rates = compile_expression(list(solution.definitions.values()), [w], target="mpmath")
    with mpmath.workdps(60):
        for strength in (*rng.uniform(-0.99, 3, 8), *rng.uniform(3, 100, 4)):
            largest = max([*rates(mpmath.mpf(strength)), mpmath.mpf(3)])
            fraction = float(mpmath.exp(-(mpmath.mpf(10) ** rng.uniform(-10, 2)) / largest))
            if fraction == 1:
                continue
            exact = precise(mpmath.mpf(strength), mpmath.mpf(fraction))
            for found, value in zip(compiled(strength, fraction), exact, strict=True):
                assert abs(mpmath.mpf(float(found)) / value - 1) <= 1e-12


@settings(max_examples=60)
@given(instances(), st.sampled_from(RULE_NAMES), st.floats(-0.99, 20), st.floats(1e-9, 1 - 1e-9))
def test_contract_on_random_instances(instance: Instance, rule: str, strength: float, fraction: float) -> None:
    solution = _solution(instance, rule)
    with flint.ctx.workprec(BITS):
        reference = guided(instance, rule, Fraction(strength), exact=False)
        assume(max((rate for rate in reference.exits.values()), default=0) * -ball(Fraction(fraction)).log() <= 100)
        expected = reference.at(Fraction(fraction))
        for context, found in zip(
            solution.states, compile_solution(solution, solution.probabilities)(strength, fraction), strict=True
        ):
            assert _relative_error(found, expected[context]) <= BOUND


def _log_error(found: Any, exact: Any) -> Any:
    """Relative above 1, absolute below."""
    return abs(mpmath.mpf(float(found)) - exact) / max(1, abs(exact))


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", STRESS)
def test_logarithms_beyond_the_contract(name: str, rule: str) -> None:
    """``ln TV`` and ``ln P_x`` for any ``Λ s``, where the values themselves underflow."""
    solution = _solution(STRESS[name], rule)
    forms = list(dict.fromkeys([solution.tv, *solution.probabilities]))
    compiled = compile_solution(solution, forms, log=True)
    precise = compile_solution(solution, forms, target="mpmath")
    for strength in (-0.9, 0.0, 1.0, 10.0, 30.0, 100.0):
        for fraction in (1e-300, 1e-20, 0.5, 0.999):
            with mpmath.workdps(40):
                exact = [mpmath.log(value) for value in precise(mpmath.mpf(strength), mpmath.mpf(fraction))]
                for form, found, value in zip(forms, compiled(strength, fraction), exact, strict=True):
                    if abs(value) < 1e300:
                        assert _log_error(found, value) <= 1e-12, (strength, fraction, form, float(found), value)


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
    with pytest.raises(SymguideError, match="negative term"):
        compile_expression(x - 1, [x], log=True)
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


@pytest.mark.parametrize("rule", ["rate", "normalised"])
@pytest.mark.parametrize("log", [False, True])
def test_rates_beyond_doubles_are_refused_and_never_nan(rule: str, log: bool) -> None:
    solution = _solution(HARD["small prior"], rule)
    value = compile_solution(solution, solution.tv, log=log)
    assert np.isfinite(value(10.0, 0.5))
    with pytest.raises(StrengthError, match="leave the range of double precision"):
        value([10.0, 1000.0], 0.5)
