"""The law of a chain through a window in which the strength varies with ``u``, enclosed by Taylor steps.

On the clock, ``u = u_0 e^{−σ}`` and the rates ``c b^{w(u)}`` are analytic in ``σ`` wherever ``w(u)`` is, and so is the
law. A step expands it at ``σ = 0``, level after level: ``P_x = e^{−L} (P_x(0) + ∫ e^{L} f_x)`` with ``L = ∫ Λ_x`` and
the inflow ``f_x``. The coefficients are balls, and what is cut off is bounded by Cauchy's estimate: where
``Σ_x |P_x(σ)| ≤ e^{RM}`` on ``|σ| ≤ R``, coefficient ``k`` is at most ``e^{RM} R^{−k}``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from math import prod
from typing import Any

import flint
import sympy
from sympy import Expr

from symguide.chains.chain import Chain
from symguide.errors import NotExactError
from symguide.numbers.arithmetic import BALLS
from symguide.numbers.expsum import ExpSum, Quotient
from symguide.numbers.number import Number, to_sympy
from symguide.symbols import u

__all__ = ["Enclosed", "enclosure", "strengths_between", "through"]

BITS = 128
"""Working precision at least: steps may be much shorter than the clock is late."""
ORDER = 36
"""Coefficients of a Taylor step."""
REACH = 4
"""``RM`` at most: Cauchy's bound grows with its exponential. A step is a quarter of ``R``."""
SHORTEST = -70
"""Where no disc of more than two to this is analytic, a step of that length is enclosed without derivatives."""
NEGLIGIBLE = -70
"""Where the mass that is left times ``u`` is below two to this, the strength is taken as an interval to the end."""
EMPTY = -100
"""States with less mass than two to this are emptied; what is lost is added to the error."""
CUTS = 16
"""Parts of a window whose strengths are enclosed one by one: intervals of a form with several ``u`` are wide."""
SHRINK = flint.arb(0.75)
"""From one radius tried to the next."""


@dataclass(frozen=True, slots=True)
class Enclosed:
    """Balls for the law at the end of a window, and for the expected time before absorption in it.

    >>> Enclosed([flint.arb(1)], flint.arb(0)).unabsorbed
    0
    """

    law: Sequence[flint.arb]
    unabsorbed: flint.arb


def through(chain: Chain[Any], strength: Number, initial: Sequence[flint.arb], high: Number, low: Number) -> Enclosed:
    """The law when ``u`` has fallen from ``high`` to ``low``, from a law at ``high``.

    Parameters
    ----------
    chain
        Exponential sums in ``w``.
    strength
        ``w(u)``, an expression in ``u`` made of ``+ × ÷``, powers, ``exp``, ``log``, ``cos``, ``sin``, ``asin``.
    initial
        Balls for every state.
    high, low
        Mask fractions; ``low = 0`` is the terminal law, dead contexts kept.

    Raises
    ------
    NotExactError
        For a strength made of other functions.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> chain = guided_chain(guidance(load("interval-overlap")))
    >>> start = [flint.arb(1)] + [flint.arb(0)] * 6
    >>> through(chain, 3 * (1 - u), start, Fraction(1), Fraction(1, 2)).law[0].str(10, radius=False)
    '0.3354133663'
    """
    form = to_sympy(strength)
    before = flint.ctx.cap
    try:
        flint.ctx.cap = ORDER  # beyond it power series lose their coefficients
        with flint.ctx.workprec(max(flint.ctx.prec, BITS)):
            return _steps(chain, form, initial, high, low)
    finally:
        flint.ctx.cap = before


def _steps(chain: Chain[Any], form: Expr, initial: Sequence[flint.arb], high: Number, low: Number) -> Enclosed:
    absorbing = {*chain.terminal, *chain.dead}
    begin, end = enclosure(high), enclosure(low)
    left = None if low == 0 else (begin / end).log()
    law, slack = _centred(initial, flint.arb(0))
    clock, elapsed, radius = flint.arb(0), flint.arb(0), flint.arb(1)
    while True:
        here = begin * (-clock).exp()
        rest = None if left is None else left - clock
        waiting = sum((p for x, p in enumerate(law) if x not in absorbing), start=flint.arb(0))
        if rest is None and waiting * here < flint.arb(2) ** NEGLIGIBLE:
            balls, spent = _to_the_end(chain, form, _widened(law, slack), here)
            return Enclosed(balls, elapsed + spent)
        alive = _alive(chain, law)
        radius, growth = _disc(chain, form, here, radius, alive)
        step = flint.arb((radius / 4).mid())
        final = rest is not None and not rest > step
        if rest is not None and final:
            step = rest
        if radius < flint.arb(2) ** SHORTEST:
            found, spent = _without_derivatives(chain, form, law, here, step)
            cut = flint.arb(0)
        else:
            found, spent = _taylor(chain, form, law, here, step, alive)
            cut = growth * (step / radius) ** ORDER / (1 - step / radius)
        # The flow contracts Σ |P_x|, so what is uncertain of one step adds to that of the next, and no more.
        elapsed += spent + step * flint.arb(0, (slack + cut).upper())
        law, slack = _centred(found, slack + cut)
        if final:
            return Enclosed(_widened(law, slack), elapsed)
        clock += step


def _centred(balls: Sequence[flint.arb], slack: flint.arb) -> tuple[list[flint.arb], flint.arb]:
    """Exact numbers, and a bound on the sum of what they miss; what is next to nothing counts as nothing."""
    law, missed = [], slack
    for ball in balls:
        negligible = abs(ball).upper() < flint.arb(2) ** EMPTY
        law.append(flint.arb(0) if negligible else flint.arb(ball.mid()))
        missed += abs(ball).upper() if negligible else flint.arb(ball.rad())
    return law, missed.upper()


def _alive(chain: Chain[Any], law: Sequence[flint.arb]) -> frozenset[int]:
    """The states that hold mass, or may get some: what fast states did while they had mass does not slow the rest."""
    alive: set[int] = set()
    for state, reveals in enumerate(chain.incoming):
        if law[state] != 0 or any(reveal.source in alive for reveal in reveals):
            alive.add(state)
    return frozenset(alive)


def _widened(law: Sequence[flint.arb], slack: flint.arb) -> list[flint.arb]:
    return [(p + flint.arb(0, slack)).intersection(_UNIT) for p in law]


def _rates(chain: Chain[Any], strength: Any, number: Callable[[Number], Any]) -> Chain[Any]:
    """The chain with values ``Σ c b^w`` for a strength that is a ball or a power series."""
    powers: dict[Number, Any] = {}

    def power(base: Number) -> Any:
        if base not in powers:
            powers[base] = number(Fraction(1)) if base == 1 else (strength * BALLS.number(base).log()).exp()
        return powers[base]

    def value(rate: ExpSum | Quotient) -> Any:
        if isinstance(rate, Quotient):
            return value(rate.numerator) / value(rate.denominator)
        return sum((power(base) * BALLS.number(c) for base, c in rate.terms), start=number(Fraction(0)))

    return chain.map(value, BALLS)


def _disc(
    chain: Chain[Any], form: Expr, here: flint.arb, radius: flint.arb, alive: frozenset[int]
) -> tuple[flint.arb, flint.arb]:
    """``R`` and ``e^{RM}``: a radius within which the rates are analytic, and the growth of ``Σ |P_x|`` on it.

    The search begins above the radius of the step before.
    """
    radius = flint.arb(min(3 * radius / 2, flint.arb(1)).mid())
    while True:
        disc = flint.acb(flint.arb(0, radius), flint.arb(0, radius))
        strength = flint.acb(_evaluate(form, here * (-disc).exp()))
        if strength.is_finite():
            rates = _rates(chain, strength, lambda value: flint.acb(BALLS.number(value)))
            leaving: list[Any] = [abs(rates.exit_rate(x)) for x in range(len(chain.states))]
            for reveals in rates.incoming:
                for reveal in reveals:
                    leaving[reveal.source] += abs(reveal.rate)
            fastest = max((leaving[x].upper() for x in alive), default=flint.arb(0))
            if fastest.is_finite() and radius * fastest < REACH:
                return radius, (radius * fastest).exp().upper()
        radius = flint.arb((radius * SHRINK).mid())
        if radius < flint.arb(2) ** SHORTEST:
            return radius, flint.arb(1)


def _taylor(
    chain: Chain[Any],
    form: Expr,
    initial: Sequence[flint.arb],
    here: flint.arb,
    step: flint.arb,
    alive: frozenset[int],
) -> tuple[list[flint.arb], flint.arb]:
    """The Taylor polynomials at the end of a step, and the time before absorption, but for what is cut off."""
    local = here * flint.arb_series([0, -1], prec=ORDER).exp()
    strength = flint.arb_series(_evaluate(form, local), prec=ORDER)
    rates = _rates(chain, strength, lambda value: flint.arb_series([BALLS.number(value)], prec=ORDER))
    decays = [((-rate).integral().exp(), rate.integral().exp()) for rate in rates.exit_rates]
    powers = [step**k for k in range(ORDER + 2)]
    absorbing = {*chain.terminal, *chain.dead}
    series: list[Any] = []
    law: list[flint.arb] = []
    unabsorbed = flint.arb(0)
    for state, reveals in enumerate(rates.incoming):
        if state not in alive:
            series.append(flint.arb_series([0], prec=ORDER))
            law.append(flint.arb(0))
            continue
        decay, rise = decays[rates.exit_of[state]]
        inflow = sum((series[r.source] * r.rate for r in reveals), start=flint.arb_series([0], prec=ORDER))
        series.append(decay * (initial[state] + (rise * inflow).integral()))
        assert series[state].prec >= ORDER
        coefficients = list(series[state])[:ORDER]
        law.append(sum((c * powers[k] for k, c in enumerate(coefficients)), start=flint.arb(0)))
        if state not in absorbing:
            unabsorbed += sum((c * powers[k + 1] / (k + 1) for k, c in enumerate(coefficients)), start=flint.arb(0))
    return law, unabsorbed


_UNIT = flint.arb(0.5, 0.5)


def _without_derivatives(
    chain: Chain[Any], form: Expr, initial: Sequence[flint.arb], here: flint.arb, step: flint.arb
) -> tuple[list[flint.arb], flint.arb]:
    """``P(h) ∈ P(0) + h A [0, 1]`` over all strengths of the step."""
    strength = _strength_on(form, (here * (-step * _UNIT).exp()).intersection(_UNIT))
    rates = _rates(chain, strength, BALLS.number)
    absorbing = {*chain.terminal, *chain.dead}
    law, unabsorbed = [], flint.arb(0)
    for state, reveals in enumerate(rates.incoming):
        slope = sum((r.rate * _UNIT for r in reveals), start=flint.arb(0)) - rates.exit_rate(state) * _UNIT
        law.append(initial[state] + step * slope)
        unabsorbed += 0 if state in absorbing else step * _UNIT
    return law, unabsorbed


def strengths_between(strength: Number, high: Number, low: Number) -> flint.arb:
    """A ball that holds ``w(u)`` for all ``u`` between two mask fractions.

    >>> strengths_between(3 * (1 - u), Fraction(1), Fraction(1, 2)).contains(flint.arb(1.5))
    True
    """
    form, edges = to_sympy(strength), [enclosure(low + (high - low) * Fraction(j, CUTS)) for j in range(CUTS + 1)]
    found = [_strength_on(form, edge.union(after)) for edge, after in pairwise(edges)]
    return reduce(flint.arb.union, found)


def _strength_on(form: Expr, interval: flint.arb) -> flint.arb:
    # Off the real axis nothing is undefined where the interval, rounded outwards, passes a branch point.
    return flint.acb(_evaluate(form, flint.acb(interval), analytic=False)).real


def _to_the_end(
    chain: Chain[Any], form: Expr, initial: Sequence[flint.arb], here: flint.arb
) -> tuple[list[flint.arb], flint.arb]:
    """The jump law over all strengths that remain: a jump probability is a mean of ``r/Λ`` over them."""
    rates = _rates(chain, _evaluate(form, here * _UNIT), BALLS.number)
    absorbing = {*chain.terminal, *chain.dead}
    visited = rates.jump_law(initial)
    law = [weight.intersection(_UNIT) if state in absorbing else flint.arb(0) for state, weight in enumerate(visited)]
    times = rates.accumulate(rates.holding_times())
    return law, sum((p * time for p, time in zip(initial, times, strict=True)), start=flint.arb(0))


_FUNCTIONS: Mapping[Any, str] = {
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.cos: "cos",
    sympy.sin: "sin",
    sympy.asin: "asin",
}


def enclosure(number: Number) -> flint.arb:
    """A ball that holds a number, rational or made of the functions that strengths are made of.

    >>> enclosure(sympy.sqrt(2) / 2).str(10, radius=False)
    '0.7071067812'
    """
    return flint.arb(_evaluate(to_sympy(number), None))


def _evaluate(form: Any, point: Any, analytic: bool = True) -> Any:
    """``w(u)`` at a ball, a complex ball or a power series; what is free of ``u`` is a ball.

    On complex balls that touch a cut it is not finite, if it is to be ``analytic``.
    """
    if form == u:
        return point
    if form == sympy.pi:
        return flint.arb.pi()
    if form.is_Rational:
        return flint.arb(flint.fmpq(int(form.p), int(form.q)))
    parts = [_evaluate(part, point, analytic) for part in form.args]
    if form.is_Add:
        return sum(parts[1:], start=parts[0])
    if form.is_Mul:
        return prod(parts[1:], start=parts[0])
    if form.is_Pow:
        if form.exp.is_Integer:
            return parts[0] ** int(form.exp)
        return (parts[1] * _call("log", parts[0], analytic)).exp()
    if form.func in _FUNCTIONS:
        return _call(_FUNCTIONS[form.func], parts[0], analytic)
    raise NotExactError(
        f"strength {form}: no enclosure of {form.func} is known here, so its law is not either; use numbers, powers, "
        "exp, log, cos, sin, asin, or a piecewise constant schedule"
    )


def _call(name: str, value: Any, analytic: bool) -> Any:
    if not isinstance(value, flint.acb) or not analytic or name in ("exp", "cos", "sin"):
        return getattr(value, name)()
    if name == "log":
        return value.log(analytic=True)
    # The cuts of the inverse sine are where 1 − z² meets the one of the logarithm.
    return value.asin() if (1 - value * value).log(analytic=True).is_finite() else flint.acb("nan")
