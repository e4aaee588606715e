"""Strengths that vary with ``u``: enclosures against quadrature, nested quadrature and a general ODE solver."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import flint
import mpmath
import pytest
import sympy
from strategies import HARD
from windows_by_hand import integrated

from symguide.chains.chain import Chain, guided_chain
from symguide.errors import NotExactError
from symguide.flows import varying
from symguide.flows.varying import through
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.symbols import u

ONE, HALF = Fraction(1), Fraction(1, 2)


def start(chain: Chain[Any]) -> list[flint.arb]:
    return [flint.arb(int(state == 0)) for state in range(len(chain.states))]


@pytest.mark.parametrize("low", [HALF, Fraction(1, 1000)])
@pytest.mark.parametrize(
    ("strength", "function"),
    [
        (3 * (1 - u), lambda x: 3 * (1 - x)),
        (3 * u, lambda x: 3 * x),
        ((1 + sympy.cos(sympy.pi * u)) / 2, lambda x: (1 + (flint.acb.pi() * x).cos()) / 2),
        (-u / 2, lambda x: -x / 2),
        (8 - 8 * u**2, lambda x: 8 - 8 * x**2),
    ],
)
def test_one_token_is_an_integral(strength: Any, function: Callable[[Any], Any], low: Fraction) -> None:
    """``P_M(u) = exp(−∫_u^1 Z(w(v)) dv/v)`` with ``Z(w) = 2/3 2^w + 1/3``, by Arb's quadrature."""
    chain = guided_chain(guidance(load("interval-overlap")))
    with flint.ctx.workprec(128):
        found = through(chain, strength, start(chain), ONE, low)
        pace = flint.acb.integral(
            lambda x, _: (flint.acb(2) ** function(x) * 2 / 3 + flint.acb(1) / 3) / x,
            flint.acb(flint.fmpq(low.numerator, low.denominator)),
            flint.acb(1),
        )
        expected = (-pace).exp().real
        assert found.law[0].overlaps(expected)
        assert found.law[0].rad() < 1e-17
        whole = sum(found.law, flint.arb(0))
        assert whole.contains(1)


def test_two_tokens_are_a_nested_integral() -> None:
    """``P_{(v,M)} = ∫ q_1(v; w(s')) P_MM(s') exp(−∫_{s'}^s c_v) ds'`` on overlapping squares, by mpmath."""
    chain = guided_chain(guidance(load("squares-overlap")))
    # By hand: p(2|z) = 1/3, p(2) = 1/3; p(v|z) = 1/3, p(v) = 1/6 for v = 3, 4; c_2 = 1/3 + 2/3 2^w; c_3 = 1.
    mpmath.mp.dps = 15

    def pace(point: Any) -> Any:
        return mpmath.mpf(1) / 3 + mpmath.mpf(2) / 3 * 2 ** (3 * (1 - point))

    def survived(high: Any, low: Any, rate: Callable[[Any], Any]) -> Any:
        return mpmath.exp(-mpmath.quad(lambda point: rate(point) / point, [low, high]))

    def held(point: Any) -> Any:
        return survived(1, point, lambda x: 2 * pace(x))

    end = mpmath.mpf(1) / 4
    private = mpmath.quad(lambda x: 2 ** (3 * (1 - x)) / 3 * held(x) * (end / x) / x, [end, 1])
    shared = mpmath.quad(lambda x: held(x) / 3 * survived(x, end, pace) / x, [end, 1])
    found = through(chain, 3 * (1 - u), start(chain), ONE, Fraction(1, 4)).law
    assert float(found[chain.index[3, None]]) == pytest.approx(float(private), rel=1e-11)
    assert float(found[chain.index[2, None]]) == pytest.approx(float(shared), rel=1e-11)


@pytest.mark.parametrize("rule", ["rate", "normalised"])
@pytest.mark.parametrize("name", ["slower sampling", "pair", "a tie at w = 1"])
def test_against_a_general_solver(name: str, rule: str) -> None:
    chain = guided_chain(guidance(HARD[name].problem, rule))
    found = through(chain, 2 - 3 * u / 2, start(chain), ONE, Fraction(1, 5))
    expected = integrated(HARD[name], rule, lambda point: 2 - 1.5 * point, 0.2)
    for context, ball in zip(chain.states, found.law, strict=True):
        assert float(ball) == pytest.approx(expected[context], abs=1e-8)


def test_the_end_joins_what_is_on_the_way() -> None:
    """Half of the way and then the rest is the whole; the mean time adds up."""
    chain = guided_chain(guidance(HARD["slower sampling"].problem))
    strength = 4 * (1 - u)
    with flint.ctx.workprec(128):
        whole = through(chain, strength, start(chain), ONE, Fraction(0))
        first = through(chain, strength, start(chain), ONE, HALF)
        second = through(chain, strength, first.law, HALF, Fraction(0))
        for left, right in zip(whole.law, second.law, strict=True):
            assert left.overlaps(right)
            assert left.rad() < 1e-15
        assert (first.unabsorbed + second.unabsorbed).overlaps(whole.unabsorbed)
        assert whole.unabsorbed.rad() < 1e-14


def test_a_constant_strength_is_the_closed_form() -> None:
    chain = guided_chain(guidance(load("squares-overlap"), "normalised"))
    with flint.ctx.workprec(128):
        found = through(chain, Fraction(2) + 0 * u, start(chain), ONE, HALF)
        assert sum((found.law[j] for j in chain.transient), flint.arb(0)).contains(flint.arb("0.75"))
        end = through(chain, Fraction(2) + 0 * u, start(chain), ONE, Fraction(0))
        assert end.unabsorbed.contains(flint.arb("1.5"))
        assert end.unabsorbed.rad() < 1e-15


def test_a_branch_point_at_the_start_is_stepped_over() -> None:
    """``w = 1 − 2/π asin(u)`` has an infinite slope at ``u = 1``."""
    chain = guided_chain(guidance(load("interval-overlap")))
    strength = 1 - 2 * sympy.asin(u) / sympy.pi
    found = through(chain, strength, start(chain), ONE, HALF)
    with mpmath.workdps(20):
        pace = mpmath.quad(
            lambda a: (mpmath.mpf(2) / 3 * 2 ** (1 - 2 * a / mpmath.pi) + mpmath.mpf(1) / 3) / mpmath.tan(a),
            [mpmath.pi / 6, mpmath.pi / 2],
        )
        assert abs(float(found.law[0]) - float(mpmath.exp(-pace))) < 1e-14
    assert found.law[0].rad() < 1e-13


def test_series_are_not_cut_short_and_the_setting_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = flint.ctx.cap
    chain = guided_chain(guidance(load("interval-overlap")))
    through(chain, 3 * u, start(chain), ONE, HALF)
    assert flint.ctx.cap == before
    # What is cut off counts: with few coefficients the enclosure is wide, and still holds the value.
    with flint.ctx.workprec(128):
        fine = through(chain, 3 * u, start(chain), ONE, HALF).law[0]
        monkeypatch.setattr(varying, "ORDER", 8)
        coarse = through(chain, 3 * u, start(chain), ONE, HALF).law[0]
    assert coarse.rad() > 1e-8
    assert coarse.contains(fine.mid())


def test_unknown_functions_are_refused() -> None:
    chain = guided_chain(guidance(load("interval-overlap")))
    for strength in (sympy.gamma(1 + u), u * sympy.Symbol("a")):
        with pytest.raises(NotExactError, match="no enclosure"):
            through(chain, strength, start(chain), ONE, HALF)
