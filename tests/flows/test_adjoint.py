"""Derivatives by strengths and boundaries: against differences at 50 digits by another route; wrong ones refused."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from precise_windows import precise_law
from sampler_cases import UNEVEN
from strategies import HARD, RULE_NAMES, mixtures

from symguide.chains.lattice import lattice
from symguide.errors import ClockError, DataError
from symguide.flows import adjoint
from symguide.flows.adjoint import derivatives, terminal_probabilities
from symguide.flows.flow import run
from symguide.flows.guided_flow import schedule_flow
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import Tilt, composed, guidance
from symguide.numbers.arithmetic import FLOATS
from symguide.schedules.guidance_schedule import GuidanceSchedule
from symguide.symbols import w

POINTS = {
    1: ([1.5], []),
    3: ([2.0, -0.5, 1.0], [0.7, 0.2]),
    8: ([0.0, 3.0, 1.0, 0.5, -0.25, 2.0, 4.0, 1.0], [0.9, 0.8, 0.65, 0.5, 0.3, 0.2, 0.05]),
}


def weights_of(states: Sequence[Any]) -> np.ndarray:
    """A reward that tells all contexts apart."""
    return np.cos(np.arange(len(states)) + 0.5)


def precise_derivatives(
    tilt: Tilt, states: Sequence[Any], strengths: list[float], boundaries: list[float]
) -> tuple[float, np.ndarray, np.ndarray]:
    """Value and central differences at 50 digits of the sum of squares of the law, weighted."""
    with mpmath.workdps(50):
        step = mpmath.mpf(10) ** -15
        rewards = [mpmath.mpf(float(weight)) for weight in weights_of(states)]

        def value(ws: Sequence[Any], us: Sequence[Any]) -> Any:
            law = precise_law(tilt, ws, us)
            return sum(weight * law[x] ** 2 for weight, x in zip(rewards, states, strict=True))

        ws, us = ([mpmath.mpf(number) for number in part] for part in (strengths, boundaries))

        def by(part: list[Any], move: Callable[[list[Any]], Any]) -> np.ndarray:
            found = []
            for j in range(len(part)):
                ends = [move([*part[:j], part[j] + sign * step, *part[j + 1 :]]) for sign in (1, -1)]
                found.append(float((ends[0] - ends[1]) / (2 * step)))
            return np.array(found)

        return float(value(ws, us)), by(ws, lambda moved: value(moved, us)), by(us, lambda moved: value(ws, moved))


def squares(states: Sequence[Any]) -> adjoint.Functional:
    weights = weights_of(states)
    return lambda law: (float(weights @ law**2), 2 * weights * law)


def check(tilt: Tilt, strengths: list[float], boundaries: list[float]) -> None:
    contexts = lattice(tilt)
    found = derivatives(contexts, strengths, boundaries, squares(contexts.terminal))
    value, by_strength, by_boundary = precise_derivatives(tilt, list(contexts.terminal), strengths, boundaries)
    assert found.value == pytest.approx(value, abs=2e-13)
    assert found.by_strength == pytest.approx(by_strength, abs=2e-12)
    assert found.by_boundary == pytest.approx(by_boundary, abs=2e-11)


@pytest.mark.parametrize("windows", POINTS)
@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", ["squares", "uneven", "exact ties"])
def test_derivatives_are_limits_of_differences(name: str, rule: str, windows: int) -> None:
    check(guidance(HARD.get(name, UNEVEN).problem, rule), *POINTS[windows])


def test_pairs_and_composed_guidance() -> None:
    laws = {
        "a": {(0, 0): "1/2", (0, 1): "1/4", (1, 1): "1/4"},
        "b": {(0, 0): "1/8", (0, 1): "1/8", (1, 1): "3/4"},
        "c": {(0, 0): "1/3", (0, 1): "1/3", (1, 1): "1/3"},
    }
    mixture = ClassMixture.of(2, 2, {name: ("1/3", law) for name, law in laws.items()})
    for rule in RULE_NAMES:
        check(composed(mixture, {"a": w, "b": Fraction(-3, 2)}, rule), *POINTS[3])
        check(guidance(load("slower-sampling"), rule), *POINTS[3])


@pytest.mark.parametrize("rule", RULE_NAMES)
@settings(max_examples=8)
@given(
    instance=mixtures(),
    strengths=st.lists(st.sampled_from([-0.75, 0.0, 0.5, 1.0, 3.0]), min_size=2, max_size=2),
    boundary=st.sampled_from([0.9, 0.5, 0.01]),
)
def test_derivatives_of_random_instances(rule: str, instance: Any, strengths: list[float], boundary: float) -> None:
    check(guidance(instance.problem, rule), strengths, [boundary])


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", ["hypercubes-5d", "digits", "diamonds"])
def test_values_are_those_of_trajectories_however_stiff(name: str, rule: str) -> None:
    if name == "digits":
        pytest.importorskip("sklearn")
    tilt = guidance(load(name), rule)
    contexts = lattice(tilt)
    schedule = GuidanceSchedule.of([(20, 1, "7/10"), ("-1/2", "7/10", "1/10"), (8, "1/10", 0)])
    law = run(schedule_flow(tilt, schedule, FLOATS, contexts=contexts)).column[contexts.offsets[-2] :]
    found = terminal_probabilities(contexts, [20.0, -0.5, 8.0], [0.7, 0.1])
    assert np.abs(found - law).max() < 2e-13


@pytest.mark.parametrize(
    "wrong",
    [
        lambda slopes: tuple(-slope for slope in slopes),
        lambda slopes: (*slopes[:-1], 1.01 * slopes[-1]),
        lambda slopes: tuple(slope + 0.01 for slope in slopes),
    ],
    ids=["a sign", "a factor", "a shift"],
)
def test_wrong_slopes_are_noticed(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(lattice(guidance(HARD["squares"].problem)))
    right = kind.rate_slopes
    monkeypatch.setattr(kind, "rate_slopes", lambda self, chain: wrong(right(self, chain)))
    with pytest.raises(AssertionError):
        check(guidance(HARD["squares"].problem), *POINTS[3])


def test_wrong_way_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = adjoint.expected_transforms
    monkeypatch.setattr(adjoint, "expected_transforms", lambda chain, z, gains: right(chain, z, 1.001 * gains))
    with pytest.raises(AssertionError):
        check(guidance(HARD["squares"].problem), *POINTS[3])


def test_windows_that_are_none() -> None:
    contexts = lattice(guidance(load("xor")))
    for strengths, boundaries in (([1.0, 2.0], []), ([1.0, 2.0], [1.0]), ([1.0, 2.0, 3.0], [0.2, 0.4]), ([1.0], [0.5])):
        with pytest.raises(ClockError, match="boundaries that decrease"):
            terminal_probabilities(contexts, strengths, boundaries)


def test_dead_contexts_are_refused() -> None:
    laws = {"a": {(0, 0): "1/2", (1, 1): "1/2"}, "b": {(0, 1): "1/2", (1, 0): "1/2"}}
    mixture = ClassMixture.of(2, 2, {name: ("1/2", law) for name, law in laws.items()})
    with pytest.raises(DataError, match="dead"):
        terminal_probabilities(lattice(composed(mixture, {"a": 1, "b": 1})), [1.0], [])
