"""One-step laws against their published rules: enumerated from joint tables, and simulated as the public code draws."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import flint
import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_samplers import enumerate_law, plain_steps, simulate
from sampler_cases import ONE_STEP, UNEVEN, charged, law_of
from scipy.stats import chi2
from strategies import HARD, Instance, instances

from symguide.errors import ClockError, NotExactError, StrengthError, SymguideError
from symguide.flows.flow import Flow, run
from symguide.flows.samplers import SAMPLERS, argmax, step_kernel
from symguide.flows.steps import Step
from symguide.flows.updates import parallel_updates
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLINT, FLOATS, PRECISE, RATIONAL, SYMBOLIC

RULES = ("rate", "normalised")
TIMES = [Fraction(time) for time in ("1", "3/4", "2/3", "1/3", "1/6")]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sampler", [*ONE_STEP, "confidence"])
@settings(max_examples=8)
@given(instance=instances(), w=st.integers(0, 3), last=st.sampled_from([Fraction(0), Fraction(1, 6)]))
def test_every_sampler_is_its_rule_enumerated(
    sampler: str, rule: str, instance: Instance, w: int, last: Fraction
) -> None:
    times = [Fraction(1), Fraction(2, 3), Fraction(1, 2), last]
    found = charged(law_of(instance, sampler, w, times, rule=rule))
    # Fractions to fractional powers are floats of their own; the others stay exact.
    expected = enumerate_law(instance, sampler, rule, w, plain_steps(times))
    for context in found.keys() | expected.keys():
        assert found.get(context, 0) == pytest.approx(float(expected.get(context, 0)), rel=1e-11, abs=1e-14), context


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sampler", ["euler", "euler-entrywise", "joint", "confidence"])
@pytest.mark.parametrize("arithmetic", [RATIONAL, FLINT], ids=lambda field: field.name)
@pytest.mark.parametrize("name", ["uneven", "squares", "slower sampling", "one token", "exact ties"])
def test_rational_laws_are_exact(name: str, arithmetic: Any, sampler: str, rule: str) -> None:
    instance = HARD.get(name, UNEVEN)
    found = charged(law_of(instance, sampler, 2, [*TIMES, 0], arithmetic, rule=rule))
    expected = enumerate_law(instance, sampler, rule, 2, plain_steps([*TIMES, Fraction(0)]))
    assert {x: Fraction(int(p.p), int(p.q)) if arithmetic is FLINT else p for x, p in found.items()} == expected
    assert sum(expected.values()) == 1


def test_normalised_ancestral_is_exact_in_rationals() -> None:
    found = charged(law_of(UNEVEN, "ancestral", 2, [*TIMES, 0], RATIONAL))
    assert found == enumerate_law(UNEVEN, "ancestral", "normalised", 2, plain_steps([*TIMES, Fraction(0)]))
    with pytest.raises(NotExactError, match="irrational"):
        law_of(UNEVEN, "ancestral", 2, [1, "1/2"], RATIONAL, rule="rate")
    with pytest.raises(NotExactError):
        law_of(UNEVEN, "tau-leaping", 2, [1, "1/2"], FLINT)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sampler", [*ONE_STEP, "confidence"])
def test_arithmetics_agree(sampler: str, rule: str) -> None:
    w = Fraction(3, 2)
    doubles = law_of(UNEVEN, sampler, w, TIMES, rule=rule)
    with mpmath.workdps(30), flint.ctx.workdps(30):
        precise = law_of(UNEVEN, sampler, w, TIMES, PRECISE, rule=rule)
        balls = law_of(UNEVEN, sampler, w, TIMES, BALLS, rule=rule)
        for context, probability in zip(doubles.states, doubles.probabilities, strict=True):
            assert abs(float(precise[context]) - probability) < 1e-14
            assert balls[context].overlaps(flint.arb(str(precise[context]), 1e-25))
            assert balls[context].rad() < 1e-25
    symbolic = law_of(UNEVEN, sampler, w, TIMES[:2], SYMBOLIC, rule=rule)
    early = law_of(UNEVEN, sampler, w, TIMES[:2], rule=rule)
    for context, probability in zip(early.states, early.probabilities, strict=True):
        assert abs(float(sympy.N(symbolic[context], 20)) - probability) < 1e-14


def test_an_open_strength_stays_open() -> None:
    w = sympy.Symbol("w", real=True)
    law = law_of(HARD["one token"], "tau-leaping", w, TIMES[:3], SYMBOLIC)
    doubles = law_of(HARD["one token"], "tau-leaping", 2, TIMES[:3])
    for context, probability in zip(doubles.states, doubles.probabilities, strict=True):
        assert float(sympy.N(law[context].subs(w, 2))) == pytest.approx(probability, rel=1e-13)
    with pytest.raises(StrengthError, match="give a number"):
        law_of(HARD["one token"], "confidence", w, TIMES[:3], SYMBOLIC)


# --- simulation -------------------------------------------------------------------------------------------------------

RUNS = 20_000


def surprise(counts: Mapping[Any, int], law: Mapping[Any, float], runs: int) -> float:
    """The p-value of Pearson's chi-square, contexts expected fewer than eight times taken together."""
    if any(law.get(x, 0.0) <= 0 for x in counts):
        return 0.0  # a context came up that has no probability
    pairs = [(counts.get(x, 0), runs * p) for x, p in law.items() if p > 0]
    rare = [pair for pair in pairs if pair[1] < 8]
    groups = [pair for pair in pairs if pair[1] >= 8]
    if rare:
        groups.append((sum(n for n, _ in rare), sum(e for _, e in rare)))
    statistic = sum((n - e) ** 2 / e for n, e in groups)
    return float(chi2.sf(statistic, max(len(groups) - 1, 1))) if len(groups) > 1 else 1.0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("name", "w"), [("uneven", 1.5), ("squares", 1.0), ("slower sampling", 3.0)])
def test_simulation_of_the_public_rule(name: str, w: float, sampler: str, rule: str) -> None:
    instance, times = HARD.get(name, UNEVEN), [Fraction(1), Fraction(3, 4), Fraction(1, 2), Fraction(1, 4)]
    runs = RUNS // 4 if sampler == "first-hitting" else RUNS
    counts = simulate(instance, sampler, rule, w, plain_steps(times), runs, np.random.default_rng(20))
    law = charged(law_of(instance, sampler, Fraction(w), times, rule=rule))
    assert surprise(counts, law, runs) > 1e-3
    assert sum(counts.values()) == runs


def test_the_chi_square_sees_a_wrong_rule() -> None:
    times = [Fraction(1), Fraction(3, 4), Fraction(1, 2), Fraction(1, 4)]
    counts = simulate(UNEVEN, "tau-leaping", "rate", 1.5, plain_steps(times), RUNS, np.random.default_rng(1))
    assert surprise(counts, charged(law_of(UNEVEN, "euler", Fraction(3, 2), times)), RUNS) < 1e-6
    counts = simulate(UNEVEN, "ancestral", "rate", 1.5, plain_steps(times), RUNS, np.random.default_rng(1))
    assert surprise(counts, charged(law_of(UNEVEN, "ancestral", Fraction(3, 2), times)), RUNS) < 1e-6


# --- what the laws say ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("w", [Fraction(-1, 2), Fraction(1), Fraction(7, 2)])
def test_raw_ancestral_is_exact_for_one_position(w: Fraction, steps: int) -> None:
    times = [1 - Fraction(j, 2 * steps) for j in range(steps + 1)]
    law = law_of(HARD["one token"], "ancestral", w, times, rule="rate")
    exact = law_of(HARD["one token"], "first-hitting", w, [1, "1/2"], rule="rate")
    for context, probability in zip(exact.states, exact.probabilities, strict=True):
        assert law[context] == pytest.approx(float(probability), rel=1e-13)


@pytest.mark.parametrize("sampler", ONE_STEP)
@settings(max_examples=10)
@given(instance=instances(), w=st.sampled_from([0.0, 0.5, 7.0, 60.0, 900.0]))
def test_mass_stays_one_and_nothing_is_negative(sampler: str, instance: Instance, w: float) -> None:
    law = law_of(instance, sampler, w, [1, "1/2", "1/3", 0])
    assert np.isfinite(law.column).all()
    assert (law.column >= 0).all()
    assert law.column.sum() == pytest.approx(1, abs=1e-13)


def test_joint_normalisation_of_the_normalised_rule_is_ancestral() -> None:
    joint = law_of(UNEVEN, "joint", 2, [*TIMES, 0], RATIONAL, rule="normalised")
    assert charged(joint) == charged(law_of(UNEVEN, "ancestral", 2, [*TIMES, 0], RATIONAL))


def test_euler_is_ancestral_for_the_normalised_rule_and_hazard_one_over_t() -> None:
    euler = law_of(UNEVEN, "euler", 2, [*TIMES, 0], RATIONAL, rule="normalised")
    assert charged(euler) == charged(law_of(UNEVEN, "ancestral", 2, [*TIMES, 0], RATIONAL))


def test_the_entrywise_clamp_flattens_and_the_other_does_not() -> None:
    updates = parallel_updates(guidance(HARD["slower sampling"].problem))
    menus = updates.menus(RATIONAL, Fraction(6))
    wide = Step(Fraction(1), Fraction(0), Fraction(10**6), Fraction(0))
    flat = step_kernel("euler-entrywise", updates, menus, wide).chances[: menus.rates.size].reshape(menus.rates.shape)
    sharp = step_kernel("euler", updates, menus, wide).chances[: menus.rates.size].reshape(menus.rates.shape)
    start = int(np.flatnonzero(updates.contexts == 0)[0])
    assert flat[start].tolist() == [Fraction(1, 2)] * 2
    assert sharp[start].tolist() == menus.shares[start].tolist() != flat[start].tolist()


def test_a_frozen_position_stays_masked() -> None:
    law = law_of(HARD["one token"], "tau-leaping", 20.0, [1, "1/2", "1/3"])
    assert law[(None,)] == pytest.approx(1, abs=1e-12)


def test_argmax_takes_the_first_of_equals() -> None:
    updates = parallel_updates(guidance(HARD["exact ties"].problem))
    shown = argmax(updates, Fraction(1), FLOATS)
    assert (shown.sum(axis=1) == 1).all()
    assert shown[int(np.flatnonzero(updates.contexts == 0)[0])].tolist() == [1.0, 0.0]


def test_bad_steps_are_refused() -> None:
    updates = parallel_updates(guidance(HARD["one token"].problem))
    menus = updates.menus(FLOATS, 1.0)
    steep = Step(1.0, 0.5, float("inf"), 0.5)
    for name in ("euler", "euler-entrywise", "tau-leaping"):
        with pytest.raises(ClockError, match="hazard is infinite at t = 1"):
            step_kernel(name, updates, menus, steep)
    assert run(Flow((step_kernel("ancestral", updates, menus, steep),))).column.sum() == pytest.approx(1)
    with pytest.raises(SymguideError, match="'confidence' has no one-step law"):
        step_kernel("confidence", updates, menus, steep)
    with pytest.raises(SymguideError, match="give proposals"):
        step_kernel("exponential-jump", updates, menus, Step(1.0, 0.5, 0.5, 0.5))
