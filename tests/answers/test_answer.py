"""Questions with numbers: every path against the second route, forms of numbers, logarithms, refusals."""

from fractions import Fraction
from math import exp, log
from typing import Any

import flint
import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.second_route import ball, guided
from markov_pairs import random_law
from strategies import HARD, RULE_NAMES, Instance, instances, mask_fractions, mixture, pair, uniform

from symguide.answers.answer import PATHS, Quantity, answer
from symguide.errors import ChainTooLargeError, ClockError, DataError, NotExactError, StrengthError, SymguideError
from symguide.instances.datasets import load, load_mixture
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.products import as_product

HALF = Fraction(1, 2)
CONTEXT_PATHS = [path for path in PATHS if path in ("exact", "symbolic", "array")]
rules = st.sampled_from(RULE_NAMES)
strengths = st.one_of(st.integers(-1, 6).map(Fraction), st.fractions(Fraction(-3, 4), 5, max_denominator=4))


def _mpf(value: Any) -> Any:
    if isinstance(value, flint.arb):
        return mpmath.mpf(value.str(40, radius=False))
    return mpmath.mpf(value.numerator) / value.denominator


@settings(max_examples=40)
@given(instances(), rules, strengths, mask_fractions())
def test_answers_against_linear_algebra(instance: Instance, rule: str, w: Fraction, u: Fraction) -> None:
    found = answer(instance.problem, [w], [u], rule, states=True)
    (result,) = found.results
    assert found.path == ("exact" if w.denominator == 1 else "symbolic")
    assert (result.w, result.u, found.rule) == (w, u, rule)
    with flint.ctx.workprec(600), mpmath.workdps(30):
        reference = guided(instance, rule, w)
        law = reference.at(u)
        tv = sum((law[x] for x in reference.transient), flint.arb(0))
        assert result.tv is not None
        assert result.states is not None
        assert result.tv.value == pytest.approx(float(tv), rel=1e-15, abs=1e-300)
        assert list(result.states) == sorted(
            result.states, key=lambda x: (-x.count(None), [-1 if v is None else v for v in x])
        )
        assert result.states.keys() == law.keys()
        assert all(q.value == pytest.approx(float(law[x]), rel=1e-15, abs=1e-300) for x, q in result.states.items())
        assert result.log_tv == pytest.approx(float(tv.log()), rel=1e-14)
        assert result.log_minus_log_tv == pytest.approx(float((-tv.log()).log()), rel=1e-13)
        terminal = reference.terminal()
        assert list(result.terminal) == sorted(terminal)
        for x, quantity in result.terminal.items():
            assert quantity.value == pytest.approx(float(_mpf(terminal[x])), rel=1e-15)
            if w.denominator == 1:
                assert quantity.exact == terminal[x]
        assert result.dead is None


@settings(max_examples=25)
@given(instances(), rules, strengths, mask_fractions())
def test_paths_agree(instance: Instance, rule: str, w: Fraction, u: Fraction) -> None:
    results = {
        path: answer(instance.problem, [w], [u], rule, states=True, path=path).results[0]
        for path in CONTEXT_PATHS
        if path != "exact" or w.denominator == 1
    }
    best = results["symbolic"]
    for result in results.values():
        assert result.tv is not None
        assert best.tv is not None
        assert best.states is not None
        assert result.states is not None
        if best.tv.value > 1e-290:
            assert result.tv.value == pytest.approx(best.tv.value, rel=1e-11)
        assert result.log_tv == pytest.approx(best.log_tv, rel=1e-11)
        assert result.log_minus_log_tv == pytest.approx(best.log_minus_log_tv, rel=1e-9)
        for x, quantity in best.states.items():
            assert result.states[x].value == pytest.approx(quantity.value, rel=1e-11, abs=1e-290)
        for name, value in best.functionals.items():
            other = result.functionals[name]
            assert (other is None) == (value is None)
            if value is not None and other is not None:
                assert other.value == pytest.approx(value.value, rel=1e-11, abs=1e-13), name


@given(instances(), rules, st.integers(0, 4))
def test_functionals_by_plain_sums(instance: Instance, rule: str, strength: int) -> None:
    (result,) = answer(instance.problem, [Fraction(strength)], rule=rule).results
    assert (result.u, result.tv, result.log_tv, result.log_minus_log_tv, result.states) == (None,) * 5
    law = guided(instance, rule, Fraction(strength)).terminal()
    weights = {x: p ** (1 + strength) / instance.unconditional[x] ** strength for x, p in instance.conditional.items()}
    tilted = {x: weight / sum(weights.values()) for x, weight in weights.items()}
    with mpmath.workdps(30):
        expected: dict[str, Any] = {
            "entropy": -mpmath.fsum(_mpf(p) * mpmath.log(_mpf(p)) for p in law.values()),
            "kl_to_class": mpmath.fsum(_mpf(p) * mpmath.log(_mpf(p / instance.conditional[x])) for x, p in law.items()),
            "kl_to_tilted": mpmath.fsum(_mpf(p) * mpmath.log(_mpf(p / tilted[x])) for x, p in law.items()),
            "tv_to_tilted": _mpf(sum((abs(p - tilted[x]) for x, p in law.items()), Fraction(0)) / 2),
        }
        if instance.prior is not None:
            posterior = {x: instance.prior * instance.conditional[x] / instance.unconditional[x] for x in law}
            expected["posterior"] = _mpf(sum((p * posterior[x] for x, p in law.items()), Fraction(0)))
            expected["reciprocal_posterior"] = _mpf(sum((p / posterior[x] for x, p in law.items()), Fraction(0)))
        for name, value in expected.items():
            quantity = result.functionals[name]
            assert quantity is not None
            assert quantity.value == pytest.approx(float(value), rel=1e-13, abs=1e-15), name
    if instance.prior is None:
        assert result.functionals["posterior"] is None
        assert result.functionals["reciprocal_posterior"] is None


def test_results_run_over_strengths_then_fractions() -> None:
    grid = ([Fraction(0), Fraction(1, 2), Fraction(-1)], [Fraction(1), HALF, Fraction(0)])
    found = answer(HARD["squares"].problem, *grid)
    assert [(result.w, result.u) for result in found.results] == [(w, u) for w in grid[0] for u in grid[1]]
    assert found.path == "symbolic"
    # w = −1 is a chain of its own, on the support of both classes.
    assert len(found.results[-1].terminal) == 17
    assert len(found.results[0].terminal) == 9


@pytest.mark.parametrize("path", CONTEXT_PATHS)
def test_both_ends_of_the_clock(path: str) -> None:
    start, end = answer(
        HARD["squares"].problem, [Fraction(1)], [Fraction(1), Fraction(0)], states=True, path=path
    ).results
    assert start.tv is not None
    assert end.tv is not None
    assert (start.tv.value, start.log_tv, start.log_minus_log_tv) == (1.0, 0.0, None)
    assert (end.tv.value, end.log_tv, end.log_minus_log_tv) == (0.0, None, None)
    assert start.states is not None
    assert end.states is not None
    assert {x: q.value for x, q in start.states.items() if q.value} == {(None, None): 1.0}
    assert {x: q.value for x, q in end.states.items() if q.value} == pytest.approx(
        {x: q.value for x, q in end.terminal.items()}
    )
    if path == "exact":
        assert end.terminal[2, 2] == Quantity(0.04, Fraction(1, 25))


def test_the_start_of_the_clock_is_exact_at_every_strength() -> None:
    (result,) = answer(HARD["squares"].problem, [HALF], [Fraction(1)], states=True).results
    assert result.states is not None
    start, *others = result.states.values()
    assert (start.exact, {other.exact for other in others}) == (1, {0})
    assert (result.tv, result.log_tv, result.log_minus_log_tv) == (Quantity(1.0, Fraction(1)), 0.0, None)


def test_a_start_that_is_never_left_has_no_distance() -> None:
    """Laws that exclude one another, between the two: every intensity is zero."""
    dead = pair(2, 1, {(0,): 1}, {(1,): 1}).problem
    for path in CONTEXT_PATHS[1:]:
        (result,) = answer(dead, [-HALF], [Fraction(1)], path=path).results
        assert result.tv is not None
        assert (result.tv.value, result.log_tv, result.log_minus_log_tv) == (0.0, None, None)


def test_exact_forms() -> None:
    (result,) = answer(HARD["squares"].problem, [Fraction(1)], [HALF], states=True).results
    assert result.tv is not None
    assert isinstance(result.tv.exact, sympy.Expr)
    assert float(result.tv.exact.evalf(30)) == pytest.approx(result.tv.value, rel=1e-15)
    (normalised,) = answer(HARD["squares"].problem, [Fraction(1)], [HALF], rule="normalised", states=True).results
    assert normalised.tv == Quantity(0.75, Fraction(3, 4))
    assert normalised.states is not None
    assert all(isinstance(quantity.exact, Fraction) for quantity in normalised.states.values())
    (array,) = answer(HARD["squares"].problem, [Fraction(1)], [HALF], path="array").results
    assert array.tv is not None
    assert array.tv.exact is None
    assert Quantity.of(sympy.Rational(1, 4)) == Quantity(0.25, Fraction(1, 4))
    assert Quantity.of(sympy.sqrt(2)).value == 2**0.5
    assert Quantity.of(Fraction(10**400)).value == float("inf")


@pytest.mark.parametrize("name", ["one token", "squares", "slower sampling", "a tie at w = 1", "small prior"])
@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("w", [Fraction(20), Fraction(100), Fraction(1000), Fraction(301, 2)])
def test_large_strengths(name: str, rule: str, w: Fraction) -> None:
    """``log TV`` and ``log(−log TV)`` where TV underflows and where ``Z`` overflows."""
    (result,) = answer(HARD[name].problem, [w], [HALF], rule).results
    expected = _enclosed_tv(HARD[name], rule, w)
    assert result.tv is not None
    with flint.ctx.workprec(20_000):
        value = expected.log()
        assert result.tv.value == pytest.approx(float(expected), rel=1e-12, abs=1e-300)
        if abs(float(value)) < 1e300:
            assert result.log_tv == pytest.approx(float(value), rel=1e-12)
        assert result.log_minus_log_tv == pytest.approx(float((-value).log()), rel=1e-12)


def _enclosed_tv(instance: Instance, rule: str, w: Fraction) -> flint.arb:
    """TV at ``u = 1/2`` of a chain with at most two tokens, integrated reveal by reveal, in wide balls.

    A matrix exponential is out of reach when rates differ by hundreds of orders of magnitude.
    """
    with flint.ctx.workprec(20_000):
        reference = guided(instance, rule, w, exact=False)
        clock = flint.arb(2).log()
        first = reference.exits[reference.start]
        tv = (-first * clock).exp()
        for (source, target), rate in reference.rates.items():
            if source == reference.start and target in reference.exits:
                then = reference.exits[target]
                gap = first - then
                if gap.contains(0):
                    tv += rate * clock * (-first * clock).exp()
                else:
                    tv += rate * ((-then * clock).exp() - (-first * clock).exp()) / gap
        return tv


@pytest.mark.parametrize("w", [Fraction(3000), Fraction(10**10), Fraction(1001, 2), Fraction(10**400)])
def test_huge_strengths_are_answered_or_refused_at_once(w: Fraction) -> None:
    for name in ("small prior", "slower sampling", "a tie at w = 1"):
        try:
            (result,) = answer(HARD[name].problem, [w], [HALF]).results
        except SymguideError as refused:
            assert w > 10**4
            assert "\n" not in str(refused)
            assert "guidance strength w is" in str(refused)
        else:
            assert result.tv is not None
            assert 0 <= result.tv.value <= 1
            assert sum(q.value for q in result.terminal.values()) == pytest.approx(1, rel=1e-12)


def test_fractions_beyond_the_range_of_doubles() -> None:
    tiny, nearly_one = Fraction(1, 10**400), 1 - Fraction(1, 10**30)
    for path in CONTEXT_PATHS:
        low, high = answer(HARD["xor"].problem, [Fraction(0)], [tiny, nearly_one], path=path).results
        assert low.log_tv == pytest.approx(-400 * log(10) + log(2), rel=1e-13)
        # 1 − TV = (1 − u)² there.
        assert high.log_tv == pytest.approx(-1e-60, rel=1e-12)
        assert high.log_minus_log_tv == pytest.approx(-60 * log(10), rel=1e-12)


def test_pairs_without_unguided_factor_at_zero_strength() -> None:
    """At ``w = 0`` the unconditional law does not count, whatever it excludes."""
    apart = pair(3, 1, uniform([(0,), (1,)]), uniform([(1,), (2,)]))
    (result,) = answer(apart.problem, [Fraction(0)]).results
    assert {x: q.exact for x, q in result.terminal.items()} == {(0,): HALF, (1,): HALF}
    assert result.functionals["tv_to_tilted"] == Quantity(0.0, Fraction(0))
    kl = result.functionals["kl_to_tilted"]
    assert kl is not None
    assert kl.value == 0
    (negative,) = answer(apart.problem, [Fraction(-1, 2)]).results
    assert list(negative.terminal) == [(1,)]
    with pytest.raises(SymguideError, match="infinite"):
        answer(apart.problem, [Fraction(1)])


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_dead_contexts_are_reported_with_their_mass(rule: str) -> None:
    left, right = uniform([(0, 0), (1, 1)]), {(0, 1): Fraction(1, 4), (1, 0): Fraction(1, 4), (1, 1): HALF}
    (some,) = answer(pair(2, 2, left, right).problem, [Fraction(-1, 2)], [HALF, Fraction(0)][:1], rule).results
    assert some.dead is not None
    assert 0 < some.dead.value < 1
    assert sum(q.value for q in some.terminal.values()) + some.dead.value == pytest.approx(1, rel=1e-15)
    found = answer(pair(2, 2, left, uniform([(0, 1), (1, 0)])).problem, [Fraction(-1, 2)], [HALF], rule)
    (none,) = found.results
    assert none.terminal == {}
    assert none.dead is not None
    assert none.dead.value == pytest.approx(1, rel=1e-15)
    assert none.tv is not None
    assert none.tv.value == pytest.approx(0.25, rel=1e-15)


def test_floats_take_the_array_path() -> None:
    table = np.array([[0.3, 0.2], [0.1, 0.4]])
    mixed = ClassMixture.of(2, 2, {"a": (0.5, table), "b": (0.5, table.T)}).problem("a")
    found = answer(mixed, [Fraction(1), HALF], [HALF], states=True)
    assert found.path == "array"
    assert all(quantity.exact is None for result in found.results for quantity in result.terminal.values())
    with pytest.raises(NotExactError):
        answer(mixed, [Fraction(1)], path="exact")


def test_large_chains_take_the_array_path() -> None:
    """Up to 12 positions of two tokens near the diagonal: too many contexts for rationals."""
    length = 9
    first = uniform([tuple(int(i < k) for i in range(length)) for k in range(length + 1)])
    second = uniform([tuple(int(i >= k) for i in range(length)) for k in range(length + 1)])
    problem = mixture(2, length, [(HALF, first), (HALF, second)]).problem
    found = answer(problem, [Fraction(1)])
    assert found.path == "array"
    (result,) = found.results
    assert sum(q.value for q in result.terminal.values()) == pytest.approx(1, rel=1e-13)
    with pytest.raises(ChainTooLargeError):
        answer(problem, [Fraction(1)], path="symbolic")


def test_lumps_answer_where_rates_overflow() -> None:
    """Logarithms of rates are left, and the limit law: neutral contexts at their pace, the others gone."""
    for name, fraction in (("interval-overlap", 1 - Fraction(1, 10**12)), ("squares-overlap", HALF)):
        lumped, array = (
            answer(load(name), [Fraction(10**5)], [fraction], path=path).results[0] for path in ("lumped", "array")
        )
        assert lumped.log_minus_log_tv == pytest.approx(array.log_minus_log_tv, rel=1e-12)
        assert lumped.tv is not None and array.tv is not None
        assert lumped.tv.value == pytest.approx(array.tv.value, rel=1e-11)
        charged = {x: quantity.value for x, quantity in array.terminal.items() if quantity.value > 0}
        assert {x: lumped.terminal[x].value for x in charged} == pytest.approx(charged, rel=1e-9)
    for path in ("lumped", "array"):
        with pytest.raises(StrengthError, match="doubles do not tell such powers apart"):
            answer(load("squares-overlap"), [Fraction(10**9)], [HALF], path=path)


def test_double_precision_of_products() -> None:
    """Asked for by ``path="array"``: contexts where they can be listed, else lumps, and no law of too many contexts."""
    cubes = load_mixture("hypercubes:D=5")
    products = {name: (HALF, as_product(law)) for name, law in cubes.laws.items()}
    problem = ClassMixture.of(5, 5, products).problem("high")
    listed, unlisted = (
        answer(given, [Fraction(1)], [HALF], path="array") for given in (load("hypercubes:D=5"), problem)
    )
    assert listed.path == unlisted.path == "array"
    for x, quantity in listed.results[0].terminal.items():
        assert unlisted.results[0].terminal[x].value == pytest.approx(quantity.value, rel=1e-14)
    many = answer(load("hypercubes:D=1000"), [Fraction(1)], [Fraction(1, 1000)], path="array", top=1)
    assert many.path == "lumped"
    with pytest.raises(DataError, match=r"about 1\.3\d*e\+477 token tuples, more than 100000"):
        answer(load("hypercubes:D=1000"), [Fraction(1)], [HALF], path="array", states=True)


def test_errors_of_rates_are_reported_where_the_clock_multiplies_them() -> None:
    """``TV = u^Z`` of one token with ``Z s = 690``: the error of ``Z`` in doubles counts 690 times."""
    tables = {"a": {0: Fraction(506, 1000), 1: Fraction(494, 1000)}, "b": {0: HALF, 1: HALF}}
    problem = ClassMixture.of(2, 1, {name: (HALF, {(v,): p for v, p in t.items()}) for name, t in tables.items()})
    late = answer(problem.problem("a"), [Fraction(1000)], [Fraction(exp(-690 / 193.50175))], path="array")
    exact = answer(problem.problem("a"), [Fraction(1000)], [Fraction(exp(-690 / 193.50175))], path="exact")
    (found,), (expected,) = late.results, exact.results
    assert found.tv is not None and expected.tv is not None
    error = abs(found.tv.value / expected.tv.value - 1)
    assert error > 1e-12
    (note,) = late.notes
    assert error <= float(note.rpartition(" ")[2]) <= 1e-9
    early = answer(problem.problem("a"), [Fraction(1)], [Fraction(1, 10)], path="array")
    assert early.notes == ()


@pytest.mark.parametrize("value", [Fraction(-3, 2), -2, float("nan"), float("inf"), True, None, "x", sympy.I])
def test_bad_strengths(value: Any) -> None:
    with pytest.raises(StrengthError, match="guidance strength w is"):
        answer(HARD["xor"].problem, [Fraction(0), value])


@pytest.mark.parametrize("value", [Fraction(-1, 2), Fraction(3, 2), float("nan"), float("inf"), True, None, "x"])
def test_bad_fractions(value: Any) -> None:
    with pytest.raises(ClockError, match="mask fraction u is"):
        answer(HARD["xor"].problem, [Fraction(0)], [value])


def test_other_refusals() -> None:
    with pytest.raises(
        SymguideError, match="path 'magic' is unknown; choose one of exact, symbolic, lumped, markov, array"
    ):
        answer(HARD["xor"].problem, [Fraction(0)], path="magic")
    with pytest.raises(SymguideError, match="guidance rule 'cfg' is unknown"):
        answer(HARD["xor"].problem, [Fraction(0)], rule="cfg")
    with pytest.raises(StrengthError, match="no guidance strengths"):
        answer(HARD["xor"].problem, [])
    with pytest.raises(SymguideError):
        answer(HARD["xor"].problem, [HALF], path="exact")
    with pytest.raises(DataError, match="the data contain the symbols"):
        answer(ClassMixture.symbolic(2, 1).problem("1"), [Fraction(1)])


def test_irrational_strengths_and_fractions() -> None:
    (result,) = answer(HARD["one token"].problem, [sympy.sqrt(2)], [1 / sympy.sqrt(2)]).results
    assert result.tv is not None
    table, marginal = HARD["one token"].conditional, HARD["one token"].unconditional
    rate = sum(float(p) * float(p / marginal[x]) ** 2**0.5 for x, p in table.items())
    assert result.tv.value == pytest.approx(exp(-rate * log(2) / 2), rel=1e-13)
    assert ball(HALF).overlaps(flint.arb("0.5"))


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("w", ["-1/2", "-1", "0"])
def test_singular_pairs_on_every_path(rule: str, w: str) -> None:
    """Laws that exclude one another's tokens have a chain at each strength, not one for all."""
    left, right = uniform([(0, 0), (1, 1)]), {(0, 1): Fraction(1, 4), (1, 0): Fraction(1, 4), (1, 1): HALF}
    problem = pair(2, 2, left, right).problem
    best, other = (
        answer(problem, [Fraction(w)], [HALF], rule, states=True, path=path).results[0]
        for path in ("symbolic", "array")
    )
    assert best.states is not None
    assert other.states is not None
    assert list(best.states) == list(other.states)
    for x, quantity in best.states.items():
        assert other.states[x].value == pytest.approx(quantity.value, rel=1e-12)
    assert other.log_tv == pytest.approx(best.log_tv, rel=1e-12)
    assert (best.dead is None) == (other.dead is None)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("w", [600, 1000])
def test_rarely_reached_neutral_contexts_in_doubles(rule: str, w: int) -> None:
    """``TV`` decays like ``ρ^w`` although other rates overflow and the jumps themselves underflow."""
    tenth = Fraction(1, 10)
    target = {(0, 0): tenth, (0, 1): tenth, (1, 0): 8 * tenth}
    problem = mixture(2, 2, [(HALF, target), (HALF, {(0, 0): 4 * tenth, (0, 1): 4 * tenth, (1, 1): 2 * tenth})]).problem
    best, other = (
        answer(problem, [Fraction(w)], [HALF, Fraction(1, 10**9)], rule, path=path).results
        for path in ("exact", "array")
    )
    for exact, found in zip(best, other, strict=True):
        assert found.log_tv == pytest.approx(exact.log_tv, rel=1e-12)
        assert found.log_minus_log_tv == pytest.approx(exact.log_minus_log_tv, rel=1e-12)
        assert found.notes == ()


@pytest.mark.parametrize("w", [300, 1000, 2000])
def test_divergences_from_tilted_laws_that_underflow(w: int) -> None:
    """A neutral reveal keeps tokens in the guided law that the tilted law drops like ``b^−w``: KL grows like ``w``."""
    quarter = Fraction(1, 4)
    other = {(0, 0): quarter, (0, 1): quarter, (1, 0): Fraction(49, 100), (1, 1): Fraction(1, 100)}
    problem = mixture(2, 2, [(HALF, uniform([(0, 0), (0, 1), (1, 0), (1, 1)])), (HALF, other)]).problem
    best, found = (
        answer(problem, [Fraction(w)], rule="normalised", path=path).results[0] for path in ("symbolic", "array")
    )
    for name, quantity in best.functionals.items():
        value = found.functionals[name]
        assert quantity is not None
        assert value is not None, name
        assert value.value == pytest.approx(quantity.value, rel=1e-11, abs=1e-13), name
    assert found.notes == ()


def test_fractions_next_to_the_start() -> None:
    """``1 − TV`` far below the smallest double, where its logarithm is still known."""
    nearly = 1 - Fraction(1, 10**200)
    (found,) = answer(HARD["three tokens"].problem, [Fraction(3)], [nearly], path="array").results
    assert found.tv == Quantity(1.0, None)
    # (1 − u)³ Π Λ/3! summed over reveal orders, to first order.
    (exact,) = answer(HARD["three tokens"].problem, [Fraction(3)], [nearly], path="exact").results
    assert found.log_minus_log_tv == pytest.approx(exact.log_minus_log_tv, rel=1e-13)


# --- Markov pairs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("w", [Fraction(-1, 2), Fraction(0), Fraction(1), Fraction(4)])
def test_markov_path_agrees_with_the_array_path(rule: str, w: Fraction) -> None:
    rng = np.random.default_rng(5)
    pair = Problem(random_law(rng, 2, 6), random_law(rng, 2, 6), name="chains")
    gaps = answer(pair, [w], [Fraction(1, 3)], rule, path="markov", top=4)
    contexts = answer(pair, [w], [Fraction(1, 3)], rule)
    assert (gaps.path, contexts.path) == ("markov", "array")
    mine, theirs = gaps.results[0], contexts.results[0]
    assert theirs.whole and not mine.whole
    assert len(mine.terminal) == 4
    for x, quantity in mine.terminal.items():
        assert quantity.value == pytest.approx(theirs.terminal[x].value, rel=1e-11)
    assert mine.tv.value == pytest.approx(theirs.tv.value, rel=1e-8)
    assert mine.log_minus_log_tv == pytest.approx(theirs.log_minus_log_tv, rel=1e-6)
    clock = mine.functionals["mean_unmasking_clock"].value
    assert clock == pytest.approx(theirs.functionals["mean_unmasking_clock"].value, rel=1e-8)


def test_long_markov_pairs_take_their_path() -> None:
    rng = np.random.default_rng(6)
    pair = Problem(random_law(rng, 4, 40), random_law(rng, 4, 40), name="chains")
    (result,) = (found := answer(pair, [Fraction(0)], [Fraction(1, 10)], top=2)).results
    assert found.path == "markov"
    assert result.tv.value == pytest.approx(1 - 0.9**40, rel=1e-9)
    assert result.functionals["mean_unmasking_clock"].value == pytest.approx(sum(1 / k for k in range(1, 41)), rel=1e-8)
    by_place = Problem(random_law(rng, 4, 40, homogeneous=False), random_law(rng, 4, 40), name="chains")
    (result,) = (found := answer(by_place, [Fraction(1)], [Fraction(1, 10)], top=2)).results
    assert result.tv is None and result.functionals["mean_unmasking_clock"] is None
    assert any("transitions depend on the position" in note for note in found.notes)


def test_markov_pairs_without_a_list() -> None:
    rng = np.random.default_rng(8)
    pair = Problem(random_law(rng, 4, 40), random_law(rng, 4, 40), name="chains")
    (result,) = answer(pair, [1], [Fraction(1, 10)], top=0).results
    (listed,) = answer(pair, [1], [Fraction(1, 10)], top=1).results
    assert not result.terminal and not result.whole
    assert (result.tv, result.functionals) == (listed.tv, listed.functionals)


def test_refusals_of_markov_pairs() -> None:
    rng = np.random.default_rng(7)
    pair = Problem(random_law(rng, 4, 40), random_law(rng, 4, 40), name="chains")
    with pytest.raises(ChainTooLargeError, match=r"over 4\^40 sequences.*--top"):
        answer(pair, [1])
    with pytest.raises(DataError, match="not listed for Markov pairs"):
        answer(pair, [1], [Fraction(1, 2)], states=True, top=1)
    with pytest.raises(DataError, match="not both Markov"):
        answer(load("xor"), [1], path="markov")
    with pytest.raises(NotExactError, match="needs exact data"):
        answer(pair, [1], path="exact")
