"""Exponential polynomials: what is read off them, where they tend, and when they are seen to vanish."""

from sympy import Integer, exp, log, symbols

from symguide.numbers.exp_dd import exp_dd
from symguide.numbers.exponentials import at_infinity, exponential_parts, vanishes
from symguide.symbols import s, symbol, w

A, B, C, R = symbols("a b c r", positive=True)


def test_exponential_parts_of_products_and_powers() -> None:
    parts = exponential_parts((1 - exp(-A * s)) ** 2 * (s + 2 * exp((C - B) * s + 1)))
    assert parts is not None
    assert {key for key, summands in parts.items() if sum(summands) != 0} == {
        (rate + decay, power) for rate in (Integer(0), A, 2 * A) for decay, power in ((Integer(0), 1), (B - C, 0))
    }
    for foreign in (log(1 + s), 1 / s, exp(-(s**2)), s ** symbol("k")):
        assert exponential_parts(foreign) is None


def test_confluent_parts_are_derivatives() -> None:
    assert exponential_parts(exp_dd((A, A), s)) == {(A, 1): (1,)}


def test_infinity() -> None:
    assert at_infinity(s * exp(-A * s) + 3) == {0: 3}
    assert at_infinity(exp(A * s)) is None
    assert at_infinity(exp_dd((symbol("x", real=True), A), s)) is None
    assert at_infinity(log(1 + s)) is None
    assert at_infinity(exp_dd((0, 0, 0, A), s)) == {0: A**-3, 1: -(A**-2), 2: 1 / (2 * A)}


def test_vanishing_is_seen_and_never_invented() -> None:
    recurrence = (B - A) * exp_dd((A, B, C), s) - exp_dd((A, C), s) + exp_dd((B, C), s)
    assert vanishes(R * recurrence, [A, B, C], {})
    assert vanishes(recurrence.xreplace({B: Integer(0)}), [A, C], {})
    assert vanishes((B - 1) * exp(-A * s) - (C - 1) * exp(-A * s), [A, B, C], {B: 6**w, C: 2**w * 3**w})
    for wrong in (recurrence + R, recurrence + exp(-A * s) / 10**50, R * exp_dd((A, B), s) - exp_dd((A, B), s)):
        assert not vanishes(wrong, [A, B, C], {})
    assert not vanishes(log(1 + s) - s, [], {})
