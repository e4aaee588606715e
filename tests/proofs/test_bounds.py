"""Bounds in one variable: what is proved, enclosed, refuted, and what stays open."""

from fractions import Fraction

import pytest
from sympy import Eq, Gt, Integer, Product, Sum, Symbol, exp, log, sin, sqrt

from symguide.evidence import Verdict
from symguide.proofs.bounds import from_origin, of_numbers, on_interval
from symguide.symbols import symbol

x = symbol("x", nonnegative=True)
n = symbol("n", integer=True, positive=True)


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [
        (exp(x) >= 1 + x, Verdict.PROVED),
        (exp(x) >= 1 + x + x**2 / 2, Verdict.PROVED),
        (exp(x) >= 1 + x + x**2, Verdict.UNKNOWN),
        (x >= log(1 + x), Verdict.PROVED),
        (sin(x) >= -1, Verdict.UNKNOWN),
        (exp(x) >= 2, Verdict.UNKNOWN),
        (Eq(exp(x), 1 + x, evaluate=False), Verdict.UNKNOWN),
    ],
)
def test_from_the_origin(bound: object, verdict: Verdict) -> None:
    assert from_origin(x)((bound,))[0] is verdict  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [
        (Gt(exp(x), 2 * x, evaluate=False), Verdict.ENCLOSED),
        (Gt(exp(x), 3 * x, evaluate=False), Verdict.REFUTED),
        (Gt(x**2 - 2 * x, -1, evaluate=False), Verdict.UNKNOWN),
        (Gt(Sum(1 / (n + x), (n, 1, 4)), Product(x / n, (n, 1, 4)) / 4, evaluate=False), Verdict.ENCLOSED),
        (Eq(x, x, evaluate=False), Verdict.UNKNOWN),
    ],
)
def test_on_an_interval(bound: object, verdict: Verdict) -> None:
    found, words = on_interval(x, Fraction(0), Fraction(5, 2))((bound,))  # type: ignore[arg-type]
    assert found is verdict
    assert words


def test_between_numbers() -> None:
    close = Gt(sqrt(Integer(2)), Fraction("1.41421356237309504880").limit_denominator(10**20), evaluate=False)
    assert of_numbers()((Gt(log(Integer(2)), Integer(69) / 100, evaluate=False),))[0] is Verdict.ENCLOSED
    assert of_numbers()((Gt(log(Integer(2)), Integer(70) / 100, evaluate=False),))[0] is Verdict.REFUTED
    assert of_numbers()((Gt(log(Integer(4)), 2 * log(Integer(2)), evaluate=False),))[0] is Verdict.UNKNOWN
    assert of_numbers()((close,))[0].passes
    assert of_numbers()(())[0] is Verdict.UNKNOWN
    assert isinstance(x, Symbol)


def test_the_weakest_bound_counts() -> None:
    bounds = exp(x) >= 1 + x, exp(x) >= 1 + 2 * x
    assert from_origin(x)(bounds)[0] is Verdict.UNKNOWN
    assert from_origin(x)(())[0] is Verdict.UNKNOWN
