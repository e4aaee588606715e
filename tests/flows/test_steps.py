"""Grids of times, exactly and in doubles."""

from fractions import Fraction

import numpy as np
import pytest
import sympy

from symguide.errors import ClockError
from symguide.flows.steps import steps_between, uniform_steps, uniform_times
from symguide.schedules.noise_schedule import NoiseSchedule
from symguide.schedules.published import SCHEDULES, constant, linear, log_linear


@pytest.mark.parametrize("name", SCHEDULES)
def test_exact_steps_and_doubles_agree(name: str) -> None:
    schedule = SCHEDULES[name].build()
    exact = uniform_steps(schedule, 7, "1/100")
    doubles = steps_between(schedule, [float(time) for time in uniform_times(schedule, 7, "1/100")])
    for left, right in zip(exact, doubles, strict=True):
        assert float(left.pace) == pytest.approx(right.pace, rel=1e-12)
        assert float(left.survival) == pytest.approx(right.survival, rel=1e-12)
    survival = np.prod([step.survival for step in doubles])
    assert survival == pytest.approx(float(schedule.mask_fraction_at(Fraction(1, 100))), rel=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_frozen_hazard_is_the_slope_of_the_clock(name: str) -> None:
    """``h β(t) = −ln(u'/u) + O(h²)``, by a step so small that only the first order counts."""
    schedule = SCHEDULES[name].build()
    time = float(schedule.horizon) / 3
    (step,) = steps_between(schedule, [time, time - 1e-6])
    assert step.pace == pytest.approx(-np.log(step.survival), rel=1e-4)


def test_uniform_grids_end_where_they_should() -> None:
    assert uniform_times(linear(3), 3) == (3, 2, 1, 0)
    assert [step.survival for step in uniform_steps(log_linear(), 2)] == [Fraction(1, 2), 0]


@pytest.mark.parametrize("count", [0, -1, True, "3", 2.5])
def test_what_counts_no_steps_is_refused(count: object) -> None:
    with pytest.raises(ClockError, match="give at least 1"):
        uniform_times(log_linear(), count)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("end", [1, "3/2", -1, "-1/10"])
def test_ends_outside_are_refused(end: object) -> None:
    with pytest.raises(ClockError, match="outside"):
        uniform_times(log_linear(), 3, end)


def test_grids_that_do_not_run_down_are_refused() -> None:
    for times in ([1, "1/2", "1/2"], [1, "1/2", "3/4"], [0.5, 1.0], [1.0, float("nan")]):
        with pytest.raises(ClockError):
            steps_between(log_linear(), times)
    with pytest.raises(ClockError, match="make no step"):
        steps_between(log_linear(), [1])
    with pytest.raises(ClockError, match="runs on"):
        steps_between(log_linear(), [2, 1])
    with pytest.raises(ClockError, match="infinite horizon"):
        uniform_times(constant("oo"), 3)


def test_an_infinite_hazard_is_told() -> None:
    time = sympy.Symbol("t", positive=True)
    steep = NoiseSchedule.from_alpha(sympy.sqrt(1 - time) / 2, 1)
    first, second = uniform_steps(steep, 2, "1/10")
    assert not first.has_finite_hazard
    assert second.has_finite_hazard
    assert not steps_between(steep, [1.0, 0.5])[0].has_finite_hazard
