"""Guidance schedules as they are typed: the grammar, times and steps, and windows that are none."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from published_shapes import PUBLISHED

from symguide.errors import ClockError, StrengthError, SymguideError
from symguide.schedules.guidance_schedule import GuidanceSchedule
from symguide.schedules.guidance_spec import parse_guidance_schedule
from symguide.schedules.published import SCHEDULES, constant, cosine, geometric, linear, parse_schedule


@given(cuts=st.lists(st.fractions(Fraction(1, 50), Fraction(49, 50), max_denominator=50), max_size=4, unique=True))
def test_what_is_printed_is_read_back(cuts: list[Fraction]) -> None:
    edges = [Fraction(1), *sorted(cuts, reverse=True), Fraction(0)]
    triples = [(Fraction(j, 2), high, low) for j, (high, low) in enumerate(pairwise(edges))]
    schedule = GuidanceSchedule.of(triples)
    assert parse_guidance_schedule(str(schedule)) == schedule
    assert schedule.strengths == tuple(w for w, _, _ in triples)
    assert schedule.mean == sum((w * (high - low) for w, high, low in triples), Fraction(0))
    for point in cuts:
        assert schedule.at(point) == next(w for w, high, low in triples if high == point or high > point > low)


def test_times_and_steps_become_mask_fractions() -> None:
    half = parse_guidance_schedule("3@t=1:t=0.5,0@t=0.5:t=0", cosine())
    assert half.boundaries == (1, sympy.sqrt(2) / 2, 0)
    steps = parse_guidance_schedule("3@step=0/50:step=25/50,0@step=25/50:step=50/50", linear(2))
    assert steps == GuidanceSchedule.of([(3, 1, "1/2"), (0, "1/2", 0)])
    assert parse_guidance_schedule("interval:3@t=0.8:t=0.2", linear()) == GuidanceSchedule.interval(3, "0.8", "0.2")
    assert parse_guidance_schedule("interval:3@1:0.2") == GuidanceSchedule.of([(3, 1, "1/5"), (0, "1/5", 0)])


def test_the_end_of_time_is_the_end_even_where_masks_are_left() -> None:
    assert geometric().u_end > 0
    assert parse_guidance_schedule("1@t=1:t=0", geometric()).boundaries == (1, 0)


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"constant", "geometric"}))
@pytest.mark.parametrize("shape", ["ramp-up", "V"])
def test_shapes_in_time(name: str, shape: str) -> None:
    noise = parse_schedule(name)
    schedule = parse_guidance_schedule(f"{shape}:2@t", noise)
    for time in (0.9, 0.6, 0.3, 0.1):
        point = noise.mask_fraction_at(time)
        assert float(schedule.at(float(point))) == pytest.approx(2 * PUBLISHED[shape](time), abs=1e-9)


def test_shapes_in_time_where_masks_are_left_at_its_end() -> None:
    noise = geometric()
    schedule = parse_guidance_schedule("ramp-up:2@t", noise)
    assert [window.low for window in schedule.windows] == [noise.u_end, 0]
    assert schedule.windows[-1].strength == 2
    assert float(schedule.at(float(noise.mask_fraction_at(0.25)))) == pytest.approx(1.5, abs=1e-9)
    points = (np.arange(4000) + 0.5) / 4000
    mean = np.mean([2 * (1 - noise.time_at(float(x))) for x in points if x > float(noise.u_end)])
    assert float(schedule.mean) == pytest.approx(mean, rel=1e-3)


BAD = {
    "3@1:0.5,0@0.4:0": "no window covers u from 1/2 to 2/5",
    "3@1:0.5,0@0.6:0": "two windows cover u from 3/5 to 1/2",
    "3@0.9:0": "no window covers u from 1 to 9/10",
    "3@1:0.5": "last window ends at u = 1/2",
    "3@0.5:1": "write the larger one first",
    "3@1:1,2@1:0": "write the larger one first",
    "3@2:0": "mask fractions lie in",
    "-2@1:0": "below -1",
    "ramp-up:-2": "below -1",
    "ramp-sideways:3": "unknown",
    "ramp-up:3@0.5:0.2": "covers everything",
    "ramp-up:3@t": "add --noise",
    "interval:3": "no bounds",
    "3": "is no window",
    "": "is no window",
    "3@1": "names 1 boundary",
    "3@1:0.5:0": "names 3 boundaries",
    "x@1:0": "that is no number",
    "3@1:half": "that is no number",
    "3@t=1:t=0": "add --noise",
    "nan@1:0": "guidance strength",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_schedules_get_one_line(text: str) -> None:
    with pytest.raises(SymguideError, match=BAD[text]) as caught:
        parse_guidance_schedule(text)
    assert isinstance(caught.value, ClockError | StrengthError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3@step=0/0:step=1/1", "step=J/K"),
        ("3@step=3/2:step=1/1", "step=J/K"),
        ("3@step=0:step=1", "step=J/K"),
        ("3@v=1:v=0", "write a mask fraction"),
        ("3@t=2:t=0", "runs on"),
    ],
)
def test_bad_times_and_steps(text: str, message: str) -> None:
    with pytest.raises(ClockError, match=message):
        parse_guidance_schedule(text, linear())


def test_what_needs_a_finite_horizon_says_so() -> None:
    endless = constant(sympy.oo)
    for text in ("3@step=0/2:step=2/2", "ramp-up:3@t"):
        with pytest.raises(ClockError, match="horizon"):
            parse_guidance_schedule(text, endless)
