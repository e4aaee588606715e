"""Guidance in time as a flow, against generators built from joint tables and exponentiated window by window."""

from fractions import Fraction

import flint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.second_route import agree
from strategies import HARD, RULE_NAMES, Instance, instances, real_strengths
from windows_by_hand import law_after

from symguide.chains.chain import guided_chain
from symguide.chains.functionals import last_reveal
from symguide.chains.lattice import lattice
from symguide.errors import NotExactError, StrengthError
from symguide.flows.flow import run
from symguide.flows.guided_flow import passage, schedule_flow
from symguide.instances.datasets import load
from symguide.laws.tilt import composed, guidance
from symguide.numbers.arithmetic import BALLS, FLOATS, PRECISE, RATIONAL, SYMBOLIC
from symguide.numbers.exp_dd import in_powers
from symguide.schedules.guidance_schedule import GuidanceSchedule
from symguide.schedules.guidance_spec import parse_guidance_schedule
from symguide.symbols import symbol

CUTS = (Fraction(1), Fraction(3, 5), Fraction(1, 4), Fraction(1, 20))


def windows(strengths: tuple[Fraction, ...]) -> list[tuple[Fraction, Fraction, Fraction]]:
    return [(w, CUTS[j], CUTS[j + 1]) for j, w in enumerate(strengths)]


def schedule_of(strengths: tuple[Fraction, ...]) -> GuidanceSchedule:
    return GuidanceSchedule.of([*windows(strengths), (0, CUTS[3], 0)])


@pytest.mark.parametrize("rule", RULE_NAMES)
@settings(max_examples=20, deadline=None)
@given(instance=instances(), strengths=st.tuples(real_strengths(), real_strengths(), real_strengths()))
def test_windows_against_exponentials(rule: str, instance: Instance, strengths: tuple[Fraction, ...]) -> None:
    tilt, schedule = guidance(instance.problem, rule), schedule_of(strengths)
    with flint.ctx.workprec(400):
        expected = law_after(instance, rule, windows(strengths))
        found = run(schedule_flow(tilt, schedule, BALLS, CUTS[3]))
        for context, value in found.table.items():
            assert agree(value, expected[context], 25)
        floats = run(schedule_flow(tilt, schedule, FLOATS, CUTS[3]))
        for context, value in floats.table.items():
            assert float(value) == pytest.approx(float(expected[context]), rel=1e-11, abs=1e-300)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", ["squares", "a tie at w = 1", "three tokens"])
def test_every_arithmetic_and_the_lattice_agree(name: str, rule: str) -> None:
    tilt = guidance(HARD[name].problem, rule)
    schedule = parse_guidance_schedule("3@1:1/2,-1/2@1/2:1/5,1@1/5:0")
    with flint.ctx.workprec(200):
        balls = run(schedule_flow(tilt, schedule, BALLS))
        for field in (SYMBOLIC, PRECISE, FLOATS):
            law = run(schedule_flow(tilt, schedule, field))
            for context, value in balls.table.items():
                assert float(law[context]) == pytest.approx(float(value), rel=1e-11, abs=1e-15)
        arrays = run(schedule_flow(tilt, schedule, FLOATS, contexts=lattice(tilt)))
        for context, value in balls.table.items():
            assert float(arrays[context]) == pytest.approx(float(value), rel=1e-9, abs=1e-13)


def test_symbolic_strengths_and_boundaries() -> None:
    tilt = guidance(load("squares-overlap"))
    a, b, cut = symbol("w_1", real=True), symbol("w_2", real=True), symbol("u_1", positive=True)
    form = run(schedule_flow(tilt, GuidanceSchedule.of([(a, 1, cut), (b, cut, 0)]), SYMBOLIC))[2, 3]
    value = form.subs({a: 3, b: 1, cut: Fraction(1, 2)})
    law = run(schedule_flow(tilt, parse_guidance_schedule("3@1:1/2,1@1/2:0"), FLOATS))
    assert float(value) == pytest.approx(float(law[2, 3]), rel=1e-12)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_equal_strengths_are_no_windows(rule: str) -> None:
    tilt = guidance(load("squares-overlap"), rule)
    parted = passage(schedule_flow(tilt, parse_guidance_schedule("2@1:2/3,2@2/3:1/3,2@1/3:0"), FLOATS))
    chain = guided_chain(tilt)
    plain = chain.over(RATIONAL, 2)
    for context, value in zip(chain.states, plain.jump_law(), strict=True):
        if None not in context:
            assert float(parted.end[context]) == pytest.approx(float(value), rel=1e-13)
    assert float(parted.mean_clock) == pytest.approx(float(last_reveal(plain).mean), rel=1e-13)


def test_the_mean_clock_is_the_integral_of_tv() -> None:
    tilt, schedule = guidance(load("squares-overlap")), parse_guidance_schedule("3@1:1/2,0@1/2:0")
    found = passage(schedule_flow(tilt, schedule, FLOATS))

    def left(point: float) -> float:
        law = run(schedule_flow(tilt, schedule, FLOATS, Fraction(point)))
        return sum(float(p) for x, p in law.table.items() if None in x)

    grid = [(k + 0.5) / 400 for k in range(400)]  # ∫ TV ds = ∫ TV du/u, by the midpoint rule
    assert float(found.mean_clock) == pytest.approx(sum(left(point) / point for point in grid) / 400, rel=2e-5)


def test_forms_of_windows_are_exact() -> None:
    tilt, schedule = guidance(load("squares-overlap")), parse_guidance_schedule("3@1:1/8,0@1/8:0")
    value = in_powers(run(schedule_flow(tilt, schedule, SYMBOLIC))[2, 2])[0]
    assert not value.has(symbol("w", real=True))
    assert value.free_symbols == set()


def test_varying_and_constant_windows_mix() -> None:
    tilt = guidance(load("slower-sampling"))
    with flint.ctx.workprec(128):
        mixed = run(schedule_flow(tilt, parse_guidance_schedule("inverse-V:2"), BALLS))
        fine = run(schedule_flow(tilt, parse_guidance_schedule("inverse-V:2").refined(200), BALLS))
        finer = run(schedule_flow(tilt, parse_guidance_schedule("inverse-V:2").refined(400), BALLS))
    for context in mixed.states:
        error, half = (abs(float(law[context]) - float(mixed[context])) for law in (fine, finer))
        assert error < 1e-5
        assert half <= 0.27 * error + 1e-15  # of second order


def test_dead_contexts_stay_and_are_named() -> None:
    half, laws = "1/2", {"a": [(0, 0), (1, 1)], "b": [(0, 1), (1, 0)]}
    from symguide.laws.mixture import ClassMixture

    mixture = ClassMixture.of(2, 2, {name: (half, dict.fromkeys(law, half)) for name, law in laws.items()})
    found = passage(schedule_flow(composed(mixture, {"a": 0, "b": 0}), parse_guidance_schedule("constant:0"), FLOATS))
    assert [found.end.states[j] for j in found.lost] == [(None, 0), (None, 1), (0, None), (1, None)]
    assert sum(float(found.end.probabilities[j]) for j in found.lost) == pytest.approx(1)


def test_unconditional_windows_first_have_no_guided_law_afterwards() -> None:
    tilt = guidance(load("interval-overlap"))
    assert run(schedule_flow(tilt, parse_guidance_schedule("2@1:1/2,-1@1/2:0"), FLOATS))[(0,)] > 0
    two = guidance(load("squares-overlap"))
    with pytest.raises(StrengthError, match="keep w = -1 to the end"):
        passage(schedule_flow(two, parse_guidance_schedule("-1@1:1/2,2@1/2:0"), FLOATS))
    with pytest.raises(StrengthError, match="keep w = -1 to the end"):
        passage(schedule_flow(two, parse_guidance_schedule("-1@1:1/2,2@1/2:0"), FLOATS, contexts=lattice(two)))


def test_what_has_no_closed_form_is_refused() -> None:
    tilt = guidance(load("squares-overlap"))
    with pytest.raises(NotExactError, match="varies"):
        schedule_flow(tilt, parse_guidance_schedule("ramp-up:3"), FLOATS)
    with pytest.raises(NotExactError, match="irrational"):
        schedule_flow(tilt, parse_guidance_schedule("3@1:1/2,0@1/2:0"), RATIONAL)
