"""Checks: bounds by Taylor's formula, exact values, and verdicts on what is shown."""

from typing import Any

import pytest
from sympy import Derivative, Function, Ge, Gt, Integer, Lambda, Rational, Sum, exp

from symguide.evidence import Verdict
from symguide.proofs.identities import Meaning, equal, identities, rises, sentence, values
from symguide.symbols import s, symbol, w

r = symbol("r", positive=True)
t = symbol("t", real=True)
a = symbol("a", positive=True)
n = symbol("n", integer=True, positive=True)
GUIDED = {w: symbol("w", nonnegative=True)}
f: Any = Function("f", real=True)


def at_least(left: Any, right: Any) -> Any:
    return Ge(left, right, evaluate=False)


@pytest.mark.parametrize(
    ("check", "bound"),
    [
        (rises(s, 0), at_least(1, exp(-a * s))),
        (rises(s, 0, order=2), at_least(exp(-a * s), 1 - a * s)),
        (rises(t, 0, order=2), at_least(exp(t), 1 + t)),
        (rises(r, 1, order=2, meaning=Meaning(domain=GUIDED)), at_least(r ** (1 + w), 1 + (1 + w) * (r - 1))),
        (rises(s, 0, order=3), at_least(1 - s + s**2 / 2, exp(-s))),
        (rises(s, 0, factor=exp(a * s)), at_least(exp(-a * s) * (1 + s), exp(-a * s))),
    ],
    ids=lambda value: "bound" if callable(value) else str(value),
)
def test_bounds_that_rise_from_nothing(check: Any, bound: Any) -> None:
    assert check((bound,))[0] is Verdict.PROVED


@pytest.mark.parametrize(
    ("check", "bound", "verdict"),
    [
        (rises(s, 0), at_least(exp(-a * s), 1), Verdict.REFUTED),
        (rises(s, 0), at_least(2, exp(-s)), Verdict.UNKNOWN),  # true, but it does not begin with nothing
        (rises(t, 0), at_least(exp(t), 1), Verdict.UNKNOWN),  # false before 0
        (rises(r, 1), at_least(r, r**-2), Verdict.UNKNOWN),  # false before 1
        (rises(r, 1, order=2), at_least(r ** (1 + w), 1 + (1 + w) * (r - 1)), Verdict.UNKNOWN),  # of what strength?
        (rises(s, 0, factor=-exp(s)), at_least(1, exp(s)), Verdict.UNKNOWN),  # the factor must be positive
        (rises(s, 0), equal(s, s), Verdict.UNKNOWN),
        (rises(s, 0), Gt(1, exp(-s), evaluate=False), Verdict.UNKNOWN),
    ],
    ids=lambda value: "bound" if callable(value) else str(value),
)
def test_bounds_that_do_not(check: Any, bound: Any, verdict: Verdict) -> None:
    assert check((bound,))[0] is verdict


def test_a_solution_of_a_differential_inequality_needs_the_equation() -> None:
    """``f' = −a f + 1``, ``f(0) = 0`` gives ``f ≥ 0``; the equation comes from an earlier step."""
    slope, start = equal(Derivative(f(s), s), 1 - a * f(s)), equal(f(0), 0)
    bound = (at_least(f(s), 0),)
    check = rises(s, 0, factor=exp(a * s), meaning=Meaning(example={f: Lambda(s, (1 - exp(-a * s)) / a)}))
    assert check(bound, (slope, start))[0] is Verdict.PROVED
    assert check(bound, (slope,))[0] is Verdict.UNKNOWN
    assert check(bound, (start,))[0] is Verdict.UNKNOWN
    falling = (equal(Derivative(f(s), s), -1 - a * f(s)), start)
    assert check(bound, falling)[0] is Verdict.UNKNOWN


def test_strict_bounds() -> None:
    check = identities(Meaning(domain={w: symbol("w", positive=True)}))
    assert check((Gt(w * a, 0, evaluate=False),))[0] is Verdict.PROVED
    assert identities()((Gt(a - 2 * a, 0, evaluate=False),))[0] is Verdict.REFUTED
    assert identities()((Gt(s, 0, evaluate=False),))[0] is not Verdict.PROVED  # s may be zero


def test_exact_values() -> None:
    table = {f(0): Rational(1, 3), f(1): Rational(2, 3)}
    check = values(lambda: table)
    i = symbol("i", integer=True)
    assert check((equal(f(0) + f(1), Integer(1)), Gt(f(1), f(0), evaluate=False)))[0] is Verdict.PROVED
    assert check((equal(Sum(i, (i, 0, 3)), Integer(6)),))[0] is Verdict.PROVED
    assert check((Gt(f(0), f(1), evaluate=False),)) == (Verdict.REFUTED, "f(0) > f(1) is wrong: 1/3 against 2/3")
    assert check((at_least(f(0), Rational(1, 3) + Rational(1, 10**50)),))[0] is Verdict.REFUTED
    assert check((equal(f(2), Integer(0)),))[0] is Verdict.UNKNOWN
    assert check((equal(f(0) * a, a / 3),))[0] is Verdict.UNKNOWN
    assert check((f(0),))[0] is Verdict.UNKNOWN
    assert check(())[0] is Verdict.UNKNOWN


def test_relations_are_told_by_their_signs() -> None:
    assert sentence(at_least(a, 1)) == "a >= 1"
    assert sentence(Gt(a, 1)) == "a > 1"
