"""The referee against formulas, against balls, and against its own word about its errors."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import flint
import mpmath
import pytest
import sympy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import HARD, RULE_NAMES, Instance, hypercubes, instances, mask_fractions, real_strengths
from sympy import Eq, Expr, Integer, Mul, Rational, log

from symguide.chains.chain import guided_chain
from symguide.chains.family import rate_symbols
from symguide.chains.naming import named
from symguide.chains.ode import KolmogorovSystem, kolmogorov
from symguide.checks.integrate import MAX_MATRIX, STIFF, Integration, exponential, integrate
from symguide.errors import ChainTooLargeError, ClockError, NotExactError, SymguideError
from symguide.laws.law import Context
from symguide.laws.tilt import guidance
from symguide.symbols import symbol, w


def system_of(instance: Instance, rule: str = "rate") -> KolmogorovSystem:
    return kolmogorov(named(guided_chain(guidance(instance.problem, rule)), w))


def general(vocabulary: int, length: int) -> tuple[KolmogorovSystem, list[Expr]]:
    """The system in which every reveal rate is a symbol, and these symbols."""
    chain = named(rate_symbols(vocabulary, length), w)
    rates = [reveal.rate for reveals in chain.chain.incoming for reveal in reveals]
    return kolmogorov(chain), rates


def ball(value: Any) -> flint.arb:
    """An mpmath number as an exact ball."""
    sign, mantissa, exponent, _ = value._mpf_
    return flint.arb(flint.fmpz(int(mantissa))) * flint.arb(2) ** int(exponent) * (-1) ** int(sign)


def assert_honest(found: Integration, truth: dict[Context, flint.arb] | Any, digits: int) -> None:
    """No value is further from the truth than was said, nor is the word worth nothing."""
    with flint.ctx.workprec(8000):
        for context, value in found.values.items():
            assert abs(ball(value) - truth[context].mid()) <= ball(found.error) + truth[context].rad(), context
            assert value >= 0
    assert found.error <= mpmath.mpf(10) ** -digits


SINGLE, (RATE,) = general(1, 1)


@pytest.mark.parametrize("clock", [0, Fraction(1, 3), 7, log(2), 2.5, mpmath.mpf(1) / 7])
def test_one_token_decays_exponentially(clock: Any) -> None:
    (found,) = integrate(SINGLE, {RATE: Fraction(5, 3)}, [clock])
    assert float(found.clock) == float(clock)
    with mpmath.workdps(80):
        left = mpmath.exp(-found.clock * 5 / 3)
        assert abs(found.values[(None,)] - left) <= found.error <= mpmath.mpf(10) ** -50
        assert abs(found.values[(0,)] - (1 - left)) <= found.error


@settings(max_examples=40)
@example(HARD["gaps of 1e-20"], "rate", Fraction(1), Fraction(1, 2))
@example(HARD["xor"], "rate", Fraction(2), Fraction(1, 3))
@example(HARD["three tokens"], "normalised", Fraction(-1, 2), Fraction(1, 10**9))
@given(instances(), st.sampled_from(RULE_NAMES), real_strengths(), mask_fractions())
def test_errors_are_honest_and_balls_agree(instance: Instance, rule: str, strength: Fraction, u: Fraction) -> None:
    if instance.prior is None and strength < 0:
        strength = -strength
    system = system_of(instance, rule)
    values, clock = {w: strength}, -log(Rational(u.numerator, u.denominator))
    (found,) = integrate(system, values, [clock], 40)
    assert_honest(found, exponential(system, values, clock, 300), 40)


@settings(max_examples=25)
@given(st.data())
def test_rates_of_any_size(data: st.DataObject) -> None:
    system, rates = general(2, 2)
    sizes = st.builds(lambda digit, power: digit * Fraction(10) ** power, st.integers(1, 9), st.integers(-12, 12))
    values = {rate: data.draw(sizes) for rate in rates}
    clock = data.draw(st.sampled_from([Fraction(1, 10**12), Fraction(1, 100), Fraction(1), Fraction(20)]))
    (found,) = integrate(system, values, [clock], 30)
    assert_honest(found, exponential(system, values, clock, 400), 30)


@pytest.mark.parametrize(
    "reach", [Fraction(1, 2), Fraction(100), Fraction(int(STIFF)), Fraction(10**4), Fraction(10**30)]
)
def test_steps_and_contours_meet(reach: Fraction) -> None:
    # One context is left at once, another slowly: the same equations, stepped or not.
    system, rates = general(2, 2)
    values: dict[Expr, Any] = {rate: Fraction(j + 1, 7) for j, rate in enumerate(rates)}
    values[rates[0]] = reach
    (found,) = integrate(system, values, [1], 50)
    assert_honest(found, exponential(system, values, 1, 400), 50)


def test_small_values_keep_their_digits() -> None:
    system = system_of(HARD["three tokens"])
    clock = Fraction(1, 10**12)
    (found,) = integrate(system, {w: 1}, [clock], 50)
    truth = exponential(system, {w: 1}, clock, 100)
    smallest = min(found.values.values())
    assert 0 < smallest < mpmath.mpf(10) ** -36
    with flint.ctx.workprec(1000):
        for context, value in found.values.items():
            assert abs(ball(value) / truth[context] - 1) < flint.arb(10) ** -50


def test_late_clocks_keep_the_digits_of_what_is_left() -> None:
    (found,) = integrate(SINGLE, {RATE: 1}, [100], 50)
    with mpmath.workdps(150):
        assert abs(found.values[(None,)] / mpmath.exp(-100) - 1) < mpmath.mpf(10) ** -50


def test_clocks_may_come_in_any_order() -> None:
    system = system_of(HARD["squares"])
    clocks = [Fraction(2), Fraction(0), Fraction(1, 2), Fraction(2)]
    found = integrate(system, {w: Fraction(1, 2)}, clocks)
    assert [float(item.clock) for item in found] == [2.0, 0.0, 0.5, 2.0]
    assert found[0].values == found[3].values
    assert list(found[1].values.values()) == [1] + [0] * 15
    for clock, item in zip(clocks, found, strict=True):
        (alone,) = integrate(system, {w: Fraction(1, 2)}, [clock])
        for context, value in item.values.items():
            assert abs(value - alone.values[context]) <= item.error + alone.error


def test_a_thousand_contexts_hold_one() -> None:
    system = system_of(hypercubes(5))
    (found,) = integrate(system, {w: 1}, [log(2)])
    assert len(found.values) == 1024
    assert abs(mpmath.fsum(found.values.values()) - 1) <= 1024 * found.error + mpmath.mpf(10) ** -14
    with mpmath.workdps(60):
        assert abs(mpmath.fsum(found.values.values()) - 1) <= 1024 * found.error


def test_chains_that_leak_or_gain_are_followed_honestly() -> None:
    # Exit rates that are no sums of reveals: no chain, but equations all the same.
    system, rates = general(2, 2)
    values: dict[Expr, Any] = dict.fromkeys(rates, Fraction(2, 3))
    for exit_rate in (Fraction(1, 5), Fraction(9)):
        wrong = {**values, **dict.fromkeys(system.definitions, exit_rate)}
        (found,) = integrate(system, wrong, [Fraction(3, 2)], 30)
        truth = exponential(system, wrong, Fraction(3, 2), 60)
        with flint.ctx.workprec(1000):
            for context, value in found.values.items():
                assert abs(ball(value) - truth[context].mid()) <= ball(found.error) + truth[context].rad()


def test_floats_are_the_fractions_they_are() -> None:
    (found,) = integrate(SINGLE, {RATE: 0.1}, [1.0])
    (exact,) = integrate(SINGLE, {RATE: Fraction(0.1)}, [Fraction(1)])
    assert found.values == exact.values


def test_equations_may_be_factorised() -> None:
    system = system_of(HARD["squares"])
    factorised = replace(
        system, equations=tuple(Eq(e.lhs, Mul(2, e.rhs / 2, evaluate=False), evaluate=False) for e in system.equations)
    )
    assert integrate(factorised, {w: 1}, [1])[0].values == integrate(system, {w: 1}, [1])[0].values


def test_symbols_of_the_data_get_values() -> None:
    a = symbol("a", positive=True)
    scaled = replace(SINGLE, definitions={key: a * RATE for key in SINGLE.definitions})
    (found,) = integrate(scaled, {RATE: Fraction(2), a: Fraction(3, 2)}, [1])
    (expected,) = integrate(SINGLE, {RATE: Fraction(3)}, [1])
    assert found.values[(None,)] == expected.values[(None,)]


def test_balls_contain_the_logarithm_and_the_exponential() -> None:
    found = exponential(SINGLE, {RATE: log(3)}, sympy.exp(-1))
    with flint.ctx.workprec(400):
        expected = (-(flint.arb(3).log()) * (-flint.arb(1)).exp()).exp()
        assert found[(None,)].overlaps(expected)
        assert found[(None,)].rad() < flint.arb(10) ** -50


def test_balls_are_refined_until_narrow() -> None:
    # exp(−1000) is far below the first precision.
    found = exponential(SINGLE, {RATE: 1000}, 1, 40)
    with flint.ctx.workprec(2000):
        assert found[(None,)].overlaps((-flint.arb(1000)).exp())
        assert found[(None,)].rad() < abs(found[(None,)]) * flint.arb(10) ** -40


def refusals() -> list[Any]:
    P = SINGLE.unknowns[0]
    two = system_of(HARD["squares"])
    swapped = replace(two, unknowns=two.unknowns[::-1], states=two.states[::-1])
    chain = named(rate_symbols(1, 1), w)
    first = SINGLE.equations[0]
    return [
        (SINGLE, {RATE: 1}, -1, ClockError, "clock s is -1"),
        (SINGLE, {RATE: 1}, sympy.oo, SymguideError, "finite"),
        (SINGLE, {RATE: 1}, log(Rational(1, 2)), ClockError, "clock s is"),
        (SINGLE, {}, 1, NotExactError, "give a value"),
        (SINGLE, {RATE: "1/2 + 1"}, 1, SymguideError, "never evaluated"),
        (kolmogorov(chain, "time"), {RATE: 1}, 1, ClockError, "take the equations in s"),
        (replace(SINGLE, equations=(Eq(first.lhs, -(P**2), evaluate=False),)), {}, 1, SymguideError, "not linear"),
        (replace(SINGLE, equations=(Eq(first.lhs, 1 - P, evaluate=False),)), {}, 1, SymguideError, "not linear"),
        (replace(SINGLE, equations=(Eq(P, P, evaluate=False),)), {}, 1, SymguideError, "left side"),
        (swapped, {w: 1}, 1, SymguideError, "triangular"),
    ]


@pytest.mark.parametrize(("system", "values", "clock", "error", "words"), refusals())
def test_refusals(system: KolmogorovSystem, values: Any, clock: Any, error: type[Exception], words: str) -> None:
    for solve in (lambda: integrate(system, values, [clock]), lambda: exponential(system, values, clock)):
        with pytest.raises(error, match=words) as caught:
            solve()
        assert "\n" not in str(caught.value)


def test_matrices_stay_small() -> None:
    system = system_of(hypercubes(4))
    assert len(system.states) > MAX_MATRIX
    with pytest.raises(ChainTooLargeError, match="256 contexts"):
        exponential(system, {w: 1}, 1)


def test_what_never_moves_stays() -> None:
    still = replace(SINGLE, equations=tuple(Eq(e.lhs, Integer(0), evaluate=False) for e in SINGLE.equations))
    (found,) = integrate(still, {}, [5])
    assert abs(found.values[(None,)] - 1) <= found.error
    assert found.values[(0,)] == 0
