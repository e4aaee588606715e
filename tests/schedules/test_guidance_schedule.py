"""Guidance schedules: shapes, means, refinement, windows that are none."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from published_shapes import PUBLISHED

from symguide.errors import StrengthError
from symguide.schedules.guidance_schedule import SHAPES, GuidanceSchedule
from symguide.schedules.guidance_spec import parse_guidance_schedule
from symguide.symbols import symbol, u


def test_every_shape_is_compared_with_the_published_one() -> None:
    assert set(PUBLISHED) == set(SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    schedule = GuidanceSchedule.named(name, 3)
    grid = np.linspace(1, 0, 41)
    values = [float(schedule.at(Fraction(point))) for point in grid]
    assert values == pytest.approx([3 * PUBLISHED[name](point) for point in grid], abs=1e-12)
    assert max(values) == pytest.approx(3)
    middles = (np.arange(20000) + 0.5) / 20000
    mean = np.mean([3 * PUBLISHED[name](point) for point in middles])
    assert float(schedule.mean) == pytest.approx(mean, rel=1e-7)
    assert str(parse_guidance_schedule(f"{name}:3")) == f"{name}:3"


@pytest.mark.parametrize("name", SHAPES)
def test_refinement_comes_near_and_keeps_what_is_constant(name: str) -> None:
    schedule = GuidanceSchedule.named(name, 2)
    fine = schedule.refined(16)
    assert fine.is_piecewise_constant
    assert fine.boundaries[0] == 1 and fine.boundaries[-1] == 0
    for window in fine.windows:
        assert window.strength == schedule.at((window.high + window.low) / 2)
    assert fine.refined(3) == fine


def test_symbols_may_stand_for_strengths_and_boundaries() -> None:
    a, b = symbol("a", positive=True), symbol("b", positive=True)
    schedule = GuidanceSchedule.of([(a, 1, b), (0, b, 0)])
    assert sympy.simplify(schedule.mean - a * (1 - b)) == 0


def test_a_varying_strength_below_minus_one_is_seen() -> None:
    with pytest.raises(StrengthError, match="below -1"):
        GuidanceSchedule.of([(1 - 3 * u, 1, 0)])
