"""The window mixture against orders and windows enumerated one by one, and against the flow."""

from fractions import Fraction
from itertools import permutations, product
from math import comb, factorial

import flint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.second_route import conditional
from strategies import HARD, Instance, instances, integer_strengths

from symguide.errors import DataError, NotExactError
from symguide.flows.flow import run
from symguide.flows.guided_flow import schedule_flow
from symguide.flows.window_mixture import mix, window_mixture
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import composed, guidance
from symguide.numbers.arithmetic import BALLS, RATIONAL, SYMBOLIC
from symguide.schedules.guidance_schedule import GuidanceSchedule
from symguide.schedules.guidance_spec import parse_guidance_schedule
from symguide.symbols import symbol

THIRD = Fraction(1, 3)
EDGES = (Fraction(1), 2 * THIRD, Fraction(1, 4), Fraction(0))


def schedule_of(strengths: tuple[Fraction, ...]) -> GuidanceSchedule:
    return GuidanceSchedule.of([(w, EDGES[j], EDGES[j + 1]) for j, w in enumerate(strengths)])


def by_hand(instance: Instance, strengths: tuple[Fraction, ...]) -> dict[tuple[int, ...], Fraction]:
    """``Σ`` over the window of every position, and over the orders within windows, of products of tilted laws."""
    law: dict[tuple[int, ...], Fraction] = {}
    lengths = [EDGES[j] - EDGES[j + 1] for j in range(3)]
    for tokens in instance.conditional:
        whole = Fraction(0)
        for order in permutations(range(instance.length)):
            for places in product(range(3), repeat=instance.length):
                if list(places) != sorted(places):
                    continue
                # Given this order, m reveals fall in window j with the volume length^m / m!, times D! orders ÷ D!.
                weight = Fraction(1)
                for j in range(3):
                    weight *= lengths[j] ** places.count(j) / Fraction(factorial(places.count(j)))
                context: list[int | None] = [None] * instance.length
                for position, j in zip(order, places, strict=True):
                    ours = conditional(instance.conditional, tuple(context), position)
                    theirs = conditional(instance.unconditional, tuple(context), position)
                    tilted = {v: p * (p / theirs[v]) ** int(strengths[j]) for v, p in ours.items()}
                    weight *= tilted[tokens[position]] / sum(tilted.values())
                    context[position] = tokens[position]
                whole += weight
        law[tokens] = whole
    return law


@settings(max_examples=25, deadline=None)
@given(instance=instances(), strengths=st.tuples(*[integer_strengths(0)] * 3))
def test_against_enumeration(instance: Instance, strengths: tuple[Fraction, ...]) -> None:
    tilt = guidance(instance.problem, "normalised")
    parts = window_mixture(tilt, schedule_of(strengths), RATIONAL)
    assert len(parts) == comb(3 + instance.length - 1, instance.length)
    assert sum(part.weight for part in parts) == 1
    for part in parts:
        assert sum(part.law.probabilities) == 1
        assert sum(part.counts) == instance.length
    assert dict(mix(parts).table) == by_hand(instance, strengths)


@pytest.mark.parametrize("fraction", [Fraction(9, 10), 2 * THIRD, Fraction(1, 10), Fraction(0), Fraction(1)])
@pytest.mark.parametrize("name", ["squares", "three tokens", "pair", "one token"])
def test_on_the_way_against_the_flow(name: str, fraction: Fraction) -> None:
    tilt, schedule = guidance(HARD[name].problem, "normalised"), schedule_of((Fraction(2), Fraction(0), Fraction(5)))
    law = mix(window_mixture(tilt, schedule, RATIONAL, fraction))
    with flint.ctx.workprec(200):
        flow = run(schedule_flow(tilt, schedule, BALLS, fraction))
        for context, value in flow.table.items():
            expected = law[context]
            assert value.overlaps(flint.arb(flint.fmpq(expected.numerator, expected.denominator)))
    assert sum(law.probabilities) == 1


def test_six_components_of_two_tokens() -> None:
    parts = window_mixture(guidance(load("squares-overlap"), "normalised"), schedule_of((THIRD * 3,) * 3), RATIONAL)
    assert [part.counts for part in parts] == [(2, 0, 0), (1, 1, 0), (1, 0, 1), (0, 2, 0), (0, 1, 1), (0, 0, 2)]


def test_symbols() -> None:
    tilt = guidance(load("squares-overlap"), "normalised")
    strengths = [symbol(f"w_{j}", real=True) for j in (1, 2, 3)]
    cuts = [symbol(f"u_{j}", positive=True) for j in (1, 2)]
    schedule = GuidanceSchedule.of([(strengths[0], 1, cuts[0]), (strengths[1], *cuts), (strengths[2], cuts[1], 0)])
    form = mix(window_mixture(tilt, schedule, SYMBOLIC))[2, 2]
    values = dict(zip([*strengths, *cuts], [3, 0, 1, 2 * THIRD, Fraction(1, 4)], strict=True))
    exact = mix(window_mixture(tilt, schedule_of((Fraction(3), Fraction(0), Fraction(1))), RATIONAL))[2, 2]
    assert form.subs(values) == exact


def test_what_is_no_mixture_is_refused() -> None:
    early = parse_guidance_schedule("3@1:1/2,0@1/2:0")
    with pytest.raises(DataError, match="intensities are raw"):
        window_mixture(guidance(load("xor")), early, RATIONAL)
    with pytest.raises(NotExactError, match="varies"):
        window_mixture(guidance(load("xor"), "normalised"), parse_guidance_schedule("V:2"), RATIONAL)
    half, laws = "1/2", {"a": [(0, 0), (1, 1)], "b": [(0, 1), (1, 0)]}
    mixture = ClassMixture.of(2, 2, {name: (half, dict.fromkeys(law, half)) for name, law in laws.items()})
    with pytest.raises(DataError, match="nothing reveals"):
        window_mixture(composed(mixture, {"a": 0, "b": 0}, "normalised"), early, RATIONAL)
