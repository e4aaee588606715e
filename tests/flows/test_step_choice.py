"""Chosen steps: derivatives against exact differences by enumeration, values by other routes, what is refused."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from plain_samplers import enumerate_law, plain_steps
from sampler_cases import UNEVEN
from strategies import HARD, RULE_NAMES, Instance

from symguide.errors import DataError, StrengthError, SymguideError
from symguide.evidence import Verdict
from symguide.flows import search, step_choice
from symguide.flows.sampler_flows import sampler_flow
from symguide.flows.samplers import SAMPLERS
from symguide.flows.step_choice import SAMPLERS_BY_FRACTION, choose_steps, step_derivatives
from symguide.flows.steps import Step
from symguide.flows.support_updates import support_updates
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS

SQUARES = HARD["squares"]


def rewards(states: Sequence[Any]) -> np.ndarray:
    return np.cos(np.arange(len(states)) + 0.5)


def enumerated(instance: Instance, sampler: str, rule: str, w: Any, fractions: list[Fraction], states: Any) -> float:
    """Weighted squares of the law on the support, each step by its rule, from joint tables."""
    law = enumerate_law(instance, sampler, rule, w, plain_steps(fractions))
    return float(sum(c * float(law.get(x, 0)) ** 2 for c, x in zip(rewards(states), states, strict=True)))


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("sampler", SAMPLERS_BY_FRACTION)
@pytest.mark.parametrize("name", ["uneven", "squares", "slower sampling", "exact ties"])
def test_derivatives_are_limits_of_differences_enumerated(name: str, sampler: str, rule: str) -> None:
    instance = HARD.get(name, UNEVEN)
    updates = support_updates(guidance(instance.problem, rule))
    states = list(updates.lattice.states)
    weights = rewards(states)
    fractions, w = [Fraction(x) for x in ("1", "3/4", "2/5", "1/10", "0")], 2.0
    found = step_derivatives(
        updates,
        sampler,
        [w] * 4,
        list(map(float, fractions[1:-1])),
        lambda law: (float(weights @ law**2), 2 * weights * law),
    )
    assert found.value == pytest.approx(enumerated(instance, sampler, rule, w, fractions, states), abs=1e-14)
    h = Fraction(1, 10**5)
    for j in range(1, 4):
        ends = [
            enumerated(instance, sampler, rule, w, [*fractions[:j], fractions[j] + move, *fractions[j + 1 :]], states)
            for move in (h, -h)
        ]
        assert found.by_boundary[j - 1] == pytest.approx((ends[0] - ends[1]) / float(2 * h), abs=2e-8)
    ends = [enumerated(instance, sampler, rule, w + move, fractions, states) for move in (1e-5, -1e-5)]
    assert found.by_strength.sum() == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=2e-8)


@pytest.mark.parametrize("sampler", SAMPLERS_BY_FRACTION)
def test_derivatives_of_what_stays(sampler: str) -> None:
    """Against differences of the sampler's own one-step law."""
    updates = support_updates(guidance(SQUARES.problem))
    menus = updates.menus(FLOATS, 1.5)
    law = SAMPLERS[sampler].law
    assert law is not None

    def stay(m: float, scale: float) -> np.ndarray:
        scaled = replace(menus, rates=menus.rates * scale, paces=menus.paces * scale)
        return law(scaled, Step(1.0, m, float("nan"), m), np.array([]))[1]

    by_m, by_pace = SAMPLERS_BY_FRACTION[sampler](0.6, menus.paces)
    assert by_m == pytest.approx((stay(0.6 + 1e-6, 1) - stay(0.6 - 1e-6, 1)) / 2e-6, abs=1e-9)
    assert by_pace * menus.paces == pytest.approx((stay(0.6, 1 + 1e-6) - stay(0.6, 1 - 1e-6)) / 2e-6, abs=1e-9)


def test_one_step_has_nothing_to_choose() -> None:
    found = choose_steps(SQUARES.problem, "ancestral", 1, 1, strength=1, kind="guided", starts=1)
    assert found.fractions == (1, 0)
    assert found.value.number == pytest.approx(found.uniform, abs=1e-12)


def test_two_normalised_tokens_take_equal_steps() -> None:
    """A pair of tokens meets in one step with chance ``Σ (u_k − u_{k+1})²``, least for equal steps."""
    found = choose_steps(SQUARES.problem, "ancestral", 4, 1, strength=1, kind="guided", starts=3, seed=7)
    assert [float(x) for x in found.fractions] == pytest.approx([1, 0.75, 0.5, 0.25, 0], abs=1e-4)
    assert found.evidence[0].verdict is Verdict.ENCLOSED
    assert found.evidence[1].verdict is Verdict.UNKNOWN  # no better than uniform, for it is


def test_no_worse_than_a_fine_grid() -> None:
    problem, starts = UNEVEN.problem, 3
    found = choose_steps(problem, "joint", 2, 2, strength=2, kind="guided", rule="rate", starts=starts)
    updates = support_updates(guidance(problem, "rate"))
    first = updates.lattice.offsets[-2]
    chain = updates.lattice.at(2.0)
    reference = chain.jump_law()[chain.last]

    def variation(law: np.ndarray) -> tuple[float, np.ndarray]:
        there = law[first:]
        return float(np.abs(there - reference).sum() + 1 - there.sum()) / 2, np.zeros(len(law))

    best = min(
        step_derivatives(updates, "joint", [2.0, 2.0], [u], variation).value for u in np.linspace(0.01, 0.99, 197)
    )
    assert found.value.number <= best + 1e-9
    assert len(found.starts) == starts


def test_strengths_of_their_own_do_better() -> None:
    fixed = choose_steps(SQUARES.problem, "ancestral", 3, 1, strength=1, starts=2)
    free = choose_steps(SQUARES.problem, "ancestral", 3, 1, starts=2)
    assert free.value.number < 1e-6 < 0.05 < fixed.value.number
    assert len(set(free.strengths)) == 3


def test_value_is_that_of_the_steps_reported() -> None:
    found = choose_steps(UNEVEN.problem, "ancestral", 3, 1, strength=1, kind="guided", starts=1)
    law = enumerate_law(UNEVEN, "ancestral", "normalised", 1, plain_steps(list(found.fractions)))
    chain = support_updates(guidance(UNEVEN.problem, "normalised")).lattice.at(1.0)
    exact = dict(zip(chain.terminal, chain.jump_law()[chain.last], strict=True))
    value = sum(abs(float(law.get(x, 0)) - exact.get(x, 0.0)) for x in law.keys() | exact.keys()) / 2
    assert found.value.number == pytest.approx(value, abs=1e-13)
    assert found.value.interval is not None
    assert found.value.interval[0] - 1e-15 <= value <= found.value.interval[1] + 1e-15


def test_a_wrong_search_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(problem: Any, sampler: Any, w: Any, steps: Any, *more: Any) -> Any:
        return sampler_flow(problem, sampler, [x + Fraction(1, 10) for x in w], steps, *more)

    monkeypatch.setattr(step_choice, "sampler_flow", wrong)
    found = choose_steps(SQUARES.problem, "ancestral", 2, 1, strength=1, starts=1)
    assert found.evidence[0].verdict is Verdict.REFUTED


def test_the_same_seed_chooses_the_same() -> None:
    first, again = (choose_steps(UNEVEN.problem, "joint", 3, 1, starts=3, seed=4) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"sampler": "euler"}, SymguideError, "no grid is chosen"),
        ({"steps": 0}, SymguideError, "steps is 0"),
        ({"kind": "posterior"}, SymguideError, "unknown"),
        ({"starts": 0}, SymguideError, "starts is 0"),
        ({"strength": -1}, StrengthError, "no range above -1"),
        ({"target": "x"}, SymguideError, "is no number"),
        ({"bounds": (2, 1)}, StrengthError, "no range above -1"),
        ({"problem": load("characters")}, DataError, "lists no support"),
    ],
)
def test_bad_questions(changes: dict[str, Any], error: type[Exception], words: str) -> None:
    settings = {"problem": SQUARES.problem, "sampler": "ancestral", "steps": 2, "target": 1, "starts": 1, **changes}
    with pytest.raises(error, match=words):
        choose_steps(**settings)


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(search, "import_module", missing)
    with pytest.raises(SymguideError, match=r"symguide\[optimise\]"):
        choose_steps(SQUARES.problem, "ancestral", 2, 1)
