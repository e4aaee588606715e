"""What ``sample-law`` answers: exactly where it can, in doubles, against enumeration and against the chain."""

from fractions import Fraction
from typing import Any

import pytest
import sympy
from laws.second_route import guided, matches
from plain_samplers import enumerate_law, enumerate_step, plain_steps
from sampler_cases import UNEVEN
from strategies import HARD, Instance

from symguide.answers.samples import SampleAnswer, sample_answer
from symguide.errors import ChainTooLargeError, ClockError, DataError, NotExactError, StrengthError, SymguideError
from symguide.flows.samplers import SAMPLERS
from symguide.instances.datasets import load
from symguide.schedules.guidance_spec import parse_guidance_schedule
from symguide.schedules.published import constant, cosine, geometric, log_linear

QUANTITIES = ("masked", "tv_to_exact", "tv_to_exact_now", "tv_to_tilted", "off_support")


def distance(left: dict[Any, Any], right: dict[Any, Any]) -> Any:
    return sum(abs(left.get(x, 0) - right.get(x, 0)) for x in left.keys() | right.keys()) / 2


def expected(instance: Instance, sampler: str, rule: str, w: int, times: list[Fraction]) -> dict[str, Any]:
    """Every quantity from joint tables, by enumeration and linear algebra."""
    law = enumerate_law(instance, sampler, rule, w, plain_steps(times))
    reference = guided(instance, rule, Fraction(w))
    end = dict(reference.terminal())
    now = (
        {x: float(p) for x, p in guided(instance, rule, Fraction(w), exact=False).at(times[-1]).items()}
        if times[-1]
        else end
    )
    weights = {x: p ** (1 + w) * instance.unconditional[x] ** (-w) for x, p in instance.conditional.items()}
    tilted = {x: value / sum(weights.values()) for x, value in weights.items()}
    return {
        "masked": sum(p for x, p in law.items() if None in x),
        "tv_to_exact": distance(law, end),
        "tv_to_exact_now": distance(law, now),
        "tv_to_tilted": distance(law, tilted),
        "off_support": sum(p for x, p in law.items() if not any(matches(tokens, x) for tokens in instance.conditional)),
        "terminal": {x: p for x, p in law.items() if None not in x},
    }


@pytest.mark.parametrize("path", ["exact", "array"])
@pytest.mark.parametrize("at_step", [2, 4])
@pytest.mark.parametrize("sampler", ["ancestral", "euler", "euler-entrywise", "joint", "confidence"])
@pytest.mark.parametrize("name", ["uneven", "squares", "slower sampling"])
def test_answers_are_those_of_the_tables(name: str, sampler: str, at_step: int, path: str) -> None:
    instance, rule = HARD.get(name, UNEVEN), SAMPLERS[sampler].rule
    found = sample_answer(instance.problem, sampler, 4, log_linear(), 2, at_step=at_step, path=path)
    times = [1 - Fraction(j, 4) for j in range(at_step + 1)]
    if sampler == "confidence" and at_step < 4:
        return  # counts depend on all steps; enumerated in its own tests
    values = expected(instance, sampler, rule, 2, times)
    for quantity in QUANTITIES:
        assert getattr(found, quantity).value == pytest.approx(float(values[quantity]), rel=1e-12, abs=1e-14), quantity
    assert found.terminal.keys() == values["terminal"].keys()
    assert list(found.terminal) == sorted(found.terminal)
    for x, q in found.terminal.items():
        assert q.value == pytest.approx(float(values["terminal"][x]), rel=1e-12)
    assert (found.path, found.step, found.steps, found.rule) == (path, at_step, 4, rule)
    exact = [getattr(found, quantity).exact for quantity in QUANTITIES]
    if path == "exact":
        assert found.tv_to_exact.exact == values["tv_to_exact"]
        assert found.masked.exact == values["masked"]
        assert {x: q.exact for x, q in found.terminal.items()} == values["terminal"]
        assert isinstance(found.tv_to_exact_now.exact, Fraction | sympy.Expr)
    else:
        assert exact == [None] * 5


def test_irrational_probabilities_take_the_array_path() -> None:
    for sampler in ("tau-leaping", "exponential-jump"):
        assert sample_answer(load("xor"), sampler, 3, log_linear(), 1).path == "array"
        with pytest.raises(NotExactError, match="use the array path"):
            sample_answer(load("xor"), sampler, 3, log_linear(), 1, path="exact")
    assert sample_answer(load("xor"), "euler", 3, cosine(), 1).path == "array"
    assert sample_answer(load("xor"), "euler", 3, log_linear(), "1/2").path == "array"
    assert sample_answer(load("xor"), "ancestral", 3, log_linear(), 1, rule="rate").path == "array"


@pytest.mark.parametrize("path", ["exact", "array"])
@pytest.mark.parametrize("rule", ["rate", "normalised"])
def test_first_hitting_misses_nothing(rule: str, path: str) -> None:
    found = sample_answer(load("squares-overlap"), "first-hitting", 7, log_linear(), 2, rule, path=path)
    assert found.tv_to_exact.value == pytest.approx(0, abs=1e-13)
    assert found.masked.value == pytest.approx(0, abs=1e-13)
    early = sample_answer(load("squares-overlap"), "first-hitting", 7, log_linear(), 2, rule, at_step=3, path="array")
    assert early.tv_to_exact_now.value == pytest.approx(0, abs=1e-13)
    assert early.masked.value == pytest.approx(early.tv_to_exact.value)


def test_the_start_is_a_step_too() -> None:
    for path in ("exact", "array"):
        found = sample_answer(load("xor"), "euler", 3, log_linear(), 1, at_step=0, path=path)
        assert (found.masked.value, found.tv_to_exact.value, found.tv_to_exact_now.value) == (1.0, 1.0, 0.0)
        assert found.terminal == {}
        assert found.time == 1


def test_schedules_that_leave_masks() -> None:
    found = sample_answer(load("xor"), "ancestral", 5, geometric(), 1)
    left = float(geometric().u_end)
    assert found.masked.value == pytest.approx(1 - (1 - left) ** 2)
    final = sample_answer(load("xor"), "ancestral", 5, geometric(), 1, final="ancestral")
    assert final.masked == found.masked
    assert sum(q.value for q in final.terminal.values()) == pytest.approx(1)


def test_masks_are_counted_before_the_final_step() -> None:
    plain = sample_answer(load("xor"), "euler", 3, log_linear(), 1, end="1/2")
    shown = sample_answer(load("xor"), "euler", 3, log_linear(), 1, end="1/2", final="argmax")
    assert shown.masked == plain.masked
    assert sum(q.exact for q in shown.terminal.values()) == 1  # type: ignore[misc]
    assert shown.tv_to_exact.value < plain.tv_to_exact.value


def test_long_grids_are_doubles() -> None:
    found = sample_answer(load("interval-overlap"), "euler", 1000, log_linear(), 1)
    assert (found.path, found.time) == ("array", 0)
    assert found.tv_to_exact.value < 1e-12


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"sampler": "leap"}, SymguideError, "sampler 'leap' is unknown"),
        ({"steps": 0}, ClockError, "steps is 0"),
        ({"at_step": 4}, ClockError, "step 4 is asked for, but the sampler takes 3"),
        ({"at_step": -1}, ClockError, "step -1 is asked for"),
        ({"end": 1}, ClockError, "outside"),
        ({"end": "-1/2"}, ClockError, "outside"),
        ({"final": "guess"}, SymguideError, "final step 'guess' is unknown"),
        ({"final": "argmax", "at_step": 2}, ClockError, "after step 2 of 3, before it would happen"),
        ({"w": -2}, StrengthError, "below -1"),
        ({"path": "lumped"}, DataError, "choose exact or array"),
        ({"rule": "joint"}, SymguideError, "guidance rule 'joint' is unknown"),
        ({"schedule": constant("oo")}, ClockError, "infinite horizon"),
        ({"problem": load("hypercubes:D=30")}, ChainTooLargeError, "moves"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], error: type[Exception], words: str) -> None:
    given: dict[str, Any] = {"problem": load("xor"), "sampler": "euler", "steps": 3, "schedule": log_linear(), "w": 1}
    with pytest.raises(error, match=words):
        sample_answer(**(given | change))


def test_answers_carry_what_was_asked() -> None:
    found = sample_answer(load("xor"), "joint", 3, log_linear(), "1/2", final="unguided")
    assert isinstance(found, SampleAnswer)
    assert (found.sampler, found.rule, found.w, found.final) == ("joint", "rate", Fraction(1, 2), "unguided")


@pytest.mark.parametrize("sampler", ["ancestral", "euler", "tau-leaping", "joint"])
@pytest.mark.parametrize(
    ("spec", "strengths"),
    [("ramp-up:4", (0, 1, 2, 3)), ("3@1:1/2,0@1/2:0", (3, 3, 0, 0)), ("interval:2@3/4:1/4", (0, 2, 2, 0))],
)
def test_guidance_schedule_is_taken_at_the_start_of_every_step(
    sampler: str, spec: str, strengths: tuple[int, ...]
) -> None:
    """The log-linear schedule has ``u = t``; steps enumerated one by one, each with its own strength."""
    law: dict[Any, Any] = {(None,) * UNEVEN.length: 1}
    steps = plain_steps([1 - Fraction(j, 4) for j in range(5)])
    for w, step in zip(strengths, steps, strict=True):
        law = enumerate_step(UNEVEN, sampler, SAMPLERS[sampler].rule, w, law, step, 1)
    found = sample_answer(UNEVEN.problem, sampler, 4, log_linear(), parse_guidance_schedule(spec))
    complete = {x: float(p) for x, p in law.items() if None not in x and p != 0}
    assert {x: q.value for x, q in found.terminal.items()} == pytest.approx(complete, rel=1e-12, abs=1e-15)
    assert found.path == "array"
    assert found.notes[0].startswith("the tilted law is the one at the mean strength")


@pytest.mark.parametrize("rule", ["rate", "normalised"])
@pytest.mark.parametrize("spec", ["cosine:3", "4@1:1/2,0@1/2:0"])
def test_many_steps_reach_the_law_of_the_guidance_schedule(spec: str, rule: str) -> None:
    """At first order in the length of a step, half-way and at the end."""
    problem, schedule = load("squares-overlap"), parse_guidance_schedule(spec)
    errors = [
        sample_answer(problem, "ancestral", count, log_linear(), schedule, rule, at_step=reached)
        for count, reached in ((64, 32), (128, 64), (64, 64), (128, 128))
    ]
    for coarse, fine in (errors[:2], errors[2:]):
        assert 1e-4 < fine.tv_to_exact_now.value < 0.03
        assert coarse.tv_to_exact_now.value / fine.tv_to_exact_now.value == pytest.approx(2, abs=0.1)


def test_guidance_schedules_that_are_constant_are_strengths() -> None:
    problem = load("xor")
    steady = parse_guidance_schedule("constant:2")
    assert sample_answer(problem, "euler", 3, log_linear(), steady) == sample_answer(
        problem, "euler", 3, log_linear(), 2
    )


def test_first_hitting_has_the_law_of_the_guidance_schedule() -> None:
    schedule = parse_guidance_schedule("3@1:1/3,0@1/3:0")
    found = sample_answer(UNEVEN.problem, "first-hitting", 6, log_linear(), schedule, at_step=3)
    assert found.tv_to_exact_now.value == 0
    assert found.off_support.value == 0
