"""Laws before values: what must hold for every instance, strength, rule and start."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, permutations
from math import comb
from typing import Any

import flint
import mpmath
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from laws.second_route import agree, ball, conditional
from strategies import (
    HARD,
    RULE_NAMES,
    Instance,
    Table,
    instances,
    integer_strengths,
    mask_fractions,
    mixtures,
    pair,
    real_strengths,
    starts,
)

from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import (
    Distribution,
    expected_masks,
    last_reveal,
    law_distribution,
    renyi_divergence,
    terminal_law,
    tilted_law,
    total_variation,
)
from symguide.closed_forms.compiled import compile_solution
from symguide.closed_forms.solution import solve
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, PRECISE, RATIONAL
from symguide.symbols import s

rules = st.sampled_from(RULE_NAMES)


def _at(instance: Instance, rule: str, w: Fraction, u: Fraction, start: Any = None) -> Distribution:
    """The law at ``u`` in balls, from the sum over reveal paths."""
    tilt = guidance(instance.problem, rule)
    chain = guided_chain(tilt.at(w) if w == -1 else tilt, start).over(BALLS, w)
    return Distribution(chain.states, tuple(expand(chain).probabilities(-ball(u).log())), BALLS)


def _marginal(table: Table, context: tuple[int | None, ...]) -> Fraction:
    shown = {i: token for i, token in enumerate(context) if token is not None}
    return sum((p for x, p in table.items() if all(x[i] == v for i, v in shown.items())), Fraction(0))


@given(instances(), rules, real_strengths(), mask_fractions(), st.data())
def test_mass_is_one_and_every_reached_context_is_charged(
    instance: Instance, rule: str, w: Fraction, u: Fraction, data: st.DataObject
) -> None:
    with flint.ctx.workprec(500):
        law = _at(instance, rule, w, u, data.draw(starts(instance)))
        assert agree(sum(law.probabilities, start=flint.arb(0)), flint.arb(1))
        assert all(p > 0 for p in law.probabilities)


@given(instances(), rules, integer_strengths())
def test_terminal_mass_is_one_exactly(instance: Instance, rule: str, w: Fraction) -> None:
    tilt = guidance(instance.problem, rule)
    law = terminal_law(guided_chain(tilt.at(w) if w == -1 else tilt).over(RATIONAL, w))
    assert sum(law.probabilities) == 1
    assert min(law.probabilities) > 0


@given(instances(), rules, mask_fractions())
def test_without_guidance_positions_are_revealed_independently(instance: Instance, rule: str, u: Fraction) -> None:
    """``P_x(u) = (1−u)^{|S|} u^{D−|S|} p(x_S|z)`` at ``w = 0``, the same with ``p(x_S)`` at −1; then the data."""
    for w, table in ((Fraction(0), instance.conditional), (Fraction(-1), instance.unconditional)):
        with flint.ctx.workprec(500):
            law = _at(instance, rule, w, u)
            for context, value in law.table.items():
                masks = context.count(None)
                expected = (1 - u) ** (instance.length - masks) * u**masks * _marginal(table, context)
                assert agree(value, ball(expected)), context
        tilt = guidance(instance.problem, rule)
        chain = guided_chain(tilt.at(w) if w == -1 else tilt).over(RATIONAL, w)
        assert terminal_law(chain).table == table


def _relabelled(instance: Instance, change: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Instance:
    tables = [{change(x): p for x, p in table.items()} for table in (instance.conditional, instance.unconditional)]
    return pair(instance.vocabulary, instance.length, *tables)


@given(instances(), rules, integer_strengths(0), mask_fractions(), st.data())
def test_names_of_tokens_and_order_of_positions_do_not_matter(
    instance: Instance, rule: str, w: Fraction, u: Fraction, data: st.DataObject
) -> None:
    tokens = data.draw(st.permutations(range(instance.vocabulary)))
    places = data.draw(st.permutations(range(instance.length)))

    def change(context: tuple[Any, ...]) -> tuple[Any, ...]:
        renamed = [None if token is None else tokens[token] for token in context]
        return tuple(renamed[place] for place in places)

    other = _relabelled(instance, change)
    chains = [guided_chain(guidance(case.problem, rule)).over(RATIONAL, w) for case in (instance, other)]
    first, second = (terminal_law(chain) for chain in chains)
    assert {change(x): p for x, p in first.table.items()} == second.table
    with flint.ctx.workprec(500):
        before, after = _at(instance, rule, w, u), _at(other, rule, w, u)
        assert all(agree(p, after[change(x)]) for x, p in before.table.items())


@given(mixtures(max_length=1), rules, integer_strengths(0), mask_fractions())
def test_one_token_samples_the_tilted_law(instance: Instance, rule: str, w: Fraction, u: Fraction) -> None:
    tilt = guidance(instance.problem, rule)
    chain = guided_chain(tilt).over(RATIONAL, w)
    law = terminal_law(chain)
    assert law.table == tilted_law(tilt, law.states, RATIONAL, w).table
    weights = {x: p ** int(1 + w) / instance.unconditional[x] ** int(w) for x, p in instance.conditional.items()}
    whole = sum(weights.values())
    assert law.table == {x: weight / whole for x, weight in weights.items()}
    rate = whole if rule == "rate" else Fraction(1)
    with flint.ctx.workprec(500):
        assert agree(_at(instance, rule, w, u)[(None,)], ball(u) ** ball(rate))


@given(mixtures(max_length=1), st.integers(1, 6))
def test_position_rate_is_an_exponential_of_the_renyi_divergence(instance: Instance, w: int) -> None:
    """``Z = exp(w D_{1+w}(p(·|z) ‖ p))``."""
    rate = guided_chain(guidance(instance.problem)).over(RATIONAL, w).exit_rates[0]
    with flint.ctx.workprec(300):
        laws = [law_distribution(law, BALLS) for law in (instance.problem.conditional, instance.problem.unconditional)]
        assert agree((w * renyi_divergence(laws[0], laws[1], w + 1)).exp(), ball(rate))


@given(instances(), real_strengths(), mask_fractions())
def test_normalised_rule_reveals_at_the_unguided_pace(instance: Instance, w: Fraction, u: Fraction) -> None:
    with flint.ctx.workprec(500):
        law = _at(instance, "normalised", w, u)
        for shown in range(instance.length + 1):
            mass = sum((p for x, p in law.table.items() if x.count(None) == instance.length - shown), flint.arb(0))
            expected = comb(instance.length, shown) * (1 - u) ** shown * u ** (instance.length - shown)
            assert agree(mass, ball(expected))
        assert agree(expected_masks(law), ball(instance.length * u))


@given(instances(), real_strengths(), mask_fractions())
def test_domination_by_the_unguided_curve(instance: Instance, w: Fraction, u: Fraction) -> None:
    """``TV(u) ≤ 1 − (1−u)^D`` for ``w ≥ 0``, and ``≥`` for ``−1 < w ≤ 0``, with equality at 0."""
    with flint.ctx.workprec(500):
        chain = guided_chain(guidance(instance.problem)).over(BALLS, w)
        tv = expand(chain).survival(-ball(u).log())
        gap = tv - (1 - ball(1 - u) ** instance.length)
        # A ball of width 1e-140 decides all but equality.
        assert gap <= flint.arb("1e-100") if w >= 0 else gap >= -flint.arb("1e-100")


@given(instances(), real_strengths())
def test_position_rates_pass_one_with_guidance(instance: Instance, w: Fraction) -> None:
    """``Z_i(x_S) ≥ 1`` for ``w ≥ 0`` and ``≤ 1`` for ``−1 ≤ w ≤ 0``; equality where the two laws agree there."""
    tilt = guidance(instance.problem)
    chain = guided_chain(tilt)
    with flint.ctx.workprec(300):
        for context in (chain.states[j] for j in chain.transient):
            for position in (i for i, token in enumerate(context) if token is None):
                laws = [conditional(t, context, position) for t in (instance.conditional, instance.unconditional)]
                z = sum((q.at(BALLS, w) for q in tilt.intensities(context, position).values()), flint.arb(0))
                if laws[0] == laws[1] or w == 0:
                    assert agree(z, flint.arb(1))
                else:
                    assert z > 1 if w > 0 else z < 1


@given(mixtures(), integer_strengths(0))
def test_drift_of_the_reciprocal_posterior(instance: Instance, w: Fraction) -> None:
    """Along the raw chain ``1/p(z|x_S)`` drifts by ``Σ_i (Z_i^{(w−1)} − Z_i^{(w)}) / p(z|x_S)``."""
    tilt = guidance(instance.problem)
    chain = guided_chain(tilt).over(RATIONAL, w)

    def reciprocal(context: tuple[int | None, ...]) -> Fraction:
        assert instance.prior is not None
        joint = instance.prior * _marginal(instance.conditional, context)
        return _marginal(instance.unconditional, context) / joint

    drift: dict[int, Fraction] = dict.fromkeys(chain.transient, Fraction(0))
    for target, reveals in zip(chain.states, chain.incoming, strict=True):
        for reveal in reveals:
            drift[reveal.source] += reveal.rate * (reciprocal(target) - reciprocal(chain.states[reveal.source]))
    for state, found in drift.items():
        context = chain.states[state]
        expected = Fraction(0)
        for position in (i for i, token in enumerate(context) if token is None):
            p = conditional(instance.conditional, context, position)
            q = conditional(instance.unconditional, context, position)
            expected += sum(
                (p[v] * (p[v] / q[v]) ** int(w - 1) - p[v] * (p[v] / q[v]) ** int(w) for v in p), Fraction(0)
            )
        assert found == expected * reciprocal(context)


@given(instances(), rules, real_strengths(), mask_fractions(), mask_fractions(), st.data())
def test_tv_is_the_survival_function_of_the_last_reveal(
    instance: Instance, rule: str, w: Fraction, u: Fraction, later: Fraction, data: st.DataObject
) -> None:
    """``TV(P(u), P(0)) = ½ Σ_x |P_x(u) − P_x(0)| = 1 − P(terminal)``, decreasing along the way."""
    start = data.draw(starts(instance))
    assume(later < u)
    with flint.ctx.workprec(500):
        chain = guided_chain(guidance(instance.problem, rule), start).over(BALLS, w)
        expansion = expand(chain)
        tv, then = (expansion.survival(-ball(value).log()) for value in (u, later))
        now = Distribution(chain.states, tuple(expansion.probabilities(-ball(u).log())), BALLS)
        assert agree(total_variation(now, terminal_law(chain)) + 1, tv + 1)
        assert agree(1 - sum((now[chain.states[j]] for j in chain.terminal), flint.arb(0)) + 1, tv + 1)
        assert then < tv < 1 if None in start else tv == then == 0


@settings(max_examples=40)
@given(instances(), rules, st.fractions(Fraction(-1, 2), 3, max_denominator=4), mask_fractions())
def test_masks_leave_at_the_exit_rate(instance: Instance, rule: str, w: Fraction, u: Fraction) -> None:
    """``d/ds E[masks] = −Σ_x Λ(x) P_x``, from the derivative of the closed forms."""
    solution = solve(guided_chain(guidance(instance.problem, rule)))
    chain = solution.named.chain
    masks = expected_masks(solution.distribution).diff(s)
    flow = sum(chain.exit_rate(j) * solution.probabilities[j] for j in chain.transient)
    with flint.ctx.workprec(500):
        left, right = compile_solution(solution, [masks, -flow], target="balls")(ball(w), ball(u))
        assert agree(left, right)


@settings(max_examples=8)
@given(instances(), rules, st.fractions(Fraction(-1, 2), 3, max_denominator=4))
def test_moments_of_the_last_reveal_integrate_its_survival(instance: Instance, rule: str, w: Fraction) -> None:
    """``E[S] = ∫ TV ds`` and ``E[S²] = 2 ∫ s TV ds``."""
    with mpmath.workdps(15):
        chain = guided_chain(guidance(instance.problem, rule)).over(PRECISE, w)
        survival = expand(chain).survival
        slowest = min(chain.exit_rate(j) for j in chain.transient)
        pieces = [0, *(2**k / slowest for k in range(-4, 7)), mpmath.inf]
        mean = mpmath.quad(survival, pieces)
        square = mpmath.quad(lambda clock: 2 * clock * survival(clock), pieces)
        found = last_reveal(chain)
        assert abs(found.mean / mean - 1) < 1e-10
        assert abs((found.variance + found.mean**2) / square - 1) < 1e-10


@pytest.mark.parametrize("name", HARD)
def test_normalised_rule_ends_like_the_last_of_independent_clocks(name: str) -> None:
    instance = HARD[name]
    found = last_reveal(guided_chain(guidance(instance.problem, "normalised")).over(RATIONAL, 3))
    assert found.mean == sum(Fraction(1, k) for k in range(1, instance.length + 1))
    assert found.variance == sum(Fraction(1, k * k) for k in range(1, instance.length + 1))


@pytest.mark.parametrize("name", ["single class", "identical classes", "one symbol"])
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_guidance_does_nothing_where_the_classes_agree(name: str, rule: str) -> None:
    instance = HARD[name]
    chain = guided_chain(guidance(instance.problem, rule))
    assert all(rate.is_constant for rate in chain.exit_rates)
    assert all(terminal_law(chain.over(RATIONAL, w)).table == instance.conditional for w in (0, 1, 7))


@given(mixtures(), integer_strengths(0))
def test_both_rules_agree_where_the_order_does_not_matter(instance: Instance, w: Fraction) -> None:
    """The jump chains choose one position by ``Z_i / Σ Z_i`` and by ``1/n``; for one masked position they are equal."""
    chains = {rule: guided_chain(guidance(instance.problem, rule)).over(RATIONAL, w) for rule in RULE_NAMES}
    raw, normalised = chains["rate"], chains["normalised"]
    assert raw.states == normalised.states
    for one, other in zip(raw.incoming, normalised.incoming, strict=True):
        for left, right in zip(one, other, strict=True):
            if raw.states[left.source].count(None) == 1:
                assert left.rate / raw.exit_rate(left.source) == right.rate / normalised.exit_rate(right.source)


@given(mixtures(max_length=2), rules, integer_strengths(0))
def test_normalised_terminal_law_averages_over_orders(instance: Instance, rule: str, w: Fraction) -> None:
    """Reveal orders are uniform under the normalised rule: ``h(x) = Σ_orders Π q/Z / D!``."""
    tilt = guidance(instance.problem, "normalised")
    chain = guided_chain(tilt).over(RATIONAL, w)
    orders = list(permutations(range(instance.length)))
    for tokens, value in terminal_law(chain).table.items():
        total = Fraction(0)
        for order in orders:
            context: list[int | None] = [None] * instance.length
            weight = Fraction(1, len(orders))
            for position in order:
                raw = {v: q.at(RATIONAL, w) for v, q in tilt.intensities(tuple(context), position).items()}
                weight *= raw.get(tokens[position], Fraction(0)) / sum(raw.values())
                context[position] = tokens[position]
                if weight == 0:
                    break
            total += weight
        assert value == total


def test_no_test_of_laws_is_vacuous() -> None:
    """The hard instances cover what the laws speak of."""
    exits = {name: guided_chain(guidance(instance.problem)) for name, instance in HARD.items()}
    assert {instance.length for instance in HARD.values()} == {1, 2, 3}
    assert any(not chain.includes_unconditional for chain in exits.values())
    assert any(instance.prior is None for instance in HARD.values())
    near = sorted(float(rate) for rate in exits["gaps of 1e-20"].over(RATIONAL, 2).exit_rates)
    exact = sorted(exits["gaps of 1e-20"].over(RATIONAL, 2).exit_rates)
    gaps = [b - a for a, b in pairwise(exact)]
    assert 0 < min(gaps) < Fraction(1, 10**19)
    assert len(set(near)) < len(set(exact))
    tied = exits["a tie at w = 1"]
    assert len(set(tied.over(RATIONAL, 1).exit_rates)) < len(tied.exit_rates)
    assert exits["xor"].over(RATIONAL, 5).exit_rates[0] == 2
