"""What is read off distributions: against plain sums over joint tables, in several arithmetics."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import flint
import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.second_route import ball, guided
from strategies import HARD, RULE_NAMES, Instance, instances, integer_strengths, mask_fractions, mixtures, pair, uniform

from symguide.chains.chain import guided_chain
from symguide.chains.contexts import ContextArray
from symguide.chains.expansion import expand
from symguide.chains.functionals import (
    Distribution,
    chi_square,
    covariance,
    entropy,
    expectation,
    expected_masks,
    kl_divergence,
    last_reveal,
    law_distribution,
    mean_tokens,
    posterior,
    reciprocal_posterior,
    renyi_divergence,
    terminal_law,
    tilted_law,
    total_variation,
)
from symguide.chains.lattice import lattice
from symguide.closed_forms.solution import solve
from symguide.errors import DataError, InfiniteValueError
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLOATS, PRECISE, RATIONAL, SYMBOLIC, Arithmetic
from symguide.symbols import w as w_symbol

rules = st.sampled_from(RULE_NAMES)


def _law(instance: Instance, rule: str, w: Fraction, arithmetic: Arithmetic = RATIONAL) -> Distribution:
    return terminal_law(guided_chain(guidance(instance.problem, rule)).over(arithmetic, w))


def _tilted(instance: Instance, w: int) -> dict[tuple[int, ...], Fraction]:
    weights = {x: p ** (1 + w) / instance.unconditional[x] ** w for x, p in instance.conditional.items()}
    whole = sum(weights.values())
    return {x: weight / whole for x, weight in weights.items()}


@given(instances(), rules, integer_strengths(0))
def test_rational_functionals_are_plain_sums(instance: Instance, rule: str, w: Fraction) -> None:
    law = _law(instance, rule, w)
    exact = guided(instance, rule, w).terminal()
    target = law_distribution(instance.problem.conditional, RATIONAL)  # pyright: ignore[reportArgumentType]
    tilted = tilted_law(guidance(instance.problem, rule), law.states, RATIONAL, w)
    assert tilted.table == _tilted(instance, int(w))
    assert exact.keys() == instance.conditional.keys()
    assert total_variation(law, target) == sum(abs(p - instance.conditional[x]) for x, p in exact.items()) / 2
    assert chi_square(law, target) == sum(p * p / instance.conditional[x] for x, p in exact.items()) - 1
    means = [sum(x[i] * p for x, p in exact.items()) for i in range(instance.length)]
    assert mean_tokens(law) == means
    matrix = covariance(law)
    for i in range(instance.length):
        for j in range(instance.length):
            assert matrix[i][j] == sum(x[i] * x[j] * p for x, p in exact.items()) - means[i] * means[j]
    assert expectation(law, lambda x: sum(token or 0 for token in x)) == sum(means)
    assert expected_masks(law) == 0


@given(instances(), rules, integer_strengths(0), st.integers(2, 5))
def test_logarithmic_functionals_are_plain_sums(instance: Instance, rule: str, w: Fraction, order: int) -> None:
    with mpmath.workdps(40), flint.ctx.workprec(200):
        exact = guided(instance, rule, w).terminal()
        tilted = _tilted(instance, int(w))

        def log(value: Fraction) -> Any:
            return mpmath.log(mpmath.mpf(value.numerator) / value.denominator)

        def mpf(value: Fraction) -> Any:
            return mpmath.mpf(value.numerator) / value.denominator

        expected_entropy = -mpmath.fsum(mpf(p) * log(p) for p in exact.values())
        expected_divergence = mpmath.fsum(mpf(p) * log(p / tilted[x]) for x, p in exact.items())
        power_sum = sum((p**order / tilted[x] ** (order - 1) for x, p in exact.items()), Fraction(0))
        for arithmetic in (PRECISE, BALLS, FLOATS):
            law = _law(instance, rule, w, arithmetic)
            other = tilted_law(guidance(instance.problem, rule), law.states, arithmetic, w)
            tolerance = 1e-13 if arithmetic is FLOATS else 1e-30
            assert _close(entropy(law), expected_entropy, tolerance)
            assert _close(kl_divergence(law, other), expected_divergence, tolerance)
            assert _close(renyi_divergence(law, other, order), log(power_sum) / (order - 1), tolerance)


def _close(found: Any, expected: Any, tolerance: float) -> bool:
    text = found.str(50, radius=False) if isinstance(found, flint.arb) else found
    return bool(abs(mpmath.mpf(text) - expected) <= tolerance * (1 + abs(expected)))


@given(mixtures(), rules, integer_strengths(0))
def test_posteriors_of_the_class(instance: Instance, rule: str, w: Fraction) -> None:
    assert instance.prior is not None
    law = _law(instance, rule, w)
    exact = guided(instance, rule, w).terminal()
    values = {x: instance.prior * instance.conditional.get(x, Fraction(0)) / instance.unconditional[x] for x in exact}
    assert posterior(law, instance.problem) == sum(p * values[x] for x, p in exact.items())
    assert reciprocal_posterior(law, instance.problem) == sum(p / values[x] for x, p in exact.items())
    unguided = law_distribution(instance.problem.conditional, RATIONAL)  # pyright: ignore[reportArgumentType]
    covered = sum((instance.unconditional[x] for x in instance.conditional), Fraction(0))
    assert reciprocal_posterior(unguided, instance.problem) == covered / instance.prior


def test_posteriors_that_do_not_exist() -> None:
    instance = HARD["squares"]
    everything = law_distribution(instance.problem.unconditional, RATIONAL)  # pyright: ignore[reportArgumentType]
    assert posterior(everything, instance.problem) == Fraction(1, 2)
    with pytest.raises(DataError, match=r"have p\(z\|x\) = 0 and are charged, so .* is infinite"):
        reciprocal_posterior(everything, instance.problem)
    with pytest.raises(DataError, match="a pair of laws has no class prior"):
        posterior(_law(HARD["pair"], "rate", Fraction(1)), HARD["pair"].problem)


@settings(max_examples=30)
@given(instances(), rules, integer_strengths(0), mask_fractions())
def test_functionals_on_the_way(instance: Instance, rule: str, w: Fraction, u: Fraction) -> None:
    with flint.ctx.workprec(300):
        chain = guided_chain(guidance(instance.problem, rule)).over(BALLS, w)
        law = Distribution(chain.states, tuple(expand(chain).probabilities(-ball(u).log())), BALLS)
        exact = guided(instance, rule, w).at(u)
        masks = sum((p * x.count(None) for x, p in exact.items()), flint.arb(0))
        assert expected_masks(law).overlaps(masks)
        assert entropy(law).overlaps(-sum((p * p.log() for p in exact.values()), flint.arb(0)))
        assert total_variation(law, terminal_law(chain)).overlaps(expand(chain).survival(-ball(u).log()))


def test_values_of_masks_are_refused() -> None:
    law = Distribution(((None, 0),), (Fraction(1),), RATIONAL)
    with pytest.raises(DataError, match=r"context \(M, 0\) has masks, which have no token value"):
        mean_tokens(law)
    with pytest.raises(DataError):
        covariance(law)


@pytest.mark.parametrize("order", [0, -2, "-1/2", True, "two", None, float("nan")])
def test_orders_of_renyi_are_positive_numbers(order: Any) -> None:
    law = _law(HARD["xor"], "rate", Fraction(1))
    with pytest.raises(DataError, match="Rényi order is"):
        renyi_divergence(law, law, order)


@pytest.mark.parametrize("order", [Fraction(1, 2), 0.75, 1, "5/2", 7])
def test_renyi_of_any_order(order: Any) -> None:
    left, right = (Distribution(((0,), (1,)), (p, 1 - p), FLOATS) for p in (0.7, 0.2))
    a = float(Fraction(order))
    if a == 1:
        expected = 0.7 * math.log(0.7 / 0.2) + 0.3 * math.log(0.3 / 0.8)
    else:
        expected = math.log(0.7**a * 0.2 ** (1 - a) + 0.3**a * 0.8 ** (1 - a)) / (a - 1)
    assert float(renyi_divergence(left, right, order)) == pytest.approx(expected, rel=1e-13)


def test_divergences_of_a_law_to_itself_vanish() -> None:
    for arithmetic in (FLOATS, PRECISE, SYMBOLIC):
        strength: Any = sympy.Integer(2) if arithmetic is SYMBOLIC else 2
        law = _law(HARD["slower sampling"], "rate", strength, arithmetic)
        for value in (kl_divergence(law, law), chi_square(law, law), renyi_divergence(law, law, 3)):
            assert float(value) == pytest.approx(0, abs=1e-15)
        assert total_variation(law, law) == 0


def test_uncharged_contexts_do_not_count() -> None:
    zero, one = Fraction(0), Fraction(1)
    law = Distribution(((0,), (1,)), (one, zero), RATIONAL)
    other = Distribution(((0,),), (one,), RATIONAL)
    assert chi_square(law, other) == 0
    assert total_variation(law, other) == 0
    with pytest.raises(DataError, match=r"tokens \(0\) are charged by one law and excluded"):
        chi_square(other, Distribution(((1,),), (one,), RATIONAL))
    assert law[5,] == 0


def test_symbolic_functionals_in_the_strength() -> None:
    """Functions of ``w``: at numbers they are those of the exact law."""
    instance = HARD["slower sampling"]
    solution = solve(guided_chain(guidance(instance.problem)))
    terminal = solution.terminal
    tilted = tilted_law(guidance(instance.problem), terminal.states, SYMBOLIC, w_symbol)
    forms = {
        "chi": chi_square(terminal, tilted),
        "posterior": posterior(terminal, instance.problem),
        "mean": mean_tokens(terminal)[0],
        "last": last_reveal(solution.named.chain).mean,
        "kl": kl_divergence(terminal, tilted),
    }
    for strength in (0, 1, 3):
        law = _law(instance, "rate", Fraction(strength))
        exact = {
            "chi": chi_square(law, tilted_law(guidance(instance.problem), law.states, RATIONAL, strength)),
            "posterior": posterior(law, instance.problem),
            "mean": mean_tokens(law)[0],
            "last": last_reveal(guided_chain(guidance(instance.problem)).over(RATIONAL, strength)).mean,
        }
        found = {name: solution.spell_out(form).subs(w_symbol, strength) for name, form in forms.items()}
        assert all(
            sympy.nsimplify(found[name]) == sympy.Rational(*value.as_integer_ratio()) for name, value in exact.items()
        )
        floats = _law(instance, "rate", Fraction(strength), FLOATS)
        other = tilted_law(guidance(instance.problem), floats.states, FLOATS, float(strength))
        assert float(found["kl"]) == pytest.approx(float(kl_divergence(floats, other)), abs=1e-14)


def test_arrays_of_strengths() -> None:
    instance = HARD["slower sampling"]
    strengths = np.array([0.0, 1.0, 4.0])
    chain = guided_chain(guidance(instance.problem))
    law = terminal_law(chain.over(FLOATS, strengths))
    together = (entropy(law), mean_tokens(law)[0], posterior(law, instance.problem))
    for column, strength in enumerate(strengths):
        alone = terminal_law(chain.over(FLOATS, strength))
        values = (entropy(alone), mean_tokens(alone)[0], posterior(alone, instance.problem))
        assert [float(value[column]) for value in together] == pytest.approx(
            [float(value) for value in values], rel=1e-13
        )


@given(instances(), rules, integer_strengths(0))
def test_last_reveal_by_linear_equations(instance: Instance, rule: str, w: Fraction) -> None:
    """``Λ m_k = k m_{k−1} + Σ r m_k``, solved as linear systems over all transient contexts."""
    reference = guided(instance, rule, w)
    kept = sorted(reference.transient, key=reference.index.__getitem__)
    row = {context: j for j, context in enumerate(kept)}
    matrix = flint.fmpq_mat(len(kept), len(kept))
    for context, j in row.items():
        matrix[j, j] = _fmpq(reference.exits[context])
    for (source, target), rate in reference.rates.items():
        if source in row and target in row:
            matrix[row[source], row[target]] = _fmpq(-rate)
    ones = flint.fmpq_mat(len(kept), 1, [1] * len(kept))
    first = matrix.solve(ones)
    second = matrix.solve(first + first)
    mean, square = (Fraction(int(m[0, 0].p), int(m[0, 0].q)) for m in (first, second))
    found = last_reveal(guided_chain(guidance(instance.problem, rule)).over(RATIONAL, w))
    assert (found.mean, found.variance) == (mean, square - mean**2)


def _fmpq(value: Fraction) -> flint.fmpq:
    return flint.fmpq(value.numerator, value.denominator)


def test_last_reveal_with_dead_ends() -> None:
    """Half the mass stops after one reveal: its last reveal is that one."""
    left, right = uniform([(0, 0), (1, 1)]), {(0, 1): Fraction(1, 4), (1, 0): Fraction(1, 4), (1, 1): Fraction(1, 2)}
    chain = guided_chain(guidance(pair(2, 2, left, right).problem).at(Fraction(-1, 2)))
    valued = chain.over(PRECISE, 0)
    with mpmath.workdps(20):
        found = last_reveal(valued)
        survival = expand(valued).survival
        assert abs(found.mean - mpmath.quad(survival, [0, 1, 4, 16, mpmath.inf])) < 1e-12
    lost = float(sum(valued.jump_law()[j] for j in chain.dead))
    assert 0 < lost < 1
    assert float(sum(terminal_law(valued).probabilities)) == pytest.approx(1 - lost, rel=1e-14)


def test_last_reveals_beyond_doubles() -> None:
    """A rate of 1e-160: the mean is 1e160, and the variance 1e320 has no double."""
    tiny = Fraction(1, 10**320)
    slow = pair(2, 1, {(0,): tiny, (1,): 1 - tiny}, {(0,): Fraction(1)})
    chain = lattice(guidance(slow.problem).at(Fraction(-1, 2))).at(0.0)
    found = last_reveal(chain)
    assert (found.mean, found.variance) == (pytest.approx(1e160, rel=1e-12), math.inf)
    rest = last_reveal(lattice(guidance(HARD["squares"].problem), start=(2, 2)).at(1.0))
    assert (rest.mean, rest.variance) == (0.0, 0.0)


def test_a_tilted_law_of_nothing_is_refused() -> None:
    apart = pair(2, 1, uniform([(0,)]), uniform([(1,)]))
    with pytest.raises(DataError, match="the tilted law has no support"):
        tilted_law(guidance(apart.problem).at(Fraction(-1, 2)), [(0,), (1,)], RATIONAL, 0)
    at_zero = tilted_law(guidance(apart.problem).at(Fraction(0)), [(0,), (1,)], RATIONAL, 0)
    assert at_zero.table == {(0,): 1}


# --- arrays with further axes -----------------------------------------------------------------------------------------

_POINTS = ContextArray.of([(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)])
_FUNCTIONALS: dict[str, Callable[[Distribution, Distribution], Any]] = {
    "entropy": lambda p, _: entropy(p),
    "total_variation": total_variation,
    "kl_divergence": kl_divergence,
    "chi_square": chi_square,
    "renyi_divergence": lambda p, q: renyi_divergence(p, q, Fraction(5, 2)),
    "renyi at 1": lambda p, q: renyi_divergence(p, q, 1),
    "expectation": lambda p, _: expectation(p, lambda x: 3 * x[0] + x[1]),
    "expected_masks": lambda p, _: expected_masks(p),
    "mean_tokens": lambda p, _: np.array(mean_tokens(p)),
    "covariance": lambda p, _: np.array(covariance(p)),
}


@pytest.mark.parametrize("name", _FUNCTIONALS)
@given(st.integers(0, 2**32), st.sampled_from([(), (1,), (5,), (3, 2)]), st.booleans(), st.booleans())
def test_further_axes_equal_the_loop_over_them(
    name: str, seed: int, axes: tuple[int, ...], subset: bool, flat: bool
) -> None:
    """Also where the laws list different contexts, where only one has further axes, and where a value is 0."""
    rng, function = np.random.default_rng(seed), _FUNCTIONALS[name]
    left = rng.random((5, *axes))
    left[3] = 0.0
    right = rng.random((5, *(() if flat else axes))) + 0.01
    kept = [0, 2, 4] if subset else list(range(5))
    states = ContextArray(_POINTS.tokens[kept])
    other = _POINTS if not subset else tuple(reversed(list(_POINTS)))
    p = Distribution(states, left[kept] / left[kept].sum(axis=0), FLOATS)
    q = Distribution(other, right / right.sum(axis=0), FLOATS)
    together = function(p, q)
    for index in np.ndindex(axes):
        one = Distribution(tuple(states), tuple(p.column[(slice(None), *index)].tolist()), FLOATS)
        two = Distribution(tuple(other), tuple(q.column[(slice(None), *(() if flat else index))].tolist()), FLOATS)
        alone = function(one, two)
        assert np.asarray(together)[(..., *index)] == pytest.approx(np.asarray(alone), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("name", ["posterior", "reciprocal_posterior"])
def test_posteriors_of_many_laws(name: str) -> None:
    function = {"posterior": posterior, "reciprocal_posterior": reciprocal_posterior}[name]
    problem = HARD["squares"].problem
    states = tuple(HARD["squares"].conditional)
    table = np.random.default_rng(3).random((len(states), 2, 4))
    together = function(Distribution(states, table, FLOATS), problem)
    for index in np.ndindex(2, 4):
        alone = function(Distribution(states, tuple(table[(slice(None), *index)].tolist()), FLOATS), problem)
        assert together[index] == pytest.approx(alone, rel=1e-13)


def test_divergences_from_laws_that_underflow() -> None:
    """Against ``e^{−2000}`` in logarithms: ``KL = ½ ln ½ + ½ (ln ½ + 2000)``; without them it is infinite."""
    states = ContextArray.of([(0,), (1,)])
    left = Distribution(states, np.array([0.5, 0.5]), FLOATS)
    logs = np.array([0.0, -2000.0])
    right = Distribution(ContextArray(states.tokens.copy()), np.exp(logs), FLOATS, logs)
    assert float(kl_divergence(left, right)) == pytest.approx(1000 - math.log(2), rel=1e-15)
    with pytest.raises(InfiniteValueError, match=r"tokens \(1\) are charged by one law and excluded by the other"):
        kl_divergence(left, Distribution(states, np.exp(logs), FLOATS))


def test_errors_name_the_context_whatever_the_axes() -> None:
    states, table = ContextArray.of([(0,), (1,), (2,)]), np.array([[0.5, 0.5], [0.5, 0.25], [0.0, 0.25]])
    left, right = Distribution(states, table, FLOATS), Distribution(states, table[::-1], FLOATS)
    with pytest.raises(InfiniteValueError, match=r"tokens \(0\) are charged"):
        chi_square(left, right)
    masked = Distribution(ContextArray.of([(0, 1), (None, 1)]), table[:2], FLOATS)
    with pytest.raises(DataError, match=r"context \(M, 1\) has masks"):
        mean_tokens(masked)


@settings(max_examples=30)
@given(instances(), rules, integer_strengths(0))
def test_array_chains_have_the_functionals_of_exact_ones(instance: Instance, rule: str, w: Fraction) -> None:
    tilt = guidance(instance.problem, rule)
    found, exact = lattice(tilt), _law(instance, rule, w, PRECISE)
    law, tilted = terminal_law(found.at(float(w))), found.tilted_law(float(w))
    like = tilted_law(tilt, exact.states, PRECISE, w)
    for name in ("entropy", "total_variation", "kl_divergence", "chi_square", "covariance"):
        value, expected = _FUNCTIONALS[name](law, tilted), _FUNCTIONALS[name](exact, like)
        assert np.asarray(value) == pytest.approx(np.asarray(expected, dtype=float), rel=1e-11, abs=1e-13)
