"""Samplers as flows: as steps get small they converge, in the order they should; strengths that change; final steps."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from plain_samplers import enumerate_law, enumerate_step, laws_at, plain_steps, raw
from sampler_cases import ONE_STEP, UNEVEN, charged, law_of
from strategies import HARD, pair

from symguide.answers.samples import sample_answer
from symguide.chains.functionals import Distribution, total_variation
from symguide.errors import InfiniteRatioError, StrengthError, SymguideError
from symguide.flows.flow import Flow, run
from symguide.flows.sampler_flows import exact_segment, final_kernel, sampler_flow
from symguide.flows.samplers import FINALS, SAMPLERS
from symguide.flows.steps import steps_between, uniform_steps, uniform_times
from symguide.instances.datasets import load
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import Problem
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS, RATIONAL
from symguide.schedules.published import cosine, log_linear

WEAKER = pair(
    2,
    2,
    {(0, 0): Fraction(1, 3), (0, 1): Fraction(1, 6), (1, 1): Fraction(1, 2)},
    {(0, 0): Fraction(1, 4), (0, 1): Fraction(1, 4), (1, 0): Fraction(1, 4), (1, 1): Fraction(1, 4)},
)


def exactly(problem: Problem, rule: str, w: Any, fraction: Any) -> Distribution:
    """The law of the guided chain at a mask fraction."""
    return run(Flow((exact_segment(guidance(problem, rule), Fraction(w), fraction, FLOATS),)))


def slope(sampler: str, rule: str, schedule: Any, end: Any, w: Any, counts: tuple[int, int]) -> tuple[float, float]:
    """The order at which the error falls with the number of steps, and the last error."""
    exact, distances = exactly(WEAKER.problem, rule, w, schedule.mask_fraction_at(end)), []
    for count in counts:
        times = [float(time) for time in uniform_times(schedule, count, end)]
        found = run(sampler_flow(WEAKER.problem, sampler, w, steps_between(schedule, times), rule=rule))
        distances.append(float(total_variation(found, exact)))
    if distances[1] < 1e-12:
        return float("inf"), distances[1]
    return float(np.log(distances[0] / distances[1]) / np.log(counts[1] / counts[0])), distances[1]


@pytest.mark.parametrize("schedule", [log_linear(), cosine()], ids=lambda schedule: schedule.name)
@pytest.mark.parametrize("rule", ["rate", "normalised"])
@pytest.mark.parametrize("sampler", ONE_STEP)
def test_first_order_before_the_end(sampler: str, rule: str, schedule: Any) -> None:
    """``joint`` too, against the chain of its rule: its limit is the raw one, unless tokens are normalised first."""
    order, last = slope(sampler, rule, schedule, "1/4", 2, (100, 400))
    assert order == pytest.approx(1, abs=0.02)
    assert last < 0.02


def test_joint_normalisation_does_not_tend_to_the_normalised_rule() -> None:
    steps = uniform_steps(log_linear(), 400, "1/4")
    found = run(sampler_flow(WEAKER.problem, "joint", 2, steps))
    distances = {
        rule: float(total_variation(found, exactly(WEAKER.problem, rule, 2, Fraction(1, 4))))
        for rule in ("rate", "normalised")
    }
    assert distances["rate"] < 0.002
    assert distances["normalised"] > 0.02


@pytest.mark.parametrize("w", ["1", "-1/2"])
def test_order_at_the_end_of_one_token(w: str) -> None:
    """Euler's last step shows whatever is left if ``Z ≥ 1``; else ``1 − Z`` of the ``K^{−Z}`` that it meets stay."""
    problem = load("interval-overlap")
    grids = [uniform_steps(log_linear(), count) for count in (50, 400)]
    left = [float(run(sampler_flow(problem, "euler", w, steps))[(None,)]) for steps in grids]
    pace = 1 / 3 + 2 / 3 * 2 ** float(Fraction(w))
    if pace >= 1:
        assert left == [0.0, 0.0]
    else:
        assert np.log(left[0] / left[1]) / np.log(8) == pytest.approx(pace, abs=0.02)


@pytest.mark.parametrize("sampler", ONE_STEP)
def test_the_end_converges(sampler: str) -> None:
    order, last = slope(sampler, "rate", log_linear(), 0, 1, (100, 400))
    assert order > 0.8
    assert last < 0.02


@pytest.mark.parametrize("rule", ["rate", "normalised"])
@pytest.mark.parametrize("end", ["1/4", 0])
def test_first_hitting_is_exact_whatever_the_grid(rule: str, end: Any) -> None:
    for schedule, count in ((log_linear(), 1), (cosine(), 5)):
        exact = exactly(UNEVEN.problem, rule, 2, schedule.mask_fraction_at(end))
        found = run(sampler_flow(UNEVEN.problem, "first-hitting", 2, uniform_steps(schedule, count, end), rule=rule))
        assert float(total_variation(found, exact)) < 1e-12


def test_first_hitting_without_tables() -> None:
    chain = [[Fraction(2, 3), Fraction(1, 3)], [Fraction(1, 4), Fraction(3, 4)]]
    law = MarkovLaw.of([Fraction(1, 2), Fraction(1, 2)], chain, 3)
    found = run(sampler_flow(Problem(law, law), "first-hitting", 1, uniform_steps(log_linear(), 2)))
    assert found.column.sum() == pytest.approx(1)


def test_a_strength_for_every_step() -> None:
    times = [Fraction(1), Fraction(1, 2), Fraction(1, 4), Fraction(0)]
    found = charged(law_of(UNEVEN, "ancestral", [0, 3, 1], times, RATIONAL))
    plain = plain_steps(times)
    law: Any = {(None,) * 3: 1}
    for w, step in zip((0, 3, 1), plain, strict=True):
        law = enumerate_step(UNEVEN, "ancestral", "normalised", w, law, step, 1)
    assert found == {x: p for x, p in law.items() if p}
    with pytest.raises(SymguideError, match="w lists 2 strengths for 3 steps"):
        law_of(UNEVEN, "ancestral", [0, 3], times)


def test_unconditional_steps_open_contexts_that_conditional_ones_do_not_know() -> None:
    times = [Fraction(1), Fraction(1, 2), Fraction(1, 4), Fraction(0)]
    found = law_of(UNEVEN, "ancestral", [-1, 2, -1], times, RATIONAL)
    assert sum(found.probabilities) == 1
    # These tokens are of the other class only; in between, contexts that lead to them keep their masks.
    assert found[2, 2, 2] > 0
    alone = charged(law_of(UNEVEN, "ancestral", -1, times, RATIONAL))
    swapped = pair(3, 3, UNEVEN.unconditional, UNEVEN.unconditional)
    assert alone == enumerate_law(swapped, "ancestral", "normalised", 0, plain_steps(times))


def test_pairs_that_exclude_tokens_have_negative_strengths() -> None:
    """The denominator law misses ``(1, 1)``: infinite for ``w > 0``, gone for ``w < 0``."""
    singular = pair(2, 2, WEAKER.conditional, {(0, 0): Fraction(1, 2), (0, 1): Fraction(1, 4), (1, 0): Fraction(1, 4)})
    with pytest.raises(InfiniteRatioError):
        law_of(singular, "euler", 1, [1, "1/2"])
    times: list[Any] = [Fraction(1), Fraction(1, 2), Fraction(0)]
    for final in (None, "ancestral", "argmax"):
        law = law_of(singular, "euler", Fraction(-1, 2), times, final=final)
        assert law.column.sum() == pytest.approx(1)
        assert law[1, 1] > 0  # both tokens at once, which the chain never shows
    found = sample_answer(singular.problem, "euler", 300, log_linear(), "-1/2", end="1/4")
    assert found.tv_to_exact_now.value < 0.01
    assert 0 < found.off_support.value < 0.01


@pytest.mark.parametrize("final", FINALS)
def test_final_steps_show_all_masks_at_once(final: str) -> None:
    times = [Fraction(1), Fraction(1, 2)]
    before = law_of(UNEVEN, "ancestral", 2, times, RATIONAL)
    after = law_of(UNEVEN, "ancestral", 2, times, RATIONAL, final=final)
    expected: dict[Any, Any] = {}
    for context, mass in before.table.items():
        masked = [i for i, token in enumerate(context) if token is None]
        stuck = masked and not laws_at(UNEVEN, context, masked[0])[0]
        options: list[dict[Any, Any]] = [{token: 1} for token in context]
        for i in masked if not stuck else ():
            q = raw(UNEVEN, context, i, 0 if final == "unguided" else 2)
            if final == "argmax":
                options[i] = {min(v for v, p in q.items() if p == max(q.values())): 1}
            else:
                options[i] = {v: p / sum(q.values()) for v, p in q.items()}
        chances: dict[Any, Any] = {(): mass}
        for option in options:
            chances = {(*x, v): c * p for x, c in chances.items() for v, p in option.items()}
        for x, c in chances.items():
            expected[x] = expected.get(x, 0) + c
    assert charged(after) == {x: p for x, p in expected.items() if p}
    assert any(None in x for x in charged(after))  # off the support, masks stay


def test_final_steps_at_the_unconditional_strength() -> None:
    law = law_of(UNEVEN, "euler", -1, [Fraction(1), Fraction(1, 2)], RATIONAL, final="ancestral")
    assert sum(law.probabilities) == 1
    assert law[1, 0, 0] > 0


def test_unknown_names_and_strengths_are_refused() -> None:
    problem, steps = load("xor"), uniform_steps(log_linear(), 2)
    with pytest.raises(SymguideError, match="sampler 'leap' is unknown"):
        sampler_flow(problem, "leap", 1, steps)
    with pytest.raises(SymguideError, match="final step 'guess' is unknown"):
        sampler_flow(problem, "euler", 1, steps, final="guess")
    with pytest.raises(SymguideError, match="there are no steps"):
        sampler_flow(problem, "euler", 1, ())
    with pytest.raises(StrengthError):
        sampler_flow(problem, "euler", -2, steps)
    assert set(SAMPLERS) == {
        "ancestral",
        "euler",
        "euler-entrywise",
        "tau-leaping",
        "exponential-jump",
        "joint",
        "first-hitting",
        "confidence",
    }


def test_a_final_step_alone() -> None:
    kernel = final_kernel(load("xor"), guidance(load("xor")), "argmax", Fraction(1), [(None, None)], RATIONAL)
    law = run(Flow((kernel,)))
    assert charged(law) == {(0, 0): 1}
    assert isinstance(law, Distribution)
    assert HARD["xor"].length == 2
