"""Strengths taken as constant on short parts, against enclosures of the law of the varying strength."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_cases import UNEVEN
from strategies import HARD, RULE_NAMES, Instance, mixtures

from symguide.chains.functionals import total_variation
from symguide.chains.lattice import lattice
from symguide.flows.guided_flow import passage, schedule_flow
from symguide.flows.refinement import refinement
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLOATS
from symguide.schedules.guidance_schedule import GuidanceSchedule
from symguide.schedules.guidance_spec import parse_guidance_schedule
from symguide.symbols import u


def truth(instance: Instance, rule: str, schedule: GuidanceSchedule, at: Fraction = Fraction(0)):
    law = passage(schedule_flow(guidance(instance.problem, rule), schedule, BALLS, at)).end
    return law.map(lambda ball: float(ball.mid()), FLOATS)


@pytest.mark.parametrize("rule", RULE_NAMES)
@settings(max_examples=8)
@given(
    instance=mixtures(),
    spec=st.sampled_from(["ramp-up:2", "ramp-down:3/2", "cosine:1", "inverse-V:2", "V:1"]),
    pieces=st.sampled_from([1, 3, 8]),
)
def test_bound_holds(rule: str, instance: Instance, spec: str, pieces: int) -> None:
    schedule, tilt = parse_guidance_schedule(spec), guidance(instance.problem, rule)
    found = refinement(tilt, lattice(tilt), schedule, pieces)
    assert float(total_variation(found.passage.end, truth(instance, rule, schedule))) <= found.bound + 1e-13


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_bound_falls_with_the_parts_and_the_distance_with_their_square(rule: str) -> None:
    schedule, tilt = GuidanceSchedule.named("ramp-up", 3), guidance(HARD["squares"].problem, rule)
    law = truth(HARD["squares"], rule, schedule)
    found = [refinement(tilt, lattice(tilt), schedule, pieces) for pieces in (32, 64)]
    coarse, fine = (float(total_variation(part.passage.end, law)) for part in found)
    assert found[0].bound / found[1].bound == pytest.approx(2, abs=0.1)
    assert coarse / fine == pytest.approx(4, abs=0.2)
    assert 0 < fine < found[1].bound < 0.05


def test_strengths_that_turn_within_a_part() -> None:
    """Both ends of the part have the strength of its middle but for the bump between: only the range knows it."""
    bump = GuidanceSchedule.of([(1 + 4 * u * (1 - u), 1, 0)])
    tilt = guidance(HARD["squares"].problem, "normalised")
    found = refinement(tilt, lattice(tilt), bump, 1)
    law = truth(HARD["squares"], "normalised", bump)
    assert 0 < float(total_variation(found.passage.end, law)) <= found.bound


def test_negative_strengths_down_to_none() -> None:
    schedule = GuidanceSchedule.of([(-Fraction(9, 10) * u, 1, 0)])
    tilt = guidance(UNEVEN.problem, "rate")
    found = refinement(tilt, lattice(tilt), schedule, 16)
    assert float(total_variation(found.passage.end, truth(UNEVEN, "rate", schedule))) <= found.bound < 0.1


def test_constant_windows_cost_nothing() -> None:
    mixed = GuidanceSchedule.of([(3, 1, "1/2"), (2 * u, "1/2", 0)])
    tilt = guidance(HARD["squares"].problem)
    found = refinement(tilt, lattice(tilt), mixed, 4)
    assert len(found.passage.laws) == 1 + 1 + 4
    ramp = GuidanceSchedule.of([(3, 1, 0)])
    assert refinement(tilt, lattice(tilt), ramp, 4).bound == 0
