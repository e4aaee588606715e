"""Errors of steps: their two parts add up, and their leading coefficients are the limits of exact laws."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from sampler_cases import ONE_STEP, UNEVEN
from strategies import HARD

from symguide.chains.functionals import Distribution, total_variation
from symguide.errors import ClockError, SymguideError
from symguide.flows.discretisation import DEFECTS, discretisation_error, leading_error
from symguide.flows.flow import run
from symguide.flows.sampler_flows import exact_segment, sampler_flow
from symguide.flows.samplers import SAMPLERS
from symguide.flows.steps import Step, steps_between, uniform_steps
from symguide.flows.updates import Menus
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS, SYMBOLIC
from symguide.schedules.noise_schedule import NoiseSchedule
from symguide.schedules.published import cosine, geometric, log_linear, polynomial


def grid(count: int) -> list[float]:
    """Half of ``count`` uniform steps."""
    return [1 - j / count for j in range(count // 2 + 1)]


@pytest.mark.parametrize("sampler", ONE_STEP)
@pytest.mark.parametrize("rule", ["rate", "normalised"])
def test_the_parts_add_up_to_sampler_minus_chain(rule: str, sampler: str) -> None:
    steps = uniform_steps(log_linear(), 5, "1/3")
    found = discretisation_error(UNEVEN.problem, sampler, 2, steps, rule=rule)
    law = run(sampler_flow(UNEVEN.problem, sampler, 2, steps, rule=rule))
    segment = exact_segment(guidance(UNEVEN.problem, rule), Fraction(2), Fraction(1, 3), FLOATS)
    exact = Distribution(segment.states, segment.push(np.eye(len(segment.states))[0]), FLOATS)
    np.testing.assert_allclose(found.total, [law[x] - exact[x] for x in found.states], atol=1e-14)
    assert found.distance(found.total) == pytest.approx(float(total_variation(law, exact)), abs=1e-14)
    assert abs(found.parallel.sum()) < 1e-13
    assert abs(found.rates.sum()) < 1e-13


@pytest.mark.parametrize("sampler", ONE_STEP)
def test_one_position_has_no_parallel_error(sampler: str) -> None:
    steps = uniform_steps(log_linear(), 5, "1/3")
    found = discretisation_error(HARD["one token"].problem, sampler, 2, steps, rule="rate")
    assert np.abs(found.parallel).max() < 1e-15
    assert np.abs(found.rates).max() > 1e-3 or sampler == "ancestral"


@pytest.mark.parametrize("schedule", [log_linear(), cosine(), polynomial(3), geometric()], ids=lambda x: x.name)
@pytest.mark.parametrize("sampler", ONE_STEP)
def test_leading_errors_are_limits_of_exact_laws(sampler: str, schedule: NoiseSchedule) -> None:
    """``K (P_K − P)`` at ``K``, ``2K`` and ``4K``, extrapolated twice."""
    found = leading_error(UNEVEN.problem, sampler, 1, schedule, "1/2", "rate")
    counts = (200, 400, 800)
    seen = [
        discretisation_error(UNEVEN.problem, sampler, 1, steps_between(schedule, grid(count)), rule="rate")
        for count in counts
    ]
    for part in ("parallel", "rates"):
        a, b, c = (count * getattr(error, part) for count, error in zip(counts, seen, strict=True))
        limit = (4 * (2 * c - b) - (2 * b - a)) / 3
        # Steep hazards leave more of the higher orders.
        np.testing.assert_allclose(getattr(found, part), limit, atol=2e-3 if schedule.name == "geometric" else 1e-4)
        assert np.abs(getattr(found, part)).max() > 1e-3 or part == "rates"


def test_leading_error_of_one_token_in_closed_form() -> None:
    """``Π (1 − Z/n)`` against ``Π (1 − 1/n)^Z``: logarithms differ by ``(Z − Z²)/2`` times ``Σ 1/n²``, which is about
    ``(1/u − 1)/K``.
    """
    pace, u = 5 / 3, 0.5
    found = leading_error(load("interval-overlap"), "euler", 1, log_linear(), "1/2")
    mask = found.states.index((None,))
    expected = u**pace * (pace - pace**2) / 2 * (1 / u - 1)
    assert found.rates[mask] == pytest.approx(expected, rel=1e-8)
    freezing = leading_error(load("interval-overlap"), "tau-leaping", 1, log_linear(), "1/2")
    assert freezing.rates[mask] == pytest.approx(u**pace * (pace + pace**2) / 2 * (1 / u - 1), rel=1e-8)


@pytest.mark.parametrize("sampler", DEFECTS)
def test_defects_are_the_second_order_of_the_laws(sampler: str) -> None:
    """From the one-step laws themselves, over a schedule ``β = b + b' (t − t_0)``, by symbols."""
    h, b, turn, first, second, free = sympy.symbols("h b turn r_1 r_2 f", positive=True)
    pace = first + second
    clock = b * h - turn * h**2 / 2
    step = Step(sympy.Integer(1), 1 - h, b * h, sympy.exp(-clock))
    rates = np.array([[first, second]], dtype=object)
    menus = Menus(rates, rates / pace, np.array([[pace]], dtype=object), np.array([[True]]), SYMBOLIC)
    proposals = np.array([[free, 1 - free]], dtype=object)
    law = SAMPLERS[sampler].law
    assert law is not None
    shown: Any = law(menus, step, proposals)[0][0, 0]
    # Below the clamp.
    shown = shown.replace(sympy.Min, lambda *args: next(x for x in args if x != 1))
    exact = first / pace * (1 - sympy.exp(-pace * clock))
    series = sympy.series(shown - exact, h, 0, 3).removeO()
    values = {b: 2, turn: sympy.Rational(1, 3), first: sympy.Rational(1, 2), second: 3, free: sympy.Rational(1, 5)}
    still, turning = DEFECTS[sampler](
        Menus(np.array([[0.5, 3.0]]), np.array([[1 / 7, 6 / 7]]), np.array([[3.5]]), np.array([[True]]), FLOATS),
        np.array([[0.2, 0.8]]),
    )
    expected = still[0, 0] * 4 + turning[0, 0] / 3
    assert float(series.coeff(h, 2).subs(values)) == pytest.approx(expected, abs=1e-12)
    assert sympy.simplify(series.coeff(h, 1)) == 0


def test_what_has_no_first_order_is_refused() -> None:
    problem = load("xor")
    for sampler in ("confidence", "first-hitting"):
        with pytest.raises(SymguideError, match="has no one-step law"):
            leading_error(problem, sampler, 1, log_linear(), "1/2")
        with pytest.raises(SymguideError, match="has no one-step law"):
            discretisation_error(problem, sampler, 1, uniform_steps(log_linear(), 2))
    for time in (0, 1, 2, -1):
        with pytest.raises(ClockError, match="read the law there"):
            leading_error(problem, "euler", 1, log_linear(), time)
    time = sympy.Symbol("t", positive=True)
    steep = NoiseSchedule.from_alpha(sympy.sqrt(1 - time) / 2, 1)
    with pytest.raises(ClockError, match="infinite at the start"):
        leading_error(problem, "euler", 1, steep, "1/2")
    with pytest.raises(SymguideError, match="use a smaller w"):
        leading_error(problem, "euler", 40, log_linear(), "1/2")
