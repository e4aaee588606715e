"""Answers in exact arithmetic: rationals at integer strengths, SymPy at others, enclosures for the doubles."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint
import sympy
from sympy import Expr

from symguide.answers.results import FUNCTIONALS, Quantity, Result, finite, functionals, middle
from symguide.chains.chain import Chain
from symguide.chains.expansion import Expansion, expand
from symguide.chains.functionals import Distribution, last_reveal, tilted_law
from symguide.closed_forms.compiled import enclose
from symguide.laws.mixture import Problem
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import FLINT, RATIONAL, SYMBOLIC
from symguide.numbers.exp_dd import in_powers
from symguide.numbers.number import Number, to_sympy
from symguide.symbols import u as u_symbol

__all__ = ["exact_results"]

LARGEST_POWER = 20_000
"""Bits up to which a power of a mask fraction is written out."""


def exact_results(
    problem: Problem, tilt: Tilt, chain: Chain[Any], w: Number, fractions: Sequence[Number], states: bool, path: str
) -> list[Result]:
    """The answers at one strength, one for every mask fraction, over a chain of exponential sums in ``w``.

    ``path`` is ``"exact"`` (rational data, integer ``w``) or ``"symbolic"``.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> problem = load("squares-overlap")
    >>> tilt = guidance(problem)
    >>> exact_results(problem, tilt, guided_chain(tilt), Fraction(1), [], False, "exact")[0].terminal[2, 2].exact
    Fraction(1, 25)
    """
    if path == "exact":
        valued = chain.over(FLINT, w)
        weights = [_fraction(value) for value in valued.jump_law()]
        mean, arithmetic = _fraction(valued.accumulate(valued.holding_times())[0]), RATIONAL
    else:
        valued = chain.over(SYMBOLIC, to_sympy(w))
        weights, mean, arithmetic = list(valued.jump_law()), last_reveal(valued).mean, SYMBOLIC
    law = Distribution(
        tuple(chain.states[j] for j in chain.terminal), tuple(weights[j] for j in chain.terminal), arithmetic
    )
    terminal = {x: Quantity.of(p) for x, p in law.table.items()}
    lost = [weights[j] for j in chain.dead]
    dead = Quantity.of(arithmetic.total(lost)) if lost else None
    found, notes = _functionals(problem, tilt, mean, law, w, dead)
    if not fractions:
        return [Result(w, None, None, None, None, terminal, None, found, dead, notes)]
    # Off the end of the clock rationals become irrational: SymPy carries on from the same rates.
    expansion = expand(valued.map(_to_sympy, SYMBOLIC))
    results = []
    for u in fractions:
        if u == 0:
            nothing = arithmetic.number(Fraction(0))
            tv, log_tv, log_minus_log_tv = Quantity.of(nothing), None, None
            leaving = set(chain.transient)
            at_u = [Quantity.of(nothing if j in leaving else weight) for j, weight in enumerate(weights)]
        elif u == 1:
            moves = 0 in chain.transient
            tv, log_tv, log_minus_log_tv = Quantity.of(Fraction(moves)), 0.0 if moves else None, None
            at_u = [Quantity.of(Fraction(j == 0)) for j in range(len(chain.states))]
        else:
            tv, log_tv, log_minus_log_tv = _tv(expansion, u)
            values = expansion.probabilities(-sympy.log(u_symbol)) if states else []
            at_u = [_at_fraction(value, u) for value in values]
        shown = dict(zip(chain.states, at_u, strict=True)) if states else None
        results.append(Result(w, u, tv, log_tv, log_minus_log_tv, terminal, shown, found, dead, notes))
    return results


def _fraction(value: flint.fmpq) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _to_sympy(value: Any) -> Expr:
    return to_sympy(_fraction(value) if isinstance(value, flint.fmpq) else value)


def _functionals(
    problem: Problem, tilt: Tilt, mean: Any, law: Distribution, w: Number, dead: Quantity | None
) -> tuple[dict[str, Quantity | None], tuple[str, ...]]:
    if dead is not None:
        return {**dict.fromkeys(FUNCTIONALS), "mean_unmasking_clock": Quantity.of(mean)}, ()
    strength = w if law.arithmetic is RATIONAL else to_sympy(w)
    return functionals(problem, law, lambda: tilted_law(tilt, law.states, law.arithmetic, strength), mean)


def _tv(expansion: Expansion[Expr], u: Number) -> tuple[Quantity, float | None, float | None]:
    """TV, its logarithm, and the logarithm of minus that."""
    tv = expansion.survival(-sympy.log(u_symbol))
    at = {u_symbol: to_sympy(u)}
    log_tv = enclose(tv, {}, at, then=lambda ball: ball.log())
    log_minus_log_tv = enclose(tv, {}, at, then=lambda ball: (-ball.log()).log())
    return _at_fraction(tv, u), finite(log_tv), finite(log_minus_log_tv)


def _at_fraction(value: Expr, u: Number) -> Quantity:
    """A closed form in ``u`` at one mask fraction: the number from divided differences, the exact form from powers.

    Where a power of the given ``u`` would have too many digits to be written, the exact form is left in ``u``.
    """
    point = to_sympy(u)
    ball = enclose(value, {}, {u_symbol: point})
    powers = in_powers(value)[0]
    rates = [power.exp for power in powers.atoms(sympy.Pow) if power.base == u_symbol]
    bits = max((int(part).bit_length() for part in point.as_numer_denom() if part.is_Integer), default=1)
    exact = powers.xreplace({u_symbol: point}) if all(_can_be_written(rate, bits) for rate in rates) else powers
    return Quantity(middle(ball), _exact(exact))


def _can_be_written(rate: Any, bits: int) -> bool:
    """Whether SymPy writes ``u^rate`` out in no time, for a rational ``u`` whose parts have so many bits."""
    if rate.is_Integer:
        return abs(rate) * bits <= LARGEST_POWER
    # Roots make SymPy factor the parts of u, and roots of high order are slow besides.
    return bits <= 32 and abs(rate) * bits <= LARGEST_POWER and getattr(rate, "q", 1) <= 1000


def _exact(value: Any) -> Number:
    return Fraction(int(value.p), int(value.q)) if isinstance(value, sympy.Rational) else value
