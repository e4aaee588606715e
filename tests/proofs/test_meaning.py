"""Names opened, derivatives and limits taken, and what is known from earlier formulas."""

from typing import Any

import pytest
from sympy import Abs, Derivative, Function, Ge, Integer, Lambda, Limit, Sum, exp, log, oo

from symguide.proofs.identities import equal
from symguide.proofs.meaning import Meaning, powers, unfold
from symguide.symbols import s, symbol, u, w

i, j = symbol("i", integer=True, positive=True), symbol("j", integer=True, positive=True)
n = symbol("n", integer=True, positive=True)
a, b = symbol("a", positive=True), symbol("b", positive=True)
f: Any = Function("f", positive=True)
g: Any = Function("g", nonnegative=True)
T: Any = Function("T", real=True)


def test_a_differential_equation_holds_for_every_index() -> None:
    meaning = Meaning(rules={Derivative(T(i, s), s): -i * T(i, s)})
    assert unfold(Derivative(T(j, s), s), meaning) == -j * T(j, s)
    assert unfold(Derivative(T(3, s), s), meaning) == -3 * T(3, s)
    assert unfold(Derivative(T(j, s), (s, 2)), meaning) == Derivative(T(j, s), (s, 2))
    total = Sum(T(i, s), (i, 1, n))
    assert meaning.vanishes(Derivative(total, s) + Sum(i * T(i, s), (i, 1, n)))
    assert not meaning.vanishes(Derivative(total, s) + Sum(T(i, s), (i, 1, n)))


def test_magnitudes_open_where_signs_say() -> None:
    assert unfold(Abs(-g(i)), Meaning()) == g(i)
    assert unfold(Abs(f(i) - 2 * f(i)), Meaning()) == f(i)
    assert unfold(Abs(f(i) - g(i)), Meaning()) == Abs(f(i) - g(i))


@pytest.mark.parametrize(
    ("form", "variable", "point", "limit"),
    [
        (Sum(f(i) * u ** f(i), (i, 1, n)) + a, u, 0, a),
        (Sum(f(i) * exp(-f(i) * w), (i, 1, n)) / (a + exp(-w)), w, oo, Integer(0)),
        (b / (a + Sum(exp(-f(i) * w), (i, 1, n))), w, oo, b / a),
        (Sum(f(i) * u, (i, 1, n)) / Sum(f(i), (i, 1, n)), u, 0, Integer(0)),
    ],
)
def test_limits_pass_into_finite_sums_and_quotients(form: Any, variable: Any, point: Any, limit: Any) -> None:
    assert unfold(Limit(form, variable, point), Meaning()) == limit


@pytest.mark.parametrize(
    "form",
    [
        Sum(u ** T(i, s), (i, 1, n)),  # of any sign
        1 / (a - b + u),  # may be infinite
        u**-a,
        log(u),
    ],
)
def test_limits_that_signs_do_not_tell_are_left(form: Any) -> None:
    assert unfold(Limit(form, u, 0), Meaning()).has(Limit)


def test_known_formulas_rewrite_and_bound() -> None:
    meaning = Meaning().knowing((equal(f(i), 2 * g(i)), Ge(g(i), 1, evaluate=False)))
    assert meaning.vanishes(f(n) - 2 * g(n))
    assert meaning.is_nonnegative(f(n) - 2)
    assert not meaning.is_nonnegative(f(n) - 3)
    total = Meaning().knowing((equal(Sum(f(i), (i, 1, n)), Integer(1)),))
    assert total.vanishes(Sum(3 * f(j), (j, 1, n)) - 3)
    # At one place only: no rule for all places.
    assert not Meaning().knowing((equal(f(1), a),)).vanishes(f(2) - a)


def test_a_bound_on_a_name_is_seen_before_the_name_is_opened() -> None:
    meaning = Meaning(functions={f: Lambda(i, a + b - i)}).knowing((Ge(f(i), 1, evaluate=False),))
    assert meaning.is_nonnegative(f(j) - 1)
    assert meaning.vanishes(f(j) - a - b + j)


def test_positive_is_strict() -> None:
    assert Meaning().is_strictly_positive(a * b)
    assert not Meaning().is_strictly_positive(g(i))
    assert Meaning().is_strictly_positive(2)
    assert not Meaning().is_strictly_positive(0)


def test_powers_of_u() -> None:
    assert powers(exp(-a * s) * b) == b * u**a
