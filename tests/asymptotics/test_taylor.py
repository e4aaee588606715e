"""Small guidance: the first order of the theory, differences at 60 digits, and remainders that hold."""

from fractions import Fraction
from typing import Any

import flint
import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HARD, RULE_NAMES, Instance, instances, mixtures

from symguide.asymptotics.taylor import taylor, taylor_terminal, taylor_tv
from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import kl_divergence, law_distribution, terminal_law
from symguide.errors import ClockError, StrengthError, SymguideError
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLOATS, PRECISE, SYMBOLIC
from symguide.symbols import u


def _chain(instance: Instance, rule: str = "rate") -> Any:
    return guided_chain(guidance(instance.problem, rule))


@given(mixtures(max_length=1))
def test_first_order_of_one_token(instance: Instance) -> None:
    """``d/dw TV = u ln u · KL(p(·|z) ‖ p)`` at ``w = 0``."""
    laws = [law_distribution(law, SYMBOLIC) for law in (instance.problem.conditional, instance.problem.unconditional)]
    constant, slope = taylor_tv(_chain(instance), 1).coefficients
    assert constant == u
    expected = sympy.expand(sympy.expand_log(u * sympy.log(u) * kl_divergence(*laws), factor=True))
    assert slope == expected


@settings(max_examples=30)
@given(instances(), st.sampled_from(RULE_NAMES))
def test_without_guidance_the_conditional_law_and_independent_reveals(instance: Instance, rule: str) -> None:
    law = taylor_terminal(_chain(instance, rule), 1)
    assert {x: Fraction(str(series.coefficients[0])) for x, series in law.items()} == instance.conditional
    assert sympy.expand(sum(series.coefficients[1] for series in law.values())) == 0
    constant, slope = taylor_tv(_chain(instance, rule), 1).coefficients
    assert sympy.expand(constant - (1 - (1 - u) ** instance.length)) == 0
    if rule == "normalised":
        assert slope == 0
    else:
        assert all(slope.subs(u, sympy.Rational(k, 7)).evalf(30) <= 0 for k in range(1, 7))  # raw guidance speeds up


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", ["squares", "slower sampling", "exact ties", "gaps of 1e-20", "pair", "three tokens"])
@pytest.mark.parametrize("center", ["0", "3/2"])
def test_as_differences_at_many_digits(name: str, rule: str, center: str) -> None:
    chain, point, order = _chain(HARD[name], rule), Fraction(center), 3
    with mpmath.workdps(60), flint.ctx.workdps(60):
        h = mpmath.mpf(10) ** -10

        def tv(w: Any) -> Any:
            return expand(chain.over(PRECISE, w)).survival(mpmath.log(3))

        def first(w: Any) -> Any:
            return terminal_law(chain.over(PRECISE, w)).probabilities[0]

        series = taylor_tv(chain, order, Fraction(1, 3), point, BALLS)
        law = next(iter(taylor_terminal(chain, order, point, BALLS).values()))
        for found, function in ((series, tv), (law, first)):
            middle = mpmath.mpf(point.numerator) / point.denominator
            values = [function(middle + k * h) for k in (-2, -1, 0, 1, 2)]
            differences = [
                values[2],
                (values[0] - 8 * values[1] + 8 * values[3] - values[4]) / (12 * h),
                (-values[0] + 16 * values[1] - 30 * values[2] + 16 * values[3] - values[4]) / (24 * h**2),
                (-values[0] + 2 * values[1] - 2 * values[3] + values[4]) / (12 * h**3),
            ]
            for k, difference in enumerate(differences):
                coefficient = mpmath.mpf(found.coefficients[k].mid().str(50, radius=False))
                assert abs(coefficient - difference) < mpmath.mpf(10) ** -17


@settings(max_examples=20)
@given(instances(), st.sampled_from(RULE_NAMES), st.fractions(0, 1, max_denominator=12), st.sampled_from([0, 1, 3]))
def test_the_remainder_holds(instance: Instance, rule: str, share: Fraction, order: int) -> None:
    chain, reach = _chain(instance, rule), Fraction(1, 2)
    with flint.ctx.workprec(200):
        series = taylor_tv(chain, order, Fraction(1, 2), Fraction(1, 3), BALLS, reach)
        strength = Fraction(1, 3) + share * reach
        exact = expand(chain.over(BALLS, strength)).survival(flint.arb(2).log())
        assert series.at(strength).overlaps(exact)
        law = taylor_terminal(chain, order, 0, BALLS, reach)
        known = terminal_law(chain.over(BALLS, share * reach))
        assert all(series.at(share * reach).overlaps(known[x]) for x, series in law.items())


def test_remainders_shrink_like_powers_of_the_reach() -> None:
    chain = _chain(HARD["squares"])
    with flint.ctx.workprec(200):
        near, far = (taylor_tv(chain, 4, "1/2", 0, BALLS, reach) for reach in ("1/100", "1/10"))
        ratio = far.at(Fraction(1, 10)).rad() / near.at(Fraction(1, 100)).rad()
        assert near.at(Fraction(1, 100)).rad() < flint.arb("1e-11")
        assert ratio > flint.arb(10) ** 4.9


def test_the_remainder_is_needed() -> None:
    """Without it the polynomial is off by more than rounding."""
    chain = _chain(HARD["squares"])
    series = taylor_tv(chain, 1, "1/2", 0, BALLS, "1/2")
    exact = expand(chain.over(BALLS, Fraction(1, 2))).survival(flint.arb(2).log())
    assert not series.polynomial(flint.arb(0.5)).overlaps(exact)
    assert series.at(Fraction(1, 2)).contains(exact)


def test_polynomials_in_every_arithmetic() -> None:
    chain = _chain(HARD["squares"])
    exact = taylor_tv(chain, 3, "1/2").polynomial(sympy.Rational(1, 10)).evalf(15)
    assert taylor_tv(chain, 3, "1/2", 0, FLOATS).polynomial(0.1) == pytest.approx(float(exact), rel=1e-14)
    assert float(taylor_tv(chain, 3, "1/2", 0, PRECISE).polynomial(mpmath.mpf("0.1"))) == pytest.approx(float(exact))
    assert taylor_tv(chain, 3).order == 3


def test_bad_input() -> None:
    chain = _chain(HARD["squares"])
    with pytest.raises(StrengthError, match="below -1"):
        taylor_tv(chain, 1, center="-3/2")
    with pytest.raises(StrengthError, match=r"centre is 0.5: Taylor series are taken about rational strengths"):
        taylor_tv(chain, 1, center=0.5)
    with pytest.raises(StrengthError, match="reach is 0"):
        taylor_tv(chain, 1, "1/2", 0, BALLS, 0)
    with pytest.raises(SymguideError, match="a remainder in sympy encloses nothing; ask for balls"):
        taylor_tv(chain, 1, "1/2", reach=1)
    with pytest.raises(SymguideError, match="order is -1"):
        taylor_terminal(chain, -1)
    for wrong in (0, "3/2"):
        with pytest.raises(ClockError, match="the clock runs over 0 < u <= 1"):
            taylor_tv(chain, 1, wrong)
    with pytest.raises(ClockError, match="mask fraction u is open, which balls cannot carry"):
        taylor_tv(chain, 1, arithmetic=BALLS)
    with pytest.raises(StrengthError, match=r"about w = 0 at w = 1: no remainder is known; ask with a reach that far"):
        taylor_tv(chain, 1, "1/2").at(Fraction(1))
    with pytest.raises(StrengthError, match="the remainder holds up to 1/2 from it"):
        taylor_tv(chain, 1, "1/2", 0, BALLS, "1/2").at(Fraction(1))
    assert taylor(chain, lambda valued: [], 1) == ()
