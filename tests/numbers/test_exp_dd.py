"""The SymPy function ``exp_dd``: calculus, rewriting, confluence."""

from itertools import permutations

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import (
    Add,
    Expr,
    Float,
    Integer,
    Ne,
    Rational,
    Symbol,
    Tuple,
    cancel,
    diff,
    exp,
    expand,
    integrate,
    latex,
    limit,
    log,
    sqrt,
    srepr,
    symbols,
    sympify,
)

from symguide.errors import SymguideError
from symguide.numbers.exp_dd import confluent_equal, exp_dd, from_powers, in_powers
from symguide.symbols import s, u

a, b, c = symbols("a b c", positive=True)
rationals = st.fractions(0, 4, max_denominator=6).map(lambda value: Rational(value.numerator, value.denominator))
node_lists = st.lists(rationals, min_size=1, max_size=5)


_POINT = {a: Rational(3, 7), b: Rational(5, 3), c: Rational(9, 4), s: Rational(4, 5), u: exp(-Rational(4, 5))}


def _same(left: Expr, right: Expr) -> bool:
    """Whether two expressions agree to 40 digits at some point."""
    found, expected = (side.subs(_POINT).evalf(50) for side in (left, right))
    return abs(found - expected) < Float("1e-40")


def test_arguments_are_put_in_order_and_kept() -> None:
    form = exp_dd((c, a, b), s)
    assert form == exp_dd(Tuple(b, c, a), s)
    assert form.nodes == (a, b, c)
    assert form.clock == s
    assert form.func(*form.args) == form
    assert form.free_symbols == {a, b, c, s}
    assert form.subs(c, a) == exp_dd((a, a, b), s)
    assert form.xreplace({s: -log(u)}) == exp_dd((a, b, c), -log(u))


def test_simple_cases_are_evaluated() -> None:
    assert exp_dd((a,), s) == exp(-a * s)
    assert exp_dd((a,), -log(u)) == u**a
    assert exp_dd((Integer(0),), s) == 1
    assert exp_dd((a, b), 0) == 0
    assert exp_dd((a,), 0) == 1
    assert exp_dd((a, b), s).subs(s, 0) == 0


def test_signs_are_known_where_they_are() -> None:
    positive = exp_dd((a, b), Symbol("x", positive=True))
    assert positive.is_positive
    assert positive.is_real
    assert exp_dd((a, b), s).is_nonnegative
    assert exp_dd((a, b), s).is_positive is None
    assert exp_dd((a, b), Symbol("x")).is_real is None
    assert exp_dd((Symbol("z"), b), s).is_real is None


@settings(max_examples=60)
@given(node_lists)
def test_derivative_in_the_clock(nodes: list[Expr]) -> None:
    """``d/ds exp_dd(Λ_0 … Λ_n) = exp_dd(Λ_0 … Λ_{n−1}) − Λ_n exp_dd(Λ_0 … Λ_n)``, against powers."""
    form = exp_dd(Tuple(*nodes), s)
    assert _same(diff(form, s), diff(form.rewrite(exp), s))


def test_derivative_in_the_nodes() -> None:
    form = exp_dd((a, b, c), s)
    assert diff(form, a) == -exp_dd((a, a, b, c), s)
    assert _same(diff(form, b), diff(form.rewrite(exp), b))
    tied = exp_dd((a, a, b), s)
    assert diff(tied, a) == -2 * exp_dd((a, a, a, b), s)
    assert _same(diff(tied, a), diff(tied.rewrite(exp), a))
    composed = exp_dd((a * b, b**2), a * s)
    assert _same(diff(composed, b), diff(composed.rewrite(exp), b))
    assert _same(diff(composed, a), diff(composed.rewrite(exp), a))
    assert diff(form, u) == 0


def test_recursion_of_the_solver() -> None:
    """``∫_0^s e^{−c(s−σ)} exp_dd((a, b), σ) dσ = exp_dd((a, b, c), s)``."""
    sigma = Symbol("sigma", positive=True)
    inner = exp_dd((a, b), sigma).rewrite(exp)
    whole = integrate(expand(exp(-c * (s - sigma)) * inner), (sigma, 0, s), conds="none")
    assert _same(whole, exp_dd((a, b, c), s))


@settings(max_examples=80)
@given(node_lists)
def test_powers_of_u_and_back(nodes: list[Expr]) -> None:
    form = exp_dd(Tuple(*nodes), -log(u))
    powers, conditions = in_powers(form)
    assert conditions == frozenset()
    assert not powers.has(exp_dd)
    assert _same(powers, form)
    if len(set(nodes)) == len(nodes):
        assert from_powers(powers, u) == form


def test_conditions_name_what_was_taken_to_differ() -> None:
    powers, conditions = in_powers(exp_dd((a, b, Integer(0)), s) + exp_dd((b, c), s))
    assert conditions == {Ne(a, b), Ne(b, c)}
    assert powers.has(exp)
    free = symbols("x y")
    assert in_powers(exp_dd((*free, Integer(0)), s))[1] == {Ne(*free), Ne(0, free[0]), Ne(0, free[1])}
    assert in_powers(exp_dd((a, a + 1), s))[1] == frozenset()
    assert in_powers(a + s) == (a + s, frozenset())


def test_confluent_form_is_the_limit_of_the_generic_one() -> None:
    generic = exp_dd((a, b, c), s).rewrite(exp)
    confluent = exp_dd((a, a, c), s).rewrite(exp)
    assert _same(limit(generic, b, a), confluent)
    assert _same(exp_dd((a, a, a), s).rewrite(exp), s**2 * exp(-a * s) / 2)
    assert in_powers(exp_dd((a, a), -log(u)))[0] == -(u**a) * log(u)


def test_ties_that_need_thought_are_recognised() -> None:
    assert confluent_equal(sqrt(8), 2 * sqrt(2)) is True
    assert confluent_equal(sqrt(2) * sqrt(3), sqrt(6)) is True
    assert confluent_equal(sqrt(2) + sqrt(3), sqrt(5 + 2 * sqrt(6))) is True
    assert confluent_equal(Rational(1, 3), Rational(1, 3) + Rational(1, 10**30)) is False
    assert confluent_equal(a, a + b) is False
    assert confluent_equal(a, b) is None
    form = exp_dd((sqrt(2) + sqrt(3), sqrt(5 + 2 * sqrt(6))), s)
    powers, _ = in_powers(form)
    assert _same(powers, s * exp(-(sqrt(2) + sqrt(3)) * s))


@settings(max_examples=40)
@given(st.lists(st.tuples(rationals, rationals), min_size=1, max_size=4))
def test_sums_of_powers_become_divided_differences(terms: list[tuple[Expr, Expr]]) -> None:
    expression = Add(*(coefficient * u**rate for coefficient, rate in terms))
    form = from_powers(expression, u)
    assert _same(expand(in_powers(form)[0]), expression)


def test_from_powers_cancels_the_denominators() -> None:
    expression = (u**a - u**b) / (b - a) + 3 * u**a + 5
    form = from_powers(expression, u)
    assert _same(form, expression)
    assert all(cancel(coefficient).is_polynomial(a, b) for coefficient in form.as_coefficients_dict().values())
    assert from_powers(Integer(0), u) == 0
    with pytest.raises(SymguideError, match="no multiple of a power of u"):
        from_powers(u**a * log(u), u)


@pytest.mark.parametrize("digits", [15, 50, 200])
def test_evalf_to_any_precision(digits: int) -> None:
    form = exp_dd((Integer(1), 1 + Rational(1, 10**20), sqrt(2)), Rational(1, 2))
    with mpmath.workdps(digits + 60):
        nodes = [mpmath.mpf(1), 1 + mpmath.mpf(10) ** -20, mpmath.sqrt(2)]
        expected = sum(
            mpmath.exp(-node / 2) / mpmath.fprod(other - node for other in nodes if other != node) for node in nodes
        )
        found = mpmath.mpf(str(form.evalf(digits + 5)))
        assert abs(found / expected - 1) < mpmath.mpf(10) ** (2 - digits)
    assert exp_dd((a, Integer(1)), s).evalf(20).has(exp_dd)


def test_printing() -> None:
    form = exp_dd((a, Integer(0)), s)
    assert str(form) == "exp_dd((0, a), s)"
    assert latex(form) == r"\mathcal{E}_{s}\left[0,\,a\right]"
    assert latex(form**2) == r"\mathcal{E}_{s}\left[0,\,a\right]^{2}"
    assert latex(2 * form + 1).count("mathcal") == 1


def test_text_of_a_form_reads_back() -> None:
    form = exp_dd((a, b, Integer(0)), s) / 3 + exp_dd((a, a), s) * c
    names = {"exp_dd": exp_dd, "Symbol": Symbol, **{symbol.name: symbol for symbol in (a, b, c, s)}}
    assert sympify(str(form), locals=names) == form
    assert "exp_dd" in srepr(form)


def test_every_order_of_nodes_is_one_object() -> None:
    forms = {exp_dd(Tuple(*order), s) for order in permutations((a, b, Integer(0), Rational(1, 2)))}
    assert len(forms) == 1


def test_solves_the_equation_of_a_path() -> None:
    """A path ``a → b`` by hand: ``P' = e^{−a s} − b P``, ``P(0) = 0``."""
    form = exp_dd((a, b), s)
    assert diff(form, s) == exp(-a * s) - b * form
